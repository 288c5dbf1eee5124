from threading import Thread

import msgspec
import pytest

from keeper.engine.leadership import Leadership
from keeper.engine.loop import Loop, Pace
from keeper.engine.mailbox import Mailbox
from keeper.engine.reconcile import UnknownHistory
from keeper.model.chain import BlockRef
from keeper.model.errors import BadData, Fatal, Fenced, KeeperError, Transient, Uncertain
from keeper.model.events import Adopted, Decided, Event, Halted, Resumed, Troubled
from keeper.ports.acting import Open, Work, nothing
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import LIMITS, World, desk_of
from keeper.testing.leases import HandLease


def loop_on(world: World, journal: MemoryJournal) -> Loop:
    return Loop(desk_of(world, journal), Mailbox())


def failing(error: BaseException) -> object:
    def head(meanwhile: Work = nothing) -> BlockRef:
        del meanwhile
        raise error

    return head


def test_a_wake_up_is_a_tick() -> None:
    journal = MemoryJournal()
    loop = loop_on(World(), journal)
    loop.turn(frozenset({"block"}))
    assert loop.pulse.ticks == 1
    assert any(isinstance(e, Decided) for e in journal.events)


def test_t13_a_delegated_account_is_warned_of_once_after_each_start() -> None:
    world = World(delta=0.0)
    world.delegated_to = "0x7702"
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    for _ in range(3):
        loop.turn(frozenset({"block"}))
        journal.append(Resumed("again", world.now_ms))
        loop._reconciled = False
    assert len([e for e in journal.events if isinstance(e, Troubled)]) == 1
    assert loop.pulse.ticks == 3


def test_nonces_used_by_hand_during_a_halt_are_adopted_after_the_resume() -> None:
    world = World(delta=0.0)
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    loop.turn(frozenset({"block"}))
    journal.append(Halted("by hand, from another process", world.now_ms))
    loop.turn(frozenset({"block"}))
    world.base_nonce = 3
    world.delta = 10.0
    journal.append(Resumed("traded by hand", world.now_ms))
    loop.turn(frozenset({"block"}))
    assert [type(e).__name__ for e in journal.events].count("Adopted") == 1
    assert [tx.nonce for tx in world.pool.values()] == [3]
    assert journal.halted() is None


def test_without_a_wake_up_nothing_happens() -> None:
    loop = loop_on(World(delta=0.0), MemoryJournal())
    loop.turn(frozenset())
    assert loop.pulse.ticks == 0


def test_an_open_intent_is_looked_at_again_without_a_wake_up() -> None:
    world = World()
    loop = loop_on(world, MemoryJournal())
    loop.turn(frozenset({"block"}))
    world.now_ms += 2_000
    loop.turn(frozenset())
    assert loop.pulse.ticks == 2


@pytest.mark.parametrize("error", [Transient("node down"), BadData("torn read")])
def test_trouble_that_passes_is_noted_and_tried_again(error: KeeperError) -> None:
    world = World()
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    head = world.head
    world.head = failing(error)  # type: ignore[method-assign,assignment]  # a node in trouble
    loop.turn(frozenset({"block"}))
    assert isinstance(journal.events[-1], Troubled)
    assert loop.pulse.troubles == 1
    assert journal.halted() is None
    world.head = head  # type: ignore[method-assign]  # and well again
    world.now_ms += 2_000
    loop.turn(frozenset())
    assert loop.pulse.ticks == 1


@pytest.mark.parametrize("error", [Fatal("displaced"), RuntimeError("a bug"), KeeperError("?")])
def test_what_nobody_can_handle_halts_and_nothing_trades_until_resumed(error: Exception) -> None:
    world = World()
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    head = world.head
    world.head = failing(error)  # type: ignore[method-assign,assignment]  # the worst
    loop.turn(frozenset({"block"}))
    assert str(error).split(" (")[0] in str(journal.halted())
    world.head = head  # type: ignore[method-assign]  # it is over, but nobody has looked
    loop.turn(frozenset({"block"}))
    assert world.raws == []
    journal.append(Resumed("looked at it", world.now_ms))
    loop.turn(frozenset({"block"}))
    assert len(world.raws) == 1


