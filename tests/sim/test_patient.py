import pytest

from keeper.engine.tick import tick
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.patient import PatientVenue, PatientWorld, patient_desk_of


def test_a_mined_transaction_leaves_an_order_that_a_test_executes_and_a_reorg_takes_back() -> None:
    world = PatientWorld()
    tick(patient_desk_of(world, MemoryJournal()))
    world.mine()
    (order,) = world.orders
    assert world.position == 0.0
    world.execute(order, -4.0)
    assert world.position == -4.0
    world.reorg(1)
    assert (world.position, world.orders) == (0.0, {})
    world.reorg(50)
    assert world.position == 0.0


def test_what_it_says_of_an_order() -> None:
    world = PatientWorld()
    venue = PatientVenue(world)
    read = venue.progress("nobody's")
    assert next(read) == ()
    with pytest.raises(StopIteration) as end:
        read.send(())
    assert end.value.value is None
    assert venue.placed(()) is None
