"""What every `Journal` on a disk must do, whatever database it is made of."""

import itertools
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Final, get_args
from uuid import uuid4

import pytest
from msgspec import Struct

from keeper.model.errors import ConfigError, Fatal
from keeper.model.events import (
    Adopted,
    CodeSeen,
    Halted,
    Intended,
    Resumed,
    Sent,
    Settled,
    Signed,
    Troubled,
    Unseen,
)
from keeper.model.flow import GasState, Send, Status
from keeper.model.units import DAY_S
from keeper.ports.acting import Archive, History, Journal, Open
from keeper.testing.conformance.fate import FateConformance
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

KILLS = 3


class Step(Struct, frozen=True):
    """How far `append_for_ever` came: step 1 is signed, 3 is settled."""

    intent_id: str
    nonce: int
    step: int


def append_for_ever(journal: Journal) -> None:
    """Live one intent after another; print each step once the journal says that it is durable.

    For a process that is going to be killed.
    """
    for nonce in itertools.count(journal.next_nonce(ACCOUNT) or 0):
        intent = an_intent(uuid4().int)
        for step, event in enumerate(a_life(intent, nonce)):
            journal.append(a_hold(nonce), event)
            print(intent.id, nonce, step, flush=True)  # noqa: T201  # how its killer knows


class Reopener:
    """Opens one journal again and again, as one process after another would."""

    def __init__(self, open_it: Callable[[], Archive]) -> None:
        self._open: Final = open_it
        self._current: Archive | None = None

    def __call__(self) -> Archive:
        """Close what was opened before, and open it again."""
        self.close()
        self._current = self._open()
        return self._current

    def close(self) -> None:
        """Close what was opened last."""
        if self._current is not None:
            self._current.close()
            self._current = None