def test_a_second_fatal_error_does_not_halt_twice() -> None:
    world = World()
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    world.head = failing(Fatal("again"))  # type: ignore[method-assign,assignment]  # for good
    loop.turn(frozenset({"block"}))
    loop.turn(frozenset({"block"}))
    assert len([e for e in journal.events if isinstance(e, Halted)]) == 1


def test_a_request_is_served_once() -> None:
    world = World()
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    journal.ask("rebalance")
    loop.turn(frozenset())
    assert journal.requests() == ()
    assert len(world.raws) == 1


def test_flatten_is_served_when_the_hedge_is_seen_to_be_zero_and_then_halts() -> None:
    world = World()
    world.position = -10.0
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    journal.ask("flatten")
    loop.turn(frozenset())
    world.mine()
    loop.turn(frozenset())
    assert journal.requests(), "flat, but a reorg may still take it back"
    world.mine()
    loop.turn(frozenset())
    assert journal.requests() == ()
    assert world.position == 0.0
    assert journal.halted() == "flattened by hand"
    loop.turn(frozenset({"block"}))
    assert world.position == 0.0, "a flattened book is not hedged again by itself"


def test_a_request_stays_when_the_world_cannot_be_read() -> None:
    world = World()
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    world.head = failing(Transient("down"))  # type: ignore[method-assign,assignment]  # for now
    journal.ask("rebalance")
    loop.turn(frozenset())
    assert len(journal.requests()) == 1


def test_a_rebalance_waits_until_its_book_can_be_read() -> None:
    world = World()
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    reported_at_s, world.updated_at_s = world.updated_at_s, 1
    journal.ask("rebalance")
    loop.turn(frozenset())
    assert len(journal.requests()) == 1, "nothing was done, so nothing may be called done"
    world.updated_at_s = reported_at_s
    loop.turn(frozenset())
    assert journal.requests() == ()
    assert len(world.raws) == 1


def test_a_rebalance_waits_for_the_intent_before_it() -> None:
    world = World()
    journal = MemoryJournal()
    loop = loop_on(world, journal)
    loop.turn(frozenset({"block"}))
    world.delta = 20.0
    journal.ask("rebalance")
    loop.turn(frozenset())
    assert len(journal.requests()) == 1
    for _ in range(3):
        world.mine()
    loop.turn(frozenset())
    assert journal.requests() == ()
    assert len(world.raws) == 2


def test_stop_ends_the_loop_promptly() -> None:
    loop = Loop(desk_of(World(delta=0.0), MemoryJournal()), Mailbox(), pace=Pace(poll_s=30.0))
    thread = Thread(target=loop.run)
    thread.start()
    loop.stop()
    thread.join(timeout=5)
    assert not thread.is_alive()
    loop.run()


def test_those_who_watch_are_told_after_each_tick() -> None:
    seen: list[str] = []
    loop = Loop(
        desk_of(World(), MemoryJournal()),
        Mailbox(),
        after_tick=lambda decided: seen.extend(note.book for note in decided),
    )
    loop.turn(frozenset({"block"}))
    assert seen == ["eth"]


def test_a_trade_held_back_by_its_cooldown_is_looked_at_when_that_ends() -> None:
    world = World()
    limits = msgspec.structs.replace(LIMITS, cooldown_s=60)
    loop = Loop(desk_of(world, MemoryJournal(), limits=limits), Mailbox())
    loop.turn(frozenset({"block"}))
    world.mine()
    world.mine()
    world.delta = 20.0
    loop.turn(frozenset({"block"}))
    assert len(world.raws) == 1, "settled, and the next trade waits"
    world.now_ms += 30_000
    loop.turn(frozenset())
    assert len(world.raws) == 1
    world.now_ms += 10_000
    loop.turn(frozenset())
    assert len(world.raws) == 2


