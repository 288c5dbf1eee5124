"""Every policy: what it does, the hard limit it keeps, and what each correction is worth."""

from math import copysign, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keeper.core.band import limit_band, optimal_band
from keeper.core.band_corrections import check_shift, pace, saturation
from keeper.core.gas_regime import GasRegime
from keeper.core.policies import FAR, Plan, Situation, policy_of
from keeper.model.errors import BadData
from keeper.model.flow import Band
from keeper.model.strategies import (
    Always,
    FixedBand,
    Interval,
    Never,
    Optimal,
    Strategy,
    WhalleyWilmott,
    Zakamouline,
)
from keeper.model.units import YEAR_S
from tests.core.books import BARE
from tests.core.draws import powers

S, SIGMA, AVERSION = 3_000.0, 0.8, 1e-5
LIQUIDITY = 40_000.0
HOUR = 3_600 / YEAR_S
HERE = Situation(
    price=S,
    sigma=SIGMA,
    net=0.0,
    delta=0.0,
    gamma=-LIQUIDITY / (2 * S**1.5),
    risk_weight=AVERSION * (S * SIGMA) ** 2,
    fixed_usd=5.0,
    prop_usd=1.8,
    impact_usd=0.0,
    remaining_years=30 / 365,
    check_years=HOUR,
)
GAS = GasRegime(cheap_usd=2.0, expensive_usd=50.0, expensive_now=True, expensive_years=6 * HOUR)
STRATEGIES: tuple[Strategy, ...] = (
    Optimal(),
    BARE,
    WhalleyWilmott(),
    Zakamouline(),
    FixedBand(width_base=3.0, to="zero"),
    FixedBand(width_base=3.0),
    Interval(every_s=8 * 3_600),
    Always(),
)


def range_delta(price: float, _years: float) -> float:
    """Return the delta of a narrow range, 2950 to 3050."""
    return LIQUIDITY * (1 / sqrt(min(max(price, 2_950.0), 3_050.0)) - 1 / sqrt(3_050.0))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    price, sigma = draw(powers(0, 5)), draw(st.floats(0.1, 3.0))
    fixed = draw(st.just(0.0) | powers(-2, 3))
    net = draw(st.floats(-1e3, 1e3))
    gas = None
    if draw(st.booleans()):
        cheap, times = draw(powers(-2, 2)), draw(st.floats(2.0, 50.0))
        gas = GasRegime(
            cheap_usd=cheap,
            expensive_usd=cheap * times,
            expensive_now=draw(st.booleans()),
            expensive_years=draw(powers(-4, -1)),
        )
    size = draw(powers(-2, 4))
    return Situation(
        price=price,
        sigma=sigma,
        net=net,
        delta=net,
        gamma=-draw(powers(-4, 1)) * size / price,
        risk_weight=draw(powers(-7, -3)) * (price * sigma) ** 2,
        fixed_usd=fixed,
        prop_usd=draw(st.just(0.0) | powers(-5, -2)) * price,
        impact_usd=draw(st.just(0.0) | powers(-8, -4)) * price,
        remaining_years=draw(powers(-3, 0)),
        check_years=draw(st.just(0.0) | powers(-6, -3)),
        since_trade_years=draw(powers(-5, 0)),
        delta_at=draw(
            st.sampled_from([None, lambda p, _: size * min(max(2 - p / price, 0.0), 1.5)])
        ),
        gas=gas,
        max_net=draw(st.just(FAR) | powers(-3, 4)),
    )


def asked(strategy: Strategy, at: Situation = HERE, **changes: object) -> Plan:
    return policy_of(strategy)(replace(at, **changes))


# what holds for every policy


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@given(at=situations())
def test_a_trade_never_crosses_its_target_nor_grows_the_error(
    strategy: Strategy, at: Situation
) -> None:
    plan = policy_of(strategy)(at)
    assert 0.0 <= plan.band.inner <= plan.band.outer
    if abs(at.net) >= plan.band.outer:
        assert abs(plan.target) <= abs(at.net)
        assert plan.target * at.net >= 0.0
        assert abs(plan.target) <= plan.band.outer
        assert abs(plan.target) >= min(plan.band.inner, abs(at.net))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@given(at=situations())
