from math import exp, log, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keeper.core.decide import Terms
from keeper.model.errors import BadData
from keeper.model.units import DAY_S, YEAR_S
from keeper.sim.accounting import Account, account, course, cvar, drawdown, entropic
from keeper.sim.backtest import Run, Scene, run
from keeper.sim.hedge_account import Carry, HedgeAccount, VenueTerms
from tests.sim.conftest import SceneOf

NOTHING = Run(
    bar=np.array([], dtype=np.int64),
    units=np.array([]),
    fee_usd=np.array([]),
    slippage_usd=np.array([]),
    gas_usd=np.array([]),
    liquidations=(),
    lost=(),
    messages=0,
    looks=0,
    refusals={},
)


def one_trade(**more: Any) -> Run:
    made = replace(
        NOTHING,
        bar=np.array([0]),
        units=np.array([-9.0]),
        fee_usd=np.array([9.0]),
        slippage_usd=np.array([2.0]),
        gas_usd=np.array([5.0]),
        messages=1,
    )
    return replace(made, **more)


def seen(scene: Scene, made: Run, aversion: float = 1e-4) -> Account:
    return account(scene, made, risk_aversion_per_usd=aversion)


def test_a_hand_reckoned_day(spot_scene: SceneOf) -> None:
    scene = spot_scene(2_000.0, 2_100.0, 2_000.0)
    found = seen(scene, one_trade())
    assert found.trades == 1
    assert found.turnover_usd == pytest.approx(18_000)
    assert found.trading_cost_usd == pytest.approx(11)
    assert found.cost_usd == pytest.approx(16)
    # One unit of ten is left: +100, then −100.
    assert found.residual_variance_usd2 == pytest.approx(2 * 100**2 / scene.market.years)
    assert found.risk_usd == pytest.approx(sqrt(20_000 / scene.market.years))
    assert found.unhedged_risk_usd == pytest.approx(10 * found.risk_usd)
    assert found.objective_usd == pytest.approx(16 + 0.5e-4 * 20_000)
    assert found.pnl_usd == pytest.approx(-16)
    assert found.max_drawdown_usd == pytest.approx(100)
    assert found.max_abs_net_base == pytest.approx(1.0)
    assert found.message_to_trade == 1.0


def test_hand_reckoned_ratios_of_three_days(spot_scene: SceneOf) -> None:
    hours = spot_scene(2_000.0, 2_010.0, 2_000.0, 2_030.0)
    days = replace(hours.market, at_s=DAY_S * np.arange(4))
    # Ten units and no hedge: +100, −100, +300.
    found = seen(replace(hours, market=days), NOTHING, aversion=1e-4)
    days_a_year = YEAR_S / DAY_S
    assert found.sharpe == pytest.approx(100 / 200 * sqrt(days_a_year))
    assert found.sortino == pytest.approx(100 / sqrt(100**2 / 3) * sqrt(days_a_year))
    # 5 % of three days is less than one: the worst of them.
    assert found.cvar95_usd == pytest.approx(100)
    assert found.max_drawdown_usd == pytest.approx(100)
    # The mean square from 100 is (0 + 200² + 200²)/3.
    assert found.mean_variance_ce_usd == pytest.approx(3 * (100 - 0.5e-4 * 80_000 / 3))
    utility = (exp(-0.01) + exp(0.01) + exp(-0.03)) / 3
    assert found.entropic_ce_usd == pytest.approx(3 * -log(utility) / 1e-4)
    own = np.array([100, -100, 300]) / 20_000
    asset = np.array([10 / 2_000, -10 / 2_010, 30 / 2_000])
    beta = np.cov(own, asset)[0, 1] / np.var(asset, ddof=1)
    assert found.treynor_fraction == pytest.approx(own.mean() * days_a_year / beta)