def test_while_the_hedge_is_being_closed_the_policy_does_not_open_it_again() -> None:
    world = World()
    world.position = -10.0
    journal = MemoryJournal()
    limits = msgspec.structs.replace(LIMITS, max_gas_price_wei=1)
    loop = Loop(desk_of(world, journal, limits=limits), Mailbox())
    journal.ask("flatten")
    loop.turn(frozenset({"block"}))
    assert [e.triggers for e in journal.events if isinstance(e, Decided)] == [("flatten",)]
    assert journal.requests(), "refused by its gate, and still wanted"


def troubles(journal: MemoryJournal) -> list[str]:
    return [e.kind for e in journal.events if isinstance(e, Troubled)]


def test_r17_an_outage_is_told_once_however_long_it_lasts() -> None:
    world, journal = World(delta=0.0), MemoryJournal()
    loop = loop_on(world, journal)
    head = world.head
    for outage in (1, 2):
        world.head = failing(Transient("down"))  # type: ignore[method-assign,assignment]  # all
        for _ in range(5):
            world.now_ms += 2_000
            loop.turn(frozenset())
            loop.turn(frozenset({"block"}))
        assert troubles(journal) == ["Transient"] * outage
        world.head = head  # type: ignore[method-assign]  # back
        loop.turn(frozenset({"block"}))
    assert loop.pulse.ticks == 2


def test_another_trouble_in_an_outage_is_told() -> None:
    world, journal = World(), MemoryJournal()
    loop = loop_on(world, journal)
    for error in (Transient("down"), BadData("torn"), Transient("down"), Transient("still")):
        world.head = failing(error)  # type: ignore[method-assign,assignment]  # one by one
        loop.turn(frozenset({"block"}))
    assert troubles(journal) == ["Transient", "BadData", "Transient"]


def test_r17_e3_a_key_that_was_used_in_an_outage_halts_before_anything_is_decided() -> None:
    world, journal = World(delta=0.0), MemoryJournal()
    loop = loop_on(world, journal)
    loop.turn(frozenset({"block"}))
    head = world.head
    world.head = failing(Transient("down"))  # type: ignore[method-assign,assignment]  # all
    loop.turn(frozenset({"block"}))
    world.base_nonce += 3  # somebody used the key meanwhile
    world.delta = 10.0
    world.head = head  # type: ignore[method-assign]  # back
    loop.turn(frozenset({"block"}))
    assert "while the keeper was cut off" in str(journal.halted())
    assert world.raws == []
    journal.append(Resumed("it was me", world.now_ms))
    loop.turn(frozenset({"block"}))
    assert any(isinstance(e, Adopted) for e in journal.events)
    assert len(world.raws) == 1


def test_r17_an_intent_outlives_an_outage() -> None:
    world, journal = World(), MemoryJournal()
    loop = loop_on(world, journal)
    loop.turn(frozenset({"block"}))
    head = world.head
    world.head = failing(Transient("down"))  # type: ignore[method-assign,assignment]  # all
    loop.turn(frozenset({"block"}))
    assert len(journal.open()) == 1
    world.head = head  # type: ignore[method-assign]  # back
    for _ in range(3):
        world.mine()
    loop.turn(frozenset({"block"}))
    assert journal.open() == ()
    assert len(world.raws) == 1


class Late:
    """A witness that knows the block from the second time on."""

    def __init__(self) -> None:
        self.asked = 0

    def confirm(self, at: BlockRef) -> None:
        self.asked += 1
        if self.asked == 1:
            raise Transient("it is a block behind", block=at.number)


def test_r18_what_is_not_confirmed_yet_is_looked_at_again_in_a_moment() -> None:
    world, late = World(), Late()
    desk = msgspec.structs.replace(desk_of(world, MemoryJournal()), witness=late)
    loop = Loop(desk, Mailbox())
    loop.turn(frozenset({"block"}))
    assert world.raws == []
    loop.turn(frozenset())
    assert late.asked == 1, "not at once"
    world.now_ms += 1_000
    loop.turn(frozenset())
    assert len(world.raws) == 1


