"""Who leads, asked from beside."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.model.chain import ChainId
from keeper.model.events import Halted, Intended
from keeper.model.lease import Candidate
from keeper.model.secret import Secret
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    OTHER_ACCOUNT,
    an_intent,
)
from keeper.testing.postgres_server import Server, running_server

Keeper = Callable[..., Result]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture
def url(server: Server, home: Path) -> str:
    """Point the home's keeper at an empty database."""
    url = server.new_database()
    toml, env = home / "keeper.toml", home / ".env"
    text = re.sub(r"(?m)^\[journal\]\n(?:.+\n)*", "", toml.read_text())
    journal = f'[journal]\ntype = "postgres"\nurl = "${{DATABASE}}"\naccount = "{ACCOUNT}"\n'
    toml.write_text(f"{text}\n{journal}")
    env.write_text(f"{env.read_text()}\nDATABASE={url}\n")
    return url


def test_a_database_that_nobody_used_is_said_to_be_empty(keeper: Keeper, url: str) -> None:
    assert url
    done = keeper("fleet", "status")
    assert done.exit_code == 2
    assert "there is no fleet in this database yet" in done.stderr


def test_every_shard_of_the_database_is_shown(keeper: Keeper, url: str) -> None:
    one = PostgresConfig(url=Secret(url), account=ACCOUNT)
    other = PostgresConfig(url=Secret(url), account=OTHER_ACCOUNT)
    with PostgresJournal.acting(one, ChainId(10), Candidate("host-a", "0.1.0", "abc")) as first:
        first.append(Intended(an_intent(), NOW_MS))
        done = keeper("fleet", "status")
        assert done.exit_code == 0, done.output
        assert "host-a" in done.stdout
        with PostgresJournal.acting(other, ChainId(10), Candidate("host-b")) as second:
            second.append(Halted("by hand", NOW_MS))
            done = keeper("fleet", "status", "--json")
    assert done.exit_code == 1
    shards = {shard["leader"]: shard for shard in json.loads(done.stdout)["shards"]}
    assert (shards["host-a"]["open"], shards["host-a"]["halted"]) == (1, None)
    assert (shards["host-b"]["open"], shards["host-b"]["halted"]) == (0, "by hand")
    assert shards["host-a"]["shard"] == f"10/{ACCOUNT}"


def test_a_shard_that_cannot_be_read_says_why(keeper: Keeper, url: str) -> None:
    one = PostgresConfig(url=Secret(url), account=ACCOUNT)
    with PostgresJournal.acting(one, ChainId(10), Candidate("host-a")) as first:
        with first._link.transaction():
            first._link.execute("DROP TABLE {s}.request CASCADE")
            first._link.execute("ALTER TABLE {s}.event RENAME TO lost")
        done = keeper("fleet", "status")
    assert done.exit_code == 1
    assert "unreadable: relation" in done.stdout


def test_a_database_that_is_away_is_said_to_be_away(keeper: Keeper, home: Path, url: str) -> None:
    env = home / ".env"
    env.write_text(env.read_text().replace(url, "postgresql://keeper@/x?host=/nowhere"))
    done = keeper("fleet", "status")
    assert done.exit_code == 3
    assert "cannot be reached" in done.stderr


def test_a_file_is_a_fleet_of_one(keeper: Keeper, journal: SqliteJournal) -> None:
    assert journal.open() == ()
    done = keeper("fleet", "status")
    assert done.exit_code == 0
    assert "trading" in done.stdout
    journal.let_go()
    assert keeper("fleet", "status").exit_code == 1


def test_the_other_commands_read_the_database_too(keeper: Keeper, url: str) -> None:
    one = PostgresConfig(url=Secret(url), account=ACCOUNT)
    missing = keeper("status")
    assert missing.exit_code == 2
    assert "there is no journal yet" in missing.stderr
    chain = ChainId(31337)
    with PostgresJournal.acting(one, chain, Candidate("host-a:17:x")) as first:
        assert "host-a:17:x" in keeper("status").stdout
        assert keeper("halt", "lunch").exit_code == 0
        assert first.halted() == "lunch"
        assert keeper("journal", "verify").exit_code == 0
        assert keeper("resume").exit_code == 0
        assert "another keeper acts" in keeper("tick").stderr
