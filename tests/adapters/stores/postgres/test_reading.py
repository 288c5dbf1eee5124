"""What people read is what was written, and an edited journal does not verify."""

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
from keeper.model.errors import BadData, Fatal, Transient
from keeper.model.events import Adopted, Decided, Event, Halted, Intended, Resumed, Settled, Signed
from keeper.model.lease import Candidate
from keeper.model.records import Record, Totals
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    OTHER_ACCOUNT,
    a_hold,
    a_life,
    a_reasoning,
    a_rebalance,
    an_attempt,
    an_intent,
    an_outcome,
)

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


def meddle(journal: PostgresJournal, statement: str) -> None:
    """Change a row the way only a superuser could: no trigger, no foreign key."""
    with psycopg.connect(journal._link._session._url.reveal()) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(f'SET LOCAL search_path = "{journal._link.schema}"')
        connection.execute(statement)


def test_decisions_come_in_the_order_they_were_made(journal: PostgresJournal) -> None:
    made = [
        a_hold(5),
        a_rebalance(),
        a_hold(0, why=a_reasoning()),
        a_hold(-9, book="btc"),
        a_rebalance(),
        a_hold(0),
    ]
    journal.append(*made[:3])
    journal.append(*a_life(an_intent(), 0))
    journal.append(*made[3:])
    assert journal.decisions(last=100) == tuple(made)
    assert journal.decisions(last=2) == tuple(made[-2:])
    assert journal.decisions("eth", last=3) == (made[2], made[4], made[5])
    assert journal.decisions("btc") == (made[3],)
    assert journal.decisions("nobody", last=3) == ()


def test_an_intent_is_read_with_its_attempts_and_its_outcome(journal: PostgresJournal) -> None:
    intent = an_intent(7)
    attempts = (an_attempt(intent, 3), an_attempt(intent, 3, bump=1))
    journal.append(Intended(intent, NOW_MS), *(Signed(attempt) for attempt in attempts))
    assert journal.intents() == (Record(intent, NOW_MS, attempts, None, None),)
    journal.append(Settled(an_outcome(intent), NOW_MS + 5))
    closed = Record(intent, NOW_MS, attempts, an_outcome(intent), NOW_MS + 5)
    assert journal.intents() == (closed,)
    assert journal.intent(intent.id[:31]) == closed
    assert journal.intent("%") is None


def test_the_events_of_one_intent_are_its_own(journal: PostgresJournal) -> None:
    journal.append(*a_life(an_intent(0), 0), *a_life(an_intent(1), 1))
    assert [e.seq for e in journal.entries(intent_id=an_intent(1).id)] == [5, 6, 7, 8]
    assert [e.seq for e in journal.entries(last=3)] == [6, 7, 8]


def test_totals_count_what_was_done_and_what_it_cost(journal: PostgresJournal) -> None:
    assert journal.totals() == Totals(0, 0, {}, 0, 0, 0.0, 0.0, 0.0, 0.0)
    journal.append(*a_life(an_intent(0), 0), *a_life(an_intent(1), 1))
    journal.append(Intended(an_intent(2), NOW_MS))
    journal.append(Settled(an_outcome(an_intent(2), "failed", gas_usd=0.5), NOW_MS))
    journal.append(Intended(an_intent(3), NOW_MS))
    journal.append(*(Signed(an_attempt(an_intent(3), 2, bump=bump)) for bump in range(3)))
    assert journal.totals() == Totals(
        intents=4,
        open_intents=1,
        by_status={"done": 2, "failed": 1},
        transactions=3,
        attempts=5,
        gas_usd=3.0,
        fees_usd=1.0,
        realized_pnl_usd=-0.5,
        traded_base=3.0,
    )


def test_a_person_halts_resumes_and_asks_beside_the_leader(
    journal: PostgresJournal, beside: PostgresJournal
) -> None:
    beside.append(Halted("by hand", NOW_MS))
    assert journal.halted() == "by hand"
    beside.append(Resumed("looked at it", NOW_MS))
    wanted = beside.request("flatten")
    assert beside.request("flatten") == wanted
    assert [r.command for r in journal.requests()] == ["flatten"]
    journal.serve(wanted)
    assert beside.is_served(wanted)
    assert not beside.is_served(wanted + 1)
    assert beside.verify() == journal.verify()
    with pytest.raises(Fatal, match="only the keeper that leads"):
        beside.append(Intended(an_intent(), NOW_MS))
    assert beside.hold() is None
    assert beside.obstacle() == "this process only looks on"


