from math import copysign, inf, nan, sqrt

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from keeper.core.band import (
    delay_cost_rate,
    horizon_guard,
    limit_band,
    optimal_band,
    rebalance_target,
    risk_rate,
    trade_cost,
    trades_per_year,
    value_of_trading_now,
)
from keeper.model.errors import BadData
from keeper.model.flow import Band
from tests.core.draws import powers
from tests.core.vectors import rows


class Problem:
    """One set of inputs, spread over the calls that want parts of it."""

    def __init__(
        self, sigma_x: float, risk_weight: float, fixed: float, prop: float, impact: float = 0.0
    ) -> None:
        self.sigma_x, self.risk_weight = sigma_x, risk_weight
        self.fixed, self.prop, self.impact = fixed, prop, impact

    def __repr__(self) -> str:
        return f"Problem{(self.sigma_x, self.risk_weight, self.fixed, self.prop, self.impact)}"

    def band(self) -> Band:
        return optimal_band(
            sigma_x=self.sigma_x,
            risk_weight=self.risk_weight,
            fixed_cost=self.fixed,
            prop_cost=self.prop,
            impact=self.impact,
        )

    def limited(self, band: Band, x_max: float) -> Band:
        return limit_band(
            band,
            x_max,
            sigma_x=self.sigma_x,
            risk_weight=self.risk_weight,
            fixed_cost=self.fixed,
            prop_cost=self.prop,
            impact=self.impact,
        )

    def target(self, net: float, band: Band) -> float:
        return rebalance_target(
            net,
            band,
            sigma_x=self.sigma_x,
            risk_weight=self.risk_weight,
            prop_cost=self.prop,
            impact=self.impact,
        )

    def value(self, net: float, target: float, band: Band) -> float:
        return value_of_trading_now(
            net, target, band, fixed_cost=self.fixed, prop_cost=self.prop, impact=self.impact
        )

    def cost(self, units: float) -> float:
        return trade_cost(units, fixed_cost=self.fixed, prop_cost=self.prop, impact=self.impact)

    def average_cost(self, outer: float, inner: float) -> float:
        """Of any two edges, by renewal: risk of the stationary law, and a trade every cycle."""
        risk = self.risk_weight * (inner**2 + outer**2) / 12
        if outer == inner:
            return risk + self.sigma_x**2 * self.prop / (outer + inner)
        return risk + self.sigma_x**2 * self.cost(outer - inner) / (outer**2 - inner**2)

    def value_inside(self, x: float, band: Band) -> float:
        """V(x) − V(0) by integrating V′ = (2/σ²)(ρ·x − q·x³/6)."""
        return (band.cost_rate_usd * x**2 - self.risk_weight * x**4 / 12) / self.sigma_x**2


PROBLEMS = st.builds(
    Problem,
    sigma_x=powers(-3, 4),
    risk_weight=powers(-5, 4),
    fixed=powers(-4, 3),
    prop=st.just(0.0) | powers(-4, 2),
    impact=st.just(0.0) | powers(-5, 1),
)
PLAIN = st.builds(
    Problem,
    sigma_x=powers(-3, 4),
    risk_weight=powers(-5, 4),
    fixed=powers(-4, 3),
    prop=powers(-4, 2),
)


@pytest.mark.parametrize(
    "row", rows("qvi_bands.csv"), ids=lambda row: "-".join(map(str, list(row.values())[:5]))
)
def test_the_band_agrees_with_forty_digit_arithmetic(row: dict[str, float]) -> None:
    band = optimal_band(
        sigma_x=row["sigma_x"],
        risk_weight=row["risk_weight_q"],
        fixed_cost=row["fixed_cost"],
        prop_cost=row["prop_cost"],
        impact=row["impact_eta"],
    )
    assert band.outer == pytest.approx(row["outer_b"], rel=1e-12, abs=0)
    assert band.inner == pytest.approx(row["inner_a"], rel=1e-12, abs=0)
    assert band.cost_rate_usd == pytest.approx(row["cost_rate_rho"], rel=1e-12, abs=0)
    trades = trades_per_year(band, row["sigma_x"])
    assert trades == pytest.approx(row["trades_per_unit_time"], rel=1e-12, abs=0)