def test_no_net_delta_waits_beyond_the_hard_limit(strategy: Strategy, at: Situation) -> None:
    plan = policy_of(strategy)(at)
    assert plan.band.outer <= at.max_net
    if abs(at.net) >= at.max_net:
        # Due, whatever it costs, and brought back to within the limit.
        assert abs(at.net) >= plan.band.outer
        assert abs(plan.target) <= at.max_net


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
@given(at=situations())
def test_long_and_short_are_treated_alike(strategy: Strategy, at: Situation) -> None:
    here, there = (policy_of(strategy)(replace(at, net=net)) for net in (at.net, -at.net))
    assert here.band == there.band
    assert here.target == -there.target


@pytest.mark.parametrize("strategy", [*STRATEGIES, Never()], ids=str)
@given(at=situations())
def test_the_band_does_not_depend_on_the_error(strategy: Strategy, at: Situation) -> None:
    assert policy_of(strategy)(at).band == policy_of(strategy)(replace(at, net=0.0)).band


@pytest.mark.parametrize("strategy", [*STRATEGIES, Never()], ids=str)
def test_every_policy_says_who_it_is(strategy: Strategy) -> None:
    plan = asked(strategy)
    assert plan.why
    others = {asked(other).why for other in (*STRATEGIES, Never()) if type(other) is not
              type(strategy)}  # fmt: skip
    assert plan.why not in others
    assert plan.sigma_x == pytest.approx(abs(HERE.gamma) * S * SIGMA)


# optimal


def test_free_trades_are_made_at_every_look() -> None:
    at = replace(HERE, net=9.0, delta_at=range_delta, fixed_usd=0.0, prop_usd=0.0, check_years=0.0)
    plan = asked(replace(Optimal(), horizon_guard=False), at)
    assert (plan.band.inner, plan.target) == (0.0, 0.0)
    assert plan.sigma_x == pytest.approx(abs(HERE.gamma) * S * SIGMA, rel=1e-2)


def test_with_every_correction_off_it_is_the_stationary_band() -> None:
    at = replace(HERE, net=100.0, delta_at=range_delta, gas=GAS)
    plan = asked(BARE, at)
    assert plan.band == optimal_band(
        sigma_x=abs(HERE.gamma) * S * SIGMA,
        risk_weight=HERE.risk_weight,
        fixed_cost=5.0,
        prop_cost=1.8,
    )
    assert plan.target == plan.band.inner


def test_the_stationary_band_of_a_range_worked_by_hand() -> None:
    # κ = 12Γ²/γ = 3L²/(γ·S³) = 3·1.6e9/(1e-5·2.7e10) = 17 777.8, volatility cancels. F = 0:
    # (κ·λ/8)^⅓ = 4 000^⅓; λ = 0: (κ·F)^¼ = 88 888.9^¼.
    edge = asked(BARE, fixed_usd=0.0).band
    assert edge.outer == edge.inner == pytest.approx(4_000 ** (1 / 3), rel=1e-12)
    zero = asked(BARE, prop_usd=0.0).band
    assert zero.outer == pytest.approx((800_000 / 9) ** 0.25, rel=1e-12)
    assert zero.inner == 0.0


def test_left_alone_it_is_the_one_with_every_correction() -> None:
    at = replace(HERE, net=30.0, delta_at=range_delta, gas=GAS)
    assert policy_of(Optimal())(at) == asked(Optimal(), at)
    assert Optimal() == Optimal(
        smooth_gamma=True, horizon_guard=True, check_shift=True, gas_regimes=True
    )


