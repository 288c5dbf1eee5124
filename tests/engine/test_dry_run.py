from keeper.engine.dry_run import dry_run
from keeper.model.flow import Hold, Rebalance
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import World, desk_of


def test_a_dry_run_promises_the_fill_and_changes_nothing() -> None:
    world = World()
    journal = MemoryJournal()
    (rehearsal,) = dry_run(desk_of(world, journal))
    assert isinstance(rehearsal.decision, Rebalance)
    assert rehearsal.promised is not None
    assert rehearsal.promised.units == rehearsal.decision.units
    assert (journal.events, world.raws) == ([], [])


def test_a_dry_run_tells_why_the_venue_would_refuse() -> None:
    world = World()
    world.revert_reason = b"market closed"
    (rehearsal,) = dry_run(desk_of(world, MemoryJournal()))
    assert rehearsal.promised is None
    assert "market closed" in str(rehearsal.refusal)


def test_a_dry_run_of_a_good_hedge_holds() -> None:
    world = World()
    world.position = -world.delta
    (rehearsal,) = dry_run(desk_of(world, MemoryJournal()))
    assert isinstance(rehearsal.decision, Hold)
    assert rehearsal.decision.reason == "inside the band"
