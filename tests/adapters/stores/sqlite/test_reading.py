"""What people read is what was written, and an edited journal does not verify."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.model.chain import ChainId
from keeper.model.errors import BadData, Fatal
from keeper.model.events import Adopted, Decided, Halted, Intended, Settled, Signed, Troubled
from keeper.model.records import Record, Totals
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    OTHER_ACCOUNT,
    a_hold,
    a_life,
    a_reasoning,
    a_rebalance,
    an_attempt,
    an_intent,
    an_outcome,
)

CHAIN = ChainId(31337)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal.acting(tmp_path / "keeper.db", CHAIN) as opened:
        yield opened


def meddle(journal: SqliteJournal, statement: str, *arguments: object) -> None:
    """Change a row the way only somebody with the file in hand could."""
    triggers = journal._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    journal._db.execute("PRAGMA foreign_keys = OFF")
    for name, _ in (rows := triggers.fetchall()):
        journal._db.execute(f"DROP TRIGGER {name}")
    journal._db.execute(statement, arguments)
    for _, sql in rows:
        journal._db.execute(sql)


def test_decisions_come_in_the_order_they_were_made(journal: SqliteJournal) -> None:
    # Their times are equal and one clock went back: the order is the journal's own.
    made = [
        a_hold(5),
        a_rebalance(),
        a_hold(0, why=a_reasoning()),
        a_hold(-9, book="btc"),
        a_rebalance(),
        a_hold(0),
    ]
    journal.append(*made[:3])
    journal.append(*a_life(an_intent(), 0))
    journal.append(*made[3:])
    assert journal.decisions(last=100) == tuple(made)
    assert journal.decisions(last=2) == tuple(made[-2:])
    assert journal.decisions("eth", last=3) == (made[2], made[4], made[5])
    assert journal.decisions("btc") == (made[3],)
    assert journal.decisions("nobody", last=3) == ()


def test_a_decision_is_read_back_with_every_input(journal: SqliteJournal) -> None:
    decided = a_hold(1, why=a_reasoning())
    journal.append(decided)
    assert journal.decisions() == (decided,)


def test_an_intent_is_read_with_its_attempts_and_its_outcome(journal: SqliteJournal) -> None:
    intent = an_intent(7)
    attempts = (an_attempt(intent, 3), an_attempt(intent, 3, bump=1))
    journal.append(Intended(intent, NOW_MS), *(Signed(attempt) for attempt in attempts))
    assert journal.intents() == (Record(intent, NOW_MS, attempts, None, None),)
    journal.append(Settled(an_outcome(intent), NOW_MS + 5))
    closed = Record(intent, NOW_MS, attempts, an_outcome(intent), NOW_MS + 5)
    assert journal.intents() == (closed,)
    assert journal.intent(intent.id) == closed


def test_the_last_intents_come_oldest_first(journal: SqliteJournal) -> None:
    for nonce in range(5):
        journal.append(*a_life(an_intent(nonce), nonce))
    assert [r.intent.id for r in journal.intents(2)] == [an_intent(3).id, an_intent(4).id]


def test_an_intent_is_found_by_the_start_of_its_id(journal: SqliteJournal) -> None:
    for nonce, number in enumerate((0xA1 << 120, 0xA2 << 120, 0xB1 << 120)):
        journal.append(*a_life(an_intent(number), nonce))
    found = journal.intent("b")
    assert found is not None
    assert found.intent.id.startswith("b1")
    assert journal.intent("a") is None
    assert journal.intent("c") is None
    assert journal.intent("%") is None


def test_the_events_of_one_intent_are_its_own(journal: SqliteJournal) -> None:
    journal.append(*a_life(an_intent(0), 0), Troubled("BadData", "stale", NOW_MS))
    journal.append(*a_life(an_intent(1), 1))
    kinds = [type(e.event).__name__ for e in journal.entries(intent_id=an_intent(1).id)]
    assert kinds == ["Intended", "Signed", "Sent", "Settled"]
    assert [e.seq for e in journal.entries(last=3)] == [7, 8, 9]


def test_totals_count_what_was_done_and_what_it_cost(journal: SqliteJournal) -> None:
    assert journal.totals() == Totals(0, 0, {}, 0, 0, 0.0, 0.0, 0.0, 0.0)
    journal.append(*a_life(an_intent(0), 0), *a_life(an_intent(1), 1))
    journal.append(Intended(an_intent(2), NOW_MS))
    journal.append(Settled(an_outcome(an_intent(2), "failed", gas_usd=0.5), NOW_MS))
    journal.append(Intended(an_intent(3), NOW_MS))
    journal.append(*(Signed(an_attempt(an_intent(3), 2, bump=bump)) for bump in range(3)))
    assert journal.totals() == Totals(
        intents=4,
        open_intents=1,
        by_status={"done": 2, "failed": 1},
        transactions=3,
        attempts=5,
        gas_usd=3.0,
        fees_usd=1.0,
        realized_pnl_usd=-0.5,
        traded_base=3.0,
    )


def test_an_event_of_an_unknown_shape_is_bad_data(journal: SqliteJournal) -> None:
    journal.append(a_hold())
    journal._db.execute('UPDATE hold SET data = \'{"type":"Dreamt"}\'')
    with pytest.raises(BadData, match="cannot be read"):
        journal.decisions()


def test_a_whole_journal_verifies(journal: SqliteJournal) -> None:
    empty = journal.verify()
    assert empty.events == 0
    journal.append(a_rebalance(), *a_life(an_intent(0), 0), Adopted(OTHER_ACCOUNT, 4, NOW_MS))
    journal.append(Intended(an_intent(1), NOW_MS), Halted("by hand", NOW_MS), a_hold())
    proof = journal.verify()
    assert proof.events == 8
    assert proof.tip != empty.tip


def test_two_journals_have_different_chains_of_hashes() -> None:
    tips = set()
    for chain in (1, 2):
        with SqliteJournal.in_memory(ChainId(chain)) as journal:
            journal.append(*a_life(an_intent(), 0))
            tips.add(journal.verify().tip)
    assert len(tips) == 2


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE event SET data = replace(data, '1.25', '0.25') WHERE seq = 4", "was changed"),
        ("UPDATE event SET hash = zeroblob(32) WHERE seq = 2", "was changed"),
        ("DELETE FROM event WHERE seq = 3", "was changed"),
        ("DELETE FROM event WHERE seq = 1", "was changed"),
        ("UPDATE event SET kind = 'Halted' WHERE seq = 3", "does not follow"),
        ("UPDATE event SET prev_hash = zeroblob(32) WHERE seq = 2", "does not follow"),
        ("UPDATE intent SET status = 'failed'", "does not follow"),
        ("UPDATE intent SET gas_usd = 0", "does not follow"),
        ("UPDATE slot SET nonce = 9", "does not follow"),
        ("DELETE FROM attempt", "does not follow"),
        ("INSERT INTO adopted VALUES (4, '0x0', 77)", "does not follow"),
    ],
)
def test_an_edited_journal_does_not_verify(
    journal: SqliteJournal, statement: str, words: str
) -> None:
    journal.append(*a_life(an_intent(), 0))
    meddle(journal, statement)
    with pytest.raises(Fatal, match=words):
        journal.verify()


def test_a_log_with_good_hashes_that_tells_of_a_double_does_not_verify(
    journal: SqliteJournal,
) -> None:
    journal.append(*a_life(an_intent(0), 0))
    meddle(journal, "DROP INDEX one_open_intent")
    journal.append(Intended(an_intent(1), NOW_MS), Intended(an_intent(2), NOW_MS))
    with pytest.raises(Fatal, match="contradicts those before it"):
        journal.verify()


def test_an_outcome_in_the_place_of_an_intent_is_noticed(journal: SqliteJournal) -> None:
    journal.append(*a_life(an_intent(), 0))
    meddle(journal, "UPDATE intent SET seq = 4")
    with pytest.raises(Fatal, match="another kind"):
        journal.intents()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET data = '' WHERE seq = 1",
        "DELETE FROM event",
        "INSERT INTO event VALUES (9, 'Halted', NULL, NULL, '', '', '')",
        "UPDATE intent SET account = 'x'",
        "UPDATE intent SET status = NULL, settled_seq = NULL, settled_at_ms = NULL",
        "DELETE FROM intent",
        "UPDATE slot SET intent_id = 'x'",
        "DELETE FROM slot",
        "UPDATE attempt SET hash = 'x'",
        "DELETE FROM attempt",
        "UPDATE adopted SET nonce = 0",
        "DELETE FROM adopted",
        "UPDATE meta SET value = '1'",
        "DELETE FROM meta",
        "INSERT INTO request (command, at_ms) VALUES ('sell', 1)",
    ],
)
def test_the_database_itself_refuses_to_rewrite_history(
    journal: SqliteJournal, statement: str
) -> None:
    journal.append(*a_life(an_intent(), 0), Adopted(ACCOUNT, 3, NOW_MS))
    with pytest.raises(sqlite3.IntegrityError):
        journal._db.execute(statement)
    assert journal.verify().events == 5


def test_holds_are_beside_the_chain_of_hashes(journal: SqliteJournal) -> None:
    journal.append(*a_life(an_intent(), 0))
    before = journal.verify()
    journal.append(a_hold(), a_hold(1))
    assert journal.verify() == before
    assert all(isinstance(d, Decided) for d in journal.decisions(last=2))