def test_smooth_gamma_measures_the_pace_over_a_tenth_of_a_cycle() -> None:
    smooth = replace(BARE, smooth_gamma=True)
    at = replace(HERE, delta_at=range_delta)
    plan = asked(smooth, at)
    local = asked(BARE, at)
    # The range ends within reach, so the delta moves less than its gamma says.
    assert plan.sigma_x < local.sigma_x
    # At a fixed point: the pace over a tenth of this band's own cycle gives this band.
    before = optimal_band(
        sigma_x=plan.sigma_x, risk_weight=at.risk_weight, fixed_cost=5.0, prop_cost=1.8
    )
    years = 0.1 * (before.outer**2 - 2 / 3 * before.inner**2) / plan.sigma_x**2
    moves = pace(range_delta, price=S, sigma=SIGMA, years=min(years, 0.1 * at.remaining_years))
    assert plan.sigma_x == pytest.approx(moves.sigma_x, rel=3e-2)
    found = saturation(before, moves.mean_move)
    assert plan.band.outer == pytest.approx(found.outer, rel=3e-2)
    assert plan.band.inner == pytest.approx(found.inner, rel=3e-2)


def test_beside_a_range_smooth_gamma_sees_what_local_gamma_does_not() -> None:
    at = replace(HERE, price=3_060.0, gamma=0.0, delta_at=range_delta)
    assert asked(BARE, at).band.outer == 0.0
    assert asked(replace(BARE, smooth_gamma=True), at).band.outer > 1.0


def test_without_a_curve_smooth_gamma_has_nothing_to_measure() -> None:
    assert asked(replace(BARE, smooth_gamma=True)) == asked(BARE)


def test_the_horizon_guard_waits_for_what_cannot_be_earned_back() -> None:
    guarded = replace(BARE, horizon_guard=True)
    near, far = (asked(guarded, remaining_years=years).band for years in (1e-4, 1e6))
    bare = asked(BARE).band
    assert (far.outer, far.inner) == pytest.approx((bare.outer, bare.inner), rel=1e-9)
    # λ/(qτ) = 1.8/(57.6·1e-4), √(2F/(qτ)) further out.
    assert near.inner == pytest.approx(312.5, rel=1e-6)
    assert near.outer - near.inner == pytest.approx(sqrt(10 / 57.6e-4), rel=3e-2)


def test_impact_without_gas_widens_no_guard() -> None:
    # A trade may then be cut into crumbs.
    guarded = replace(BARE, horizon_guard=True)
    free = asked(guarded, fixed_usd=0.0, remaining_years=1e-3)
    deep = asked(guarded, fixed_usd=0.0, remaining_years=1e-3, impact_usd=0.5)
    assert free.band == deep.band
    assert (
        asked(guarded, remaining_years=1e-3, impact_usd=0.5).band.outer
        > asked(guarded, remaining_years=1e-3).band.outer
    )


def test_the_check_shift_narrows_by_what_may_happen_between_two_looks() -> None:
    shifted = replace(BARE, check_shift=True)
    expected = check_shift(asked(BARE).band, sigma_x=abs(HERE.gamma) * S * SIGMA, check_years=HOUR)
    assert asked(shifted).band == expected
    assert expected.outer < asked(BARE).band.outer
    assert asked(shifted, check_years=0.0).band == asked(BARE).band


def test_in_dear_gas_it_waits_and_in_cheap_gas_it_hurries() -> None:
    aware = replace(BARE, gas_regimes=True)
    dear = asked(aware, fixed_usd=50.0, gas=GAS).band
    plain = asked(BARE, fixed_usd=50.0).band
    # √(b² + 2·48/(57.6·τ)), τ six hours.
    assert dear.outer == pytest.approx(sqrt(plain.outer**2 + 96 / (57.6 * 6 * HOUR)), rel=1e-12)
    assert plain.inner < dear.inner < asked(BARE, fixed_usd=2.0).band.inner
    cheap = asked(aware, fixed_usd=2.0, gas=replace(GAS, expensive_now=False)).band
    plain = asked(BARE, fixed_usd=2.0).band
    assert cheap.outer == pytest.approx(plain.outer * (1 - 0.025 * 0.96), rel=1e-12)
    assert cheap.inner == pytest.approx(plain.inner * (1 - 0.015 * 0.96), rel=1e-12)


def test_gas_that_is_no_dearer_than_cheap_is_not_waited_out() -> None:
    aware = replace(BARE, gas_regimes=True)
    assert asked(aware, fixed_usd=1.5, gas=GAS).band == asked(BARE, fixed_usd=1.5).band


