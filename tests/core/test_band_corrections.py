"""The steps from the stationary band to a keeper, each by hand, by a law, and at its limits."""

from math import exp, inf, log, prod, sqrt

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.core.band import horizon_guard
from keeper.core.band_corrections import (
    CYCLE_SHARE,
    EAGER_INNER,
    EAGER_OUTER,
    NODES,
    check_shift,
    eager_band,
    pace,
    pace_years,
    remaining_life,
    saturation,
    waiting_band,
)
from keeper.core.delta_curve import delta_curve
from keeper.model.chain import Address
from keeper.model.flow import Band
from keeper.model.position import Concentrated

S, SIGMA = 3_000.0, 0.8
DAY = 1.0 / 365.0

BANDS = st.builds(
    lambda outer, share, rate: Band(outer=outer, inner=outer * share, cost_rate_usd=rate),
    st.floats(1e-6, 1e6),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1e9),
)
YEARS = st.floats(1e-6, 0.2)


# pace


def test_the_nodes_are_those_of_a_standard_normal() -> None:
    z, weight = np.polynomial.hermite_e.hermegauss(15)
    ours = {round(sign * z, 12): w for z, w in NODES for sign in (-1, 1)}
    assert len(ours) == 15
    for node, each in zip(z, weight / sqrt(2 * np.pi), strict=True):
        assert ours[round(float(node), 12) + 0.0] == pytest.approx(float(each), rel=1e-12)


@pytest.mark.parametrize("degree", range(0, 30, 2))
def test_the_nodes_have_the_moments_of_a_standard_normal(degree: int) -> None:
    moment = sum((1 if z == 0 else 2) * w * z**degree for z, w in NODES)
    assert moment == pytest.approx(prod(range(1, degree, 2)), rel=1e-12)


def test_a_pace_worked_by_hand() -> None:
    # Δ = 10·ln P moves by 10·(−½σ²τ + σ√τ·z); with σ = 0.8, τ = 0.25: mean −0.8, variance 16.
    found = pace(lambda price, _: 10 * log(price), price=S, sigma=SIGMA, years=0.25)
    assert found.mean_move == pytest.approx(-0.8, rel=1e-12)
    assert found.sigma_x == pytest.approx(sqrt((0.8**2 + 16.0) / 0.25), rel=1e-12)


@given(power=st.floats(-2.0, 2.0), years=YEARS)
def test_the_moves_of_a_power_of_the_price_are_known_exactly(power: float, years: float) -> None:
    found = pace(lambda price, _: (price / S) ** power, price=S, sigma=SIGMA, years=years)
    variance = SIGMA**2 * years
    once, twice = (exp(0.5 * k * (k - 1) * variance) for k in (power, 2 * power))
    assert found.mean_move == pytest.approx(once - 1, rel=1e-9, abs=1e-13)
    assert found.sigma_x**2 * years == pytest.approx(twice - 2 * once + 1, rel=1e-7, abs=1e-13)


def test_over_a_short_time_it_is_gamma_times_price_times_volatility() -> None:
    found = pace(lambda price, _: 5e-3 * price, price=S, sigma=SIGMA, years=1e-9)
    assert found.sigma_x == pytest.approx(5e-3 * S * SIGMA, rel=1e-8)


def test_time_alone_moves_a_delta_too() -> None:
    found = pace(lambda _, years: 6.0 * years, price=S, sigma=SIGMA, years=0.25)
    assert (found.mean_move, found.sigma_x) == pytest.approx((1.5, 3.0), rel=1e-12)


def test_at_a_strike_on_expiry_it_stays_bounded() -> None:
    # There the gamma is infinite, but a delta of 0 or 1 moves by ½ at most from its middle.
    def delta(price: float, _years: float) -> float:
        return 0.5 if price == S else float(price > S)

    for years in (1e-9, DAY, 0.1):
        found = pace(delta, price=S, sigma=SIGMA, years=years)
        assert found.sigma_x * sqrt(years) == pytest.approx(0.5, rel=1e-12)


def test_beside_a_range_that_the_price_may_enter_it_is_not_zero() -> None:
    weth = Address("0xWeth")
    leg = Concentrated(weth, Address("0xUsdc"), 3_000.0, price_lower=2_000.0, price_upper=2_900.0)
    delta = delta_curve([leg], weth, 0)
    assert pace(delta, price=S, sigma=SIGMA, years=5 * DAY).sigma_x > 1.0
    assert pace(delta, price=S, sigma=SIGMA, years=1e-9).sigma_x == 0.0


@given(st.floats(0.1, 100.0), YEARS)
def test_a_pace_scales_with_what_is_held(times: float, years: float) -> None:
    def delta(price: float, _years: float) -> float:
        return 3_000.0 / sqrt(price)

    one = pace(delta, price=S, sigma=SIGMA, years=years)
    many = pace(lambda p, t: times * delta(p, t), price=S, sigma=SIGMA, years=years)
    assert many.sigma_x == pytest.approx(times * one.sigma_x, rel=1e-9)
    assert many.mean_move == pytest.approx(times * one.mean_move, rel=1e-6, abs=1e-12 * times)


