"""A file that is not our journal is refused with a sentence, before anything is decided."""

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from keeper.adapters.event_log import ENCODER
from keeper.adapters.stores.sqlite import SqliteJournal, opening, writing
from keeper.adapters.stores.sqlite.lease import FileLock
from keeper.model.chain import ChainId
from keeper.model.errors import ConfigError, Fatal, Stopped
from keeper.model.events import Halted, Intended, Sent, Settled, Signed
from keeper.model.lease import Candidate, Terms
from keeper.ports.acting import Open
from keeper.testing.conformance.journal_events import (
    NOW_MS,
    a_hold,
    a_life,
    an_attempt,
    an_intent,
    an_outcome,
)

CHAIN = ChainId(31337)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keeper.db"


@pytest.fixture
def used(path: Path) -> Path:
    with SqliteJournal.acting(path, CHAIN) as journal:
        for nonce in range(30):
            journal.append(a_hold(nonce), *a_life(an_intent(nonce), nonce))
    return path


def refuse(path: Path, words: str, chain_id: ChainId = CHAIN) -> str:
    messages = []
    for open_it in (SqliteJournal.acting, SqliteJournal.beside):
        with pytest.raises(ConfigError, match=words) as caught:
            open_it(path, chain_id)
        messages.append(str(caught.value))
    return messages[0]


