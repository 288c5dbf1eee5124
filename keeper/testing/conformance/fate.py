"""What every `Journal` must know and refuse so that a transaction has one fate.

`StoreConformance` runs these tests, too: nothing else has to be subclassed.
"""

import pytest
from msgspec.structs import replace

from keeper.model.errors import Fatal, Stopped
from keeper.model.events import (
    CodeSeen,
    Halted,
    Intended,
    Placed,
    Progressed,
    Resumed,
    Sent,
    Settled,
    Signed,
)
from keeper.model.flow import Progress, Status
from keeper.model.units import DAY_S, HOUR_S, MS_PER_S
from keeper.ports.acting import Journal
from keeper.testing.conformance.journal_events import (
    ACCOUNT,
    NOW_MS,
    OTHER_ACCOUNT,
    an_attempt,
    an_intent,
    an_outcome,
)


class FateConformance:
    """Needs the fixture `journal`, open to act."""

    def test_i10_nothing_is_signed_while_the_last_word_is_a_halt(self, journal: Journal) -> None:
        intent = an_intent()
        journal.append(Intended(intent, NOW_MS), Signed(an_attempt(intent, 0)))
        journal.append(Halted("by hand", NOW_MS))
        with pytest.raises(Stopped, match="halted"):
            journal.append(Signed(an_attempt(intent, 0, bump=1)))
        assert len(journal.open()[0].attempts) == 1
        # What was signed before may be sent again, and is settled.
        journal.append(Sent(intent.id, an_attempt(intent, 0).hash, "ok", NOW_MS))
        journal.append(Resumed("fine", NOW_MS), Signed(an_attempt(intent, 0, bump=1)))
        journal.append(Settled(an_outcome(intent), NOW_MS))

    def test_a_halt_and_signed_bytes_in_one_call_are_refused(self, journal: Journal) -> None:
        intent = an_intent()
        journal.append(Intended(intent, NOW_MS))
        with pytest.raises(Stopped):
            journal.append(Halted("first", NOW_MS), Signed(an_attempt(intent, 0)))
        assert journal.halted() is None

    def test_the_newest_code_of_an_address_counts(self, journal: Journal) -> None:
        assert journal.code_hash(ACCOUNT) is None
        journal.append(CodeSeen(ACCOUNT, "0x01", NOW_MS), CodeSeen(OTHER_ACCOUNT, "0x02", NOW_MS))
        assert journal.code_hash(ACCOUNT) == "0x01"
        journal.append(CodeSeen(ACCOUNT, "0x03", NOW_MS))
        assert journal.code_hash(ACCOUNT) == "0x03"
        assert journal.code_hash(OTHER_ACCOUNT) == "0x02"

    def test_getting_ready_changes_nothing(self, journal: Journal) -> None:
        journal.make_ready()
        assert (journal.open(), journal.next_nonce(ACCOUNT), journal.halted()) == ((), None, None)
        journal.append(Intended(an_intent(), NOW_MS))
        before = journal.open()
        journal.make_ready()
        assert journal.open() == before

    def test_t8_a_cancel_keeps_its_nonce_and_its_purpose(self, journal: Journal) -> None:
        intent = an_intent()
        hedge = an_attempt(intent, 4)
        cancel = replace(an_attempt(intent, 4, bump=1), purpose="cancel", gas_limit=21_000)
        journal.append(Intended(intent, NOW_MS), Signed(hedge), Signed(cancel))
        assert journal.open()[0].attempts == (hedge, cancel)

    def test_t9_reverts_are_counted_for_an_hour_and_since_the_last_halt(
        self, journal: Journal
    ) -> None:
        hour_ms = HOUR_S * MS_PER_S
        lives: tuple[tuple[Status, int, int], ...] = (
            ("failed", 9, hour_ms + 1), ("failed", 9, hour_ms), ("out_of_gas", 9, 5),
            ("failed", 0, 4), ("done", 9, 3),
        )  # fmt: skip
        for number, (status, gas_used, ago_ms) in enumerate(lives):
            outcome = an_outcome(an_intent(number), status, gas_used=gas_used)
            journal.append(Intended(an_intent(number), NOW_MS), Settled(outcome, NOW_MS - ago_ms))
        assert journal.history("eth", NOW_MS).reverts_1h == 2
        assert journal.history("btc", NOW_MS).reverts_1h == 0
        journal.append(Halted("by the breaker", NOW_MS))
        assert journal.history("eth", NOW_MS).reverts_1h == 0
        journal.append(Resumed("fine", NOW_MS), Intended(an_intent(9), NOW_MS))
        journal.append(Settled(an_outcome(an_intent(9), "failed", gas_used=9), NOW_MS))
        assert journal.history("eth", NOW_MS).reverts_1h == 1

    def test_t10_gas_that_ran_out_is_remembered_for_a_day(self, journal: Journal) -> None:
        journal.append(Intended(an_intent(), NOW_MS))
        journal.append(Settled(an_outcome(an_intent(), "out_of_gas", gas_used=9), NOW_MS))
        assert journal.history("eth", NOW_MS + DAY_S * MS_PER_S).ran_out_of_gas
        assert not journal.history("eth", NOW_MS + DAY_S * MS_PER_S + 1).ran_out_of_gas
        assert not journal.history("btc", NOW_MS).ran_out_of_gas

    def test_an_order_and_the_newest_of_it_stay_with_their_intent(self, journal: Journal) -> None:
        intent = an_intent()
        placed = Placed(intent.id, "0x07", 90_000, 2**70, NOW_MS)
        rests = Progressed(intent.id, Progress("open", None), 5, NOW_MS)
        filled = Progressed(intent.id, Progress("filled", an_outcome(intent).fill), 6, NOW_MS)
        journal.append(Intended(intent, NOW_MS), Signed(an_attempt(intent, 0)))
        assert (journal.open()[0].placed, journal.open()[0].progressed) == (None, None)
        journal.append(placed, rests, filled)
        assert (journal.open()[0].placed, journal.open()[0].progressed) == (placed, filled)

    def test_an_intent_leaves_one_order_and_an_order_belongs_to_one_intent(
        self, journal: Journal
    ) -> None:
        one, two = an_intent(0), an_intent(1)
        journal.append(Intended(one, NOW_MS), Placed(one.id, "0x07", 1, 1, NOW_MS))
        with pytest.raises(Fatal, match="order"):
            journal.append(Placed(one.id, "0x08", 1, 1, NOW_MS))
        journal.append(Settled(an_outcome(one), NOW_MS), Intended(two, NOW_MS))
        with pytest.raises(Fatal, match="order"):
            journal.append(Placed(two.id, "0x07", 1, 1, NOW_MS))

    def test_one_withdrawal_may_be_open_beside_its_trade(self, journal: Journal) -> None:
        trade = an_intent(0)
        back, other = (replace(an_intent(n), withdraws="0x07", units=0.0) for n in (1, 2))
        journal.append(Intended(trade, NOW_MS), Signed(an_attempt(trade, 0)))
        journal.append(Intended(back, NOW_MS), Signed(an_attempt(back, 1)))
        with pytest.raises(Fatal, match="still open"):
            journal.append(Intended(other, NOW_MS))
        with pytest.raises(Fatal, match="still open"):
            journal.append(Intended(an_intent(3), NOW_MS))
        assert [pending.intent.id for pending in journal.open()] == [trade.id, back.id]
        journal.append(Settled(an_outcome(back, gas_used=7), NOW_MS))
        assert journal.history("eth", NOW_MS).last_gas_used is None
        journal.append(Intended(other, NOW_MS))
        journal.append(Settled(an_outcome(other, "failed", gas_used=7), NOW_MS))
        assert journal.history("eth", NOW_MS).reverts_1h == 0