# pace_years


def test_a_tenth_of_a_cycle_worked_by_hand() -> None:
    # (4 − ⅔·1.5²)/10² = 0.025 years between two trades.
    band = Band(outer=2.0, inner=1.5)
    assert pace_years(band, sigma_x=10.0, check_years=0.0, remaining_years=1.0) == pytest.approx(
        0.0025
    )
    assert pace_years(band, sigma_x=10.0, check_years=0.01, remaining_years=1.0) == 0.01
    assert pace_years(band, sigma_x=10.0, check_years=0.01, remaining_years=0.02) == 0.002


def test_where_trades_are_free_a_pace_is_measured_over_a_second() -> None:
    nothing = Band(outer=0.0, inner=0.0)
    second = 1 / 31_536_000
    assert pace_years(nothing, sigma_x=9.0, check_years=0.0, remaining_years=1.0) == second


def test_what_does_not_move_is_watched_for_a_tenth_of_its_life() -> None:
    still = Band(outer=2.0, inner=1.5)
    assert pace_years(still, sigma_x=0.0, check_years=0.0, remaining_years=0.5) == 0.05
    nothing = Band(outer=0.0, inner=0.0)
    assert pace_years(nothing, sigma_x=0.0, check_years=0.0, remaining_years=0.5) == 0.05


@given(BANDS, st.floats(0.0, 1e6), st.floats(0.0, 1.0), st.floats(1e-6, 10.0))
def test_the_time_of_a_pace_is_within_the_remaining_life(
    band: Band, sigma_x: float, check_years: float, remaining_years: float
) -> None:
    most = CYCLE_SHARE * remaining_years
    years = pace_years(
        band, sigma_x=sigma_x, check_years=check_years, remaining_years=remaining_years
    )
    assert min(check_years, most) <= years <= most


# remaining_life


def test_a_remaining_life_worked_by_hand() -> None:
    # (1⁴ + 2⁴)^¼ and (2⁴ + 3⁴)^¼.
    found = remaining_life(Band(3.0, 1.0, cost_rate_usd=7.0), Band(5.0, 2.0))
    assert found.inner == pytest.approx(17**0.25, rel=1e-14)
    assert found.outer == pytest.approx(17**0.25 + 97**0.25, rel=1e-14)
    assert found.cost_rate_usd == 7.0


@given(BANDS, BANDS)
def test_a_remaining_life_widens_by_a_fifth_of_the_wider_at_most(band: Band, least: Band) -> None:
    found = remaining_life(band, least)
    for ours, one, other in (
        (found.inner, band.inner, least.inner),
        (found.outer - found.inner, band.outer - band.inner, least.outer - least.inner),
    ):
        slack = 1e-12 * found.outer
        assert max(one, other) - slack <= ours <= 2**0.25 * max(one, other) + slack


def test_a_long_life_leaves_the_band_and_a_short_one_replaces_it() -> None:
    band = Band(outer=2.0, inner=0.5)

    def guarded(years: float) -> Band:
        least = horizon_guard(
            Band(0.0, 0.0), prop_cost=1.8, fixed_cost=5.0, risk_weight=57.6, horizon_years=years
        )
        return remaining_life(band, least)

    long = guarded(1e6)
    assert (long.outer, long.inner) == pytest.approx((2.0, 0.5), rel=1e-9)
    short = guarded(1e-6)
    assert short.inner == pytest.approx(1.8 / 57.6e-6, rel=1e-9)
    assert short.outer - short.inner == pytest.approx(sqrt(10 / 57.6e-6), rel=1e-9)


# saturation


@given(BANDS, st.floats(-10.0, 10.0))
def test_an_error_that_is_about_to_shrink_waits_by_three_quarters_of_it(
    band: Band, mean_move: float
) -> None:
    found = saturation(band, mean_move)
    assert found.outer == pytest.approx(band.outer + 0.75 * abs(mean_move), rel=1e-14)
    assert (found.inner, found.cost_rate_usd) == (band.inner, band.cost_rate_usd)


# check_shift


def test_a_shift_for_the_looks_worked_by_hand() -> None:
    # δ = 2·√¼ = 1, r = 1/1.5: outer 2 − 0.6, inner 0.5 − 0.55·1/(2·1.5² + 1).
    found = check_shift(Band(2.0, 0.5, cost_rate_usd=7.0), sigma_x=2.0, check_years=0.25)
    assert found.outer == pytest.approx(1.4, rel=1e-14)
    assert found.inner == pytest.approx(0.4, rel=1e-14)
    assert found.cost_rate_usd == 7.0


def test_when_watched_without_a_pause_nothing_is_shifted() -> None:
    band = Band(outer=2.0, inner=0.5)
    assert check_shift(band, sigma_x=2.0, check_years=0.0) is band
    assert check_shift(band, sigma_x=0.0, check_years=0.1) is band


def test_a_band_narrower_than_one_look_is_traded_at_every_look() -> None:
    found = check_shift(Band(outer=2.0, inner=2.0), sigma_x=2.0, check_years=9.0)
    assert (found.outer, found.inner) == (0.0, 0.0)