class TroubledJournal(MemoryJournal):
    """Refuses every write with whatever a test puts into it, or every question as well."""

    trouble: KeeperError | None = None
    is_mute = False

    def append(self, *events: Event) -> None:
        if self.trouble is not None:
            raise self.trouble
        super().append(*events)

    def open(self) -> tuple[Open, ...]:
        if self.trouble is not None and self.is_mute:
            raise self.trouble
        return super().open()


def test_who_stands_by_neither_decides_nor_signs() -> None:
    world, journal, lease = World(), MemoryJournal(), HandLease()
    lease.taken_by("another")
    loop = Loop(desk_of(world, journal), Mailbox(), leadership=Leadership(lease))
    journal.ask("rebalance")
    assert not loop.turn(frozenset({"block"}))
    assert (journal.events, world.raws, loop.pulse.ticks) == ([], [], 0)
    lease.free()
    assert loop.turn(frozenset())
    assert len(world.raws) == 1


def test_what_rang_while_another_led_is_looked_at_on_taking_over() -> None:
    world, lease = World(delta=0.0), HandLease()
    lease.taken_by("another")
    seen: list[tuple[Decided, ...]] = []

    def give_way(obstacle: str | None) -> None:
        if obstacle is not None:
            lease.free()

    def end(decided: tuple[Decided, ...]) -> None:
        seen.append(decided)
        loop.stop()

    loop = Loop(
        desk_of(world, MemoryJournal()),
        Mailbox(),
        leadership=Leadership(lease, give_way),
        pace=Pace(poll_s=0.01),
        after_tick=end,
    )
    runner = Thread(target=loop.run)
    runner.start()
    runner.join(10)
    assert seen[0][0].triggers == ("lead",)


def test_whoever_takes_over_compares_chain_and_journal_anew() -> None:
    world, journal, lease = World(delta=0.0), MemoryJournal(), HandLease()
    loop = Loop(desk_of(world, journal), Mailbox(), leadership=Leadership(lease))
    loop.turn(frozenset({"block"}))
    lease.taken_by("another")
    loop.turn(frozenset({"block"}))
    lease.free()
    # The other one has worked with another journal.
    world.base_nonce = 3
    with pytest.raises(UnknownHistory):
        loop.turn(frozenset({"block"}))
    assert loop.pulse.ticks == 1


def test_after_a_halt_the_person_who_resumes_vouches_for_the_nonce() -> None:
    world, journal = World(), MemoryJournal()
    loop = loop_on(world, journal)
    head = world.head
    loop.turn(frozenset({"block"}))
    world.mine()
    world.mine()
    loop.turn(frozenset({"block"}))
    world.head = failing(Fatal("look at this"))  # type: ignore[method-assign,assignment]  # once
    loop.turn(frozenset({"block"}))
    world.head = head  # type: ignore[method-assign]  # and well again
    world.base_nonce += 4
    journal.append(Resumed("looked at it", world.now_ms))
    loop.turn(frozenset({"block"}))
    assert any(isinstance(e, Adopted) for e in journal.events)


def test_a_fenced_write_ends_the_turn_and_is_not_a_reason_to_halt() -> None:
    world, journal, said = World(), TroubledJournal(), list[str | None]()
    loop = Loop(desk_of(world, journal), Mailbox(), leadership=Leadership(HandLease(), said.append))
    journal.trouble = Fenced("another keeper leads")
    assert not loop.turn(frozenset({"block"}))
    assert said[0] is None
    assert "another keeper leads" in str(said[1])
    journal.trouble = None
    loop.turn(frozenset({"block"}))
    assert journal.halted() is None
    assert len(world.raws) == 1


