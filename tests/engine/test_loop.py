from threading import Thread

import msgspec
import pytest

from keeper.engine.loop import Loop, Pace
from keeper.engine.mailbox import Mailbox
from keeper.model.chain import BlockRef
from keeper.model.errors import BadData, Fatal, KeeperError, Transient
from keeper.model.events import Decided, Halted, Resumed, Troubled
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import LIMITS, World, desk_of


def loop_on(world: World, journal: MemoryJournal) -> Loop:
    return Loop(desk_of(world, journal), Mailbox())


def failing(error: BaseException) -> object:
    def head() -> BlockRef:
        raise error

    return head


def test_a_wake_up_is_a_tick() -> None:
    journal = MemoryJournal()
    loop = loop_on(World(), journal)
    loop.turn(frozenset({"block"}))
    assert loop.pulse.ticks == 1
    assert any(isinstance(e, Decided) for e in journal.events)


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
