"""The real engine on a chain that misbehaves, checked after every step.

A rule-based machine plays the actions of `keeper/sim/ordeal.py`: blocks by a miner of any taste,
reorgs one to five deep, base fees, time, pools that forget, bytes that are lost, doubled, refused
or late, receipts and heads that lag, a venue that refuses or reverts or does nothing, a vault that
moves, a stranger with our key, halts and resumes, and deaths, halts, blocks and reorgs between any
two side effects of a tick. Two processes take turns on one journal; the lock that keeps them apart
is taken for granted here.

Checked after every step, by `keeper/sim/audit.py`: I1 to I10, I13, I14; at every restart: I12; at
the end, when the faults stop: I2, I11 (the SQLite journal rebuilds its tables from its log), I17
and I18. Checked elsewhere: I15 (no secret in any output) where output is made, I16 (providers that
lie) where several nodes are read. I14 holds here for what is decided; that a process's own view
never goes backwards is the chain adapter's promise, and the model keeps it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.ordeal import (
    DELIVERIES,
    INTERRUPTIONS,
    MOODS,
    MOST_POINTS,
    PICKS,
    RANGES,
    Action,
    Name,
    Ordeal,
    Tally,
    confirmations_of,
    script,
)
from keeper.sim.world import CHAIN

NIGHTLY = os.environ.get("KEEPER_PROFILE") == "nightly"
STEPS = 50
NIGHTLY_STEPS = 200_000
MACHINES = 2
EXAMPLES = -(-NIGHTLY_STEPS // (MACHINES * STEPS // 2)) if NIGHTLY else 30
"""A machine of at most `STEPS` steps takes more than half of them on the average."""
SEEDS = (*range(120), 221)
"""In the last a reorg gives back a nonce that was used above the confirmations."""
SCRIPT_STEPS = 60

numbers = st.integers


@contextmanager
def ordeal_on(kind: str, confirmations: int) -> Iterator[Ordeal]:
    """Make an ordeal on a journal of its own."""
    if kind == "memory":
        yield Ordeal(MemoryJournal(), confirmations=confirmations)
        return
    with SqliteJournal.in_memory(CHAIN) as journal:
        yield Ordeal(journal, journal.verify, confirmations=confirmations)


class BadDays(RuleBasedStateMachine):
    """Everything that can happen, in any order."""

    kind = "memory"
    total = Tally()

    @initialize(confirmations=st.sampled_from((2, 3, 6)))
    def begin(self, confirmations: int) -> None:
        self._held = ordeal_on(self.kind, confirmations)
        self.ordeal = self._held.__enter__()

    @rule(who=numbers(0, 1))
    def turn(self, who: int) -> None:
        self.ordeal.act(Action("turn", who))

    @rule(who=numbers(0, 1), point=numbers(1, MOST_POINTS), what=numbers(0, len(INTERRUPTIONS) - 1))
    def turn_and_meanwhile(self, who: int, point: int, what: int) -> None:
        self.ordeal.act(Action("turn", who, point, what))

    @rule(pick=numbers(0, len(PICKS) - 1), more=numbers(0, 2))
    def mine(self, pick: int, more: int) -> None:
        self.ordeal.act(Action("mine", pick, more))

    @rule(depth=numbers(0, 4), pick=numbers(0, len(PICKS) - 1), forgotten=numbers(0, 1))
    def reorg(self, depth: int, pick: int, forgotten: int) -> None:
        self.ordeal.act(Action("reorg", depth, pick, forgotten))

    @rule(delivery=numbers(0, len(DELIVERIES) - 1))
    def delivery(self, delivery: int) -> None:
        self.ordeal.act(Action("delivery", delivery))

    @rule(head=numbers(0, 1), receipts=numbers(0, 4))
    def lag(self, head: int, receipts: int) -> None:
        self.ordeal.act(Action("lag", head, receipts))

    @rule(name=st.sampled_from(("wait", "fee", "move", "price", "late")), data=st.data())
    def weather(self, name: Name, data: st.DataObject) -> None:
        self.ordeal.act(Action(name, data.draw(numbers(0, RANGES[name][0] - 1))))

    @rule(mood=numbers(0, len(MOODS) - 1))
    def mood(self, mood: int) -> None:
        self.ordeal.act(Action("mood", mood))

    @rule(name=st.sampled_from(("forget", "halt", "resume", "restart", "resume", "stranger")))
    def event(self, name: Name) -> None:
        self.ordeal.act(Action(name))

    def teardown(self) -> None:
        if not hasattr(self, "ordeal"):
            return
        try:
            if not self.ordeal.auditor.violations:
                self.ordeal.heal()
        finally:
            for name in Tally.__struct_fields__:
                more = getattr(self.ordeal.tally, name)
                setattr(self.total, name, getattr(self.total, name) + more)
            self._held.__exit__(None, None, None)


class BadDaysOnDisk(BadDays):
    """The same with the journal of production."""

    kind = "sqlite"
    total = Tally()


@pytest.mark.timeout(7_200 if NIGHTLY else 120)
@pytest.mark.parametrize("machine", [BadDays, BadDaysOnDisk])
def test_whatever_happens_in_any_order_no_invariant_breaks(machine: type[BadDays]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not NIGHTLY,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert machine.total.turns
    if NIGHTLY:
        sys.stderr.write(f"{machine.__name__}: {machine.total}\n")


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_hundred_rehearsed_disasters_end_with_every_hedge_done_once(kind: str) -> None:
    crashes = 0
    for seed in SEEDS:
        with ordeal_on(kind, confirmations_of(seed)) as ordeal:
            for action in script(seed, SCRIPT_STEPS):
                ordeal.act(action)
            ordeal.heal()
            crashes += ordeal.tally.crashes
    assert crashes > len(SEEDS) // 2


def act_all(ordeal: Ordeal, *actions: Action) -> None:
    for action in actions:
        ordeal.act(action)


def statuses(ordeal: Ordeal) -> list[str]:
    return [file.outcome.status for file in ordeal.auditor.files.values() if file.outcome]


def test_t5_a_stranger_on_our_nonce_halts_a_person_resumes_and_trading_goes_on() -> None:
    with ordeal_on("sqlite", 2) as ordeal:
        act_all(ordeal, Action("stranger"), Action("turn"))
        ordeal.heal()
        assert statuses(ordeal) == ["displaced", "done", "done"]


def test_c1_a_reorg_shallower_than_the_confirmations_changes_no_outcome() -> None:
    with ordeal_on("sqlite", 3) as ordeal:
        act_all(ordeal, Action("turn"), Action("mine"), Action("turn"))
        act_all(ordeal, Action("reorg", 0, PICKS.index("none"), 1), Action("turn"))
        assert statuses(ordeal) == []
        ordeal.heal()
        assert statuses(ordeal) == ["done", "done"]
        assert not ordeal.auditor.undone


def test_c3_a_reorg_deeper_than_the_confirmations_halts_and_is_healed_without_a_double() -> None:
    with ordeal_on("sqlite", 2) as ordeal:
        act_all(ordeal, Action("turn"), Action("mine", 0, 1), Action("turn"))
        assert statuses(ordeal) == ["done"]
        act_all(ordeal, Action("reorg", 2, PICKS.index("none"), 1), Action("turn"))
        assert ordeal.auditor.undone
        assert "took back" in (ordeal.journal.halted() or "")
        ordeal.heal()
        assert statuses(ordeal) == ["done", "abandoned", "done"]


def test_r10_an_index_that_lags_as_far_as_it_may_displaces_nothing() -> None:
    with ordeal_on("sqlite", 2) as ordeal:
        act_all(ordeal, Action("turn"), Action("lag", 0, 3))
        for _ in range(6):
            act_all(ordeal, Action("mine"), Action("turn"), Action("turn"))
        assert statuses(ordeal) == ["done"]
