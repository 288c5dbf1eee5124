"""What people read of a file, and what only a file's hashes must tell apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.stores.sqlite import journal as module
from keeper.model.chain import ChainId
from keeper.testing.conformance.archive import ArchiveConformance, Run
from keeper.testing.conformance.journal_events import a_life, an_intent

CHAIN = ChainId(31337)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal.acting(tmp_path / "keeper.db", CHAIN) as opened:
        yield opened


@pytest.fixture
def beside(journal: SqliteJournal, tmp_path: Path) -> Iterator[SqliteJournal]:
    assert journal.open() == ()
    with SqliteJournal.beside(tmp_path / "keeper.db", CHAIN) as opened:
        yield opened


@pytest.fixture
def forgetful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteJournal]:
    monkeypatch.setattr(module, "TIDY_AFTER", 5)
    with SqliteJournal.acting(tmp_path / "keeper.db", CHAIN, keep_holds_s=60) as opened:
        yield opened


@pytest.fixture
def rewrite(journal: SqliteJournal) -> Run:
    def run(statement: str) -> None:
        with journal._guard:
            journal._db.execute(statement)

    return run


@pytest.fixture
def meddle(journal: SqliteJournal) -> Run:
    def run(statement: str) -> None:
        triggers = journal._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        journal._db.execute("PRAGMA foreign_keys = OFF")
        for name, _ in (rows := triggers.fetchall()):
            journal._db.execute(f"DROP TRIGGER {name}")
        journal._db.execute(statement)
        for _, sql in rows:
            journal._db.execute(sql)

    return run


class TestSqliteArchive(ArchiveConformance):
    """With the fixtures above."""


def test_two_journals_have_different_chains_of_hashes() -> None:
    tips = set()
    for chain in (1, 2):
        with SqliteJournal.in_memory(ChainId(chain)) as journal:
            journal.append(*a_life(an_intent(), 0))
            tips.add(journal.verify().tip)
    assert len(tips) == 2
