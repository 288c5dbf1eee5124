import msgspec

from keeper.core.intents import intend
from keeper.engine.tick import look, recall, think
from keeper.model.errors import BadData
from keeper.model.flow import Intent, Rebalance, Snapshot
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, World, desk_of


def decided() -> tuple[Rebalance, Snapshot]:
    desk = desk_of(World(), MemoryJournal())
    view = look(desk, desk.chain.head())["eth"]
    (book,) = desk.books
    decision = think(desk, book, view, recall(desk, book), None)
    assert isinstance(decision, Rebalance)
    assert not isinstance(view, BadData)
    return decision, view


def intent_of(decision: Rebalance, view: Snapshot, *, book: str = "eth") -> Intent:
    return intend(decision, view, book=book, account=KEEPER, life_s=600)


def test_the_same_cause_is_the_same_intent() -> None:
    assert intent_of(*decided()) == intent_of(*decided())


def test_it_expires_by_the_clock_of_the_chain() -> None:
    decision, view = decided()
    assert intent_of(decision, view).deadline_s == view.block.timestamp_s + 600


def test_another_size_book_or_block_is_another_intent() -> None:
    decision, view = decided()
    elsewhere = msgspec.structs.replace(view.block, hash="0xcd")
    ids = {
        intent_of(decision, view).id,
        intent_of(msgspec.structs.replace(decision, units=1.0), view).id,
        intent_of(decision, msgspec.structs.replace(view, block=elsewhere)).id,
        intent_of(decision, view, book="btc").id,
    }
    assert len(ids) == 4