def alter(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


def test_s7_a_journal_of_a_newer_version_is_refused(used: Path) -> None:
    alter(used, f"PRAGMA user_version = {len(opening.STEPS) + 1}")
    assert "update the keeper" in refuse(used, "newer keeper")


def test_a_journal_of_an_older_version_is_brought_up_to_date(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = used.parent / "steps"
    package.mkdir()
    (package / "next.sql").write_text("CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;")
    monkeypatch.setattr(opening, "STEPS", (*opening.STEPS, "next.sql"))
    monkeypatch.setattr(opening, "files", lambda _package: package)
    with pytest.raises(ConfigError, match="older version"):
        SqliteJournal.beside(used, CHAIN)
    with SqliteJournal.acting(used, CHAIN) as journal:
        assert journal.next_nonce(an_intent().account) == 30
        assert journal._db.execute("PRAGMA user_version").fetchone() == (len(opening.STEPS),)
        assert journal._db.execute("SELECT count(*) FROM later").fetchone() == (0,)


def test_a_step_that_fails_changes_nothing(used: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = used.parent / "steps"
    package.mkdir()
    (package / "next.sql").write_text("CREATE TABLE later (id INTEGER) STRICT; BROKEN;")
    monkeypatch.setattr(opening, "STEPS", (*opening.STEPS, "next.sql"))
    monkeypatch.setattr(opening, "files", lambda _package: package)
    with pytest.raises(ConfigError, match="cannot be used"):
        SqliteJournal.acting(used, CHAIN)
    monkeypatch.undo()
    with SqliteJournal.acting(used, CHAIN) as journal:
        assert journal.verify().events == 120


def test_a_journal_of_another_chain_is_refused(used: Path) -> None:
    message = refuse(used, "another chain", ChainId(1))
    assert "31337" in message
    assert "configured=1" in message


def test_s3_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("my notes, and a lot of them\n" * 500)
    assert "not a database" in refuse(path, "cannot be used")
    assert path.read_text().startswith("my notes")


def test_another_programs_database_is_refused(path: Path) -> None:
    alter(path, "CREATE TABLE recipe (name TEXT)")
    refuse(path, "another program's database")


def test_s3_a_damaged_page_is_refused(used: Path) -> None:
    with contextlib.closing(sqlite3.connect(used)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'event'").fetchone()
    with used.open("r+b") as file:
        file.seek((page - 1) * opening.PAGE_BYTES)
        file.write(os.urandom(opening.PAGE_BYTES))
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        SqliteJournal.acting(used, CHAIN)
    assert "backup" in str(caught.value)


def test_s3_a_truncated_file_is_refused(used: Path) -> None:
    os.truncate(used, used.stat().st_size // 50)
    with pytest.raises(ConfigError, match="cannot be used"):
        SqliteJournal.acting(used, CHAIN)


def test_a_journal_that_forgot_its_chain_is_refused(used: Path) -> None:
    with contextlib.closing(sqlite3.connect(used)) as db:
        db.execute("DROP TRIGGER meta_is_kept")
        db.execute("DELETE FROM meta")
        db.commit()
    refuse(used, "cannot be used")


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        SqliteJournal.acting(tmp_path / "no" / "keeper.db", CHAIN)
    assert "No such file or directory" in str(caught.value)


def test_a_directory_is_no_journal(tmp_path: Path) -> None:
    refuse(tmp_path, "cannot be used")


@pytest.mark.parametrize("leftover", [False, True])
def test_looking_at_a_journal_that_never_was_says_how_one_begins(
    path: Path, *, leftover: bool
) -> None:
    if leftover:
        path.touch()
    with pytest.raises(ConfigError, match="no journal yet") as caught:
        SqliteJournal.beside(path, CHAIN)
    assert "keeper run" in str(caught.value)
    assert path.exists() == leftover


def test_a_first_start_that_died_half_way_starts_again(path: Path) -> None:
    path.touch()
    with SqliteJournal.acting(path, CHAIN) as journal:
        assert journal.open() == ()


@pytest.mark.parametrize("steps", range(len(opening.STEPS)))
def test_a_first_start_that_is_half_way_elsewhere_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    with monkeypatch.context() as half_way:
        half_way.setattr(opening, "STEPS", opening.STEPS[:steps])
        if steps:
            opening.connect(path, CHAIN, acting=True, alone=True).close()

    def go_on(_seconds: float) -> None:
        opening.connect(path, CHAIN, acting=True, alone=True).close()

    monkeypatch.setattr(time, "sleep", go_on)
    other = FileLock(path)
    assert other.take()
    with SqliteJournal.contending(path, CHAIN) as second:
        assert second.hold() == 1
    other.release()


def test_what_another_first_start_commits_during_a_look_is_not_half_seen(path: Path) -> None:
    class Interrupted(sqlite3.Connection):
        """A connection during whose every statement another process makes the tables."""

        def look(self, statement: str) -> list[tuple[int, ...]]:
            rows = self.cursor().execute(statement).fetchall()
            opening.connect(path, CHAIN, acting=True, alone=True).close()
            return rows

        execute = look  # type: ignore[assignment]  # rows in the place of a cursor

    with contextlib.closing(sqlite3.connect(path, factory=Interrupted)) as db:
        assert opening._version(db, path) == 0
        assert opening._version(db, path) == len(opening.STEPS)


def test_two_first_starts_make_one_journal(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "LOOK_S", 0.0)
    opened: list[SqliteJournal] = []
    names = ("one", "two", "three")
    together = threading.Barrier(len(names))

    def start(name: str) -> None:
        together.wait()
        opened.append(SqliteJournal.contending(path, CHAIN, Terms(Candidate(name))))

    starts = [threading.Thread(target=start, args=(name,)) for name in names]
    for thread in starts:
        thread.start()
    for thread in starts:
        thread.join()
    assert len(opened) == len(names)
    assert sum(journal.hold() is not None for journal in opened) == 1
    for journal in opened:
        journal.close()


def test_the_holder_of_the_lock_is_named(path: Path) -> None:
    with SqliteJournal.acting(path, CHAIN), pytest.raises(ConfigError) as caught:
        SqliteJournal.acting(path, CHAIN)
    assert f"pid={os.getpid()}" in str(caught.value)


def test_another_name_of_the_same_file_is_the_same_lock(used: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(used)
    with SqliteJournal.acting(link, CHAIN), pytest.raises(ConfigError, match="another keeper"):
        SqliteJournal.acting(used, CHAIN)


def test_an_odd_path_is_taken_literally(tmp_path: Path) -> None:
    odd = tmp_path / "a?mode=ro#b %20.db"
    with SqliteJournal.acting(odd, CHAIN) as journal:
        journal.append(*a_life(an_intent(), 0))
    assert odd.is_file()
    with SqliteJournal.beside(odd, CHAIN) as journal:
        assert len(journal.intents()) == 1


def test_s2_a_memory_journal_mode_is_not_enough(path: Path) -> None:
    # Where shared memory cannot be had SQLite stays in another mode and says so.
    with (
        contextlib.closing(opening.connect_in_memory(CHAIN)) as db,
        pytest.raises(ConfigError, match="write-ahead logging is refused"),
    ):
        opening._use_write_ahead_log(db, path, alone=True)


def test_a_lock_that_cannot_name_its_holder_is_refused(path: Path) -> None:
    path.with_name("keeper.db.lock").symlink_to("/dev/full")
    with pytest.raises(ConfigError, match="cannot be used"):
        SqliteJournal.acting(path, CHAIN)


def test_s3_a_row_that_no_constraint_would_allow_is_refused(used: Path) -> None:
    with contextlib.closing(sqlite3.connect(used)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("INSERT INTO slot VALUES (31337, 'x', -1, 'y')")
        db.commit()
    with pytest.raises(ConfigError, match="CHECK constraint failed in slot"):
        SqliteJournal.acting(used, CHAIN)


def test_a_journal_of_version_2_keeps_what_it_holds_and_learns_new_ends(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = an_intent(1)
    with monkeypatch.context() as older:
        older.setattr(opening, "STEPS", ("schema.sql", "gas.sql"))
        with contextlib.closing(opening.connect(path, CHAIN, acting=True, alone=True)) as db:
            tip = writing.read_genesis(db)
            # The writer of today names this column; the step does not carry it over.
            db.execute("ALTER TABLE intent ADD COLUMN withdraws TEXT")
            db.execute("BEGIN")
            # A halt landed while these bytes were signed: the older version let that happen.
            told = (*a_life(an_intent(0), 0), Halted("by hand", 1), Intended(intent, 2))
            for event in (*told, Signed(an_attempt(intent, 1))):
                tip = writing.write(db, tip, event, ENCODER.encode(event), CHAIN)
            db.execute("COMMIT")
    with SqliteJournal.acting(path, CHAIN) as journal:
        assert journal.open() == (Open(intent, (an_attempt(intent, 1),)),)
        assert journal.next_nonce(intent.account) == 2
        with pytest.raises(Stopped):
            journal.append(Signed(an_attempt(intent, 1, bump=1)))
        journal.append(Settled(an_outcome(intent, "cancelled"), 3))
        with pytest.raises(Fatal, match="settled already"):
            journal.append(Settled(an_outcome(intent), 4))
        with pytest.raises(Fatal, match="not in the journal"):
            journal.append(Settled(an_outcome(an_intent(7)), 4))
        assert journal.verify().events == 8


def test_a_journal_of_version_5_keeps_what_it_holds(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, waiting = an_intent(0), an_intent(1)
    attempts = (an_attempt(waiting, 1), an_attempt(waiting, 1, bump=1))
    told = (
        *a_life(done, 0),
        Intended(waiting, NOW_MS),
        Signed(attempts[0]),
        Sent(waiting.id, attempts[0].hash, "taken", NOW_MS),
        Signed(attempts[1]),
    )
    with monkeypatch.context() as older:
        older.setattr(opening, "STEPS", opening.STEPS[:5])
        with contextlib.closing(opening.connect(path, CHAIN, acting=True, alone=True)) as db:
            tip = writing.read_genesis(db)
            db.execute("BEGIN")
            for event in told:
                tip = writing.write(db, tip, event, ENCODER.encode(event), CHAIN)
            db.execute("COMMIT")
    with SqliteJournal.acting(path, CHAIN) as journal:
        (still_open,) = journal.open()
        assert (still_open.intent, still_open.attempts) == (waiting, attempts)
        assert [sent.hash for sent in still_open.sends] == [attempts[0].hash]
        assert [found.intent for found in journal.intents()] == [done, waiting]
        assert [entry.event for entry in journal.entries(intent_id=done.id)] == list(told[:4])
        assert journal.history(waiting.book, NOW_MS).last_trade_at_ms == attempts[1].signed_at_ms
        assert journal.next_nonce(waiting.account) == 2
        with pytest.raises(Fatal, match="still open"):
            journal.append(Intended(an_intent(2), NOW_MS))
        with pytest.raises(Fatal, match="signed before"):
            journal.append(Signed(attempts[1]))
        journal.append(Settled(an_outcome(waiting), NOW_MS))
        assert journal.open() == ()
        assert journal.verify().events == len(told) + 1


def test_a_step_that_leaves_loose_ends_is_taken_back(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = used.parent / "steps"
    package.mkdir()
    (package / "next.sql").write_text("DROP TRIGGER slot_is_kept; DELETE FROM slot;")
    monkeypatch.setattr(opening, "STEPS", (*opening.STEPS, "next.sql"))
    monkeypatch.setattr(opening, "files", lambda _package: package)
    with pytest.raises(ConfigError, match="refer to nothing"):
        SqliteJournal.acting(used, CHAIN)
    monkeypatch.undo()
    with SqliteJournal.acting(used, CHAIN) as journal:
        assert journal.verify().events == 120
