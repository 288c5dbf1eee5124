import msgspec
import pytest

from keeper.core.limits import Limits
from keeper.engine.tick import Desk, tick
from keeper.model.chain import Watch
from keeper.model.errors import BadData
from keeper.model.events import Decided, Intended, Troubled
from keeper.model.flow import Hold, Rebalance
from keeper.model.position import VaultState
from keeper.ports.reading import Read
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import LIMITS, World, desk_of


class Broken:
    """A vault whose read reverts."""

    def read(self) -> Read[VaultState]:
        yield ()
        raise BadData("the vault's read reverted")

    def watch(self) -> tuple[Watch, ...]:
        return ()


def with_second_book(desk: Desk, **changes: object) -> Desk:
    first = desk.books[0]
    terms = msgspec.structs.replace(first.terms, book="other")
    second = msgspec.structs.replace(first, terms=terms, **changes)
    return msgspec.structs.replace(desk, books=(second, first))


def limited(**changes: float) -> Limits:
    return msgspec.structs.replace(LIMITS, **changes)


def test_an_unhedged_vault_is_hedged() -> None:
    world = World()
    journal = MemoryJournal()
    (note,) = tick(desk_of(world, journal), frozenset({"block", "AnswerUpdated"}))
    assert isinstance(note.decision, Rebalance)
    assert note.triggers == ("AnswerUpdated", "block")
    assert note.decision.units == pytest.approx(-10, abs=0.05)
    assert [type(e) for e in journal.events[:2]] == [Decided, Intended]


def test_one_unreadable_vault_holds_its_book_and_not_the_others() -> None:
    world = World()
    journal = MemoryJournal()
    desk = with_second_book(desk_of(world, journal), vaults={"broken": Broken()})
    broken, good = tick(desk)
    assert isinstance(broken.decision, Hold)
    assert "reverted" in broken.decision.reason
    assert broken.decision.why is None, "an unknown is not a zero"
    assert isinstance(good.decision, Rebalance)


def test_one_account_carries_one_intent_at_a_time() -> None:
    world = World()
    desk = with_second_book(desk_of(world, MemoryJournal()))
    first, second = tick(desk)
    assert isinstance(first.decision, Rebalance)
    assert isinstance(second.decision, Hold)
    assert "still open" in second.decision.reason
    assert len(world.raws) == 1


def test_a_stale_price_is_no_transaction() -> None:
    world = World()
    world.updated_at_s -= 3_700
    (note,) = tick(desk_of(world, MemoryJournal()))
    assert isinstance(note.decision, Hold)
    assert "stale" in note.decision.reason
    assert world.raws == []


@pytest.mark.parametrize(
    ("limits", "gate"),
    [
        (limited(max_gas_price_wei=10**9), "gas price"),
        (limited(daily_gas_budget_usd=0.5), "gas budget"),
        (limited(min_trade_base=50.0), "min trade"),
        (limited(max_leverage_x=0.001), "leverage"),
    ],
)
def test_every_limit_can_refuse_and_is_named(limits: Limits, gate: str) -> None:
    world = World()
    (note,) = tick(desk_of(world, MemoryJournal(), limits=limits))
    assert isinstance(note.decision, Hold)
    assert note.decision.reason == f"refused: {gate}"
    assert world.raws == []


def test_an_order_is_cut_to_its_largest_size_and_the_rest_follows() -> None:
    world = World()
    desk = desk_of(world, MemoryJournal(), limits=limited(max_order_base=4.0))
    for _ in range(12):
        tick(desk)
        world.mine()
    assert abs(world.position + 10) < 0.1
    sizes = [i.units for i in desk.hands.log.journal.intents()]  # type: ignore[attr-defined]  # the journal in memory
    assert sizes[:2] == [-4.0, -4.0]


def test_a_person_may_rebalance_inside_the_band() -> None:
    world = World()
    world.position = -9.99
    desk = desk_of(world, MemoryJournal(), limits=limited(min_trade_base=0.5))
    (held,) = tick(desk)
    assert isinstance(held.decision, Hold)
    (moved,) = tick(desk, command="rebalance")
    assert isinstance(moved.decision, Rebalance)
    assert moved.decision.units == pytest.approx(-0.01)


def test_a_person_may_flatten() -> None:
    world = World()
    world.position = -10.0
    (note,) = tick(desk_of(world, MemoryJournal()), command="flatten")
    assert isinstance(note.decision, Rebalance)
    assert note.decision.units == 10.0
    assert note.decision.reduce_only


def test_flattening_nothing_is_nothing() -> None:
    world = World()
    (note,) = tick(desk_of(world, MemoryJournal()), command="flatten")
    assert isinstance(note.decision, Hold)
    assert note.decision.reason == "nothing to trade"


def test_a_refusal_by_the_venue_is_written_down() -> None:
    world = World()
    world.revert_reason = b"market closed"
    journal = MemoryJournal()
    tick(desk_of(world, journal))
    assert any(isinstance(e, Troubled) and "market closed" in e.message for e in journal.events)


def test_what_was_refused_is_not_tried_again_at_the_same_block() -> None:
    world = World()
    world.revert_reason = b"market closed"
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    (again,) = tick(desk)
    assert isinstance(again.decision, Hold)
    assert "this very block" in again.decision.reason
    world.mine()
    tick(desk)
    assert len(journal.intents()) == 2


class Liar:
    """An oracle whose read returns what a vault's would."""

    def read(self) -> Read[VaultState]:
        yield ()
        return VaultState(legs=())

    def watch(self) -> tuple[Watch, ...]:
        return ()


def test_an_adapter_that_breaks_its_port_is_a_programmers_mistake() -> None:
    journal = MemoryJournal()
    desk = msgspec.structs.replace(desk_of(World(), journal), native_oracle=Liar())
    with pytest.raises(TypeError, match="another kind of value"):
        tick(desk)
