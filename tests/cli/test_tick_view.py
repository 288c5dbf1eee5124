"""What a tick did or would do, in words."""

from keeper.cli import tick_view
from keeper.engine.dry_run import Rehearsal
from keeper.model.events import Decided, Troubled
from keeper.model.flow import Fill, Hold

AT_MS = 1_790_000_003_000
ETH = {"eth-lp": "ETH"}


def test_what_followed_from_a_decision_stands_behind_it(rebalance: Decided) -> None:
    text = tick_view.done([rebalance], [Troubled("Rejected", "no margin", AT_MS)], AT_MS, ETH)
    assert text.endswith(
        "  decision     SELL 0.7, price no lower than 1,990.00 USD\n"
        "\n"
        "2026-09-21 14:13:23 UTC  troubled  Rejected: no margin"
    )


def test_a_tick_without_a_decision_says_so() -> None:
    assert tick_view.done([], [], AT_MS, ETH) == "nothing was decided"


def test_a_rehearsal_shows_what_would_be_filled(rebalance: Decided) -> None:
    fill = Fill(units=-0.7, price=1_999.0, fee_usd=1.4, realized_pnl_usd=0.0)
    text = tick_view.rehearsed((Rehearsal("eth-lp", rebalance.decision, fill, None),), AT_MS, ETH)
    assert text.endswith(
        "  simulation   would fill -0.7 at 1,999.00 USD, fee 1.40 USD\n"
        "\n"
        "dry run: nothing was signed, sent or written"
    )


def test_a_rehearsal_shows_what_would_be_refused(rebalance: Decided) -> None:
    refused = Rehearsal("eth-lp", rebalance.decision, None, "not enough margin")
    assert "  simulation   refused: not enough margin\n" in tick_view.rehearsed(
        (refused,), AT_MS, ETH
    )


def test_a_hold_is_rehearsed_without_a_simulation() -> None:
    held = Rehearsal("eth-lp", Hold("the feed is stale"), None, None)
    text = tick_view.rehearsed((held,), AT_MS, ETH)
    assert "HOLD: the feed is stale" in text
    assert "simulation" not in text
