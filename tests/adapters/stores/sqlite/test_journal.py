"""The conformance suite on a file, and what only a file has: other processes, age, and disks."""

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal, journal, opening, reading
from keeper.adapters.stores.sqlite.lease import FileLock, LeaseRow
from keeper.model.chain import ChainId
from keeper.model.errors import ConfigError, Fatal, Transient
from keeper.model.events import Halted, Intended, Settled, Signed
from keeper.ports.acting import Archive
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    a_life,
    a_rebalance,
    an_attempt,
    an_intent,
    an_outcome,
)
from keeper.testing.conformance.store import StoreConformance

CHAIN = ChainId(31337)
DAY_MS = 24 * 3600 * 1_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keeper.db"


@pytest.fixture
def acting(path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal.acting(path, CHAIN) as opened:
        yield opened


@pytest.fixture
def beside(acting: SqliteJournal, path: Path) -> Iterator[SqliteJournal]:
    assert acting.open() == ()
    with SqliteJournal.beside(path, CHAIN) as opened:
        yield opened


class TestSqliteJournal(StoreConformance):
    @pytest.fixture
    def open_it(self, path: Path) -> Callable[[], Archive]:
        return lambda: SqliteJournal.acting(path, CHAIN)

    @pytest.fixture
    def open_second(self, open_it: Callable[[], Archive]) -> Callable[[], Archive]:
        return open_it

    @pytest.fixture
    def command(self, path: Path) -> tuple[str, ...]:
        program = (
            "from keeper.adapters.stores.sqlite import SqliteJournal\n"
            "from keeper.testing.conformance.store import append_for_ever\n"
            f"append_for_ever(SqliteJournal.acting({str(path)!r}, {CHAIN}))"
        )
        return (sys.executable, "-c", program)


# Other processes


def test_a_request_survives_a_restart(path: Path) -> None:
    with SqliteJournal.acting(path, CHAIN):
        pass
    with SqliteJournal.beside(path, CHAIN) as person:
        person.request("flatten")
    with SqliteJournal.acting(path, CHAIN) as keeper:
        assert [r.command for r in keeper.requests()] == ["flatten"]


def test_s8_a_writer_that_never_ends_is_transient_and_nothing_is_written(
    acting: SqliteJournal, path: Path
) -> None:
    acting._db.execute("PRAGMA busy_timeout = 50")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as hog:
        hog.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient, match="locked"):
            acting.append(Intended(an_intent(), NOW_MS))
        hog.execute("ROLLBACK")
    acting.append(Intended(an_intent(), NOW_MS))


def test_a_reader_sees_one_moment_while_the_keeper_writes(
    acting: SqliteJournal, beside: SqliteJournal
) -> None:
    with beside._snapshot():
        assert reading.read_intents(beside._db, 1) == ()
        acting.append(*a_life(an_intent(), 0))
        assert reading.read_intents(beside._db, 1) == ()
    assert len(beside.intents()) == 1


# Disks


def test_s2_every_commit_waits_for_the_disk(acting: SqliteJournal) -> None:
    assert acting._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert acting._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert acting._db.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_one_append_is_one_commit(acting: SqliteJournal) -> None:
    statements: list[str] = []
    acting._db.set_trace_callback(statements.append)
    acting.append(a_rebalance(), Intended(an_intent(), NOW_MS))
    assert [s for s in statements if s in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


def test_s1_a_full_disk_is_fatal_and_nothing_is_half_written(acting: SqliteJournal) -> None:
    acting.append(Intended(an_intent(), NOW_MS))
    # The free pages made in advance would hide the end of the disk.
    acting._db.execute("VACUUM")
    pages = acting._db.execute("PRAGMA page_count").fetchone()[0]
    acting._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(Fatal, match="cannot be written") as caught:
        acting.append(Signed(an_attempt(an_intent(), 0)), Halted("x" * 100_000, NOW_MS))
    assert "full" in str(caught.value)
    assert acting.open()[0].attempts == ()
    acting._db.execute(f"PRAGMA max_page_count = {2 * pages}")
    acting.append(Signed(an_attempt(an_intent(), 0)))


def test_s1_a_disk_that_turned_read_only_is_fatal(acting: SqliteJournal) -> None:
    acting._db.execute("PRAGMA query_only = ON")
    with pytest.raises(Fatal, match="cannot be written"):
        acting.append(Intended(an_intent(), NOW_MS))


# Age


def test_the_write_ahead_log_stays_short_without_any_hold(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LEADING_PAGES", 1)
    with SqliteJournal.acting(path, CHAIN) as busy:
        for nonce in range(200):
            busy.append(*a_life(an_intent(nonce), nonce))
        log = path.with_name(path.name + "-wal")
        assert log.stat().st_size < 3 * journal.TIDY_AFTER * 12 * opening.PAGE_BYTES


def test_nobody_in_a_hurry_waits_for_a_checkpoint(
    acting: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "TIDY_AFTER", 1)
    statements: list[str] = []
    acting._db.set_trace_callback(statements.append)
    acting.append(a_rebalance(), Intended(an_intent(), NOW_MS))
    acting.append(Signed(an_attempt(an_intent(), 0)))
    assert not [s for s in statements if "checkpoint" in s]
    acting.append(Settled(an_outcome(an_intent()), NOW_MS))
    assert [s for s in statements if "checkpoint" in s]


def test_a_journal_in_memory_follows_the_same_rules() -> None:
    with SqliteJournal.in_memory(CHAIN) as dry:
        dry.append(*a_life(an_intent(), 0))
        assert dry.next_nonce(ACCOUNT) == 1
        with pytest.raises(Fatal, match="tried before"):
            dry.append(Intended(an_intent(), NOW_MS))


def test_the_lock_is_free_after_closing(path: Path) -> None:
    first = SqliteJournal.acting(path, CHAIN)
    first.close()
    first.close()
    with SqliteJournal.acting(path, CHAIN):
        pass


def test_a_failed_opening_frees_the_lock(path: Path) -> None:
    with SqliteJournal.acting(path, CHAIN):
        pass
    with pytest.raises(ConfigError, match="another chain"):
        SqliteJournal.acting(path, ChainId(1))
    with SqliteJournal.acting(path, CHAIN):
        pass


def test_a_lease_that_cannot_be_asked_for_frees_the_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_row: LeaseRow) -> None:
        raise Transient("the journal is locked by another process")

    monkeypatch.setattr(LeaseRow, "hold", busy)
    with pytest.raises(Transient):
        SqliteJournal.acting(path, CHAIN)
    lock = FileLock(path)
    assert lock.take()
    lock.release()
