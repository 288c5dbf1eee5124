"""A wrong clock is told of, and makes nothing fresh."""

import msgspec

from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.model.chain import BlockRef
from keeper.model.events import Decided, Troubled
from keeper.ports.acting import Work, nothing
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import LIMITS, World, desk_of


def at_work(world: World) -> tuple[Loop, MemoryJournal]:
    journal = MemoryJournal()
    return Loop(desk_of(world, journal), Mailbox()), journal


def look(loop: Loop) -> None:
    loop.turn(frozenset({"block"}))


def alarms(journal: MemoryJournal) -> list[str]:
    return [e.message for e in journal.events if isinstance(e, Troubled) and "parted" in e.message]


def test_k3_a_chain_ahead_of_our_clock_is_told_once_until_it_agrees_again() -> None:
    world = World(delta=0.0)
    loop, journal = at_work(world)
    look(loop)
    assert alarms(journal) == []
    for _ in range(3):
        world.now_ms = (world.block_time_s() - 301) * 1_000
        look(loop)
    assert len(alarms(journal)) == 1
    assert "ahead_of_us_s=301" in alarms(journal)[0]
    world.now_ms = (world.block_time_s() - 300) * 1_000
    look(loop)
    world.now_ms -= 3_600_000
    look(loop)
    assert len(alarms(journal)) == 2


def test_k3_no_price_is_younger_by_a_clock_that_is_behind() -> None:
    world = World()
    world.updated_at_s = world.block_time_s() - LIMITS.max_price_age_s - 1
    world.now_ms = (world.block_time_s() - 7_200) * 1_000
    loop, journal = at_work(world)
    look(loop)
    (note,) = [event for event in journal.events if isinstance(event, Decided)]
    assert "the price is stale" in getattr(note.decision, "reason", "")
    assert world.raws == []


def test_c7_a_later_block_that_is_stamped_earlier_is_told_and_nothing_is_traded_on_it() -> None:
    world = World()
    loop, journal = at_work(world)
    head = world.head()

    def earlier(meanwhile: Work = nothing) -> BlockRef:
        del meanwhile
        return msgspec.structs.replace(head, number=101, timestamp_s=head.timestamp_s - 100_000)

    world.delta = 0.0
    look(loop)
    world.delta, world.number = 10.0, 101
    world.head = earlier  # type: ignore[method-assign]  # as after `evm_setTime`
    look(loop)
    assert len(alarms(journal)) == 1
    assert "behind_an_earlier_block_s=100000" in alarms(journal)[0]
    assert world.raws == [], "the price is from after that block: it has no age there"


def test_a_reorg_to_a_lower_and_earlier_block_is_no_alarm() -> None:
    world = World(delta=0.0)
    loop, journal = at_work(world)
    look(loop)
    world.number -= 2
    look(loop)
    assert alarms(journal) == []
