"""Rows of the catalogue of faults that need a whole world in memory and nothing more."""

import contextlib
from collections.abc import Callable

import msgspec
import pytest

from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.engine.tick import Desk, tick
from keeper.model.errors import Fatal, Transient
from keeper.model.events import Decided, Event, Intended, Sent, Signed
from keeper.model.flow import Hold
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import LIMITS, Crash, MortalJournal, World, desk_of
from tests.engine.conftest import CLOSE, statuses

DAY_MS = 86_400_000


def until_quiet(world: World, desk: Desk) -> None:
    for _ in range(40):
        tick(desk)
        if not desk.hands.log.journal.open() and abs(world.position + world.delta) < CLOSE:
            return
        world.mine()
    pytest.fail("an intent stayed open, or the vault unhedged")


def test_t1_what_the_pool_dropped_is_sent_again_byte_for_byte_until_it_is_mined() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    for _ in range(2):
        world.pool.clear()
        world.now_ms += 15_000
        tick(desk)
    assert len(world.raws) == 3
    assert len(set(world.raws)) == 1
    until_quiet(world, desk)
    assert statuses(journal) == ["done"]


def test_t4_nonce_too_low_is_not_believed_and_the_receipt_of_an_older_attempt_settles() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.now_ms += 60_000

    def mined_meanwhile(_raw: bytes) -> str:
        world.mine()
        return "-32000: nonce too low: next nonce 1, tx nonce 0"

    world.send = mined_meanwhile  # type: ignore[method-assign,assignment]  # as the bump arrives
    tick(desk)
    assert [a.nonce for a in journal.attempts()] == [0, 0]
    world.mine()
    tick(desk)
    assert statuses(journal) == ["done"]
    assert len(world.included) == 1


def test_t16_a_simulation_that_gets_no_answer_burns_no_nonce() -> None:
    world = World()
    journal = MemoryJournal()
    loop = Loop(desk_of(world, journal), Mailbox())
    simulate = world.simulate

    def silent(*_args: object) -> bytes:
        raise Transient("the node did not answer the call")

    world.simulate = silent  # type: ignore[method-assign,assignment]  # for one look
    loop.turn(frozenset({"block"}))
    assert journal.attempts() == []
    assert journal.halted() is None
    world.simulate = simulate  # type: ignore[method-assign]  # and well again
    for _ in range(4):
        world.mine()
        loop.turn(frozenset({"block"}))
    assert statuses(journal) == ["abandoned", "done"]
    assert [a.nonce for a in journal.attempts()] == [0]


@pytest.mark.parametrize(
    "words", ["nonce too high: tx nonce 5, state nonce 0", "replacement transaction underpriced"]
)
def test_t18_a_sequencer_without_a_mempool_gets_the_same_nonce_again(words: str) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    take = world.send

    def refuse(raw: bytes) -> str:
        return words if raw else ""

    world.send = refuse  # type: ignore[method-assign]  # it keeps nothing for later
    for _ in range(4):
        tick(desk)
        world.mine_nothing()
    world.send = take  # type: ignore[method-assign]  # it takes what is next
    world.now_ms += 15_000
    tick(desk)
    until_quiet(world, desk)
    assert statuses(journal) == ["done"]
    assert {a.nonce for a in journal.attempts()} == {0}


def test_c5_on_a_chain_that_stands_still_nothing_is_decided_to_be_traded() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    world.now_ms += (LIMITS.max_block_age_s + 1) * 1_000
    (note,) = tick(desk)
    assert isinstance(note.decision, Hold)
    assert note.decision.reason == "refused: block age"
    assert world.raws == []
    world.number += (LIMITS.max_block_age_s + 1) // 12
    world.updated_at_s = world.block_time_s()
    tick(desk)
    assert len(world.raws) == 1, "as soon as there are blocks of now"


def test_after_a_stall_a_price_from_before_it_is_not_traded_on() -> None:
    world = World()
    before_s = world.updated_at_s
    world.number += 1_000  # the backlog, all at once
    world.now_ms = world.block_time_s() * 1_000
    assert world.block_time_s() - before_s > LIMITS.max_price_age_s
    (note,) = tick(desk_of(world, MemoryJournal()))
    assert isinstance(note.decision, Hold)
    assert note.decision.reason.startswith("the price is stale")
    assert world.raws == []


