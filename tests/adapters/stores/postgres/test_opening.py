"""What a keeper may use, and what it must leave alone: versions, chains, other programs' tables."""

import threading
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from keeper.adapters.stores.postgres import opening
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.model.chain import ChainId
from keeper.model.errors import ConfigError
from keeper.model.lease import Candidate
from keeper.testing.conformance.journal_events import ACCOUNT, a_life, an_intent

CHAIN = ChainId(31337)
ME = Candidate("me")
SHARD = opening.shard_of(CHAIN, ACCOUNT)


@pytest.fixture
def used(config: PostgresConfig) -> PostgresConfig:
    with PostgresJournal.acting(config, CHAIN, ME) as journal:
        for nonce in range(3):
            journal.append(*a_life(an_intent(nonce), nonce))
    return config


def alter(config: PostgresConfig, statement: str) -> None:
    with psycopg.connect(config.url.reveal()) as connection:
        name = sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(SHARD))
        connection.execute(name)
        connection.execute(statement)


def next_step(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    (folder / "next.sql").write_text(text)
    monkeypatch.setattr(opening, "STEPS", (*opening.STEPS, "next.sql"))
    monkeypatch.setattr(opening, "files", lambda _package: folder)


def test_s7_a_journal_of_a_newer_version_is_refused(used: PostgresConfig) -> None:
    alter(used, "UPDATE version SET version = 99")
    with pytest.raises(ConfigError, match="newer keeper"):
        PostgresJournal.acting(used, CHAIN, ME)
    with pytest.raises(ConfigError, match="newer keeper"):
        PostgresJournal.beside(used, CHAIN)


def test_a_fleet_of_a_newer_version_is_refused(used: PostgresConfig) -> None:
    alter(used, "UPDATE keeper_fleet.version SET version = 99")
    with pytest.raises(ConfigError, match="newer keeper"):
        PostgresJournal.acting(used, CHAIN, ME)


def test_a_journal_of_an_older_version_is_brought_up_to_date(
    used: PostgresConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    next_step(monkeypatch, tmp_path, "CREATE TABLE later (id BIGINT PRIMARY KEY)")
    with pytest.raises(ConfigError, match="older version"):
        PostgresJournal.beside(used, CHAIN)
    with PostgresJournal.acting(used, CHAIN, ME) as journal:
        assert journal.next_nonce(ACCOUNT) == 3
        assert journal._link.rows("SELECT count(*) FROM {s}.later") == [(0,)]


def test_the_schema_is_not_changed_under_an_older_keeper_that_leads(
    used: PostgresConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with PostgresJournal.acting(used, CHAIN, ME) as older:
        next_step(monkeypatch, tmp_path, "CREATE TABLE later (id BIGINT PRIMARY KEY)")
        with pytest.raises(ConfigError, match="an older keeper acts on it"):
            PostgresJournal.contending(used, CHAIN, Candidate("newer"))
        older.append(*a_life(an_intent(3), 3))
    with PostgresJournal.acting(used, CHAIN, Candidate("newer")) as newer:
        assert newer.next_nonce(ACCOUNT) == 4


def test_a_step_that_fails_changes_nothing(
    used: PostgresConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    next_step(monkeypatch, tmp_path, "CREATE TABLE later (id BIGINT); BROKEN")
    with pytest.raises(Exception, match="cannot be written"):
        PostgresJournal.acting(used, CHAIN, ME)
    monkeypatch.undo()
    with PostgresJournal.acting(used, CHAIN, ME) as journal:
        assert journal.verify().events == 12
        assert journal._link.rows("SELECT to_regclass('{s}.later')") == [(None,)]


def test_another_programs_schema_is_left_alone(config: PostgresConfig) -> None:
    with psycopg.connect(config.url.reveal()) as connection:
        connection.execute("CREATE SCHEMA keeper_fleet")
        connection.execute("CREATE TABLE keeper_fleet.bees (id INT)")
    with pytest.raises(ConfigError, match="another program's"):
        PostgresJournal.contending(config, CHAIN, ME)


def test_schemas_that_an_administrator_made_are_used(config: PostgresConfig) -> None:
    with psycopg.connect(config.url.reveal()) as connection:
        connection.execute("CREATE SCHEMA keeper_fleet")
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(SHARD)))
    with PostgresJournal.acting(config, CHAIN, ME) as journal:
        journal.append(*a_life(an_intent(), 0))


def test_without_a_journal_nobody_looks_at_one(config: PostgresConfig) -> None:
    with pytest.raises(ConfigError, match="there is no journal yet"):
        PostgresJournal.beside(config, CHAIN)


def test_a_schema_that_was_renamed_to_another_account_is_refused(used: PostgresConfig) -> None:
    alter(used, "ALTER TABLE meta DISABLE TRIGGER USER")
    alter(used, "UPDATE meta SET value = '0x0' WHERE name = 'account'")
    with pytest.raises(ConfigError, match="another chain or account"):
        PostgresJournal.acting(used, CHAIN, ME)


def test_two_first_starts_make_one_journal(config: PostgresConfig) -> None:
    opened: list[PostgresJournal] = []
    starts = [
        threading.Thread(
            target=lambda name=name: opened.append(
                PostgresJournal.contending(config, CHAIN, Candidate(name))
            )
        )
        for name in ("one", "two", "three")
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert sum(journal.hold() is not None for journal in opened) == 1
    for journal in opened:
        journal.close()
