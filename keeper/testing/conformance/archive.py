"""What every `Archive` on a disk must do: what people read is what was written, or they are told.

What it remembers for the keeper is held by `store`, its lease by `lease`.
"""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from keeper.model.errors import BadData, Fatal, Stopped
from keeper.model.events import (
    Adopted,
    Halted,
    Intended,
    Resumed,
    Settled,
    Signed,
    Troubled,
)
from keeper.model.records import Record, Totals
from keeper.ports.acting import ActingJournal
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

Run: TypeAlias = Callable[[str], None]
"""Runs one SQL statement on the tables of a journal, which it names without a schema."""


class ArchiveConformance:
    """Needs the fixtures `journal`, `beside`, `forgetful`, `rewrite` and `meddle`.

    `journal` is open to act, and `beside` is the same one as a person opens it. `forgetful` is
    another, open to act, that keeps holds for a minute and tidies after every 5 appends.

    `rewrite` and `meddle` are a `Run` on `journal`: the one with no more rights than the keeper
    has, the other the way only somebody who owns the disk could, past every trigger and foreign
    key.
    """

    # What people read

    def test_decisions_come_in_the_order_they_were_made(self, journal: ActingJournal) -> None:
        # Their times are equal and one clock went back: the order is the journal's own.
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

    def test_an_intent_is_read_with_its_attempts_and_its_outcome(
        self, journal: ActingJournal
    ) -> None:
        intent = an_intent(7)
        attempts = (an_attempt(intent, 3), an_attempt(intent, 3, bump=1))
        journal.append(Intended(intent, NOW_MS), *(Signed(attempt) for attempt in attempts))
        assert journal.intents() == (Record(intent, NOW_MS, attempts, None, None),)
        journal.append(Settled(an_outcome(intent), NOW_MS + 5))
        closed = Record(intent, NOW_MS, attempts, an_outcome(intent), NOW_MS + 5)
        assert journal.intents() == (closed,)
        assert journal.intent(intent.id) == closed

    def test_the_last_intents_come_oldest_first(self, journal: ActingJournal) -> None:
        for nonce in range(5):
            journal.append(*a_life(an_intent(nonce), nonce))
        assert [r.intent.id for r in journal.intents(2)] == [an_intent(3).id, an_intent(4).id]

    def test_an_intent_is_found_by_the_start_of_its_id(self, journal: ActingJournal) -> None:
        for nonce, number in enumerate((0xA1 << 120, 0xA2 << 120, 0xB1 << 120)):
            journal.append(*a_life(an_intent(number), nonce))
        found = journal.intent("b")
        assert found is not None
        assert found.intent.id.startswith("b1")
        assert journal.intent("a") is None
        assert journal.intent("c") is None
        assert journal.intent("%") is None

    def test_the_events_of_one_intent_are_its_own(self, journal: ActingJournal) -> None:
        journal.append(*a_life(an_intent(0), 0), Troubled("BadData", "stale", NOW_MS))
        journal.append(*a_life(an_intent(1), 1))
        kinds = [type(e.event).__name__ for e in journal.entries(intent_id=an_intent(1).id)]
        assert kinds == ["Intended", "Signed", "Sent", "Settled"]
        assert [e.seq for e in journal.entries(intent_id=an_intent(1).id)] == [6, 7, 8, 9]
        assert [e.seq for e in journal.entries(last=3)] == [7, 8, 9]

    def test_totals_count_what_was_done_and_what_it_cost(self, journal: ActingJournal) -> None:
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

    # What people do beside the keeper

    def test_a_person_halts_and_resumes_beside_the_leader(
        self, journal: ActingJournal, beside: ActingJournal
    ) -> None:
        beside.append(Halted("by hand", NOW_MS))
        assert journal.halted() == "by hand"
        journal.append(Intended(an_intent(), NOW_MS))
        with pytest.raises(Stopped):
            journal.append(Signed(an_attempt(an_intent(), 0)))
        beside.append(Resumed("looked at it", NOW_MS))
        assert journal.halted() is None
        journal.append(Signed(an_attempt(an_intent(), 0)))
        assert beside.verify() == journal.verify()

    def test_a_person_does_nothing_else_in_the_keepers_place(
        self, journal: ActingJournal, beside: ActingJournal
    ) -> None:
        with pytest.raises(Fatal, match="only the keeper that"):
            beside.append(Halted("by hand", NOW_MS), Intended(an_intent(), NOW_MS))
        assert (journal.halted(), journal.open()) == (None, ())
        assert beside.hold() is None
        assert beside.obstacle() == "this process only looks on"

    def test_a_request_waits_until_it_is_served(
        self, journal: ActingJournal, beside: ActingJournal
    ) -> None:
        wanted = beside.request("rebalance")
        assert [r.command for r in journal.requests()] == ["rebalance"]
        assert not beside.is_served(wanted)
        journal.serve(wanted)
        assert journal.requests() == ()
        assert beside.is_served(wanted)
        assert not beside.is_served(wanted + 1)

    def test_asking_twice_is_asking_once_until_it_is_served(
        self, journal: ActingJournal, beside: ActingJournal
    ) -> None:
        first = beside.request("flatten")
        assert beside.request("flatten") == first
        other = beside.request("rebalance")
        assert [r.id for r in journal.requests()] == [first, other]
        journal.serve(first)
        assert beside.request("flatten") > other

    # What cannot be rewritten unnoticed

    def test_a_whole_journal_verifies(self, journal: ActingJournal) -> None:
        empty = journal.verify()
        assert empty.events == 0
        journal.append(a_rebalance(), *a_life(an_intent(0), 0), Adopted(OTHER_ACCOUNT, 4, NOW_MS))
        journal.append(Intended(an_intent(1), NOW_MS), Halted("by hand", NOW_MS), a_hold())
        proof = journal.verify()
        assert proof.events == 8
        assert proof.tip != empty.tip

    def test_holds_are_beside_the_chain_of_hashes(self, journal: ActingJournal) -> None:
        journal.append(*a_life(an_intent(), 0))
        before = journal.verify()
        journal.append(a_hold(), a_hold(1))
        assert journal.verify() == before
        assert journal.decisions(last=2) == (a_hold(), a_hold(1))

    @pytest.mark.parametrize(
        ("statement", "words"),
        [
            ("UPDATE event SET data = replace(data, '1.25', '0.25') WHERE seq = 4", "was changed"),
            ("UPDATE event SET hash = prev_hash WHERE seq = 2", "was changed"),
            ("DELETE FROM event WHERE seq = 3", "was changed"),
            ("DELETE FROM event WHERE seq = 1", "was changed"),
            ("UPDATE event SET kind = 'Halted' WHERE seq = 3", "table=event"),
            ("UPDATE event SET prev_hash = hash WHERE seq = 2", "table=event"),
            ("UPDATE intent SET status = 'failed'", "table=intent"),
            ("UPDATE intent SET gas_usd = 0", "table=intent"),
            ("UPDATE slot SET nonce = 9", "table=slot"),
            ("DELETE FROM attempt", "table=attempt"),
            ("INSERT INTO adopted VALUES (4, '0x0', 77)", "table=adopted"),
        ],
    )
    def test_an_edited_journal_does_not_verify(
        self, journal: ActingJournal, meddle: Run, statement: str, words: str
    ) -> None:
        journal.append(*a_life(an_intent(), 0))
        meddle(statement)
        with pytest.raises(Fatal, match=words):
            journal.verify()

    def test_a_log_with_good_hashes_that_tells_of_a_double_does_not_verify(
        self, journal: ActingJournal, meddle: Run
    ) -> None:
        journal.append(*a_life(an_intent(0), 0))
        meddle("DROP INDEX one_open_intent")
        journal.append(Intended(an_intent(1), NOW_MS), Intended(an_intent(2), NOW_MS))
        with pytest.raises(Fatal, match="contradicts those before it"):
            journal.verify()

    def test_an_outcome_in_the_place_of_an_intent_is_noticed(
        self, journal: ActingJournal, meddle: Run
    ) -> None:
        journal.append(*a_life(an_intent(), 0))
        meddle("UPDATE intent SET seq = 4")
        with pytest.raises(Fatal, match="another kind"):
            journal.intents()

    def test_an_event_of_an_unknown_shape_is_bad_data(
        self, journal: ActingJournal, meddle: Run
    ) -> None:
        journal.append(a_hold())
        meddle('UPDATE hold SET data = \'{"type":"Dreamt"}\'')
        with pytest.raises(BadData, match="cannot be read"):
            journal.decisions()

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE event SET data = '' WHERE seq = 1",
            "DELETE FROM event",
            "INSERT INTO event VALUES (9, 'Halted', NULL, NULL, '', '', '')",
            "UPDATE intent SET account = 'x'",
            "UPDATE intent SET status = NULL, settled_seq = NULL, settled_at_ms = NULL",
            "DELETE FROM intent",
            "UPDATE slot SET intent_id = 'x'",
            "DELETE FROM slot",
            "UPDATE attempt SET hash = 'x'",
            "DELETE FROM attempt",
            "UPDATE adopted SET nonce = 0",
            "DELETE FROM adopted",
            "UPDATE meta SET value = '1'",
            "DELETE FROM meta",
            "INSERT INTO request (command, at_ms) VALUES ('sell', 1)",
        ],
    )
    def test_the_database_itself_refuses_to_rewrite_history(
        self, journal: ActingJournal, rewrite: Run, statement: str
    ) -> None:
        journal.append(*a_life(an_intent(), 0), Adopted(ACCOUNT, 3, NOW_MS))
        with pytest.raises(Fatal, match="the journal refuses"):
            rewrite(statement)
        assert journal.verify().events == 5

    # What is forgotten

    def test_old_holds_are_forgotten_and_what_was_acted_on_is_kept(
        self, forgetful: ActingJournal
    ) -> None:
        forgetful.append(a_hold(0, why=a_reasoning(variance=0.3)), a_rebalance())
        for second in range(20):
            forgetful.append(a_hold(second * 1_000))
        forgetful.append(*a_life(an_intent(), 0))
        for second in range(600, 620):
            forgetful.append(a_hold(second * 1_000))
        held = [decided.at_ms for decided in forgetful.decisions(last=100)]
        assert held == [NOW_MS] + [NOW_MS + s * 1_000 for s in range(600, 620)]
        state = forgetful.history("eth", NOW_MS).volatility
        assert state is not None
        assert state.variance_per_year == 0.5
        assert forgetful.verify().events == 5