@pytest.mark.parametrize("off", Optimal.__struct_fields__)
def test_each_correction_can_be_left_out_alone(off: str) -> None:
    at = replace(HERE, delta_at=range_delta, gas=GAS, fixed_usd=50.0, remaining_years=3 / 365)
    assert asked(replace(Optimal(), **{off: False}), at).band != asked(Optimal(), at).band


@given(situations(), st.floats(1.0, 50.0))
def test_dearer_trades_never_narrow_the_band(at: Situation, times: float) -> None:
    at = replace(at, gas=None, delta_at=None, check_years=0.0, max_net=FAR)
    slack = 1 + 1e-11
    here = asked(Optimal(), at).band
    assert asked(Optimal(), at, fixed_usd=at.fixed_usd * times).band.outer * slack >= here.outer
    fee = asked(Optimal(), at, prop_usd=at.prop_usd * times, impact_usd=0.0).band
    free = asked(Optimal(), at, impact_usd=0.0).band
    assert fee.outer * slack >= free.outer
    assert fee.inner * slack >= free.inner


@given(situations(), st.floats(1.0, 50.0))
def test_more_fear_of_risk_never_widens_the_band(at: Situation, times: float) -> None:
    at = replace(at, gas=None, delta_at=None, check_years=0.0, max_net=FAR)
    wary = asked(Optimal(), at, risk_weight=at.risk_weight * times).band
    assert wary.outer <= asked(Optimal(), at).band.outer * (1 + 1e-11)


def test_a_far_error_is_traded_in_steps_where_impact_is_deep() -> None:
    plan = asked(BARE, net=1e4, impact_usd=0.05)
    assert plan.band.inner < plan.target <= plan.band.outer
    assert asked(BARE, net=-1e4, impact_usd=0.05).target == -plan.target


def test_a_limit_moves_the_inner_edge_to_where_it_costs_least() -> None:
    plan = asked(BARE, net=50.0, max_net=12.0)
    assert plan.band == limit_band(
        asked(BARE).band,
        12.0,
        sigma_x=abs(HERE.gamma) * S * SIGMA,
        risk_weight=HERE.risk_weight,
        fixed_cost=5.0,
        prop_cost=1.8,
    )
    assert (plan.band.outer, plan.target) == (12.0, plan.band.inner)
    assert asked(BARE).band.outer > 12.0 > plan.band.inner != asked(BARE).band.inner


def test_a_limit_that_the_band_keeps_by_itself_changes_nothing() -> None:
    band = asked(BARE).band
    assert asked(BARE, max_net=band.outer).band == band


def test_no_limit_at_all_is_a_number_above_zero() -> None:
    with pytest.raises(BadData, match="limit on the net delta"):
        asked(Optimal(), max_net=0.0)


# the classics


def test_whalley_and_wilmott_worked_by_hand() -> None:
    # Γ²/γ = 1.6e9/(4·2.7e10·1e-5) = 1 481.48; (1.5·1.8·1 481.48)^⅓ = 4 000^⅓.
    plan = asked(WhalleyWilmott(), net=-40.0)
    assert plan.band.outer == plan.band.inner == pytest.approx(4_000 ** (1 / 3), rel=1e-12)
    assert plan.target == -plan.band.inner


@given(situations())
def test_whalley_and_wilmott_are_the_limit_of_the_optimum_without_gas(at: Situation) -> None:
    at = replace(at, fixed_usd=0.0)
    classic, ours = asked(WhalleyWilmott(), at).band, asked(BARE, at).band
    assert classic.outer == pytest.approx(ours.outer, rel=1e-12)
    assert classic.inner == pytest.approx(ours.inner, rel=1e-12)


def test_zakamouline_worked_by_hand() -> None:
    # S = 100, σ = 1, τ = 1, γ = 0.01, λ̄ = 0.01, Γ = 0.01: H0 = 0.01/(0.01·100) = 0.01 and
    # H1 = 1.12·0.01^0.31·1·1·1 = 1.12·0.2398833.
    at = replace(
        HERE, price=100.0, sigma=1.0, gamma=0.01, risk_weight=0.01 * 100**2, prop_usd=1.0,
        remaining_years=1.0, net=9.0,
    )  # fmt: skip
    plan = asked(Zakamouline(), at)
    assert plan.band.outer == pytest.approx(0.01 + 1.12 * 0.2398832919, rel=1e-9)
    assert plan.target == plan.band.inner == plan.band.outer