@pytest.mark.parametrize("away", [Transient("unreachable"), Uncertain("no answer to a commit")])
def test_a_journal_that_is_away_stops_everything_and_ends_nothing(away: KeeperError) -> None:
    world, journal = World(), TroubledJournal()
    seen: list[Event] = []
    desk = desk_of(world, journal)
    log = msgspec.structs.replace(desk.hands.log, sinks=(Remember(seen),))
    hands = msgspec.structs.replace(desk.hands, log=log)
    loop = Loop(msgspec.structs.replace(desk, hands=hands), Mailbox())
    journal.trouble = away
    loop.turn(frozenset({"block"}))
    assert world.raws == []
    assert [type(event) for event in seen] == [Troubled]
    assert journal.events == []
    journal.trouble = None
    world.now_ms += 2_000
    loop.turn(frozenset())
    assert len(world.raws) == 1


@pytest.mark.parametrize("is_mute", [False, True], ids=["read only", "not even read"])
@pytest.mark.parametrize("error", [Fatal("mined without an effect"), RuntimeError("a bug")])
def test_a_halt_that_could_not_be_written_is_written_before_anything_else(
    error: Exception, *, is_mute: bool
) -> None:
    world, journal = World(), TroubledJournal()
    journal.is_mute = is_mute
    loop = loop_on(world, journal)
    head = world.head

    def fail_while_the_journal_is_away(meanwhile: Work = nothing) -> BlockRef:
        del meanwhile
        journal.trouble = Transient("unreachable")
        raise error

    world.head = fail_while_the_journal_is_away  # type: ignore[method-assign]  # the worst moment
    loop.turn(frozenset({"block"}))
    assert journal.halted() is None
    world.head = head  # type: ignore[method-assign]  # well again, but nobody has looked
    journal.trouble = None
    loop.turn(frozenset({"block"}))
    assert str(error) in str(journal.halted())
    assert world.raws == []


@pytest.mark.parametrize("has_another_led", [False, True])
def test_a_halt_that_is_owed_outlives_the_lease_unless_another_keeper_has_led(
    *, has_another_led: bool
) -> None:
    world, journal, lease = World(), TroubledJournal(), HandLease()
    loop = Loop(desk_of(world, journal), Mailbox(), leadership=Leadership(lease))
    head = world.head

    def fail_while_the_database_is_away(meanwhile: Work = nothing) -> BlockRef:
        del meanwhile
        journal.trouble = Transient("unreachable")
        raise Fatal("mined without an effect")

    world.head = fail_while_the_database_is_away  # type: ignore[method-assign]  # the worst moment
    loop.turn(frozenset({"block"}))
    world.head = head  # type: ignore[method-assign]  # well again, but nobody has looked
    if has_another_led:
        lease.taken_by("another")
        assert not loop.turn(frozenset({"block"}))
    lease.free()
    journal.trouble = None
    assert loop.turn(frozenset({"block"}))
    if has_another_led:
        assert journal.halted() is None, "it may have been the other's doing"
        assert len(world.raws) == 1
    else:
        assert "mined without an effect" in str(journal.halted())
        assert world.raws == []


class Remember:
    """A sink that keeps what it is told."""

    def __init__(self, told: list[Event]) -> None:
        self._told = told

    def tell(self, event: Event) -> None:
        self._told.append(event)


def position_warnings(journal: MemoryJournal) -> list[Troubled]:
    found = [event for event in journal.events if isinstance(event, Troubled)]
    return [event for event in found if "not by this keeper" in event.message]


def quiet_loop(world: World, journal: MemoryJournal) -> Loop:
    """Hedge until nothing is open any more."""
    loop = loop_on(world, journal)
    for _ in range(4):
        loop.turn(frozenset({"block"}))
        world.mine()
    loop.turn(frozenset({"block"}))
    assert not journal.open()
    return loop