def test_a_band_worked_by_hand() -> None:
    band = optimal_band(sigma_x=1, risk_weight=1, fixed_cost=1, prop_cost=1)
    assert band.outer == pytest.approx(2.1647215717171507, rel=1e-14)
    assert band.inner == pytest.approx(0.51681537440127614, rel=1e-14)
    assert band.cost_rate_usd == pytest.approx(1.0119798339727700, rel=1e-14)


@given(sigma_x=powers(-3, 4), risk_weight=powers(-5, 4), prop=powers(-4, 2), impact=powers(-5, 1))
def test_without_a_fixed_cost_it_is_whalley_and_wilmott(
    sigma_x: float, risk_weight: float, prop: float, impact: float
) -> None:
    band = optimal_band(
        sigma_x=sigma_x, risk_weight=risk_weight, fixed_cost=0, prop_cost=prop, impact=impact
    )
    assert band.inner == band.outer
    assert band.outer == pytest.approx(
        (1.5 * sigma_x**2 * prop / risk_weight) ** (1 / 3), rel=1e-14
    )


@given(sigma_x=powers(-3, 4), risk_weight=powers(-5, 4), fixed=powers(-4, 3))
def test_without_a_proportional_cost_it_trades_to_zero_from_the_quartic_root(
    sigma_x: float, risk_weight: float, fixed: float
) -> None:
    band = optimal_band(sigma_x=sigma_x, risk_weight=risk_weight, fixed_cost=fixed, prop_cost=0)
    assert band.inner == 0.0
    assert band.outer == pytest.approx((12 * fixed * sigma_x**2 / risk_weight) ** 0.25, rel=1e-14)


@given(PLAIN)
def test_vanishing_costs_lead_to_their_limits(problem: Problem) -> None:
    scale = problem.band().outer
    tiny = 1e-12
    almost_edge = Problem(
        problem.sigma_x, problem.risk_weight, tiny * scale * problem.prop, problem.prop
    ).band()
    assert almost_edge.inner == pytest.approx(almost_edge.outer, rel=1e-2)
    almost_zero = Problem(
        problem.sigma_x, problem.risk_weight, problem.fixed, tiny * problem.fixed / scale
    ).band()
    assert almost_zero.inner <= 1e-6 * almost_zero.outer


@given(PROBLEMS)
@example(Problem(1e-3, 1e4, 1e-4, 0.0, 10.0))
@example(Problem(1e4, 1e-5, 1e-4, 1e2, 10.0))
def test_no_other_edges_cost_less(problem: Problem) -> None:
    band = problem.band()
    assert 0.0 <= band.inner <= band.outer
    gap = band.outer - band.inner
    assume(gap > 1e-9 * band.outer)
    assert band.cost_rate_usd == pytest.approx(
        problem.average_cost(band.outer, band.inner), rel=1e-6
    )
    for outer, inner in (
        (band.outer + 0.1 * gap, band.inner),
        (band.outer - 0.1 * gap, band.inner),
        (band.outer, band.inner + 0.1 * gap),
        (band.outer, max(0.0, band.inner - 0.1 * gap)),
    ):
        assert problem.average_cost(outer, inner) >= band.cost_rate_usd * (1 - 1e-9)


@given(PROBLEMS, st.floats(1.0, 100.0))
def test_dearer_trades_are_rarer_and_cost_more(problem: Problem, factor: float) -> None:
    slack = 1 + 1e-12
    band = problem.band()
    gas = Problem(
        problem.sigma_x, problem.risk_weight, problem.fixed * factor, problem.prop, problem.impact
    ).band()
    assert gas.outer * slack >= band.outer
    assert gas.cost_rate_usd * slack >= band.cost_rate_usd
    fee = Problem(
        problem.sigma_x, problem.risk_weight, problem.fixed, problem.prop * factor, problem.impact
    ).band()
    assert fee.outer * slack >= band.outer
    assert fee.inner * slack >= band.inner
    assert fee.cost_rate_usd * slack >= band.cost_rate_usd
    deep = Problem(
        problem.sigma_x, problem.risk_weight, problem.fixed, problem.prop, problem.impact * factor
    ).band()
    assert deep.cost_rate_usd * slack >= band.cost_rate_usd


