"""The lease of a file: the conformance suite, and what the kernel's lock adds."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.stores.sqlite.lease import FileLock, lock_path
from keeper.model.chain import ChainId
from keeper.model.errors import ConfigError, Fenced, Transient
from keeper.model.events import CodeSeen, Halted
from keeper.model.lease import Candidate, Terms
from keeper.testing.conformance.journal_events import ACCOUNT, NOW_MS, OTHER_ACCOUNT
from keeper.testing.conformance.lease import (
    FIRST,
    NEWER,
    SECOND,
    THIRD,
    Contend,
    LeaseConformance,
)

CHAIN = ChainId(31337)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keeper.db"


@pytest.fixture
def contend(path: Path) -> Iterator[Contend]:
    with contextlib.ExitStack() as stack:

        def open_it(candidate: Candidate, *, adopt: bool = False) -> SqliteJournal:
            terms = Terms(candidate, adopt=adopt)
            return stack.enter_context(SqliteJournal.contending(path, CHAIN, terms))

        yield open_it


@pytest.fixture
def run_out(path: Path) -> Callable[[], None]:
    def set_back() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("UPDATE lease SET expires_ms = 0")

    return set_back


class TestSqliteLease(LeaseConformance):
    """With the fixtures above."""


def die(journal: object) -> None:
    """Leave everything as a SIGKILL would: the kernel drops the lock, the row stays."""
    assert isinstance(journal, SqliteJournal)
    assert journal._lease is not None
    journal._lease.release_lock()


def test_a_holder_that_died_is_followed_before_its_lease_is_over(contend: Contend) -> None:
    first, second = contend(FIRST), contend(SECOND)
    first.hold()
    die(first)
    assert second.hold() == 2


def test_a_holder_that_died_is_followed_by_any_version(contend: Contend) -> None:
    first = contend(FIRST)
    first.hold()
    die(first)
    assert contend(NEWER).hold() == 2


def test_a_free_lock_proves_nothing_about_a_leader_that_never_had_it(
    contend: Contend, run_out: Callable[[], None]
) -> None:
    # The first is stopped, not dead: it keeps the lock, and the second leads without it.
    stopped, leader = contend(FIRST), contend(SECOND)
    stopped.hold()
    run_out()
    assert leader.hold() == 2
    with pytest.raises(Fenced):
        stopped.append(Halted("woke up", NOW_MS))
    third = contend(THIRD)
    assert third.hold() is None
    assert stopped.hold() is None
    leader.append(Halted("still here", NOW_MS))


def test_a_leader_without_the_lock_takes_it_with_its_next_renewal(
    contend: Contend, run_out: Callable[[], None], path: Path
) -> None:
    stopped, leader = contend(FIRST), contend(SECOND)
    stopped.hold()
    run_out()
    leader.hold()
    die(stopped)
    leader.append(Halted("still here", NOW_MS))
    assert not FileLock(path).take()
    die(leader)
    assert contend(THIRD).hold() == 3


def test_a_lease_is_not_written_anew_at_every_look(contend: Contend) -> None:
    first = contend(FIRST)
    first.hold()
    assert isinstance(first, SqliteJournal)
    statements: list[str] = []
    first._db.set_trace_callback(statements.append)
    assert first.hold() == 1
    assert statements == []


def test_a_leader_stopped_in_the_middle_of_a_write_cannot_be_followed_yet(
    contend: Contend, run_out: Callable[[], None], path: Path
) -> None:
    first, second = contend(FIRST), contend(SECOND)
    first.hold()
    run_out()
    assert isinstance(second, SqliteJournal)
    second._db.execute("PRAGMA busy_timeout = 20")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as stopped:
        stopped.execute("BEGIN IMMEDIATE")
        with pytest.raises(Transient, match="locked"):
            second.hold()
    assert second.hold() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lease SET epoch = epoch - 1",
        "UPDATE lease SET holder = 'thief'",
        "UPDATE lease SET name = 'other'",
        "DELETE FROM lease",
    ],
)
def test_the_database_itself_refuses_to_weaken_the_fence(
    contend: Contend, path: Path, statement: str
) -> None:
    contend(FIRST).hold()
    with (
        contextlib.closing(sqlite3.connect(path)) as db,
        pytest.raises(sqlite3.IntegrityError, match="lease"),
    ):
        db.execute(statement)


def test_a_lock_in_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "no" / "keeper.db")
    with pytest.raises(ConfigError, match="cannot be used"):
        lock.take()
    assert lock.last_holder() == "unknown"


def test_two_names_of_one_file_have_one_lock(tmp_path: Path) -> None:
    real = tmp_path / "keeper.db"
    real.touch()
    link = tmp_path / "link.db"
    link.symlink_to(real)
    assert lock_path(link) == lock_path(real)


def test_the_leader_has_the_disk_awake_and_nobody_else(
    contend: Contend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def advise(handle: int, offset: int, length: int, advice: int) -> None:
        assert (offset, length) == (0, 0)
        asked.append((str(Path(f"/proc/self/fd/{handle}").readlink()), advice))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    leader, other = contend(FIRST), contend(SECOND)
    leader.hold()
    with SqliteJournal.beside(path, CHAIN) as beside, SqliteJournal.in_memory(CHAIN) as nowhere:
        for journal in (other, beside, nowhere):
            journal.make_ready()
    assert asked == []
    leader.make_ready()
    read_again = (os.POSIX_FADV_DONTNEED, os.POSIX_FADV_WILLNEED)
    assert asked == [(str(lock_path(path)), advice) for advice in read_again]
    monkeypatch.delattr(os, "posix_fadvise")
    leader.make_ready()  # on a system that takes no advice


def test_whoever_leads_reads_the_code_that_was_seen_once_and_all_others_every_time(
    contend: Contend, path: Path
) -> None:
    leader, other = contend(FIRST), contend(SECOND)
    leader.hold()
    leader.append(CodeSeen(ACCOUNT, "0x01", NOW_MS))
    assert isinstance(leader, SqliteJournal)
    statements: list[str] = []
    leader._db.set_trace_callback(statements.append)
    assert [leader.code_hash(ACCOUNT) for _ in range(3)] == ["0x01"] * 3
    assert len(statements) == 1
    assert [leader.code_hash(OTHER_ACCOUNT) for _ in range(2)] == [None] * 2
    assert len(statements) == 3
    with SqliteJournal.beside(path, CHAIN) as beside:
        for found in ("0x01", "0x02"):
            leader.append(CodeSeen(ACCOUNT, found, NOW_MS))
            assert [each.code_hash(ACCOUNT) for each in (leader, other, beside)] == [found] * 3


def test_code_that_another_leader_saw_is_not_overlooked(contend: Contend) -> None:
    first, second = contend(FIRST), contend(SECOND)
    first.hold()
    first.append(CodeSeen(ACCOUNT, "0x01", NOW_MS))
    assert first.code_hash(ACCOUNT) == "0x01"
    die(first)
    second.hold()
    second.append(CodeSeen(ACCOUNT, "0x02", NOW_MS))
    second.close()
    assert isinstance(first, SqliteJournal)
    assert first._lease is not None
    first._lease._renew_at_s = 0.0  # as after a while
    assert first.hold() == 3
    assert first.code_hash(ACCOUNT) == "0x02"
