"""Lost answers, silent networks and servers that go away: what is written is known in the end."""

import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from msgspec.structs import replace

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.adapters.stores.postgres.lease import lock
from keeper.adapters.stores.postgres.link import Link
from keeper.model.chain import ChainId
from keeper.model.errors import Transient, Uncertain
from keeper.model.events import Halted, Intended, Settled, Signed
from keeper.model.lease import Candidate
from keeper.model.secret import Secret
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    a_hold,
    a_life,
    an_attempt,
    an_intent,
    an_outcome,
)
from keeper.testing.postgres_relay import Line, Relay
from keeper.testing.postgres_server import Server

CHAIN = ChainId(31337)
ME = Candidate("me")
PATIENCE_S = 0.6


@pytest.fixture
def relay(config: PostgresConfig) -> Iterator[Relay]:
    server = Path(parse_qs(urlsplit(config.url.reveal()).query)["host"][0])
    with tempfile.TemporaryDirectory(prefix="keeper-relay-") as name:
        relay = Relay(Path(name), server)
        yield relay
        relay.close()


@pytest.fixture
def far(config: PostgresConfig, relay: Relay) -> PostgresConfig:
    """Return how to reach the database through the relay."""
    database = urlsplit(config.url.reveal()).path
    url = Secret(f"postgresql://keeper@{database}?host={relay.folder}")
    return replace(config, url=url, answer_s=PATIENCE_S)


@pytest.fixture
def journal(far: PostgresConfig) -> Iterator[PostgresJournal]:
    with PostgresJournal.acting(far, CHAIN, ME) as opened:
        opened.append(Intended(an_intent(), NOW_MS))
        yield opened


@pytest.fixture
def near(config: PostgresConfig, journal: PostgresJournal) -> Iterator[PostgresJournal]:
    """Return the same journal, seen without the relay."""
    assert journal.open()
    with PostgresJournal.beside(config, CHAIN) as opened:
        yield opened


SIGNED = Signed(an_attempt(an_intent(), 0))


def cut_before(line: Line, _data: bytes) -> None:
    """Lose the COMMIT on its way to the server."""
    line.cut()


def cut_after(line: Line, data: bytes) -> None:
    """Lose the server's answer."""
    line.loses_answers = True
    line.server.sendall(data)


def test_a_commit_whose_answer_is_lost_is_found_and_not_written_twice(
    journal: PostgresJournal, near: PostgresJournal, relay: Relay
) -> None:
    relay.at_commit = cut_after
    journal.append(SIGNED)
    assert near.open()[0].attempts == (SIGNED.attempt,)
    journal.append(Settled(an_outcome(an_intent()), NOW_MS))
    assert near.verify().events == 3


def test_a_commit_that_never_arrived_is_not_believed(
    journal: PostgresJournal, near: PostgresJournal, relay: Relay
) -> None:
    relay.at_commit = cut_before
    with pytest.raises(Transient, match="lost in a commit"):
        journal.append(SIGNED)
    assert near.open()[0].attempts == ()
    journal.append(SIGNED)
    assert near.open()[0].attempts == (SIGNED.attempt,)


def test_a_commit_that_arrives_late_is_waited_for_before_anything_is_read(
    journal: PostgresJournal, near: PostgresJournal, relay: Relay
) -> None:
    """The client gives up; its COMMIT travels on and is carried out afterwards."""
    given_up = threading.Event()

    def delay(line: Line, data: bytes) -> None:
        line.is_orphaned = True
        line.client.shutdown(socket.SHUT_RDWR)

        def arrive() -> None:
            given_up.wait(10)
            line.server.sendall(data)

        threading.Thread(target=arrive, daemon=True).start()

    def look() -> None:
        given_up.set()

    relay.at_commit = delay
    timer = threading.Timer(PATIENCE_S / 3, look)
    timer.start()
    journal.append(SIGNED)
    assert near.open()[0].attempts == (SIGNED.attempt,)
    assert journal.open()[0].attempts == (SIGNED.attempt,)


def test_while_nobody_knows_nothing_else_is_done(
    journal: PostgresJournal, near: PostgresJournal, relay: Relay
) -> None:
    def vanish(line: Line, data: bytes) -> None:
        cut_after(line, data)
        relay.swallow = True

    relay.at_commit = vanish
    with pytest.raises(Uncertain, match="does not say whether"):
        journal.append(SIGNED)
    with pytest.raises(Uncertain):
        journal.append(Settled(an_outcome(an_intent(), "abandoned"), NOW_MS))
    with pytest.raises(Uncertain):
        journal.open()
    relay.swallow = False
    assert journal.open()[0].attempts == (SIGNED.attempt,)
    assert near.entries()[-1].event == SIGNED


def test_holds_whose_answer_is_lost_are_not_claimed_to_be_written(
    journal: PostgresJournal, relay: Relay
) -> None:
    relay.at_commit = cut_after
    with pytest.raises(Transient, match="lost in a commit"):
        journal.append(a_hold())