@given(PROBLEMS, st.floats(1.0, 100.0))
def test_more_risk_aversion_never_widens_the_band(problem: Problem, factor: float) -> None:
    band = problem.band()
    wary = Problem(
        problem.sigma_x, problem.risk_weight * factor, problem.fixed, problem.prop, problem.impact
    ).band()
    assert wary.outer <= band.outer * (1 + 1e-12)


@given(PROBLEMS, powers(-6, 6))
def test_units_do_not_matter(problem: Problem, unit: float) -> None:
    band = problem.band()
    in_other_coins = Problem(
        problem.sigma_x * unit,
        problem.risk_weight / unit**2,
        problem.fixed,
        problem.prop / unit,
        problem.impact / unit**2,
    ).band()
    assert in_other_coins.outer == pytest.approx(band.outer * unit, rel=1e-11)
    assert in_other_coins.inner == pytest.approx(band.inner * unit, rel=1e-11)
    assert in_other_coins.cost_rate_usd == pytest.approx(band.cost_rate_usd, rel=1e-11)
    in_other_money = Problem(
        problem.sigma_x,
        problem.risk_weight * unit,
        problem.fixed * unit,
        problem.prop * unit,
        problem.impact * unit,
    ).band()
    assert in_other_money.outer == pytest.approx(band.outer, rel=1e-11)
    assert in_other_money.inner == pytest.approx(band.inner, rel=1e-11)
    assert in_other_money.cost_rate_usd == pytest.approx(band.cost_rate_usd * unit, rel=1e-11)
    in_other_time = Problem(
        problem.sigma_x * sqrt(unit),
        problem.risk_weight * unit,
        problem.fixed,
        problem.prop,
        problem.impact,
    ).band()
    assert in_other_time.outer == pytest.approx(band.outer, rel=1e-11)
    assert in_other_time.cost_rate_usd == pytest.approx(band.cost_rate_usd * unit, rel=1e-11)


def test_volatility_cancels_when_the_error_comes_from_gamma() -> None:
    gamma, price, aversion = 0.02, 3000.0, 1e-5

    def band(sigma: float) -> Band:
        return optimal_band(
            sigma_x=gamma * price * sigma,
            risk_weight=aversion * (price * sigma) ** 2,
            fixed_cost=5,
            prop_cost=1.8,
        )

    assert band(0.4).outer == pytest.approx(band(1.2).outer, rel=1e-14)
    assert band(0.4).inner == pytest.approx(band(1.2).inner, rel=1e-14)


def test_an_error_that_stands_still_or_costs_nothing_to_trade_has_no_band() -> None:
    nothing = Band(outer=0.0, inner=0.0, cost_rate_usd=0.0)
    assert optimal_band(sigma_x=0, risk_weight=1, fixed_cost=1, prop_cost=1) == nothing
    assert optimal_band(sigma_x=1, risk_weight=1, fixed_cost=0, prop_cost=0, impact=1) == nothing
    assert trades_per_year(nothing, 1.0) == inf


@pytest.mark.parametrize("bad", [-1.0, nan, inf])
@pytest.mark.parametrize("name", ["sigma_x", "risk_weight", "fixed_cost", "prop_cost", "impact"])
def test_what_is_not_a_cost_is_bad_data(name: str, bad: float) -> None:
    numbers = {
        "sigma_x": 1.0,
        "risk_weight": 1.0,
        "fixed_cost": 1.0,
        "prop_cost": 1.0,
        "impact": 1.0,
    }
    with pytest.raises(BadData, match="finite numbers") as caught:
        optimal_band(**(numbers | {name: bad}))
    assert name in caught.value.facts
    assert caught.value.remedy


def test_a_weightless_risk_is_bad_data() -> None:
    with pytest.raises(BadData, match="risk weight above zero"):
        optimal_band(sigma_x=1, risk_weight=0, fixed_cost=1, prop_cost=1)


def test_a_band_beyond_all_numbers_is_bad_data() -> None:
    with pytest.raises(BadData, match="band is not finite"):
        optimal_band(sigma_x=1e200, risk_weight=1e-200, fixed_cost=1, prop_cost=1)


# horizon_guard