def test_a_beta_that_may_be_zero_gives_no_treynor_ratio(spot_scene: SceneOf) -> None:
    hours = spot_scene(2_000.0, 2_010.0, 2_000.0, 2_030.0)
    days = replace(hours, market=replace(hours.market, at_s=DAY_S * np.arange(4)))
    hedged = seen(days, one_trade(units=np.array([-10.0])))
    assert hedged.residual_variance_usd2 == 0
    assert hedged.treynor_fraction is None


def test_what_limits_must_leave_room_for(spot_scene: SceneOf) -> None:
    venue = VenueTerms(collateral_usd=10_000.0)
    scene = spot_scene(2_000.0, 2_100.0, 2_000.0, 2_000.0, venue=venue)
    made = one_trade(
        bar=np.array([0, 2]),
        units=np.array([-9.0, 4.0]),
        fee_usd=np.zeros(2),
        slippage_usd=np.zeros(2),
        gas_usd=np.array([5.0, 7.0]),
    )
    needs = seen(scene, made).needs
    assert (needs.smallest_order_base, needs.largest_order_base) == (4.0, 9.0)
    assert needs.largest_hedge_base == 9.0
    # At bar 1 nine units are worth 18,900, and the account has lost 900; gas is not paid from it.
    assert needs.leverage_x == pytest.approx(18_900 / (10_000 - 900))
    assert needs.gas_day_usd == pytest.approx(12)
    apart = replace(scene, market=replace(scene.market, at_s=DAY_S * np.arange(4)))
    assert seen(apart, replace(made, bar=np.array([0, 2]))).needs.gas_day_usd == pytest.approx(7)
    ruined = replace(scene, venue=VenueTerms(collateral_usd=900.0))
    assert seen(ruined, made).needs.leverage_x is None


def test_a_day_of_gas_counts_what_refused_orders_paid(spot_scene: SceneOf) -> None:
    scene = spot_scene(2_000.0, 2_100.0, 2_000.0, 2_000.0)
    made = one_trade(messages=3, lost=((1, 4.0), (2, 3.0)))
    assert seen(scene, made).needs.gas_day_usd == pytest.approx(5 + 4 + 3)
    apart = replace(scene, market=replace(scene.market, at_s=DAY_S * np.arange(4)))
    assert seen(apart, made).needs.gas_day_usd == pytest.approx(5 + 4)


def test_the_parts_add_up_to_vault_and_hedge_and_costs(scene: Scene, terms: Terms) -> None:
    made = run(scene, terms)
    found = seen(scene, made)
    held = course(scene, made).hedge
    moved = np.diff(scene.market.price)
    vault = float(scene.held.pnl_usd.sum())
    hedge = float(held[:-1] @ moved)
    funding = -float(held[:-1] @ (scene.market.price[1:] * scene.market.funding[:-1]))
    assert found.pnl_usd == pytest.approx(vault + hedge + funding - found.cost_usd)
    assert found.funding_usd == pytest.approx(funding)
    assert found.attribution.curvature_usd < 0


@pytest.mark.parametrize("aversion", [1e-6, 1e-4])
def test_leverage_is_that_of_the_account_at_the_venue(
    scene: Scene, terms: Terms, aversion: float
) -> None:
    policy = replace(terms.policy, risk_aversion_per_usd=aversion)
    made = run(scene, replace(terms, policy=policy))
    held = HedgeAccount(scene.venue, scene.market, Carry.of(scene.market))
    seen_x = []
    at = dict(zip(made.bar.tolist(), range(made.trades), strict=True))
    for bar in range(scene.market.bars):
        if bar in at:
            cost_usd = made.fee_usd[at[bar]] + made.slippage_usd[at[bar]]
            held.fill(bar, float(made.units[at[bar]]), float(cost_usd))
        notional = abs(held.size_base) * scene.market.price[bar]
        # The fee of a bar is booked after it: equity before and after differ by it alone.
        seen_x.append(notional / held.equity_usd(bar))
    assert seen(scene, made).needs.leverage_x == pytest.approx(max(seen_x), rel=1e-3)