def test_a_whole_journal_verifies_and_holds_are_beside_its_hashes(
    journal: PostgresJournal,
) -> None:
    empty = journal.verify()
    journal.append(a_rebalance(), *a_life(an_intent(0), 0), Adopted(OTHER_ACCOUNT, 4, NOW_MS))
    journal.append(Intended(an_intent(1), NOW_MS), Halted("by hand", NOW_MS))
    proof = journal.verify()
    assert (empty.events, proof.events) == (0, 8)
    journal.append(a_hold(), a_hold(1))
    assert journal.verify() == proof


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE event SET data = replace(data, '1.25', '0.25') WHERE seq = 4", "was changed"),
        ("UPDATE event SET hash = '\\x00' WHERE seq = 2", "was changed"),
        ("DELETE FROM event WHERE seq = 3", "was changed"),
        ("UPDATE event SET kind = 'Halted' WHERE seq = 3", "event"),
        ("UPDATE intent SET gas_usd = 0", "intent"),
        ("UPDATE slot SET nonce = 9", "slot"),
        ("DELETE FROM attempt", "attempt"),
        ("INSERT INTO adopted VALUES (4, '0x0', 77)", "adopted"),
    ],
)
def test_an_edited_journal_does_not_verify(
    journal: PostgresJournal, statement: str, words: str
) -> None:
    journal.append(*a_life(an_intent(), 0))
    meddle(journal, statement)
    with pytest.raises(Fatal, match=words):
        journal.verify()


def test_a_log_with_good_hashes_that_tells_of_a_double_does_not_verify(
    journal: PostgresJournal,
) -> None:
    journal.append(*a_life(an_intent(0), 0))
    meddle(journal, "DROP INDEX one_open_intent")
    journal.append(Intended(an_intent(1), NOW_MS), Intended(an_intent(2), NOW_MS))
    with pytest.raises(Fatal, match="contradicts those before it"):
        journal.verify()


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


def test_an_event_of_an_unknown_shape_is_bad_data(journal: PostgresJournal) -> None:
    journal.append(a_hold())
    meddle(journal, 'UPDATE hold SET data = \'{"type":"Dreamt"}\'')
    with pytest.raises(BadData, match="cannot be read"):
        journal.decisions()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {s}.event SET data = '' WHERE seq = 1",
        "DELETE FROM {s}.event",
        "TRUNCATE {s}.event CASCADE",
        "INSERT INTO {s}.event VALUES (9, 'Halted', NULL, NULL, '', '', '')",
        "UPDATE {s}.intent SET account = 'x'",
        "UPDATE {s}.intent SET status = NULL, settled_seq = NULL, settled_at_ms = NULL",
        "DELETE FROM {s}.intent",
        "UPDATE {s}.slot SET intent_id = 'x'",
        "DELETE FROM {s}.slot",
        "UPDATE {s}.attempt SET hash = 'x'",
        "DELETE FROM {s}.attempt",
        "UPDATE {s}.adopted SET nonce = 0",
        "DELETE FROM {s}.adopted",
        "UPDATE {s}.meta SET value = '1'",
        "DELETE FROM {s}.meta",
        "INSERT INTO {s}.request (command, at_ms) VALUES ('sell', 1)",
    ],
)
def test_the_database_itself_refuses_to_rewrite_history(
    journal: PostgresJournal, statement: str
) -> None:
    journal.append(*a_life(an_intent(), 0), Adopted(ACCOUNT, 3, NOW_MS))
    with pytest.raises(Fatal, match="the journal refuses"):
        journal._link.rows(statement)
    assert journal.verify().events == 5


def test_old_holds_are_forgotten_and_what_was_acted_on_is_kept(
    config: PostgresConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIDY_AFTER", 5)
    with PostgresJournal.acting(replace(config, keep_holds_s=60), CHAIN, Candidate("me")) as kept:
        kept.append(a_hold(0, why=a_reasoning(variance=0.3)), a_rebalance())
        for second in range(20):
            kept.append(a_hold(second * 1_000))
        kept.append(*a_life(an_intent(), 0))
        for second in range(600, 620):
            kept.append(a_hold(second * 1_000))
        held = [decided.at_ms for decided in kept.decisions(last=100)]
        assert held == [NOW_MS] + [NOW_MS + s * 1_000 for s in range(600, 620)]
        assert all(isinstance(d, Decided) for d in kept.decisions(last=2))
        assert kept.verify().events == 5
