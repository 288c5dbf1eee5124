"""What was tried, letter for letter."""

from msgspec.structs import replace

from keeper.cli import journal_view
from keeper.model.chain import Address, BlockRef, Fees
from keeper.model.events import (
    Adopted,
    CodeSeen,
    Decided,
    Halted,
    Intended,
    Placed,
    Progressed,
    Resumed,
    Sent,
    Settled,
    Signed,
    Troubled,
    Unseen,
)
from keeper.model.flow import Attempt, Fill, Hold, Intent, Outcome, Progress
from keeper.model.records import Entry, Record

AT_MS = 1_790_000_000_000
ACCOUNT = Address("0x00000000000000000000000000000000000000A1")
INTENT = Intent(
    id="0123456789abcdef0123456789abcdef",
    book="eth-lp",
    account=ACCOUNT,
    units=-0.7,
    reduce_only=True,
    worst_price=1_990.0,
    deadline_s=1_790_000_600,
    native_price=2_000.0,
    block=BlockRef(123, "0xb1", "0xb0", 1_790_000_000, 10**9),
)
ATTEMPT = Attempt(INTENT.id, "0x11", b"\x02\xff", 5, Fees(3 * 10**9, 10**9), AT_MS)
FILL = Fill(units=-0.7, price=1_999.5, fee_usd=1.4, realized_pnl_usd=0.0)
DONE = Outcome(INTENT.id, "done", "filled", FILL, 350_000, 0.84)
FAILED = Outcome(INTENT.id, "failed", "the simulation reverts: not enough margin", None, 0, 0.0)


def test_an_empty_journal_says_so() -> None:
    assert journal_view.table(()) == "no intents yet"


def test_an_intent_is_one_line() -> None:
    records = (
        Record(INTENT, AT_MS, (ATTEMPT,), DONE, AT_MS),
        Record(INTENT, AT_MS, (), FAILED, AT_MS),
        Record(INTENT, AT_MS, (ATTEMPT,), None, None),
    )
    when = "2026-09-21 14:13:20 UTC  0123456789ab"
    filled = "filled -0.7 at 1,999.50 USD, fee 1.40 USD, gas 0.84 USD"
    assert journal_view.table(records).splitlines() == [
        f"{when}  done       sell 0.7 of eth-lp; {filled}",
        f"{when}  failed     sell 0.7 of eth-lp; the simulation reverts: not enough margin",
        f"{when}  open       sell 0.7 of eth-lp",
    ]


def test_the_story_of_an_intent_is_told_in_order() -> None:
    entries = (
        Entry(7, Intended(INTENT, AT_MS)),
        Entry(8, Signed(ATTEMPT)),
        Entry(9, Sent(INTENT.id, "0x11", "accepted", AT_MS)),
        Entry(10, Settled(DONE, AT_MS)),
    )
    assert journal_view.story(Record(INTENT, AT_MS, (ATTEMPT,), DONE, AT_MS), entries) == (
        "intent      0123456789abcdef0123456789abcdef\n"
        "book        eth-lp\n"
        "account     0x00000000000000000000000000000000000000A1\n"
        "trade       sell 0.7, price limit 1,990.00 USD, reduce only\n"
        "decided at  block 123 (0xb1)\n"
        "deadline    2026-09-21 14:23:20 UTC\n"
        "status      done; filled -0.7 at 1,999.50 USD, fee 1.40 USD, gas 0.84 USD\n"
        "\n"
        "     7  2026-09-21 14:13:20 UTC  intended  sell 0.7 of eth-lp\n"
        "     8  2026-09-21 14:13:20 UTC  signed    0x11, nonce 5, up to 3 gwei, tip 1 gwei\n"
        "     9  2026-09-21 14:13:20 UTC  sent      0x11: accepted\n"
        "    10  2026-09-21 14:13:20 UTC  settled   done; filled -0.7 at 1,999.50 USD, "
        "fee 1.40 USD, gas 0.84 USD"
    )


def test_an_open_intent_is_not_called_failed() -> None:
    text = journal_view.story(Record(INTENT, AT_MS, (ATTEMPT,), None, None), ())
    assert "status      open: the outcome is not known yet" in text


def test_other_events_have_their_line_too() -> None:
    events = (
        Decided("eth-lp", Hold("inside the band"), AT_MS, ()),
        Adopted(ACCOUNT, 9, AT_MS),
        Halted("margin", AT_MS),
        Resumed("checked", AT_MS),
        Troubled("Transient", "no answer", AT_MS),
        CodeSeen(ACCOUNT, "0xc0de", AT_MS),
        Unseen(INTENT.id, 5, 123, AT_MS),
        Placed(INTENT.id, "0x07", 90_000, 1, AT_MS),
        Progressed(INTENT.id, Progress("expired", None), 123, AT_MS),
    )
    assert [journal_view.happening(event).partition("UTC  ")[2] for event in events] == [
        "decided   hold on eth-lp",
        f"adopted   next nonce 9 of {ACCOUNT}",
        "halted    margin",
        "resumed   checked",
        "troubled  Transient: no answer",
        f"codeseen  0xc0de at {ACCOUNT}",
        "unseen    nonce 5 is used, and no receipt is ours at block 123",
        "placed    order 0x07 at the venue",
        "progressed the venue says that the order is expired",
    ]


def test_a_cancel_is_told_from_a_hedge() -> None:
    cancel = replace(ATTEMPT, purpose="cancel", gas_limit=21_000)
    assert "0x11, cancels, nonce 5" in journal_view.happening(Signed(cancel))
    document = journal_view.attempt_document(cancel)
    assert (document["purpose"], document["gas_limit"]) == ("cancel", 21_000)


def test_programs_get_raw_bytes_as_hex() -> None:
    document = journal_view.document(Record(INTENT, AT_MS, (ATTEMPT,), DONE, AT_MS), ())
    assert document["attempts"][0]["raw"] == "0x02ff"
