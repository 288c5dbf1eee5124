"""Where every book stands, letter for letter."""

import msgspec

from keeper.cli import status_view
from keeper.cli.status_view import BookView, StatusView
from keeper.model.chain import Address, Fees
from keeper.model.events import Decided
from keeper.model.flow import Attempt, Hold, Intent, Reasoning
from keeper.ports.acting import History, Open, Request

NOW_MS = 1_790_000_010_000
QUIET = History(last_trade_at_ms=None, gas_usd_24h=0.0, last_gas_used=None, volatility=None)


def view(*books: BookView, **changes: object) -> StatusView:
    calm = StatusView(
        books=books, halted=None, open=(), requests=(), running_pid="4711", now_ms=NOW_MS
    )
    return msgspec.structs.replace(calm, **changes)


def intent(why: Reasoning) -> Intent:
    return Intent(
        id="0123456789abcdef0123456789abcdef",
        book="eth-lp",
        account=Address("0x00000000000000000000000000000000000000A1"),
        units=-0.7,
        reduce_only=False,
        worst_price=1_990.0,
        deadline_s=1_790_000_600,
        native_price=2_000.0,
        block=why.block,
    )


def test_a_book_shows_its_net_delta_inside_its_band(rebalance: Decided) -> None:
    history = msgspec.structs.replace(QUIET, last_trade_at_ms=NOW_MS - 300_000, gas_usd_24h=3.2)
    text = status_view.text(view(BookView("eth-lp", rebalance, rebalance, history)))
    assert text == (
        "keeper        running, process 4711\n"
        "\n"
        "eth-lp · 7 s ago\n"
        "  price       2,000.00 USD at block 18,000,123\n"
        "  delta       +10.5, hedge -9.5, net +1\n"
        "  band        ·····[·····(···|···)·····]·●···  ±0.8\n"
        "  gas 24 h    3.20 USD\n"
        "  last trade  5 min ago\n"
        "  decision    SELL 0.7, price no lower than 1,990.00 USD"
    )


def test_a_book_that_cannot_be_read_shows_when_it_last_could(rebalance: Decided) -> None:
    blind = Decided("eth-lp", Hold("the feed is stale"), NOW_MS, ())
    text = status_view.text(view(BookView("eth-lp", blind, rebalance, QUIET)))
    assert "eth-lp · just now" in text
    assert "  last seen   7 s ago" in text
    assert "  decision    HOLD: the feed is stale" in text


def test_a_book_without_a_decision_says_so() -> None:
    text = status_view.text(view(BookView("eth-lp", None, None, QUIET), running_pid=None))
    assert text == "keeper        not running\n\neth-lp\n  decision    none yet"


def test_a_halt_stands_on_top_with_the_way_out() -> None:
    text = status_view.text(view(halted="margin"))
    assert "HALTED        margin (`keeper resume` when it is safe)" in text


def test_what_is_open_and_what_was_asked_for_is_listed(why: Reasoning) -> None:
    attempt = Attempt("i", "0x1", b"", 5, Fees(2, 1), NOW_MS - 12_000)
    pending = Open(intent(why), (attempt, attempt))
    text = status_view.text(view(open=(pending,), requests=(Request(1, "flatten"),)))
    assert (
        "open          0123456789ab sell 0.7 of eth-lp, nonce 5, 2 attempts, signed 12 s ago"
        in text
    )
    assert "requested     flatten" in text


def test_an_intent_that_was_never_signed_says_so(why: Reasoning) -> None:
    words = status_view.describe_open(Open(intent(why), ()), NOW_MS)
    assert words == "0123456789ab sell 0.7 of eth-lp, not signed"