def test_a_still_error_is_traded_when_its_risk_until_the_horizon_repays_it() -> None:
    still = Band(outer=0.0, inner=0.0)
    guarded = horizon_guard(
        still, prop_cost=1.8, fixed_cost=5.0, risk_weight=57.6, horizon_years=0.1
    )
    # λ/(q·τ) = 1.8/5.76, and √(2·5/5.76) further out.
    assert guarded.inner == pytest.approx(0.3125)
    assert guarded.outer == pytest.approx(0.3125 + 1.3176156917368247)
    saved = 0.5 * 57.6 * 0.1 * (guarded.outer**2 - guarded.inner**2)
    assert saved == pytest.approx(5.0 + 1.8 * (guarded.outer - guarded.inner))


def test_impact_widens_the_guard_so_that_the_trade_still_repays_itself() -> None:
    guarded = horizon_guard(
        Band(outer=0.0, inner=0.0),
        prop_cost=1.8,
        fixed_cost=5.0,
        risk_weight=57.6,
        horizon_years=0.1,
        impact=0.3,
    )
    gap = guarded.outer - guarded.inner
    assert gap == pytest.approx(1.2539246564387978)  # √(10/(5.76 + 0.6))
    assert guarded.inner == pytest.approx((1.8 + 0.6 * gap) / 5.76)
    saved = 0.5 * 5.76 * (guarded.outer**2 - guarded.inner**2)
    assert saved == pytest.approx(5.0 + 1.8 * gap + 0.3 * gap**2)


def test_the_guard_moves_only_the_edge_that_is_too_near() -> None:
    band = Band(outer=2.0, inner=0.5, cost_rate_usd=7.0)
    inner_only = horizon_guard(
        band, prop_cost=1.0, fixed_cost=0.0, risk_weight=1.0, horizon_years=1.0
    )
    assert inner_only == Band(outer=2.5, inner=1.0, cost_rate_usd=7.0)
    gap_only = horizon_guard(
        band, prop_cost=0.0, fixed_cost=2.0, risk_weight=1.0, horizon_years=1.0
    )
    assert gap_only == Band(outer=2.5, inner=0.5, cost_rate_usd=7.0)


def test_a_far_horizon_leaves_the_band_alone() -> None:
    band = Problem(900, 57.6, 5, 1.8).band()
    for horizon_years in (1e6, inf):
        assert (
            horizon_guard(
                band,
                prop_cost=1.8,
                fixed_cost=5,
                risk_weight=57.6,
                horizon_years=horizon_years,
            )
            is band
        )


@given(PLAIN, powers(-4, 2), st.floats(1.0, 100.0))
def test_a_nearer_horizon_is_never_less_patient(
    problem: Problem, horizon_years: float, factor: float
) -> None:
    def guarded(years: float) -> Band:
        return horizon_guard(
            problem.band(),
            prop_cost=problem.prop,
            fixed_cost=problem.fixed,
            risk_weight=problem.risk_weight,
            horizon_years=years,
        )

    near, far = guarded(horizon_years), guarded(horizon_years * factor)
    assert near.outer * (1 + 1e-12) >= far.outer >= problem.band().outer * (1 - 1e-12)
    assert near.inner >= far.inner >= problem.band().inner


@pytest.mark.parametrize("horizon_years", [0.0, -1.0, nan])
def test_no_horizon_is_bad_data(horizon_years: float) -> None:
    with pytest.raises(BadData, match="horizon"):
        horizon_guard(
            Band(outer=1.0, inner=0.5),
            prop_cost=1,
            fixed_cost=1,
            risk_weight=1,
            horizon_years=horizon_years,
        )


# limit_band


def test_a_limit_beyond_the_band_does_nothing() -> None:
    problem = Problem(1, 1, 1, 1)
    band = problem.band()
    assert problem.limited(band, band.outer) is band
    assert problem.limited(band, 1e9) is band


@given(PROBLEMS, st.floats(0.01, 0.999))
@example(Problem(1, 1, 1e-12, 1), 0.999)
@example(Problem(900, 57.6, 1e-4, 1.8, 1e-5), 0.5)
def test_under_a_limit_no_other_target_costs_less(problem: Problem, share: float) -> None:
    band = problem.band()
    limited = problem.limited(band, share * band.outer)
    assert limited.outer == share * band.outer
    assert 0.0 <= limited.inner <= limited.outer
    gap = limited.outer - limited.inner
    assume(gap > 1e-9 * limited.outer)
    least = problem.average_cost(limited.outer, limited.inner)
    assert limited.cost_rate_usd == pytest.approx(least, rel=1e-9)
    assert limited.cost_rate_usd >= band.cost_rate_usd * (1 - 1e-9)
    for inner in (limited.inner + 0.01 * gap, limited.inner * 0.99, limited.inner - 0.01 * gap):
        assert problem.average_cost(limited.outer, max(0.0, inner)) >= least * (1 - 1e-9)