def test_an_inner_edge_never_comes_to_lie_outside_the_outer_one() -> None:
    # Traded to the edge, both move in by nearly the same; the outer one by more.
    found = check_shift(Band(outer=2.0, inner=2.0), sigma_x=1.0, check_years=1.0)
    assert (found.outer, found.inner) == pytest.approx((1.4, 1.4))


@given(BANDS, st.floats(0.0, 1e4), st.floats(0.0, 1.0), st.floats(1.0, 100.0))
def test_rarer_looks_never_widen_the_band(
    band: Band, sigma_x: float, check_years: float, times: float
) -> None:
    often = check_shift(band, sigma_x=sigma_x, check_years=check_years)
    rarely = check_shift(band, sigma_x=sigma_x, check_years=check_years * times)
    assert 0.0 <= rarely.inner <= rarely.outer <= often.outer <= band.outer
    assert rarely.inner <= often.inner <= band.inner


# gas


def test_a_wait_for_cheap_gas_worked_by_hand() -> None:
    # 2·4/(1·½) = 16: outer √(9 + 16); inner 9/25 of the way from that of cheap gas to today's.
    found = waiting_band(
        Band(3.0, 1.0, cost_rate_usd=7.0),
        Band(2.0, 0.5),
        saving_usd=4.0,
        risk_weight=1.0,
        expensive_years=0.5,
    )
    assert found.outer == pytest.approx(5.0, rel=1e-14)
    assert found.inner == pytest.approx(0.68, rel=1e-14)
    assert found.cost_rate_usd == 7.0


def waited(band: Band, saving_usd: float, years: float) -> Band:
    return waiting_band(
        band,
        Band(0.7 * band.outer, 0.5 * band.inner),
        saving_usd=saving_usd,
        risk_weight=57.6,
        expensive_years=years,
    )


@given(BANDS, st.floats(0.0, 1e3), st.floats(1e-5, 1.0), st.floats(1.0, 100.0))
def test_the_more_a_wait_saves_and_the_shorter_it_is_the_longer_one_waits(
    band: Band, saving_usd: float, years: float, times: float
) -> None:
    slack = 1 + 1e-12
    found = waited(band, saving_usd, years)
    assert 0.0 <= found.inner <= found.outer
    assert found.outer * slack >= band.outer
    assert waited(band, saving_usd * times, years).outer * slack >= found.outer
    assert waited(band, saving_usd, years * times).outer <= found.outer * slack


@given(BANDS)
def test_a_wait_that_saves_nothing_is_not_made(band: Band) -> None:
    found = waited(band, 0.0, 0.1)
    assert found.outer == pytest.approx(band.outer, rel=1e-14)
    assert found.inner == pytest.approx(band.inner, rel=1e-14)


def test_where_nothing_moves_a_wait_goes_from_nothing() -> None:
    nothing = Band(0.0, 0.0)
    assert waited(nothing, 0.0, 0.1) == nothing
    assert waited(nothing, 57.6 * 0.2, 0.1) == Band(2.0, 0.0)


def test_an_inner_edge_of_cheap_gas_beyond_the_outer_one_is_held_back() -> None:
    found = waiting_band(
        Band(1.0, 1.0), Band(9.0, 9.0), saving_usd=1.5, risk_weight=1.0, expensive_years=1.0
    )
    assert (found.outer, found.inner) == (2.0, 2.0)


def test_a_hurry_while_gas_is_cheap_worked_by_hand() -> None:
    # 5 USD now and 50 later: nine tenths of 2.5 % outside, and of 1.5 % inside.
    found = eager_band(Band(2.0, 1.0, cost_rate_usd=7.0), cheap_usd=5.0, expensive_usd=50.0)
    assert found.outer == pytest.approx(2.0 * 0.9775, rel=1e-14)
    assert found.inner == pytest.approx(0.9865, rel=1e-14)
    assert found.cost_rate_usd == 7.0


def test_gas_that_will_not_be_dearer_hurries_nobody() -> None:
    band = Band(outer=2.0, inner=1.0)
    assert eager_band(band, cheap_usd=5.0, expensive_usd=5.0) == band
    assert eager_band(band, cheap_usd=9.0, expensive_usd=5.0) == band
    assert eager_band(band, cheap_usd=0.0, expensive_usd=0.0) == band


@given(BANDS, st.floats(0.0, 1e3), st.floats(0.0, 1e3))
@example(Band(2.0, 2.0), 1.0, 100.0)
def test_a_hurry_is_small_and_keeps_the_order_of_the_edges(
    band: Band, cheap_usd: float, expensive_usd: float
) -> None:
    found = eager_band(band, cheap_usd=cheap_usd, expensive_usd=expensive_usd)
    assert found.inner <= found.outer
    assert band.outer * (1 - EAGER_OUTER) <= found.outer <= band.outer
    least = min(band.inner * (1 - EAGER_INNER), found.outer)
    assert least <= found.inner <= band.inner
    assert found.outer < inf
