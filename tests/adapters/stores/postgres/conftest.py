"""One PostgreSQL server for a test process, one database for a test."""

from collections.abc import Iterator

import pytest

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.model.secret import Secret
from keeper.testing.conformance.journal_events import ACCOUNT
from keeper.testing.postgres_server import Server, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running_server() as started:
        yield started


@pytest.fixture
def config(server: Server) -> PostgresConfig:
    """Return how to reach an empty database."""
    return PostgresConfig(url=Secret(server.new_database()), account=ACCOUNT)
