"""What a person reads about a decision, letter for letter."""

import msgspec
import pytest

from keeper.cli import render
from keeper.model.events import Decided
from keeper.model.flow import Band, Gate, Halt, Hold, Reasoning, Rebalance

EXPECTED = """\
eth-lp · 2026-09-21 14:13:23 UTC, 7 s ago · woken by AnswerUpdated, timer
  block        18,000,123
  price        2,000.00 USD, 12 s old
  sigma        60 % a year
  delta        +10.5, gamma -0.0021 per USD, value 21,000.00 USD
  target       -10.5 (hedge ratio 1)
  hedge        -9.5
  net          +1, costs 7.20 USD a year in risk
  band         ±0.8 outer, ±0.3 inner  ·····[·····(···|···)·····]·●···
  gates
    ✓ band        1 ETH ≥ 0.8 ETH
    ✓ price age   12 s ≤ 3,600 s
    ✓ deviation   0.12 % ≤ 2 %  (venue mark)
    ✗ gas price   80 gwei ≤ 50 gwei
    ✓ gas budget  1.84 USD ≤ 20.00 USD  (last 24 h plus this transaction)
  trade        cost 2.25 USD, benefit 4.50 USD (gas 0.84 USD: 350,000 at 1.2 gwei; \
fee 0.1 %, impact 0.002 % per unit)
  would trade  if it is outside the band: only a gate can hold it back
  decision     SELL 0.7, price no lower than 1,990.00 USD"""


def test_a_decision_shows_every_input_and_every_gate(rebalance: Decided) -> None:
    assert render.decided(rebalance, 1_790_000_010_000, "ETH") == EXPECTED


def test_a_book_that_could_not_be_read_shows_the_reason_alone() -> None:
    event = Decided("eth-lp", Hold("the price is stale"), 1_790_000_003_000, ())
    assert render.decided(event, now_ms=1_790_000_003_000) == (
        "eth-lp · 2026-09-21 14:13:23 UTC, just now\n  decision     HOLD: the price is stale"
    )


def test_a_hold_without_a_trade_shows_what_one_would_cost(why: Reasoning) -> None:
    idle = msgspec.structs.replace(why, trade_cost_usd=0.0, trade_benefit_usd=0.0)
    assert render.trade(idle) == (
        "none; one would cost gas 0.84 USD: 350,000 at 1.2 gwei; fee 0.1 %, impact 0.002 % per unit"
    )


def test_a_buy_names_the_highest_price_and_that_it_only_reduces(why: Reasoning) -> None:
    buy = Rebalance(units=0.25, reduce_only=True, worst_price=2_010.0, why=why)
    assert render.verdict(buy) == "BUY 0.25, price no higher than 2,010.00 USD, reduce only"


def test_a_halt_is_said_aloud() -> None:
    assert render.verdict(Halt("margin")) == "HALT: margin"


@pytest.mark.parametrize(
    ("gate", "line"),
    [
        (
            Gate("cooldown", True, 300.0, 300.0, "s", "no trade yet"),  # noqa: FBT003  # a row
            "    ✓ cooldown  300 s ≤ 300 s  (no trade yet)",
        ),
        (
            Gate("band", True, 1.0, 0.8, "base", "rebalance by hand"),  # noqa: FBT003  # a row
            "    ✓ band  1 base of 0.8 base  (rebalance by hand)",
        ),
        (
            Gate("leverage", False, -1.0, 3.0, "x", "the account has no equity"),  # noqa: FBT003  # a row
            "    ✗ leverage  -1 x of 3 x  (the account has no equity)",
        ),
    ],
)
def test_a_gate_says_how_its_two_numbers_stand(gate: Gate, line: str) -> None:
    assert render.gates((gate,)) == [line]


@pytest.mark.parametrize(
    ("net", "drawn"),
    [
        (0.0, "··[·(·●·)·]··"),
        (0.5, "··[·(·|·●·]··"),
        (-1.0, "··●·(·|·)·]··"),
        (9.0, "··[·(·|·)·]·▶"),
        (-9.0, "◀·[·(·|·)·]··"),
    ],
)
def test_the_bar_shows_the_net_delta_inside_its_band(net: float, drawn: str) -> None:
    assert render.bar(net, Band(outer=1.0, inner=0.5), width=13) == drawn


def test_a_band_without_width_has_no_bar() -> None:
    assert render.bar(0.0, Band(outer=0.0, inner=0.0)) == ""


def test_options_show_how_they_age(why: Reasoning) -> None:
    exposure = msgspec.structs.replace(
        why.exposure, vega=-1_200.0, theta=9_000.0, delta_in_1h=10.4, delta_in_1d=9.0
    )
    greeks = "  options      vega -1,200.00 USD, theta 9,000.00 USD a year"
    assert render.aging(exposure) == [
        f"{greeks}; delta +10.4 in 1 h, +9 in 1 d if the price stands still"
    ]
    old = msgspec.structs.replace(exposure, delta_in_1h=None)
    assert render.aging(old) == [greeks]


def test_wrapped_tokens_show_the_risk_that_no_hedge_covers(why: Reasoning) -> None:
    exposure = msgspec.structs.replace(why.exposure, rate_usd=48_000.0)
    assert render.rates(exposure) == [
        "  rate risk    48,000.00 USD redeems at an exchange rate, which no hedge covers"
    ]