class StoreConformance(FateConformance):
    """Needs the fixtures `open_it`, `open_second` and `command`.

    `open_it` is a function that opens the journal to act on it, as a new process would, and
    `open_second` one that tries to while another acts on it. `command` is a command that opens the
    same journal and calls `append_for_ever` on it.
    """

    @pytest.fixture
    def reopen(self, open_it: Callable[[], Archive]) -> Iterator[Reopener]:
        """Return what opens the journal again; it is closed in the end."""
        with closing(Reopener(open_it)) as reopener:
            yield reopener

    @pytest.fixture
    def journal(self, reopen: Reopener) -> Journal:
        """Return the journal, open to act."""
        return reopen()

    # What is remembered

    def test_a_new_journal_knows_nothing(self, journal: Journal) -> None:
        assert journal.open() == ()
        assert journal.next_nonce(ACCOUNT) is None
        assert journal.halted() is None
        assert journal.requests() == ()
        assert journal.history("eth", NOW_MS) == History(None, 0.0, None, None)

    def test_every_kind_of_event_survives_reopening(
        self, journal: Journal, reopen: Reopener
    ) -> None:
        intent, attempt = an_intent(), an_attempt(an_intent(), 0)
        journal.append(a_hold(why=a_reasoning()), a_rebalance(), Intended(intent, NOW_MS))
        journal.append(Signed(attempt), Sent(intent.id, attempt.hash, "ok", NOW_MS, "refusal", 7))
        journal.append(Unseen(intent.id, 0, 8, NOW_MS))
        journal.append(Troubled("Transient", "no answer", NOW_MS), Halted("by hand", NOW_MS))
        journal.append(Adopted(OTHER_ACCOUNT, 9, NOW_MS), CodeSeen(ACCOUNT, "0xc0de", NOW_MS))
        again = reopen()
        sends = (Send(attempt.hash, NOW_MS, "refusal", 7),)
        assert again.open() == (Open(intent, (attempt,), sends, (8,)),)
        assert again.code_hash(ACCOUNT) == "0xc0de"
        assert again.halted() == "by hand"
        assert again.next_nonce(ACCOUNT) == 1
        assert again.next_nonce(OTHER_ACCOUNT) == 9
        again.append(Settled(an_outcome(intent), NOW_MS), Resumed("looked at it", NOW_MS))
        last = reopen()
        assert last.open() == ()
        assert last.halted() is None

    def test_open_intents_come_oldest_first_with_attempts_oldest_first(
        self, journal: Journal
    ) -> None:
        older, newer = an_intent(9, account=OTHER_ACCOUNT), an_intent(1)
        attempts = [an_attempt(older, 5, bump=bump) for bump in (3, 1, 2)]
        journal.append(Intended(older, NOW_MS), Intended(newer, NOW_MS))
        journal.append(*(Signed(attempt) for attempt in attempts))
        assert journal.open() == (Open(older, tuple(attempts)), Open(newer, ()))

    def test_what_was_appended_in_one_call_is_all_there_or_not_at_all(
        self, journal: Journal
    ) -> None:
        journal.append(*a_life(an_intent(0), 0))
        with pytest.raises(Fatal):
            journal.append(
                Halted("first of three", NOW_MS),
                Intended(an_intent(1), NOW_MS),
                Settled(an_outcome(an_intent(0)), NOW_MS),
            )
        assert journal.halted() is None
        assert journal.open() == ()

    def test_a_refused_append_does_not_spoil_the_next(self, journal: Journal) -> None:
        with pytest.raises(Fatal):
            journal.append(Settled(an_outcome(an_intent()), NOW_MS))
        journal.append(*a_life(an_intent(), 0))
        assert journal.next_nonce(ACCOUNT) == 1

    # What makes a double impossible

    def test_p11_an_account_has_one_open_intent(self, journal: Journal) -> None:
        journal.append(Intended(an_intent(0), NOW_MS))
        with pytest.raises(Fatal, match="still open"):
            journal.append(Intended(an_intent(1), NOW_MS))
        journal.append(Intended(an_intent(2, account=OTHER_ACCOUNT), NOW_MS))

    def test_the_same_intent_never_comes_twice(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(), 0))
        with pytest.raises(Fatal, match="tried before"):
            journal.append(Intended(an_intent(), NOW_MS))

    def test_an_intent_is_known_from_its_promise_on(self, journal: Journal) -> None:
        assert not journal.knows(an_intent().id)
        journal.append(Intended(an_intent(), NOW_MS))
        assert journal.knows(an_intent().id)
        journal.append(Settled(an_outcome(an_intent()), NOW_MS))
        assert journal.knows(an_intent().id)
        assert not journal.knows(an_intent(1).id)

    def test_t20_a_nonce_belongs_to_one_intent_for_ever(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(0), 0))
        journal.append(Intended(an_intent(1), NOW_MS))
        with pytest.raises(Fatal, match="nonce"):
            journal.append(Signed(an_attempt(an_intent(1), 0)))

    def test_t6_a_new_intent_leaves_no_gap_between_nonces(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(0), 0))
        journal.append(Intended(an_intent(1), NOW_MS))
        with pytest.raises(Fatal, match="nonce"):
            journal.append(Signed(an_attempt(an_intent(1), 2)))

    def test_a_bump_keeps_its_nonce(self, journal: Journal) -> None:
        intent = an_intent()
        journal.append(Intended(intent, NOW_MS), Signed(an_attempt(intent, 4)))
        with pytest.raises(Fatal, match="nonce"):
            journal.append(Signed(an_attempt(intent, 5, bump=1)))
        journal.append(Signed(an_attempt(intent, 4, bump=1)))

    def test_the_same_bytes_are_not_signed_twice(self, journal: Journal) -> None:
        intent = an_intent()
        journal.append(Intended(intent, NOW_MS), Signed(an_attempt(intent, 0)))
        with pytest.raises(Fatal, match="signed before"):
            journal.append(Signed(an_attempt(intent, 0)))

    def test_nothing_is_signed_without_an_intent(self, journal: Journal) -> None:
        with pytest.raises(Fatal, match="not in the journal"):
            journal.append(Signed(an_attempt(an_intent(), 0)))

    def test_nothing_is_sent_that_was_not_signed(self, journal: Journal) -> None:
        journal.append(Intended(an_intent(), NOW_MS))
        with pytest.raises(Fatal, match="not in the journal"):
            journal.append(Sent(an_intent().id, "0x" + "cc" * 32, "ok", NOW_MS))

    def test_nothing_is_signed_for_a_settled_intent(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(), 0))
        with pytest.raises(Fatal, match="settled"):
            journal.append(Signed(an_attempt(an_intent(), 0, bump=1)))

    def test_an_intent_settles_once(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(), 0))
        with pytest.raises(Fatal, match="settled already"):
            journal.append(Settled(an_outcome(an_intent(), "failed"), NOW_MS))

    def test_only_a_known_intent_settles(self, journal: Journal) -> None:
        with pytest.raises(Fatal, match="not in the journal"):
            journal.append(Settled(an_outcome(an_intent()), NOW_MS))

    @pytest.mark.parametrize("status", get_args(Status))
    def test_any_outcome_frees_the_account(self, journal: Journal, status: Status) -> None:
        journal.append(Intended(an_intent(0), NOW_MS))
        journal.append(Settled(an_outcome(an_intent(0), status), NOW_MS))
        journal.append(Intended(an_intent(1), NOW_MS))
        assert [pending.intent.id for pending in journal.open()] == [an_intent(1).id]

    # Nonces

    def test_the_first_nonce_is_whatever_the_chain_says(self, journal: Journal) -> None:
        journal.append(Intended(an_intent(), NOW_MS), Signed(an_attempt(an_intent(), 41)))
        assert journal.next_nonce(ACCOUNT) == 42
        assert journal.next_nonce(OTHER_ACCOUNT) is None

    def test_an_adopted_nonce_is_the_next_one(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(0), 0), Adopted(ACCOUNT, 7, NOW_MS))
        assert journal.next_nonce(ACCOUNT) == 7
        journal.append(Intended(an_intent(1), NOW_MS))
        with pytest.raises(Fatal, match="nonce"):
            journal.append(Signed(an_attempt(an_intent(1), 1)))
        journal.append(Signed(an_attempt(an_intent(1), 7)))
        assert journal.next_nonce(ACCOUNT) == 8

    def test_a_nonce_behind_the_journal_is_not_adopted(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(0), 5))
        with pytest.raises(Fatal, match="behind"):
            journal.append(Adopted(ACCOUNT, 5, NOW_MS))
        journal.append(Adopted(ACCOUNT, 6, NOW_MS))

    # What the past means

    def test_the_last_trade_is_the_last_that_was_signed(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(0), 0, at_ms=NOW_MS))
        journal.append(*a_life(an_intent(1, book="btc"), 1, at_ms=NOW_MS + 5))
        journal.append(Intended(an_intent(2), NOW_MS + 9))
        assert journal.history("eth", NOW_MS).last_trade_at_ms == NOW_MS
        assert journal.history("btc", NOW_MS).last_trade_at_ms == NOW_MS + 5

    def test_gas_is_summed_over_24_hours_failed_ones_included(self, journal: Journal) -> None:
        old_ms = NOW_MS - DAY_S * 1_000 - 1
        journal.append(*a_life(an_intent(0), 0, at_ms=old_ms))
        journal.append(*a_life(an_intent(1), 1, at_ms=NOW_MS - 1_000))
        journal.append(Intended(an_intent(2), NOW_MS))
        journal.append(Settled(an_outcome(an_intent(2), "failed", gas_usd=0.5), NOW_MS))
        assert journal.history("eth", NOW_MS).gas_usd_24h == 1.75
        assert journal.history("btc", NOW_MS).gas_usd_24h == 0.0

    def test_the_last_gas_used_is_of_the_last_that_was_done(self, journal: Journal) -> None:
        journal.append(*a_life(an_intent(0), 0))
        journal.append(Intended(an_intent(1), NOW_MS))
        failed = an_outcome(an_intent(1), "failed", gas_used=21_000)
        journal.append(Settled(failed, NOW_MS + 1))
        assert journal.history("eth", NOW_MS).last_gas_used == 400_000

    def test_the_volatility_is_of_the_last_decision_that_had_one(self, journal: Journal) -> None:
        journal.append(a_hold(1, why=a_reasoning(variance=0.1)))
        journal.append(a_rebalance())
        journal.append(a_hold(2), a_hold(3, why=a_reasoning(variance=None)))
        journal.append(a_hold(4, book="btc", why=a_reasoning(variance=0.9)))
        state = journal.history("eth", NOW_MS).volatility
        assert state is not None
        assert state.variance_per_year == 0.5

    def test_the_levels_of_gas_are_of_the_last_decision_that_had_some(
        self, journal: Journal
    ) -> None:
        dear, cheap = (
            GasState(9, 30e9, flag, 23.0, 24.5, 12.0, 3.0, 1.0) for flag in (True, False)
        )
        journal.append(a_hold(1, why=a_reasoning(gas=dear)))
        journal.append(a_hold(2, why=a_reasoning(gas=cheap)), a_hold(3, why=a_reasoning()))
        journal.append(a_hold(4, book="btc", why=a_reasoning()))
        assert journal.history("eth", NOW_MS).gas == cheap
        assert journal.history("btc", NOW_MS).gas is None

    def test_the_last_word_on_trading_counts(self, journal: Journal) -> None:
        journal.append(Halted("one", NOW_MS), Halted("two", NOW_MS))
        assert journal.halted() == "two"
        journal.append(Resumed("fine", NOW_MS))
        assert journal.halted() is None
        journal.append(Halted("three", NOW_MS), Intended(an_intent(), NOW_MS))
        journal.append(Settled(an_outcome(an_intent(), "abandoned"), NOW_MS))
        assert journal.halted() == "three"

    # Crashes and company

    def test_what_was_reported_durable_survives_a_kill(
        self, command: tuple[str, ...], reopen: Reopener
    ) -> None:
        for kill in range(KILLS):
            last = _kill_after(command, lines=17 + 3 * kill)
            journal = reopen()
            pending = journal.open()
            assert len(pending) <= 1
            assert (journal.next_nonce(ACCOUNT) or 0) >= last.nonce + (last.step >= 1)
            if pending and pending[0].intent.id == last.intent_id:
                assert last.step < 3
                assert len(pending[0].attempts) >= (last.step >= 1)
            else:
                # It came one step further than it could say: settled, or on to the next.
                assert last.step >= 2
            for left in pending:
                journal.append(Settled(an_outcome(left.intent, "abandoned"), NOW_MS))
            reopen.close()

    def test_a_second_keeper_is_refused(
        self, journal: Journal, open_second: Callable[[], Journal]
    ) -> None:
        with pytest.raises(ConfigError, match="another keeper acts"):
            open_second()
        journal.append(*a_life(an_intent(), 0))

    def test_threads_take_turns(self, journal: Journal) -> None:
        failures: list[Exception] = []

        def hold() -> None:
            try:
                for number in range(20):
                    journal.append(a_hold(number), Troubled("Transient", "busy", NOW_MS))
                    journal.history("eth", NOW_MS)
            except Exception as error:  # noqa: BLE001  # a thread's failure must reach the test
                failures.append(error)

        threads = [threading.Thread(target=hold) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []


def _kill_after(command: tuple[str, ...], lines: int) -> Step:
    """Start *command*, kill it after it reported some steps; return the last it reported."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # the subclass's own
        assert process.stdout is not None
        reported = list(itertools.islice(_steps(process.stdout), lines))
        process.kill()
        # It may have reported more between the last line read and its death.
        reported += list(_steps(process.stdout))
    assert len(reported) >= lines, "the process ended by itself"
    return reported[-1]


def _steps(lines: Iterable[str]) -> Iterator[Step]:
    for line in lines:
        if line.endswith("\n"):
            intent_id, nonce, step = line.split()
            yield Step(intent_id, int(nonce), int(step))