@given(PROBLEMS)
def test_a_limit_that_barely_binds_hardly_moves_the_target(problem: Problem) -> None:
    band = problem.band()
    limited = problem.limited(band, band.outer * (1 - 1e-9))
    assert limited.inner == pytest.approx(band.inner, rel=1e-6, abs=1e-9 * band.outer)
    assert limited.cost_rate_usd == pytest.approx(band.cost_rate_usd, rel=1e-6)


def test_a_limited_target_worked_by_hand() -> None:
    # κ = 12·σ²/q = 12; with a = ½, B = 1, F = ⅛: 2a·((a + B)² + κF/(B − a)²) = 2.25 + 6 = κ·λ.
    problem = Problem(1, 1, 0.125, 8.25 / 12)
    limited = problem.limited(problem.band(), 1.0)
    assert limited.inner == pytest.approx(0.5, rel=1e-12)
    # q·(a² + B²)/12 + (F + λ·½)/(B² − a²)
    assert limited.cost_rate_usd == pytest.approx(1.25 / 12 + (0.125 + 8.25 / 24) / 0.75, rel=1e-12)


def test_under_a_limit_pure_costs_keep_their_kind_of_target() -> None:
    to_zero = Problem(1, 1, 1, 0)
    assert to_zero.limited(to_zero.band(), 0.5).inner == 0.0
    to_edge = Problem(1, 1, 0, 1)
    assert to_edge.limited(to_edge.band(), 0.5) == Band(
        outer=0.5, inner=0.5, cost_rate_usd=0.25 / 6 + 1.0
    )


def test_a_limit_on_a_still_error_keeps_its_target() -> None:
    still = Problem(0, 1, 1, 1)
    assert still.limited(Band(outer=3, inner=1, cost_rate_usd=0.0), 2.0) == Band(outer=2, inner=1)
    assert still.limited(Band(outer=3, inner=1, cost_rate_usd=0.0), 0.5) == Band(
        outer=0.5, inner=0.5
    )


@pytest.mark.parametrize("fixed", [1e-34, 1e-60])
def test_a_limit_so_near_the_band_that_rounding_hides_it_trades_to_the_edge(fixed: float) -> None:
    problem = Problem(1, 1, fixed, 1)
    band = problem.band()
    limited = problem.limited(band, band.outer * 0.5)
    assert limited.inner == pytest.approx(limited.outer, rel=1e-12)


@pytest.mark.parametrize("x_max", [0.0, -1.0, nan])
def test_no_limit_is_bad_data(x_max: float) -> None:
    problem = Problem(1, 1, 1, 1)
    with pytest.raises(BadData, match="limit on the net delta"):
        problem.limited(problem.band(), x_max)


def test_a_limit_wants_the_numbers_of_the_band() -> None:
    problem = Problem(1, 1, 1, 1)
    problem.prop = nan
    with pytest.raises(BadData, match="finite numbers"):
        problem.limited(Band(outer=2, inner=1), 1.0)


# rebalance_target


def test_a_trade_goes_to_the_inner_edge_of_its_side() -> None:
    problem, band = Problem(1, 1, 1, 1), Band(outer=2.0, inner=0.5)
    assert problem.target(3.0, band) == 0.5
    assert problem.target(-3.0, band) == -0.5
    assert problem.target(1.0, band) == 0.5
    assert problem.target(-0.25, band) == -0.25


@given(PROBLEMS, st.floats(-100, 100))
def test_the_target_never_crosses_zero_and_never_lies_beyond_the_net(
    problem: Problem, multiple: float
) -> None:
    band = problem.band()
    net = multiple * band.outer
    target = problem.target(net, band)
    assert abs(target) <= abs(net)
    assert copysign(1.0, target) == copysign(1.0, net)
    if abs(net) >= band.outer:
        assert band.inner <= abs(target) <= band.outer


