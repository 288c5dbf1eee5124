"""What people read of a shard, and what only a server does while it is verified: others start."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace

from keeper.adapters.event_log import Tip
from keeper.adapters.stores.postgres import journal as module
from keeper.adapters.stores.postgres import opening, reading, writing
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.adapters.stores.postgres.link import Link
from keeper.model.chain import ChainId
from keeper.model.errors import Fatal, Transient
from keeper.model.events import Event
from keeper.model.lease import Candidate
from keeper.testing.conformance.archive import ArchiveConformance, Run
from keeper.testing.conformance.journal_events import OTHER_ACCOUNT, a_life, an_intent

CHAIN = ChainId(31337)


@pytest.fixture
def journal(config: PostgresConfig) -> Iterator[PostgresJournal]:
    with PostgresJournal.acting(config, CHAIN, Candidate("me")) as opened:
        yield opened


@pytest.fixture
def beside(journal: PostgresJournal, config: PostgresConfig) -> Iterator[PostgresJournal]:
    assert journal.open() == ()
    with PostgresJournal.beside(config, CHAIN) as opened:
        yield opened


@pytest.fixture
def forgetful(config: PostgresConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresJournal]:
    monkeypatch.setattr(module, "TIDY_AFTER", 5)
    kept = replace(config, keep_holds_s=60)
    with PostgresJournal.acting(kept, CHAIN, Candidate("me")) as opened:
        yield opened


@pytest.fixture
def rewrite(journal: PostgresJournal) -> Run:
    def run(statement: str) -> None:
        with journal._link.transaction():
            journal._link.script(statement)

    return run


@pytest.fixture
def meddle(journal: PostgresJournal, config: PostgresConfig) -> Run:
    def run(statement: str) -> None:
        with psycopg.connect(config.url.reveal()) as connection:
            # What a superuser may: no trigger, no foreign key.
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(f'SET LOCAL search_path = "{journal._link.schema}"')
            connection.execute(statement)

    return run


class TestPostgresArchive(ArchiveConformance):
    """With the fixtures above."""


def test_a_table_cannot_be_emptied_at_one_go(journal: PostgresJournal, rewrite: Run) -> None:
    journal.append(*a_life(an_intent(), 0))
    with pytest.raises(Fatal, match="the journal refuses"):
        rewrite("TRUNCATE event CASCADE")
    assert journal.verify().events == 4


def in_the_middle(monkeypatch: pytest.MonkeyPatch, do: Callable[[], None]) -> None:
    """Let something happen while a journal is replayed, before its first event."""

    def write(link: Link, tip: Tip, event: Event, data: bytes, chain_id: ChainId) -> Tip:
        if link.schema == reading.SCRATCH and tip.seq == 0:
            do()
        return written(link, tip, event, data, chain_id)

    written = writing.write
    monkeypatch.setattr(writing, "write", write)


def test_no_start_waits_for_a_journal_that_is_verified(
    journal: PostgresJournal, config: PostgresConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried = replace(config, answer_s=0.3)

    def start() -> None:
        for shard in (hurried, replace(hurried, account=OTHER_ACCOUNT)):
            PostgresJournal.contending(shard, CHAIN, Candidate("other")).close()

    journal.append(*a_life(an_intent(), 0))
    in_the_middle(monkeypatch, start)
    assert journal.verify().events == 4


def test_no_table_is_changed_while_it_is_compared_with_the_log(
    journal: PostgresJournal,
    config: PostgresConfig,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "next.sql").write_text("ALTER TABLE slot ADD COLUMN later INT")
    waited: list[Transient] = []

    def upgrade() -> None:
        with monkeypatch.context() as newer:
            newer.setattr(opening, "STEPS", (*opening.STEPS, "next.sql"))
            newer.setattr(opening, "files", lambda _package: tmp_path)
            with pytest.raises(Transient, match="is busy") as caught:
                PostgresJournal.contending(replace(config, answer_s=0.3), CHAIN, Candidate("newer"))
        waited.append(caught.value)

    journal.append(*a_life(an_intent(), 0))
    journal.let_go()
    in_the_middle(monkeypatch, upgrade)
    assert journal.verify().events == 4
    assert waited
