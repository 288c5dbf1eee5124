"""The lease of a shard: the conformance suite, and what only a server can do to it."""

import contextlib
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.model.chain import Address, ChainId
from keeper.model.events import Halted
from keeper.model.lease import Candidate
from keeper.testing.conformance.journal_events import OTHER_ACCOUNT
from keeper.testing.conformance.lease import FIRST, SECOND, Contend, LeaseConformance

CHAIN = ChainId(31337)


@pytest.fixture
def contend(config: PostgresConfig) -> Iterator[Contend]:
    with contextlib.ExitStack() as stack:

        def open_it(candidate: Candidate, *, adopt: bool = False) -> PostgresJournal:
            return stack.enter_context(
                PostgresJournal.contending(config, CHAIN, candidate, adopt=adopt)
            )

        yield open_it


@pytest.fixture
def run_out(config: PostgresConfig) -> Callable[[], None]:
    def set_back() -> None:
        with psycopg.connect(config.url.reveal()) as connection:
            connection.execute("UPDATE keeper_fleet.lease SET expires_at = clock_timestamp()")

    return set_back


class TestPostgresLease(LeaseConformance):
    """With the fixtures above."""


def test_each_account_has_a_lease_of_its_own(config: PostgresConfig) -> None:
    other = PostgresConfig(url=config.url, account=Address(OTHER_ACCOUNT))
    with (
        PostgresJournal.contending(config, CHAIN, FIRST) as one,
        PostgresJournal.contending(other, CHAIN, SECOND) as two,
        PostgresJournal.contending(config, ChainId(1), SECOND) as three,
    ):
        assert [one.hold(), two.hold(), three.hold()] == [1, 1, 1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE keeper_fleet.lease SET epoch = epoch - 1",
        "UPDATE keeper_fleet.lease SET holder = 'thief'",
        "UPDATE keeper_fleet.lease SET name = 'other'",
        "DELETE FROM keeper_fleet.lease",
    ],
)
def test_s6_the_database_itself_refuses_to_weaken_the_fence(
    contend: Contend, config: PostgresConfig, statement: str
) -> None:
    contend(FIRST).hold()
    with (
        psycopg.connect(config.url.reveal()) as connection,
        pytest.raises(psycopg.IntegrityError, match="lease"),
    ):
        connection.execute(statement)


def test_a_take_over_whose_answer_was_lost_is_found(
    contend: Contend, config: PostgresConfig
) -> None:
    first = contend(FIRST)
    with psycopg.connect(config.url.reveal()) as connection:
        # What the lost transaction did.
        connection.execute(
            "UPDATE keeper_fleet.lease SET holder = 'first', epoch = epoch + 1,"
            " version = '1.0', config_hash = 'aaaa',"
            " expires_at = clock_timestamp() + interval '15 s'"
        )
    assert first.hold() == 1


@pytest.mark.parametrize("days", [-1, 1])
def test_k4_a_wrong_clock_of_a_keepers_machine_neither_ends_a_lease_nor_takes_one(
    contend: Contend, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    first, second = contend(FIRST), contend(SECOND)
    first.hold()
    shifted_s = time.time() + days * 86_400
    monkeypatch.setattr(time, "time", lambda: shifted_s)
    monkeypatch.setattr(time, "time_ns", lambda: int(shifted_s * 1e9))
    assert second.hold() is None
    first.append(Halted("by a clock that is wrong", int(shifted_s * 1_000)))
    assert first.hold() == 1
