"""The conformance suite on a real server, and what only a server has: others, and lost answers."""

import sys
from collections.abc import Callable

import psycopg
import pytest
from msgspec.structs import replace

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.adapters.stores.postgres.link import Link
from keeper.model.chain import ChainId
from keeper.model.errors import Transient
from keeper.model.lease import Candidate
from keeper.ports.acting import Archive
from keeper.testing.conformance.store import StoreConformance

CHAIN = ChainId(31337)
ME = Candidate("me")


class TestPostgresJournal(StoreConformance):
    @pytest.fixture
    def open_it(self, config: PostgresConfig) -> Callable[[], Archive]:
        return lambda: PostgresJournal.acting(config, CHAIN, ME)

    @pytest.fixture
    def open_second(self, config: PostgresConfig) -> Callable[[], Archive]:
        return lambda: PostgresJournal.acting(config, CHAIN, Candidate("another"))

    @pytest.fixture
    def command(self, config: PostgresConfig) -> tuple[str, ...]:
        program = (
            "from keeper.adapters.stores.postgres.config import PostgresConfig\n"
            "from keeper.adapters.stores.postgres.journal import PostgresJournal\n"
            "from keeper.model.lease import Candidate\n"
            "from keeper.model.secret import Secret\n"
            "from keeper.testing.conformance.store import append_for_ever\n"
            f"config = PostgresConfig(url=Secret({config.url.reveal()!r}),"
            f" account={config.account!r})\n"
            f"append_for_ever(PostgresJournal.acting(config, {CHAIN}, Candidate('me')))"
        )
        return (sys.executable, "-c", program)


def test_a_lease_that_cannot_be_asked_for_gives_the_connection_back(
    config: PostgresConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PostgresJournal.acting(config, CHAIN, ME):
        pass
    closed: list[Link] = []
    close = Link.close

    def note(link: Link) -> None:
        closed.append(link)
        close(link)

    monkeypatch.setattr(Link, "close", note)
    with psycopg.connect(config.url.reveal()) as hog:
        hog.execute("SELECT 1 FROM keeper_fleet.lease FOR UPDATE")
        with pytest.raises(Transient, match="is busy"):
            PostgresJournal.acting(replace(config, answer_s=0.2), CHAIN, ME)
    assert len(closed) == 1