def test_a_network_that_swallows_everything_is_given_up_on(
    journal: PostgresJournal, relay: Relay
) -> None:
    relay.swallow = True
    with pytest.raises(Transient, match="cannot be reached"):
        journal.halted()
    relay.swallow = False
    assert journal.halted() is None


def test_a_connection_that_was_cut_is_made_anew(journal: PostgresJournal, relay: Relay) -> None:
    relay.cut_all()
    with pytest.raises(Transient, match="cannot be reached"):
        journal.append(SIGNED)
    journal.append(SIGNED)
    assert len(journal.open()[0].attempts) == 1


def test_links_on_several_schemas_share_one_connection_also_a_new_one(
    config: PostgresConfig,
) -> None:
    who = "SELECT pg_backend_pid()"
    link = Link(config.url, "one", patience_s=PATIENCE_S)
    other = link.on("other")
    first = link.rows(who)
    assert other.rows(who) == first
    with pytest.raises(Transient):
        link.rows("SELECT pg_terminate_backend(pg_backend_pid())")
    second = other.rows(who)
    assert second != first
    assert link.rows(who) == second
    link.close()


def test_s6_a_session_that_the_server_ends_writes_nothing_and_is_made_anew(
    journal: PostgresJournal, config: PostgresConfig
) -> None:
    with psycopg.connect(config.url.reveal(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'keeper'"
        )
    with pytest.raises(Transient):
        journal.append(SIGNED)
    journal.append(SIGNED)


def test_s8_a_held_lock_is_transient_and_nothing_is_written(
    journal: PostgresJournal, config: PostgresConfig
) -> None:
    with psycopg.connect(config.url.reveal()) as hog:
        hog.execute("SELECT 1 FROM keeper_fleet.lease FOR UPDATE")
        with pytest.raises(Transient, match="is busy"):
            journal.append(SIGNED)
    journal.append(SIGNED)


def test_p3_s8_a_leader_that_stops_inside_a_transaction_does_not_keep_the_lock(
    journal: PostgresJournal, config: PostgresConfig
) -> None:
    def stand_still() -> None:
        link = journal._link
        with link.transaction():
            link.execute("SELECT 1 FROM keeper_fleet.lease FOR UPDATE")
            # The server gives up on it while the second one waits.
            with second._link.transaction():
                lock(second._link)
            link.execute("SELECT 1")

    patient = replace(config, answer_s=5.0)
    second = PostgresJournal.contending(patient, CHAIN, Candidate("second"))
    with second, pytest.raises(Transient):
        stand_still()
    journal.append(SIGNED)


def test_a_server_that_is_not_there_is_transient(far: PostgresConfig, relay: Relay) -> None:
    relay.close()
    with pytest.raises(Transient, match="cannot be reached"):
        PostgresJournal.contending(far, CHAIN, ME)


def test_s2_every_transaction_waits_for_the_servers_disk(
    journal: PostgresJournal, config: PostgresConfig
) -> None:
    database = urlsplit(config.url.reveal()).path[1:]
    with psycopg.connect(config.url.reveal(), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    journal._link.close()
    with journal._link.transaction():
        assert journal._link.execute("SHOW synchronous_commit") == [("on",)]


def test_one_append_is_one_commit(journal: PostgresJournal, relay: Relay) -> None:
    before = relay.commits
    journal.append(SIGNED, Halted("by hand", NOW_MS))
    assert relay.commits == before + 1


def test_closing_without_a_network_does_not_fail(far: PostgresConfig, relay: Relay) -> None:
    journal = PostgresJournal.acting(far, CHAIN, ME)
    relay.swallow = True
    journal.close()


def test_a_secret_never_shows_in_an_error(server: Server) -> None:
    url = f"postgresql://keeper:hunter2@/nowhere?host={server.url().partition('host=')[2]}"
    config = PostgresConfig(url=Secret(url), account=ACCOUNT)
    with pytest.raises(Exception, match="database") as caught:
        PostgresJournal.contending(config, CHAIN, ME)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(Link(Secret(url), "s", patience_s=1.0))
    assert "hunter2" not in repr(config)


def test_threads_and_appends_survive_many_cuts(
    journal: PostgresJournal, near: PostgresJournal, relay: Relay
) -> None:
    """Every life is written once, whatever happens to its commits."""
    journal.append(Settled(an_outcome(an_intent(), "abandoned"), NOW_MS))
    for number in range(1, 9):
        for event in a_life(an_intent(number), number - 1):
            relay.at_commit = (cut_before, cut_after)[number % 2]
            for _ in range(2):
                try:
                    journal.append(event)
                    break
                except Transient:
                    relay.at_commit = None
    assert near.totals().by_status == {"done": 8, "abandoned": 1}
    assert near.verify().events == 2 + 4 * 8