@given(PROBLEMS, st.floats(1.0, 20.0))
def test_a_far_jump_stops_where_going_on_costs_what_it_saves(
    problem: Problem, multiple: float
) -> None:
    assume(problem.impact > 0)
    band = problem.band()
    assume(band.outer - band.inner > 1e-3 * band.outer)
    net = multiple * band.outer
    target = problem.target(net, band)
    marginal = (
        2 / problem.sigma_x**2 * (band.cost_rate_usd * target - problem.risk_weight * target**3 / 6)
    )
    saved_by_going_on = marginal - problem.prop - 2 * problem.impact * (net - target)
    scale = problem.prop + 2 * problem.impact * net
    if target < band.outer:
        assert saved_by_going_on == pytest.approx(0.0, abs=1e-6 * scale)
    else:
        assert saved_by_going_on <= 1e-6 * scale


def test_a_far_jump_worked_by_hand() -> None:
    # σx = 1, q = 3, ρ = 4.5: g(y) = 9·y − y³, so g(1.5) = 10.125 = 2 + 2·1.625·(4 − 1.5).
    band = Band(outer=3.0, inner=1.0, cost_rate_usd=4.5)
    target = rebalance_target(-4.0, band, sigma_x=1.0, risk_weight=3.0, prop_cost=2.0, impact=1.625)
    assert target == pytest.approx(-1.5, rel=1e-14)


def test_a_jump_too_far_for_one_trade_goes_to_the_outer_edge_first() -> None:
    problem = Problem(1, 1, 0.05, 0.5, 0.3)
    band = problem.band()
    assert band.inner < problem.target(1.3 * band.outer, band) < band.outer
    assert problem.target(30 * band.outer, band) == band.outer
    assert problem.target(-30 * band.outer, band) == -band.outer


def test_a_guarded_band_is_entered_no_deeper_than_its_inner_edge() -> None:
    problem = Problem(1, 1, 0.05, 0.5, 0.3)
    band = problem.band()
    guarded = Band(outer=band.outer + 0.1, inner=band.inner + 0.1, cost_rate_usd=band.cost_rate_usd)
    assert problem.target(guarded.outer + 0.01, guarded) == guarded.inner


def test_without_drift_or_without_a_gap_a_far_jump_goes_to_the_inner_edge() -> None:
    band = Band(outer=2.0, inner=0.5)
    assert Problem(0, 1, 1, 1, 1).target(9.0, band) == 0.5
    assert Problem(1, 1, 0, 1, 1).target(9.0, Band(outer=0.5, inner=0.5)) == 0.5


# what an error and a trade cost


def test_risk_and_costs_worked_by_hand() -> None:
    assert risk_rate(-3.0, 57.6) == pytest.approx(259.2)
    assert trade_cost(-2.0, fixed_cost=5.0, prop_cost=1.8, impact=0.3) == pytest.approx(9.8)
    assert trade_cost(0.0, fixed_cost=5.0, prop_cost=1.8) == 0.0
    band = Band(outer=2.0, inner=1.0, cost_rate_usd=100.0)
    assert delay_cost_rate(-3.0, band, 57.6) == pytest.approx(159.2)
    assert delay_cost_rate(2.0, band, 57.6) == pytest.approx(15.2)
    assert delay_cost_rate(1.999, band, 57.6) == 0.0
    assert delay_cost_rate(2.0, band, 1.0) == 0.0


@given(PROBLEMS, st.floats(1.0, 20.0))
def test_waiting_outside_the_band_never_pays(problem: Problem, multiple: float) -> None:
    band = problem.band()
    risk = risk_rate(multiple * band.outer, problem.risk_weight)
    assert risk >= band.cost_rate_usd * (1 - 1e-9)


@given(PROBLEMS, st.floats(0.0, 20.0), st.sampled_from([-1.0, 1.0]))
def test_trading_now_is_worth_it_exactly_outside_the_band(
    problem: Problem, multiple: float, side: float
) -> None:
    band = problem.band()
    assume(band.outer - band.inner > 1e-6 * band.outer)
    net = multiple * side * band.outer
    target = problem.target(net, band)
    assume(abs(net) < 0.999 * band.outer or abs(net) >= band.outer)
    assume(target != net)
    worth = problem.value(net, target, band)
    if abs(net) >= band.outer:
        assert worth >= -1e-12 * problem.cost(net - target)
    else:
        assert worth < 0