@pytest.mark.parametrize(
    ("changes", "times"),
    [
        ({"gamma": 4 * HERE.gamma}, 2.0),
        ({"remaining_years": 2.0**20}, 2.0),
        ({"sigma": 16 * SIGMA, "risk_weight": 256 * HERE.risk_weight}, 0.5),
        ({"risk_weight": 4 * HERE.risk_weight}, 0.5),
    ],
)
def test_the_moving_part_of_zakamouline_has_his_powers(
    changes: dict[str, float], times: float
) -> None:
    def moving(**changes: float) -> float:
        at = replace(HERE, remaining_years=1.0)
        width, still = (
            asked(Zakamouline(), replace(at, **(changes | more))).band.outer
            for more in ({}, {"gamma": 0.0})
        )
        return width - still

    assert moving(**changes) == pytest.approx(times * moving(), rel=1e-9)


@pytest.mark.parametrize("strategy", [WhalleyWilmott(), Zakamouline()], ids=str)
def test_the_classics_are_blind_to_gas(strategy: Strategy) -> None:
    assert asked(strategy, fixed_usd=5e3, gas=GAS) == asked(strategy, fixed_usd=0.0)


@pytest.mark.parametrize("strategy", [WhalleyWilmott(), Zakamouline(), FixedBand(width_base=3.0)],
                         ids=str)  # fmt: skip
@given(net=st.floats(-1e3, 1e3))
def test_to_the_edge_is_the_nearest_point_of_the_band(strategy: Strategy, net: float) -> None:
    plan = asked(strategy, net=net)
    assert plan.band.inner == plan.band.outer
    assert plan.target == copysign(min(abs(net), plan.band.outer), net)


# by hand, by the clock


def test_a_fixed_band_trades_to_zero_or_to_its_edge() -> None:
    zero = asked(FixedBand(width_base=3.0, to="zero"), net=-5.0)
    assert (zero.band, zero.target) == (Band(3.0, 0.0), 0.0)
    edge = asked(FixedBand(width_base=3.0), net=-5.0)
    assert (edge.band, edge.target) == (Band(3.0, 3.0), -3.0)


def test_a_fixed_band_under_a_limit_is_the_limit() -> None:
    zero = asked(FixedBand(width_base=3.0, to="zero"), net=-5.0, max_net=2.0)
    assert (zero.band, zero.target) == (Band(2.0, 0.0), 0.0)
    edge = asked(FixedBand(width_base=3.0), net=-5.0, max_net=2.0)
    assert (edge.band, edge.target) == (Band(2.0, 2.0), -2.0)


@pytest.mark.parametrize(
    ("since_s", "outer"), [(8 * 3_600 - 1, FAR), (8 * 3_600, 0.0), (9 * 3_600, 0.0)]
)
def test_an_interval_is_due_when_its_time_has_passed(since_s: int, outer: float) -> None:
    plan = asked(Interval(every_s=8 * 3_600), net=-5.0, since_trade_years=since_s / YEAR_S)
    assert (plan.band, plan.target) == (Band(outer, 0.0), 0.0)


def test_an_interval_begins_with_a_trade() -> None:
    assert asked(Interval(every_s=8 * 3_600)).band.outer == 0.0


def test_an_interval_that_is_not_due_still_keeps_the_limit() -> None:
    plan = asked(Interval(every_s=8 * 3_600), net=5.0, since_trade_years=0.0, max_net=4.0)
    assert (plan.band, plan.target) == (Band(4.0, 0.0), 0.0)


def test_always_means_at_every_look_to_zero() -> None:
    plan = asked(Always(), net=1e-6)
    assert (plan.band, plan.target) == (Band(0.0, 0.0), 0.0)


@given(situations())
def test_never_means_never_even_beyond_the_limit(at: Situation) -> None:
    plan = asked(Never(), at)
    assert plan.target == at.net
    assert plan.band.outer == plan.band.inner == FAR > abs(at.net)
