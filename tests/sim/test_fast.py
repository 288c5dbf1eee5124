import numpy as np
import pytest
from msgspec.structs import replace

from keeper.core.decide import EwmaVolatility, Terms
from keeper.model.strategies import Always, Interval, Never, Optimal
from keeper.sim.backtest import Run, Scene, gas_usd, run
from keeper.sim.edges import edges, looks_along
from keeper.sim.fast import run_fast, scout_of
from keeper.sim.hedge_account import VenueTerms

DECIDED = Optimal()


@pytest.fixture
def terms(terms: Terms) -> Terms:
    """Look as often as the scene has bars."""
    return replace(terms, policy=replace(terms.policy, strategy=DECIDED, check_interval_s=3_600))


def assert_same(fast: Run, slow: Run) -> None:
    assert fast.bar.tolist() == slow.bar.tolist()
    assert fast.messages == slow.messages
    for name in ("units", "fee_usd", "slippage_usd", "gas_usd"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=1e-9)


@pytest.mark.parametrize("latency", [0, 1])
@pytest.mark.parametrize("aversion", [1e-6, 1e-5, 1e-3])
def test_it_makes_the_trades_that_the_decision_makes(
    scene: Scene, terms: Terms, latency: int, aversion: float
) -> None:
    policy = replace(terms.policy, risk_aversion_per_usd=aversion)
    terms = replace(terms, policy=policy)
    scene = replace(scene, latency_bars=latency)
    assert_same(run_fast(scene, terms, DECIDED), run(scene, terms))


def test_so_it_does_with_an_estimated_volatility_and_a_partial_hedge(
    scene: Scene, terms: Terms
) -> None:
    law = EwmaVolatility(half_life_s=86_400, floor_fraction=0.3)
    policy = replace(terms.policy, volatility=law, hedge_ratio=0.7)
    terms = replace(terms, policy=policy)
    assert_same(run_fast(scene, terms, DECIDED), run(scene, terms))


def test_a_trade_smaller_than_the_least_one_waits_in_both(scene: Scene, terms: Terms) -> None:
    terms = replace(terms, limits=replace(terms.limits, min_trade_base=40.0))
    fast = run_fast(scene, terms, DECIDED)
    assert_same(fast, run(scene, terms))
    assert np.abs(fast.units).min() >= 40.0


@pytest.mark.parametrize("latency", [0, 1])
@pytest.mark.parametrize(
    ("limits", "venue"),
    [
        ({}, VenueTerms()),
        ({"max_gas_price_wei": 50 * 10**9}, VenueTerms()),
        ({"cooldown_s": 6 * 3_600, "daily_gas_budget_usd": 60.0}, VenueTerms()),
        ({"max_order_base": 20.0, "max_position_base": 120.0}, VenueTerms(impact_per_base=1e-5)),
        ({"max_slippage_fraction": 0.004}, VenueTerms()),
        ({"max_leverage_x": 4.0}, VenueTerms(collateral_usd=60_000.0)),
    ],
    ids=["free", "gas price", "pace", "size", "slippage", "margin"],
)
def test_passing_over_calm_bars_changes_no_trade_whatever_limit_binds(
    scene: Scene, terms: Terms, latency: int, limits: dict[str, float], venue: VenueTerms
) -> None:
    policy = replace(terms.policy, risk_aversion_per_usd=1e-4)
    terms = replace(terms, policy=policy, limits=replace(terms.limits, **limits))
    scene = replace(scene, venue=venue, latency_bars=latency)
    every = run(scene, terms)
    skipped = run(scene, terms, scout=scout_of(edges(DECIDED, looks_along(scene, terms))))
    assert_same(skipped, every)
    assert skipped.liquidations == every.liquidations
    assert skipped.lost == every.lost
    assert skipped.refusals == every.refusals
    assert skipped.looks <= every.looks


def test_costs_are_those_of_the_bar_of_the_fill(scene: Scene, terms: Terms) -> None:
    venue = VenueTerms(fee_fraction=0.002, impact_per_base=1e-5)
    late = replace(scene, venue=venue, latency_bars=1)
    made = run_fast(late, terms, Interval(every_s=7_200))
    price = late.market.price[made.bar]
    assert made.bar.tolist()[:3] == [1, 3, 5]
    assert made.fee_usd == pytest.approx(0.002 * np.abs(made.units) * price)
    assert made.slippage_usd == pytest.approx(1e-5 * made.units**2 * price)
    assert made.gas_usd == pytest.approx(gas_usd(late, terms.tip_wei)[made.bar])


def test_always_leaves_nothing_and_never_does_nothing(scene: Scene, terms: Terms) -> None:
    always = run_fast(scene, terms, Always())
    assert always.units.sum() == pytest.approx(-scene.held.delta[-2])
    assert run_fast(scene, terms, Never()).trades == 0