def test_v4_e4_a_position_that_others_changed_is_told_once_and_hedged_again() -> None:
    world, journal = World(), MemoryJournal()
    loop = quiet_loop(world, journal)
    assert position_warnings(journal) == [], "its own trades are no surprise"
    world.position = 0.0  # liquidated, deleveraged, or closed by hand
    sent = len(world.raws)
    loop.turn(frozenset({"block"}))
    (warning,) = position_warnings(journal)
    assert "now=0" in warning.message
    assert len(world.raws) == sent + 1
    for _ in range(4):
        world.mine()
        loop.turn(frozenset({"block"}))
    assert len(position_warnings(journal)) == 1
    assert abs(world.position + world.delta) < 0.1
    assert journal.halted() is None


@pytest.mark.parametrize("failure", [Transient("the disk was slow"), RuntimeError("a bug")])
def test_a_fill_behind_a_failed_tick_is_not_blamed_on_others(failure: Exception) -> None:
    world, journal = World(delta=0.0), MemoryJournal()
    loop = loop_on(world, journal)
    loop.turn(frozenset({"block"}))
    world.delta = 10.0
    accept = world.send

    def accept_and_fail(raw: bytes) -> str:
        accept(raw)
        raise failure

    world.send = accept_and_fail  # type: ignore[method-assign]  # once
    loop.turn(frozenset({"block"}))
    world.send = accept  # type: ignore[method-assign]  # and well again
    journal.append(Resumed("looked at", world.now_ms))
    for _ in range(4):
        world.mine()
        loop.turn(frozenset({"block"}))
    assert abs(world.position + world.delta) < 0.1
    assert position_warnings(journal) == []


def test_a_position_that_others_changed_while_the_journal_was_away_is_told() -> None:
    world, journal = World(), TroubledJournal()
    loop = quiet_loop(world, journal)
    journal.trouble, journal.is_mute = Transient("unreachable"), True
    loop.turn(frozenset({"block"}))
    loop.turn(frozenset({"block"}))
    world.position = 0.0
    journal.trouble = None
    loop.turn(frozenset({"block"}))
    assert len(position_warnings(journal)) == 1


def test_a_fill_of_a_tick_that_lost_its_journal_on_the_way_is_not_blamed_on_others() -> None:
    world, journal = World(delta=0.0), TroubledJournal()
    journal.is_mute = True
    loop = loop_on(world, journal)
    loop.turn(frozenset({"block"}))
    world.delta = 10.0
    accept = world.send

    def accept_and_lose_the_journal(raw: bytes) -> str:
        journal.trouble = Transient("unreachable")
        return accept(raw)

    world.send = accept_and_lose_the_journal  # type: ignore[method-assign]  # once
    loop.turn(frozenset({"block"}))
    world.send = accept  # type: ignore[method-assign]  # and well again
    loop.turn(frozenset({"block"}))
    journal.trouble = None
    for _ in range(4):
        world.mine()
        loop.turn(frozenset({"block"}))
    assert abs(world.position + world.delta) < 0.1
    assert position_warnings(journal) == []


def test_e2_a_resume_does_not_trade_before_chain_and_journal_agree() -> None:
    world, journal = World(), MemoryJournal()
    loop = quiet_loop(world, journal)
    journal.append(Halted("by hand, from another process", world.now_ms))
    loop.turn(frozenset({"block"}))
    world.reorg(100)
    world.delta = 30.0
    sent = len(world.raws)
    journal.append(Resumed("too early", world.now_ms))
    loop.turn(frozenset({"block"}))
    assert "never seen" in str(journal.halted())
    assert len(world.raws) == sent


@pytest.mark.parametrize("kind", [Transient, Fatal, RuntimeError])
def test_x6_what_a_library_says_of_an_address_is_written_down_without_its_key(
    kind: type[Exception],
) -> None:
    world, journal = World(), MemoryJournal()
    loop = loop_on(world, journal)
    world.head = failing(kind("no route to https://u:pass@node.example/v2/KEY?k=KEY"))  # type: ignore[method-assign,assignment]  # for good
    loop.turn(frozenset({"block"}))
    said = " ".join(e.message for e in journal.events if isinstance(e, Troubled))
    said += str(journal.halted())
    assert "https://node.example" in said
    assert "KEY" not in said
    assert "pass" not in said