def test_a_short_receives_positive_funding(spot_scene: SceneOf) -> None:
    scene = spot_scene(2_000.0, 2_000.0, 2_000.0)
    paying = replace(scene, market=replace(scene.market, funding=np.array([0.001, 0.0, 0.0])))
    assert seen(paying, one_trade()).funding_usd == pytest.approx(0.001 * 9 * 2_000)


def test_what_is_lost_without_a_trade_is_counted(spot_scene: SceneOf) -> None:
    scene = spot_scene(2_000.0, 2_100.0, 2_000.0)
    made = one_trade(messages=3, lost=((1, 4.0),), liquidations=())
    found = seen(scene, made)
    assert found.gas_usd == pytest.approx(9)
    assert found.cost_usd == pytest.approx(20)
    assert found.message_to_trade == 3.0


def test_a_liquidation_is_no_trade_but_has_its_cost(spot_scene: SceneOf) -> None:
    venue = VenueTerms(collateral_usd=5_000.0)
    scene = spot_scene(2_000.0, 2_600.0, 2_600.0, venue=venue)
    made = one_trade(
        bar=np.array([0, 1]),
        units=np.array([-9.0, 9.0]),
        fee_usd=np.array([9.0, 0.0]),
        slippage_usd=np.zeros(2),
        gas_usd=np.zeros(2),
        liquidations=((1, 234.0),),
    )
    found = seen(scene, made)
    assert (found.trades, found.liquidations) == (1, 1)
    assert found.attribution.liquidation_usd == -234.0
    assert found.cost_usd == pytest.approx(243)


def test_without_a_trade_ratios_to_trades_are_unknown(spot_scene: SceneOf) -> None:
    found = seen(spot_scene(2_000.0, 2_100.0), NOTHING)
    assert found.message_to_trade is None
    assert found.cvar95_usd is None
    assert found.sharpe is None
    assert found.cost_usd == 0.0


def test_ratios_of_a_book_that_follows_the_asset(scene: Scene) -> None:
    found = seen(scene, NOTHING)
    assert found.treynor_fraction is not None
    assert found.sharpe is not None
    assert found.sortino is not None
    # An unhedged range has a positive beta, so all three have the sign of the result.
    assert found.treynor_fraction * found.pnl_usd > 0
    assert found.sharpe * found.pnl_usd > 0


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
def test_cvar_lies_between_the_mean_and_the_worst(losses: list[float]) -> None:
    values = np.array(losses)
    assert values.mean() - 1e-9 <= cvar(values) <= values.max() + 1e-9


def test_cvar_counts_the_sample_at_its_edge_in_part() -> None:
    losses = np.arange(1.0, 31.0)
    assert cvar(losses, tail=0.05) == pytest.approx((30 + 0.5 * 29) / 1.5)
    with pytest.raises(BadData):
        cvar(np.array([]))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=40), st.floats(1e-8, 1.0))
def test_the_certainty_equivalent_lies_between_worst_and_mean(
    pnl: list[float], aversion: float
) -> None:
    values = np.array(pnl)
    assert values.min() - 1e-6 <= entropic(values, aversion) <= values.mean() + 1e-6


def test_the_certainty_equivalent_is_exact_for_two_outcomes_and_never_overflows() -> None:
    expected = -log(0.5 * (np.exp(-0.3) + np.exp(0.3))) / 0.3
    assert entropic(np.array([1.0, -1.0]), 0.3) == pytest.approx(expected)
    assert entropic(np.array([0.0, -1e6]), 1.0) == pytest.approx(-1e6 + log(2))
    normal = np.random.default_rng(1).standard_normal(200_000)
    assert entropic(normal, 1e-3) == pytest.approx(normal.mean() - 0.5e-3 * normal.var(), rel=1e-6)


def test_drawdown_is_measured_from_the_highest_point() -> None:
    assert drawdown(np.array([5.0, -3.0, 2.0, -6.0])) == pytest.approx(7.0)
    assert drawdown(np.array([1.0, 1.0])) == 0.0
    assert drawdown(np.array([-4.0])) == 4.0
