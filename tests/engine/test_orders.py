"""A venue that fills later: the order is the fourth identity, and only the venue ends it."""

import contextlib

import pytest

from keeper.engine.orders import follow
from keeper.engine.tick import Desk, tick
from keeper.model.errors import BadData, Fatal
from keeper.model.events import Halted, Intended, Placed, Progressed, Troubled
from keeper.model.flow import OrderState
from keeper.ports.reading import OrderVenue, Venue
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.patient import PatientVenue, PatientWorld, patient_desk_of
from keeper.sim.world import Crash, MortalJournal, World, WorldVenue
from tests.engine.conftest import CLOSE, pass_the_deadline, statuses


@pytest.fixture
def world() -> PatientWorld:
    return PatientWorld()


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def desk(world: PatientWorld, journal: MemoryJournal) -> Desk:
    return patient_desk_of(world, journal)


def place(desk: Desk, world: PatientWorld) -> str:
    """Trade until the order rests at the venue; return its name."""
    tick(desk)
    world.mine()
    world.mine()
    tick(desk)
    (order,) = world.orders
    return order


def fill(world: PatientWorld, order: str, factor: float = 1.0) -> None:
    """Let the venue execute *factor* times what an order asks for, and end it."""
    world.execute(order, factor * world.orders[order].units)
    world.end(order, "filled")


def look(desk: Desk, world: PatientWorld, times: int = 2) -> None:
    """Let as many blocks come as a receipt is waited for, and look at each."""
    for _ in range(times):
        world.mine()
        tick(desk)


def test_only_a_venue_that_fills_later_has_orders(world: PatientWorld) -> None:
    assert isinstance(PatientVenue(world), OrderVenue)
    assert not isinstance(WorldVenue(World()), OrderVenue)


