"""The journal in memory keeps the same promises as the one on disk."""

import pytest
from msgspec.structs import replace

from keeper.engine.tick import tick
from keeper.model.errors import Fatal
from keeper.model.events import Intended, Signed
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, World, desk_of
from keeper.testing.conformance.fate import FateConformance


class TestMemoryJournal(FateConformance):
    """A new one each time."""

    @pytest.fixture
    def journal(self) -> MemoryJournal:
        return MemoryJournal()


@pytest.fixture
def journal() -> MemoryJournal:
    journal = MemoryJournal()
    tick(desk_of(World(), journal))
    return journal


def intended(journal: MemoryJournal) -> Intended:
    return next(e for e in journal.events if isinstance(e, Intended))


def signed(journal: MemoryJournal) -> Signed:
    return next(e for e in journal.events if isinstance(e, Signed))


def test_an_intent_is_written_down_once(journal: MemoryJournal) -> None:
    assert journal.knows(intended(journal).intent.id)
    with pytest.raises(Fatal, match="once"):
        journal.append(intended(journal))


def test_an_account_has_one_open_intent(journal: MemoryJournal) -> None:
    other = replace(intended(journal).intent, id="other")
    with pytest.raises(Fatal, match="still open"):
        journal.append(Intended(other, 1))


def test_a_nonce_belongs_to_one_intent(journal: MemoryJournal) -> None:
    with pytest.raises(Fatal, match="for ever"):
        journal.append(Signed(replace(signed(journal).attempt, intent_id="other")))


def test_it_knows_the_next_nonce_and_the_last_trade(journal: MemoryJournal) -> None:
    assert journal.next_nonce(KEEPER) == 1
    history = journal.history("eth", now_ms=0)
    assert history.last_trade_at_ms == signed(journal).attempt.signed_at_ms
    assert history.last_gas_used is None
