"""Everything at once: crashes, reorgs, halts, deaf and stubborn nodes, at a venue of either kind.

Whatever comes in whatever order, no nonce has two effects and none is skipped; and when the faults
stop, the vault is hedged once and nothing is open.
"""

import contextlib
from collections.abc import Callable, Iterator
from random import Random

import pytest

from keeper.engine.tick import Desk, tick
from keeper.model.errors import KeeperError
from keeper.model.events import Halted, Resumed
from keeper.model.flow import Attempt
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.patient import PatientVenue, PatientWorld
from keeper.sim.world import Crash, MortalJournal, World, desk_of

STEPS = 120
SEEDS = 60
CLOSE = 0.3


class Chaos:
    """One world, one keeper, and a die."""

    def __init__(self, seed: int, *, patient: bool) -> None:
        self.die = Random(seed)  # noqa: S311  # a test wants the same throws each time
        self.world = PatientWorld() if patient else World()
        self.journal = MortalJournal(self.world)
        venue = PatientVenue(self.world) if isinstance(self.world, PatientWorld) else None
        self.desk: Desk = desk_of(self.world, self.journal, venue=venue)

    def look(self) -> None:
        with contextlib.suppress(Crash, KeeperError):
            tick(self.desk)
        self.world.lives = float("inf")

    def look_and_die(self) -> None:
        self.world.lives = self.die.randrange(6)
        self.look()

    def mine(self) -> None:
        self.world.mine(oldest=self.die.random() < CLOSE)

    def mine_nothing(self) -> None:
        for _ in range(self.die.choice((1, 1, 60))):
            self.world.mine_nothing()

    def reorganise(self) -> None:
        self.world.reorg(1)

    def deafen(self) -> None:
        self.world.deaf = not self.world.deaf

    def refuse(self) -> None:
        self.world.refusal = None if self.world.refusal else "intrinsic gas too low"

    def revert(self) -> None:
        self.world.revert_reason = None if self.world.revert_reason else b"no"

    def wait(self) -> None:
        self.world.now_ms += 60_000

    def want(self) -> None:
        self.world.delta = self.die.choice((5.0, 10.0, 20.0))

    def halt_or_resume(self) -> None:
        halted = self.journal.halted()
        turn = Halted("by hand", 0) if halted is None else Resumed("by hand", 0)
        MemoryJournal.append(self.journal, turn)

    def execute(self) -> None:
        """Let the venue fill what rests there, wholly or by half, or end it."""
        for order, resting in getattr(self.world, "orders", {}).items():
            rest = resting.units - resting.filled
            if resting.state == "open" and isinstance(self.world, PatientWorld):
                part = self.die.choice((1.0, 0.5, 0.0))
                self.world.execute(order, part * rest)
                if part == 1.0:
                    self.world.end(order, "filled")
                elif part == 0.0:
                    self.world.end(order, "partial" if resting.filled else "cancelled")

    def faults_stop(self) -> None:
        self.world.deaf, self.world.refusal, self.world.revert_reason = False, None, None
        if self.journal.halted() is not None:
            self.journal.append(Resumed("the faults have stopped", 0))

    def is_quiet(self) -> bool:
        return not self.journal.open() and abs(self.world.position + self.world.delta) < CLOSE


def by_intent(journal: MemoryJournal) -> Iterator[list[Attempt]]:
    attempts = journal.attempts()
    for intent in journal.intents():
        if mine := [a for a in attempts if a.intent_id == intent.id]:
            yield mine


def check(chaos: Chaos) -> None:
    slots = list(by_intent(chaos.journal))
    assert [slot[0].nonce for slot in slots] == list(range(len(slots))), "no gap, no nonce twice"
    for slot in slots:
        assert len({attempt.nonce for attempt in slot}) == 1
        assert sum(attempt.hash in chaos.world.included for attempt in slot) <= 1
        purposes = [attempt.purpose for attempt in slot]
        assert purposes == sorted(purposes, reverse=True), "no hedge is signed after a cancel"


@pytest.mark.parametrize("patient", [False, True])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_comes_no_trade_is_doubled_or_lost(seed: int, *, patient: bool) -> None:
    chaos = Chaos(seed, patient=patient)
    often: tuple[Callable[[], None], ...] = (chaos.look, chaos.mine) * 4
    faults = (
        chaos.look_and_die, chaos.mine_nothing, chaos.reorganise, chaos.deafen, chaos.refuse,
        chaos.revert, chaos.wait, chaos.want, chaos.halt_or_resume, chaos.execute,
    )  # fmt: skip
    for _ in range(STEPS):
        chaos.die.choice(often + faults)()
        check(chaos)
    chaos.faults_stop()
    for _ in range(400):
        chaos.look()
        chaos.execute()
        chaos.mine()
        chaos.wait()
        if chaos.is_quiet():
            break
    check(chaos)
    assert chaos.is_quiet()
    assert chaos.journal.halted() is None, "nothing of this is worth a person's time"
