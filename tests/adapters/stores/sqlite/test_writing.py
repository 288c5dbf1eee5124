"""The tables refuse what would break a promise, whoever writes and however."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.stores.sqlite import journal as module
from keeper.model.chain import ChainId
from keeper.model.errors import BadData
from keeper.model.events import Adopted, Halted, Intended
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    a_hold,
    a_life,
    an_intent,
)

CHAIN = ChainId(31337)
WEEK_MS = 7 * 24 * 3_600 * 1_000


@pytest.fixture
def journal() -> Iterator[SqliteJournal]:
    """A settled life, a nonce that was adopted, and an intent that is open."""
    with SqliteJournal.in_memory(CHAIN) as opened:
        opened.append(*a_life(an_intent(0), 0), Adopted(ACCOUNT, 3, NOW_MS))
        opened.append(Intended(an_intent(1), NOW_MS))
        yield opened


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE meta SET value = '1'", "one chain for ever"),
        ("DELETE FROM meta", "one chain for ever"),
        ("UPDATE event SET data = '' WHERE seq = 1", "append-only"),
        ("DELETE FROM event", "append-only"),
        (
            "INSERT INTO event (seq, kind, data, prev_hash, hash) VALUES (99, 'x', '', x'', x'')",
            "no gaps",
        ),
        ("UPDATE intent SET account = 'x' WHERE status IS NULL", "does not change"),
        ("UPDATE intent SET gas_usd = 1", "settled already"),
        ("DELETE FROM intent", "never forgotten"),
        ("UPDATE slot SET sender = 'x'", "one intent for ever"),
        ("DELETE FROM slot", "one intent for ever"),
        (
            "INSERT INTO attempt SELECT 1, 'x', id, 0 FROM intent WHERE status = 'done'",
            "nothing is signed for a settled intent",
        ),
        (
            "INSERT INTO intent (seq, id, book, account) VALUES (8, 'x', 'x', 'somebody')",
            "begins with the next event",
        ),
        (
            "UPDATE intent SET status = 'done', settled_seq = 8, settled_at_ms = 1 WHERE seq = 6",
            "settled by the next event",
        ),
        (
            "INSERT INTO attempt SELECT 8, 'x', id, 4 FROM intent WHERE status IS NULL",
            "signed in the next event",
        ),
        ("UPDATE attempt SET hash = 'x'", "do not change"),
        ("DELETE FROM attempt", "never forgotten"),
        ("UPDATE adopted SET nonce = 9", "stays adopted"),
        ("DELETE FROM adopted", "stays adopted"),
        ("INSERT INTO request (command, at_ms) VALUES ('sell', 1)", "CHECK"),
        ("INSERT INTO request (command, at_ms, served) VALUES ('flatten', 1, 2)", "CHECK"),
        ("INSERT INTO adopted (seq, sender, nonce) VALUES (1, 'somebody', -1)", "CHECK"),
        (
            "INSERT INTO slot SELECT 1, 'somebody', -1, id FROM intent WHERE status IS NULL",
            "CHECK",
        ),
        (
            "UPDATE intent SET status = 'x', settled_seq = 7, settled_at_ms = 1 WHERE seq = 6",
            "CHECK",
        ),
        ("UPDATE intent SET settled_seq = 7 WHERE status IS NULL", "CHECK"),
        ("UPDATE intent SET settled_at_ms = 1 WHERE status IS NULL", "CHECK"),
    ],
)
def test_the_file_itself_refuses_to_rewrite_history(
    journal: SqliteJournal, statement: str, words: str
) -> None:
    before = journal.verify()
    with pytest.raises(sqlite3.IntegrityError, match=words):
        journal._db.execute(statement)
    assert journal.verify() == before


def test_a_trade_takes_the_database_no_more_steps_after_many_others() -> None:
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with SqliteJournal.in_memory(CHAIN) as journal:
        journal._db.set_progress_handler(count, 1)
        taken = []
        for nonce in range(200):
            before = steps
            journal.append(*a_life(an_intent(nonce), nonce))
            assert journal.open() == ()
            taken.append(steps - before)
    assert taken[-1] == taken[10]


def test_a_damaged_halt_is_named_by_its_place_in_the_log(journal: SqliteJournal) -> None:
    journal.append(Halted("by hand", NOW_MS))
    ((seq,),) = journal._db.execute("SELECT max(seq) FROM event").fetchall()
    journal._db.execute("DROP TRIGGER event_is_final")
    journal._db.execute("UPDATE event SET data = '{}' WHERE kind = 'Halted'")
    with pytest.raises(BadData) as damage:
        journal.halted()
    assert seq in damage.value.facts.values()


@pytest.mark.parametrize("opened", [SqliteJournal.acting, SqliteJournal.contending])
def test_a_hold_is_kept_for_a_week_if_nobody_says_otherwise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    opened: Callable[[Path, ChainId], SqliteJournal],
) -> None:
    monkeypatch.setattr(module, "TIDY_AFTER", 1)
    almost_ms = WEEK_MS - 1
    with opened(tmp_path / "keeper.db", CHAIN) as journal:
        assert journal.hold() is not None
        for after_ms in (0, almost_ms):
            journal.append(a_hold(after_ms))
        assert len(journal.decisions(last=9)) == 2
        journal.append(a_hold(WEEK_MS + 1))
        kept = [decided.at_ms - NOW_MS for decided in journal.decisions(last=9)]
        assert kept == [almost_ms, WEEK_MS + 1]