def test_v1_a_mined_order_is_not_a_fill_and_there_is_no_second(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    look(desk, world, times=9)
    assert statuses(journal) == []
    assert journal.open()[0].placed == next(e for e in journal.events if isinstance(e, Placed))
    assert len(world.raws) == 1, "it may still be filled: nothing is traded on top"
    fill(world, order)
    look(desk, world, times=3)
    assert statuses(journal) == ["done"]
    (outcome,) = journal.outcomes()
    assert outcome.fill is not None
    assert outcome.fill.units == pytest.approx(-10, abs=0.1)
    assert outcome.gas_used == 100_000
    assert abs(world.position + world.delta) < CLOSE
    look(desk, world, times=3)
    assert len(world.raws) == 1


def test_v2_a_part_is_booked_when_the_order_has_ended_and_the_rest_decided_afresh(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    world.execute(order, -4.0)
    look(desk, world, times=4)
    assert statuses(journal) == [], "open, with a part filled"
    assert len([e for e in journal.events if isinstance(e, Progressed)]) == 1
    world.end(order, "partial")
    look(desk, world, times=3)
    assert statuses(journal) == ["done"]
    fill = journal.outcomes()[0].fill
    assert fill is not None
    assert fill.units == -4.0
    assert len(journal.intents()) == 2
    assert journal.intents()[1].units == pytest.approx(-6, abs=0.1)


@pytest.mark.parametrize("state", ["cancelled", "expired"])
def test_v3_an_order_that_the_venue_ended_without_a_fill_is_tried_by_a_new_intent(
    desk: Desk, world: PatientWorld, journal: MemoryJournal, state: OrderState
) -> None:
    order = place(desk, world)
    world.end(order, state)
    look(desk, world, times=3)
    assert statuses(journal) == ["unfilled"]
    assert state in journal.outcomes()[0].reason
    assert len(journal.intents()) == 2


def test_a_final_state_is_believed_only_as_deep_as_a_receipt(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    world.end(order, "cancelled")
    tick(desk)
    tick(desk)
    assert statuses(journal) == [], "seen at one block"
    world.end(order, "open")  # a reorg
    look(desk, world)
    fill(world, order)
    look(desk, world, times=3)
    assert statuses(journal) == ["done"]


def test_v12_an_order_that_the_venue_does_not_know_is_waited_for(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    world.forgetful = True
    pass_the_deadline(world)
    look(desk, world, times=20)
    assert statuses(journal) == []
    assert len(world.raws) == 1
    world.forgetful = False
    fill(world, order)
    look(desk, world, times=3)
    assert statuses(journal) == ["done"]


def test_c3_an_order_that_a_deep_reorg_took_back_halts_and_heals(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    held, world.pool = world.pool, {}
    world.reorg(5)
    world.pool = held
    with pytest.raises(Fatal, match="took back transactions that were settled"):
        tick(desk)
    journal.append(Halted("as the loop does", world.now_ms))
    tick(desk)
    assert statuses(journal) == []
    assert len(world.raws) == 1
    world.mine()  # the same bytes, the same order
    fill(world, order)
    look(desk, world, times=3)
    assert statuses(journal) == ["done"]


def test_c3_an_order_whose_transaction_reverted_in_a_deep_reorg_halts(
    desk: Desk, world: PatientWorld
) -> None:
    place(desk, world)
    world.reorg(5)
    world.revert_reason = b"price moved"
    world.mine()
    tick(desk)  # not deep yet
    world.mine()
    with pytest.raises(Fatal, match="took back transactions that were settled"):
        tick(desk)


def test_what_cannot_be_read_of_an_order_is_not_known(
    desk: Desk, world: PatientWorld, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_venue: PatientVenue, _order: str) -> object:
        yield ()
        raise BadData("the venue reverted")

    place(desk, world)
    monkeypatch.setattr(PatientVenue, "progress", unreadable)
    pass_the_deadline(world)
    look(desk, world, times=3)
    assert statuses(journal) == []
    assert len(world.raws) == 1


def test_v1_an_order_past_its_deadline_is_taken_back_under_its_own_nonce(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    pass_the_deadline(world)
    tick(desk)
    tick(desk)
    trade, withdrawal = journal.intents()
    assert withdrawal.withdraws == order
    assert [attempt.nonce for attempt in journal.attempts()] == [0, 1]
    assert [pending.intent.id for pending in journal.open()] == [trade.id, withdrawal.id]
    look(desk, world, times=4)
    assert statuses(journal)[:2] == ["done", "unfilled"]
    assert journal.outcomes()[1].intent_id == trade.id
    third = journal.intents()[2]
    assert third.withdraws is None, "the trade is decided afresh"
    assert journal.history("eth", world.now_ms).last_gas_used is None, "of trades alone"


def test_an_order_that_is_executed_while_it_is_taken_back_counts(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    pass_the_deadline(world)
    tick(desk)
    tick(desk)
    fill(world, order)
    look(desk, world, times=4)
    assert sorted(statuses(journal)) == ["done", "failed"]
    assert abs(world.position + world.delta) < CLOSE
    assert journal.history("eth", world.now_ms).reverts_1h == 0, "it was no trade"


def test_a_withdrawal_is_tried_once_in_each_life_of_an_intent(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    place(desk, world)
    pass_the_deadline(world)
    world.revert_reason = b"not yet"
    look(desk, world, times=5)
    refusals = [e for e in journal.events if isinstance(e, Troubled)]
    assert len(refusals) == 1
    assert "not yet" in refusals[0].message
    assert statuses(journal) == ["failed"]
    world.revert_reason = None
    pass_the_deadline(world)
    look(desk, world, times=4)
    assert statuses(journal)[:3] == ["failed", "done", "unfilled"]


def test_a_withdrawal_that_is_stuck_is_not_joined_by_a_second(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    place(desk, world)
    pass_the_deadline(world)
    tick(desk)
    world.deaf = True
    for _ in range(3):
        tick(desk)
        pass_the_deadline(world)
    assert len([intent for intent in journal.intents() if intent.withdraws]) == 1
    assert {attempt.nonce for attempt in journal.attempts()} == {0, 1}


def test_after_a_halt_an_order_is_watched_and_not_taken_back(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    order = place(desk, world)
    journal.append(Halted("by hand", world.now_ms))
    pass_the_deadline(world)
    look(desk, world, times=3)
    assert len(journal.intents()) == 1
    fill(world, order)
    look(desk, world, times=3)
    assert statuses(journal) == ["done"]


@pytest.mark.parametrize("factor", [-1.0, 1.5])
def test_v8_a_fill_of_another_trade_than_was_meant_stops_after_one(
    desk: Desk, world: PatientWorld, journal: MemoryJournal, factor: float
) -> None:
    order = place(desk, world)
    fill(world, order, factor)
    with pytest.raises(Fatal, match="another effect"):
        look(desk, world, times=3)
    assert statuses(journal) == ["wrong_effect"]


def test_t15_a_transaction_that_left_no_order_is_fatal(
    desk: Desk, world: PatientWorld, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientVenue, "placed", lambda _venue, _logs: None)
    with pytest.raises(Fatal, match="without an effect"):
        place(desk, world)
    assert statuses(journal) == ["no_effect"]


def test_an_order_of_a_venue_that_is_not_such_a_venue_any_more_is_waited_for(
    desk: Desk, world: PatientWorld, journal: MemoryJournal
) -> None:
    place(desk, world)
    other: dict[str, Venue] = {"eth": WorldVenue(world)}
    pass_the_deadline(world)
    still = journal.open()
    assert follow(world, desk.hands, other, world.head(), still) == still


def test_a_withdrawal_at_a_venue_without_orders_is_refused(
    desk: Desk, world: PatientWorld, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(desk, world)
    tick(desk)
    pass_the_deadline(world)
    rehearse = "keeper.engine.rehearse.OrderVenue"
    monkeypatch.setattr(rehearse, type("Nothing", (), {}))
    tick(desk)
    assert statuses(journal) == ["failed"]
    assert "no orders to withdraw" in journal.outcomes()[0].reason


def until_quiet(world: PatientWorld, desk: Desk, journal: MemoryJournal, *, but: str) -> None:
    """Let the venue execute every order *but* one until nothing is open; bounded."""
    for _ in range(200):
        tick(desk)
        world.mine()
        for order, resting in world.orders.items():
            if order != but and resting.state == "open":
                fill(world, order)
        if not journal.open() and abs(world.position + world.delta) < CLOSE:
            return


@pytest.mark.parametrize("lives", range(16))
@pytest.mark.parametrize("executed", [True, False])
def test_p1_v1_a_crash_anywhere_around_an_order_never_trades_twice(
    lives: int, *, executed: bool
) -> None:
    world = PatientWorld()
    journal = MortalJournal(world)
    desk = patient_desk_of(world, journal)
    tick(desk)
    world.mine()
    world.mine()
    world.lives = lives
    with contextlib.suppress(Crash):
        for late in (False, True, True, True):
            if late:
                pass_the_deadline(world)
            tick(desk)
            world.mine()
    world.lives = float("inf")
    first = next(iter(world.orders))
    if executed and world.orders[first].state == "open":
        fill(world, first)
    until_quiet(world, desk, journal, but=first)
    assert abs(world.position + world.delta) < CLOSE
    assert not journal.open()
    filled = [resting for resting in world.orders.values() if resting.filled]
    assert len(filled) == 1
    placed = [e.order for e in journal.events if isinstance(e, Placed)]
    assert len(set(placed)) == len(placed) == len(world.orders)
    trades = [e.intent for e in journal.events if isinstance(e, Intended)]
    assert len(trades) == len({intent.id for intent in trades})