@given(PLAIN, st.floats(1.0, 20.0))
def test_without_impact_a_due_trade_is_worth_exactly_zero(
    problem: Problem, multiple: float
) -> None:
    band = problem.band()
    net = multiple * band.outer
    assert problem.value(net, band.inner, band) == 0.0
    assert problem.value(-net, -band.inner, band) == 0.0


@given(PROBLEMS, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_the_value_is_the_integral_of_the_marginal_value(
    problem: Problem, start: float, end: float
) -> None:
    band = problem.band()
    assume(band.outer - band.inner > 0.03 * band.outer)
    net, target = start * band.outer, end * band.outer
    saved = problem.value_inside(net, band) - problem.value_inside(target, band)
    total = problem.value_inside(band.outer, band) + problem.fixed
    assert problem.value(net, target, band) + problem.cost(net - target) == pytest.approx(
        saved, abs=1e-7 * total
    )


@given(PLAIN, st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_no_trade_is_worth_more_than_the_policy(problem: Problem, start: float, end: float) -> None:
    band = problem.band()
    net, target = start * band.outer, end * band.outer
    scale = problem.cost(band.outer)
    assert problem.value(net, target, band) <= 1e-9 * scale


def test_values_worked_by_hand() -> None:
    # λ = 0, F = 1, outer = 2, inner = 0: V(x) − V(0) = (x/2)²·(2 − (x/2)²).
    band = Band(outer=2.0, inner=0.0)
    costs = {"fixed_cost": 1.0, "prop_cost": 0.0}
    assert value_of_trading_now(1.0, 0.0, band, **costs) == pytest.approx(0.4375 - 1)
    assert value_of_trading_now(3.0, 0.0, band, **costs) == 0.0
    assert value_of_trading_now(3.0, -1.0, band, **costs) == pytest.approx(-0.4375)
    assert value_of_trading_now(1.0, 1.0, band, **costs) == 0.0
    # With λ = 0.5, a = 1, b = 2, halfway: ½·0.5 + ¼·(2·4 − 2 − ¼)/3 = 0.25 + 5.75/12 saved.
    band = Band(outer=2.0, inner=1.0)
    worth = value_of_trading_now(1.5, 1.0, band, fixed_cost=1.0, prop_cost=0.5)
    assert worth == pytest.approx(5.75 / 12 - 1)


def test_value_at_the_edge_of_a_band_without_fixed_cost() -> None:
    # a = b = 2, λ = 1: V′ = 1 − (x − 2)²·(x + 4)/16: V(2) − V(0) = 2 − ¾, V(2) − V(1) = 1 − 7/64.
    band = Band(outer=2.0, inner=2.0)
    costs = {"fixed_cost": 0.0, "prop_cost": 1.0}
    assert value_of_trading_now(0.0, 2.0, band, **costs) == pytest.approx(-1.25 - 2.0)
    assert value_of_trading_now(1.0, 2.0, band, **costs) == pytest.approx(-57 / 64 - 1.0)
    assert value_of_trading_now(2.0, 1.0, band, **costs) == pytest.approx(-7 / 64)
    assert value_of_trading_now(3.0, 2.0, band, **costs) == 0.0


@given(PLAIN)
def test_the_guard_keeps_the_sign_of_the_value(problem: Problem) -> None:
    guarded = horizon_guard(
        problem.band(),
        prop_cost=problem.prop,
        fixed_cost=problem.fixed,
        risk_weight=problem.risk_weight,
        horizon_years=0.01,
    )
    assume(guarded.outer - guarded.inner > 1e-6 * guarded.outer)
    middle = 0.5 * (guarded.outer + guarded.inner)
    assert problem.value(middle, guarded.inner, guarded) < 0
    assert problem.value(guarded.outer, guarded.inner, guarded) == 0.0


def test_a_limit_on_a_fixed_cost_that_rounds_to_nothing_has_no_gap() -> None:
    costs = {"prop_cost": 1.0, "impact": 0.0, "sigma_x": 1.0, "risk_weight": 1.0}
    free = limit_band(optimal_band(fixed_cost=0.0, **costs), 0.5, fixed_cost=0.0, **costs)
    tiny = limit_band(optimal_band(fixed_cost=5e-324, **costs), 0.5, fixed_cost=5e-324, **costs)
    assert (tiny.outer, tiny.inner) == pytest.approx((free.outer, free.inner))