@pytest.mark.parametrize("hours", [-3, 3])
@pytest.mark.parametrize("jump_after", range(4))
def test_k1_a_wall_clock_that_jumps_neither_doubles_a_hedge_nor_stops_it(
    hours: int, jump_after: int
) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    steps: list[Callable[[], object]] = [
        lambda: tick(desk),
        world.pool.clear,
        lambda: tick(desk),
        world.mine,
    ]
    for number, step in enumerate(steps):
        if number == jump_after:
            world.now_ms += hours * 3_600_000
        step()
    for _ in range(8):
        # Blocks come by the chain's own clock, one every few looks.
        world.now_ms += 20_000
        tick(desk)
        for _ in range(3):
            world.mine()
    if hours > 0 and jump_after == 0:
        assert world.raws == [], "to this clock every block is old: it says so and waits"
        world.now_ms -= hours * 3_600_000
        until_quiet(world, desk)
    assert statuses(journal) == ["done"]
    assert len({a.nonce for a in journal.attempts()}) == 1
    assert abs(world.position + world.delta) < CLOSE


@pytest.mark.parametrize("lives", range(12))
def test_p12_after_a_day_of_downtime_what_was_not_signed_is_dropped_and_the_rest_is_the_chains(
    lives: int,
) -> None:
    world = World()
    journal = MortalJournal(world)
    desk = desk_of(world, journal)
    world.lives = lives
    with contextlib.suppress(Crash):
        tick(desk)
    signed, intents = journal.attempts(), [e for e in journal.events if isinstance(e, Intended)]
    world.lives = float("inf")
    world.number += DAY_MS // 12_000
    world.now_ms += DAY_MS
    world.updated_at_s = world.block_time_s()
    until_quiet(world, desk)
    if intents and not signed:
        assert statuses(journal) == ["abandoned", "done"]
    elif signed:
        # Too late for its calldata: its nonce is used up by nothing, or by it before that.
        assert statuses(journal)[0] in {"cancelled", "failed"}
    assert statuses(journal)[-1] == "done"
    assert sum(status == "done" for status in statuses(journal)) == 1
    assert abs(world.position + world.delta) < CLOSE


def test_s1_nothing_is_sent_that_could_not_be_written_down() -> None:
    world = World()

    class Full(MemoryJournal):
        def append(self, *events: Event) -> None:
            if any(isinstance(event, Signed) for event in events):
                raise Fatal("the journal cannot be written: database or disk is full")
            super().append(*events)

    journal = Full()
    Loop(desk_of(world, journal), Mailbox()).turn(frozenset({"block"}))
    assert world.raws == []
    assert not any(isinstance(event, Sent) for event in journal.events)
    assert "disk is full" in str(journal.halted())


def test_s8_a_send_waits_for_its_commit_and_a_late_one_expires_cleanly() -> None:
    world = World()

    class Held(MemoryJournal):
        held = True

        def append(self, *events: Event) -> None:
            if self.held and any(isinstance(event, Signed) for event in events):
                raise Transient("the journal is held by another process's transaction")
            super().append(*events)

    journal = Held()
    loop = Loop(desk_of(world, journal), Mailbox())
    loop.turn(frozenset({"block"}))
    assert world.raws == []
    journal.held = False
    for _ in range(4):
        world.mine()
        loop.turn(frozenset({"block"}))
    assert statuses(journal) == ["done"]
    assert abs(world.position + world.delta) < CLOSE


def test_p10_p11_all_that_rings_during_a_long_tick_is_one_tick_more() -> None:
    world = World(delta=0.0)
    journal = MemoryJournal()
    mailbox = Mailbox()
    desk = desk_of(world, journal)

    def ring(_decided: tuple[Decided, ...]) -> None:
        if loop.pulse.ticks == 0:
            for trigger in ("schedule", "cron", "block", "AnswerUpdated", "schedule"):
                mailbox.post(trigger)
        else:
            loop.stop()

    loop = Loop(desk, mailbox, after_tick=ring)
    loop.run()
    decided = [event for event in journal.events if isinstance(event, Decided)]
    assert loop.pulse.ticks == len(decided) == 2
    assert decided[1].triggers == ("AnswerUpdated", "block", "cron", "schedule")


def test_g4_a_hedge_is_outbid_only_so_often_however_long_it_is_stuck() -> None:
    limits = msgspec.structs.replace(LIMITS, max_gas_price_wei=60 * 10**9)
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal, limits=limits)
    for _ in range(60):
        tick(desk)
        world.now_ms += 46_000
    # From 21 gwei in eighths, nine steps fit below 60.
    assert len(journal.attempts()) == 1 + 8
    assert max(a.fees.max_fee_wei for a in journal.attempts()) <= limits.max_gas_price_wei
    assert len(world.raws) > len(journal.attempts()), "then the newest bytes are sent again"
