import msgspec
import pytest

from keeper.core.limits import Limits
from keeper.engine.tick import Desk, look, tick
from keeper.model.chain import BlockRef, Watch
from keeper.model.errors import BadData, KeeperError, Transient
from keeper.model.events import CodeSeen, Decided, Intended, Sent, Signed, Troubled
from keeper.model.flow import Hold, Rebalance
from keeper.model.position import VaultState, VenueState
from keeper.ports.acting import History, Open, Work, nothing
from keeper.ports.reading import Read
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import LIMITS, World, WorldVenue, desk_of


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
    # One transaction: what was decided, what is meant, and the bytes that may be sent.
    assert [type(e) for e in journal.events] == [CodeSeen, Decided, Intended, Signed, Sent]


def test_a1_one_unreadable_vault_holds_its_book_and_not_the_others() -> None:
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


def test_o1_a_stale_price_is_no_transaction() -> None:
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


def test_v6_a_refusal_by_the_venue_is_written_down() -> None:
    world = World()
    world.revert_reason = b"market closed"
    journal = MemoryJournal()
    tick(desk_of(world, journal))
    assert any(isinstance(e, Troubled) and "market closed" in e.message for e in journal.events)


def test_v6_what_was_refused_is_not_tried_again_at_the_same_block() -> None:
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


class Witnesses:
    """Others who confirm what was read, or say what is wrong with it."""

    def __init__(self, doubt: KeeperError | None = None) -> None:
        self.doubt = doubt
        self.asked: list[BlockRef] = []

    def confirm(self, at: BlockRef) -> None:
        self.asked.append(at)
        if self.doubt is not None:
            raise self.doubt


def test_a_trade_that_others_confirm_is_made() -> None:
    world, witness = World(), Witnesses()
    desk = msgspec.structs.replace(desk_of(world, MemoryJournal()), witness=witness)
    (note,) = tick(desk)
    assert isinstance(note.decision, Rebalance)
    assert witness.asked == [world.head()]


@pytest.mark.parametrize(
    ("doubt", "words"),
    [
        (BadData("they differ"), "contradicted: they differ"),
        (Transient("nobody answers"), "not confirmed yet: nobody answers"),
    ],
)
def test_r18_risk_is_not_added_on_what_others_do_not_confirm(
    doubt: KeeperError, words: str
) -> None:
    world, journal = World(), MemoryJournal()
    desk = msgspec.structs.replace(desk_of(world, journal), witness=Witnesses(doubt))
    (note,) = tick(desk)
    assert isinstance(note.decision, Hold)
    assert note.decision.reason.startswith(words)
    assert note.decision.why is not None
    assert world.raws == []
    assert not any(isinstance(e, Intended) for e in journal.events)


def test_r18_a_contradiction_is_an_alarm_and_a_witness_that_is_late_is_none() -> None:
    for doubt, alarms in ((BadData("they differ"), ["BadData"]), (Transient("late"), [])):
        journal = MemoryJournal()
        desk = msgspec.structs.replace(desk_of(World(), journal), witness=Witnesses(doubt))
        tick(desk)
        assert [e.kind for e in journal.events if isinstance(e, Troubled)] == alarms


def test_r18_risk_is_taken_off_on_one_nodes_word() -> None:
    world, witness = World(delta=0.0), Witnesses(BadData("they differ"))
    world.position = -10.0
    desk = msgspec.structs.replace(desk_of(world, MemoryJournal()), witness=witness)
    (note,) = tick(desk)
    assert isinstance(note.decision, Rebalance)
    assert note.decision.reduce_only
    assert witness.asked == []
    assert len(world.raws) == 1


def test_nobody_is_asked_to_confirm_that_nothing_is_done() -> None:
    witness = Witnesses()
    desk = msgspec.structs.replace(desk_of(World(delta=0.0), MemoryJournal()), witness=witness)
    tick(desk)
    assert witness.asked == []


class ApartVenue(WorldVenue):
    """A venue that has not heard of the oracle's newest price."""

    heard = 2_000.0

    def read(self) -> Read[VenueState]:
        state = yield from super().read()
        return msgspec.structs.replace(
            state, mark_price=self.heard, trade_price=self.heard, index_price=self.heard
        )


def test_o5_o6_a_jump_of_the_price_is_acted_on_when_a_second_source_shows_it_too() -> None:
    world = World()
    venue = ApartVenue(world)
    desk = desk_of(world, MemoryJournal(), venue=venue)
    world.price = 2_400.0
    for _ in range(3):
        (note,) = tick(desk)
        assert isinstance(note.decision, Hold)
        assert "deviation" in note.decision.reason
        world.mine()
    assert world.raws == []
    venue.heard = 2_390.0
    (note,) = tick(desk)
    assert isinstance(note.decision, Rebalance)


class Minutes:
    """A world and a journal, and in which order they are asked."""

    def __init__(self) -> None:
        minutes: list[str] = []

        class Watched(MemoryJournal):
            is_away = False

            def make_ready(self) -> None:
                minutes.append("ready")

            def open(self) -> tuple[Open, ...]:
                minutes.append("open")
                if self.is_away:
                    raise Transient("the journal is away")
                return super().open()

            def history(self, book: str, now_ms: int) -> History:
                minutes.append("past")
                return super().history(book, now_ms)

        class Asked(World):
            def head(self, meanwhile: Work = nothing) -> BlockRef:
                minutes.append("asked")
                meanwhile()
                minutes.append("head")
                return super().head()

        self.journal = Watched()
        self.world = Asked(delta=0.0)
        self.desk = desk_of(self.world, self.journal)
        self.taken = minutes

    def of_a_tick(self) -> list[str]:
        self.taken.clear()
        tick(self.desk)
        return list(self.taken)


def test_the_journal_is_read_while_the_node_is_asked_for_its_head() -> None:
    assert Minutes().of_a_tick() == ["asked", "ready", "open", "past", "head"]


def test_while_an_intent_is_open_the_past_is_read_after_its_step() -> None:
    minutes = Minutes()
    minutes.world.delta = 10.0
    assert minutes.of_a_tick()[:5] == ["asked", "ready", "open", "past", "head"]
    minutes.world.mine()
    assert minutes.of_a_tick() == ["asked", "ready", "open", "head", "open", "past"]


def test_a_journal_that_is_away_says_so_where_something_depends_on_it() -> None:
    minutes = Minutes()
    minutes.journal.is_away = True
    with pytest.raises(Transient, match="the journal is away"):
        tick(minutes.desk)
    assert minutes.taken == ["asked", "ready", "open", "head", "open"]
    minutes.journal.is_away = False
    (note,) = tick(minutes.desk)
    assert note.decision.why is not None


def test_what_was_seen_last_is_thought_over_and_never_acted_on() -> None:
    world, journal = World(delta=0.0), MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    before = list(journal.events)
    world.delta = 10.0
    desk.views.update(look(desk, world.head()))
    world.delta = 0.0
    (note,) = tick(desk)
    assert isinstance(note.decision, Hold)
    assert [type(event) for event in journal.events[len(before) :]] == [Decided]
    assert world.raws == []
