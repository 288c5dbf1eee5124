from fractions import Fraction
from math import erf, exp, inf, log, nan, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.arrays import Floats
from keeper.core.greeks import (
    BLOCK,
    Greeks,
    Vanilla,
    black76,
    black_scholes,
    implied_vol,
)
from keeper.model.errors import BadData
from tests.core.vectors import columns

Columns = dict[str, Floats]


def assert_close(ours: Floats, reference: Floats) -> None:
    """1e-12 relative; 1e-14 absolute in the wings and at a zero."""
    allowed = np.maximum(1e-12 * np.abs(reference), 1e-14)
    assert np.all(np.abs(ours - reference) <= allowed)


SIGNS = st.sampled_from([1.0, -1.0])
OPTIONS = {
    "sign": SIGNS,
    "strike": st.floats(500.0, 8000.0),
    "years": st.floats(0.01, 2.0),
    "sigma": st.floats(0.05, 2.0),
    "rate": st.floats(-0.05, 0.2),
    "carry_yield": st.floats(-0.1, 0.1),
}
SPOT = 3000.0


def test_black_scholes_agrees_with_forty_digit_arithmetic() -> None:
    rows = columns("black_scholes.csv")
    ours = black_scholes(
        Vanilla(rows["cp"], rows["K"], rows["T"]),
        rows["S"],
        rows["sigma"],
        rate=rows["r"],
        carry_yield=rows["q"],
    )
    for name in ("price", "delta", "gamma", "vega", "rho", "vanna", "volga"):
        assert_close(getattr(ours, name), rows[name])
    assert_close(ours.theta, rows["theta_per_year"])


def test_black_76_agrees_with_forty_digit_arithmetic() -> None:
    rows = columns("black76.csv")
    ours = black76(
        Vanilla(rows["cp"], rows["K"], rows["T"]), rows["F"], rows["sigma"], rate=rows["r"]
    )
    for name, column in {
        "price": "price",
        "delta": "delta_F",
        "gamma": "gamma_F",
        "vega": "vega",
        "theta": "theta_per_year",
        "rho": "rho",
    }.items():
        assert_close(getattr(ours, name), rows[column])


def test_an_option_at_the_forward_worked_by_hand() -> None:
    # F = K = 100 and v = 0.4: d₁ = 0.2 = −d₂, price = 100·erf(0.2/√2).
    ours = black76(Vanilla(1, 100.0, 0.25), 100.0, 0.8)
    density = exp(-0.02) / sqrt(2 * pi)
    assert ours.price == pytest.approx(100 * erf(0.2 / sqrt(2)), rel=1e-14)
    assert ours.delta == pytest.approx(0.5 * (1 + erf(0.2 / sqrt(2))), rel=1e-14)
    assert ours.gamma == pytest.approx(density / 40, rel=1e-14)
    assert ours.vega == pytest.approx(50 * density, rel=1e-14)
    assert ours.theta == pytest.approx(-80 * density, rel=1e-14)
    assert ours.vanna == pytest.approx(0.25 * density, rel=1e-14)
    assert ours.volga == pytest.approx(-2.5 * density, rel=1e-14)
    assert ours.rho == pytest.approx(-0.25 * ours.price, rel=1e-14)


@given(**{name: OPTIONS[name] for name in OPTIONS if name != "sign"})
def test_calls_less_puts_are_a_forward(
    strike: float, years: float, sigma: float, rate: float, carry_yield: float
) -> None:
    call, put = (
        black_scholes(Vanilla(sign, strike, years), SPOT, sigma, rate=rate, carry_yield=carry_yield)
        for sign in (1, -1)
    )
    held, owed = SPOT * exp(-carry_yield * years), strike * exp(-rate * years)
    assert call.price - put.price == pytest.approx(held - owed, abs=1e-10)
    assert call.delta - put.delta == pytest.approx(held / SPOT, rel=1e-12)
    assert call.rho - put.rho == pytest.approx(years * owed, rel=1e-10)
    assert call.theta - put.theta == pytest.approx(carry_yield * held - rate * owed, abs=1e-8)
    for name in ("gamma", "vega", "vanna", "volga"):
        assert getattr(call, name) == getattr(put, name)


@given(**OPTIONS, unit=st.floats(0.01, 100.0))
def test_prices_scale_with_the_unit_of_money(
    *,
    sign: float,
    strike: float,
    years: float,
    sigma: float,
    rate: float,
    carry_yield: float,
    unit: float,
) -> None:
    def price(scale: float) -> Greeks:
        return black_scholes(
            Vanilla(sign, strike * scale, years),
            SPOT * scale,
            sigma,
            rate=rate,
            carry_yield=carry_yield,
        )

    assert price(unit).price == pytest.approx(price(1.0).price * unit, rel=1e-9, abs=1e-9)
    assert price(unit).delta == pytest.approx(price(1.0).delta, rel=1e-9, abs=1e-12)
    assert price(unit).gamma * unit == pytest.approx(price(1.0).gamma, rel=1e-9, abs=1e-15)


@given(**OPTIONS)
def test_greeks_are_the_slopes_of_the_price(
    sign: float, strike: float, years: float, sigma: float, rate: float, carry_yield: float
) -> None:
    def at(spot: float = 0, vol: float = 0, time: float = 0, money: float = 0) -> Greeks:
        return black_scholes(
            Vanilla(sign, strike, years - time),
            SPOT + spot,
            sigma + vol,
            rate=rate + money,
            carry_yield=carry_yield,
        )

    def slope(name: str, step: float, **bump: float) -> float:
        up, down = (at(**dict.fromkeys(bump, s * step)) for s in (1, -1))
        return float((getattr(up, name) - getattr(down, name)) / (2 * step))

    here = at()
    steep = 1e-5 / (sigma * sqrt(years))
    assert slope("price", 0.03, spot=1) == pytest.approx(here.delta, abs=steep)
    assert slope("delta", 0.03, spot=1) == pytest.approx(here.gamma, abs=steep)
    wide = SPOT * 1e-4 * (1 + 1 / sigma**2)
    assert slope("price", 1e-5, vol=1) == pytest.approx(here.vega, abs=wide)
    assert slope("price", 1e-6, money=1) == pytest.approx(here.rho, abs=SPOT * 1e-4)
    assert slope("price", 1e-6, time=1) == pytest.approx(here.theta, rel=1e-4, abs=0.05)
    assert slope("delta", 1e-5, vol=1) == pytest.approx(here.vanna, abs=1e-3 * (1 + 1 / sigma**2))
    assert slope("vega", 1e-5, vol=1) == pytest.approx(here.volga, abs=wide * (1 + 1 / sigma))


def test_black_76_is_black_scholes_whose_carry_is_the_rate() -> None:
    option = Vanilla(1, 3100.0, 0.5)
    ours = black76(option, SPOT, 0.7, rate=0.05)
    spot = black_scholes(option, SPOT, 0.7, rate=0.05, carry_yield=0.05)
    assert ours._replace(rho=spot.rho) == spot
    bumped = black76(option, SPOT, 0.7, rate=0.05 + 1e-6).price
    assert (bumped - ours.price) / 1e-6 == pytest.approx(ours.rho, rel=1e-5)


@given(carry_yield=OPTIONS["carry_yield"], sigma=OPTIONS["sigma"], years=OPTIONS["years"])
@pytest.mark.parametrize("side", [1, -1])
def test_where_drift_and_variance_cancel_what_is_left_is_exact(
    carry_yield: float, sigma: float, years: float, side: int
) -> None:
    # At the money with r = q ± ½σ² one of the two distances is nothing but roundings.
    rate = carry_yield + side * 0.5 * sigma * sigma
    ours = black_scholes(Vanilla(1, SPOT, years), SPOT, sigma, rate=rate, carry_yield=carry_yield)
    drift, half = Fraction(rate) - Fraction(carry_yield), Fraction(sigma) ** 2 / 2
    d1, d2 = (
        float((drift + sign * half) * Fraction(years)) / (sigma * sqrt(years)) for sign in (1, -1)
    )
    assert ours.volga == pytest.approx(float(ours.vega) * d1 * d2 / sigma, rel=1e-12, abs=0)


# limits


@pytest.mark.parametrize(("years", "sigma"), [(0.0, 0.8), (0.5, 0.0), (0.0, 0.0), (0.5, 1e-200)])
def test_an_option_that_cannot_move_any_more_is_its_intrinsic_value(
    years: float, sigma: float
) -> None:
    strikes = np.array([2000.0, 4000.0])
    call = black_scholes(Vanilla(1, strikes, years), SPOT, sigma, rate=0.04, carry_yield=0.01)
    held, owed = SPOT * exp(-0.01 * years), 2000.0 * exp(-0.04 * years)
    assert call.price == pytest.approx([held - owed, 0.0])
    assert call.delta == pytest.approx([exp(-0.01 * years), 0.0])
    assert call.rho == pytest.approx([years * owed, 0.0])
    assert call.theta == pytest.approx([0.01 * held - 0.04 * owed, 0.0])
    for name in ("gamma", "vega", "vanna", "volga"):
        assert getattr(call, name) == pytest.approx([0.0, 0.0])
    put = black_scholes(Vanilla(-1, strikes, years), SPOT, sigma, rate=0.04, carry_yield=0.01)
    assert put.price == pytest.approx([0.0, 2 * owed - held])
    assert put.delta == pytest.approx([0.0, -exp(-0.01 * years)])
    assert put.rho == pytest.approx([0.0, -2 * years * owed])


def test_without_volatility_it_is_the_forward_that_must_pass_the_strike() -> None:
    # 3000·e^(0.03·½) = 3045.3: beyond 3010 at expiry, not beyond 3050.
    call = black_scholes(Vanilla(1, [3010.0, 3050.0], 0.5), SPOT, 0.0, rate=0.04, carry_yield=0.01)
    assert call.delta == pytest.approx([exp(-0.005), 0.0])


def test_at_the_money_the_last_moment_is_infinitely_sharp() -> None:
    call = black_scholes(Vanilla([1, -1], SPOT, 0.0), SPOT, 0.8)
    assert call.price.tolist() == [0.0, 0.0]
    assert call.delta.tolist() == [0.5, -0.5]
    assert call.gamma.tolist() == [inf, inf]
    assert call.theta.tolist() == [-inf, -inf]
    assert call.vega.tolist() == call.vanna.tolist() == call.volga.tolist() == [0.0, 0.0]


def test_at_the_money_without_volatility_the_first_of_it_counts() -> None:
    still = black_scholes(Vanilla(1, SPOT, 0.25), SPOT, 0.0)
    almost = black_scholes(Vanilla(1, SPOT, 0.25), SPOT, 1e-9)
    assert still.vega == pytest.approx(SPOT * 0.5 / sqrt(2 * pi))
    assert still.vanna == pytest.approx(0.25 / sqrt(2 * pi))
    assert still.theta == 0.0
    for name in ("price", "delta", "vega", "vanna", "volga"):
        assert getattr(still, name) == pytest.approx(getattr(almost, name), abs=1e-5)


def test_limits_are_written_beside_ordinary_options() -> None:
    years = np.array([0.5, 0.0, 0.25])
    together = black_scholes(Vanilla(1, 2900.0, years), SPOT, 0.8, rate=0.04)
    for index, each in enumerate(years):
        alone = black_scholes(Vanilla(1, 2900.0, each), SPOT, 0.8, rate=0.04)
        for name in Greeks._fields:
            assert getattr(together, name)[index] == pytest.approx(float(getattr(alone, name)))


@given(
    sign=SIGNS,
    strike=st.floats(1e-30, 1e30),
    spot=st.floats(1e-30, 1e30),
    years=st.floats(0.0, 100.0),
    sigma=st.floats(0.0, 1e3),
    rate=st.floats(-5.0, 5.0),
    carry_yield=st.floats(-5.0, 5.0),
)
def test_no_greek_is_ever_nan(
    *,
    sign: float,
    strike: float,
    spot: float,
    years: float,
    sigma: float,
    rate: float,
    carry_yield: float,
) -> None:
    ours = black_scholes(
        Vanilla(sign, strike, years), spot, sigma, rate=rate, carry_yield=carry_yield
    )
    assert not any(np.isnan(each) for each in ours)
    assert ours.price >= 0
    assert 0 <= sign * ours.delta <= exp(-carry_yield * years) * (1 + 1e-12)


# shapes


def test_inputs_broadcast_together() -> None:
    strikes = np.array([[2500.0], [3500.0]])
    ours = black_scholes(Vanilla([1, -1, 1], strikes, 0.5), SPOT, 0.8)
    assert all(each.shape == (2, 3) for each in ours)
    one = black_scholes(Vanilla(-1, 3500.0, 0.5), SPOT, 0.8)
    assert one.price.shape == ()
    assert ours.price[1, 1] == one.price


def test_blocks_leave_no_seam() -> None:
    strikes = np.linspace(1000.0, 9000.0, 2 * BLOCK + 7)
    ours = black_scholes(Vanilla(1, strikes, 0.5), SPOT, 0.8)
    assert np.all(np.diff(ours.price) < 0)
    for index in (0, BLOCK - 1, BLOCK, 2 * BLOCK, -1):
        one = black_scholes(Vanilla(1, strikes[index], 0.5), SPOT, 0.8)
        assert ours.price[index] == pytest.approx(float(one.price), rel=1e-13)


def test_no_options_are_no_prices() -> None:
    assert black_scholes(Vanilla(1, np.array([]), 0.5), SPOT, 0.8).price.shape == (0,)


@pytest.mark.parametrize("sign", [0.0, 2.0, nan])
def test_an_option_is_a_call_or_a_put(sign: float) -> None:
    with pytest.raises(BadData, match="sign of an option"):
        black_scholes(Vanilla(sign, SPOT, 0.5), SPOT, 0.8)
    with pytest.raises(BadData, match="sign of an option"):
        implied_vol(Vanilla(sign, SPOT, 0.5), 100.0, SPOT)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("price", 0.0),
        ("price", nan),
        ("strike", -1.0),
        ("strike", inf),
        ("years", -1e-9),
        ("years", 101.0),
        ("sigma", -0.1),
        ("sigma", nan),
        ("rate", 5.1),
        ("carry_yield", -5.1),
    ],
)
def test_what_no_option_could_have_is_bad_data(name: str, bad: float) -> None:
    given = {
        "price": SPOT,
        "strike": SPOT,
        "years": 0.5,
        "sigma": 0.8,
        "rate": 0.0,
        "carry_yield": 0.0,
    } | {name: bad}
    with pytest.raises(BadData, match=f"the {name} of an option") as caught:
        black_scholes(
            Vanilla(1, [SPOT, given["strike"]], given["years"]),
            given["price"],
            given["sigma"],
            rate=given["rate"],
            carry_yield=given["carry_yield"],
        )
    assert set(caught.value.facts) == {"lowest", "highest"}
    assert "between" in caught.value.remedy


# implied volatility


def test_implied_volatility_is_exact_to_the_rounding_of_the_price() -> None:
    rows = columns("implied_vol.csv")
    ours = implied_vol(
        Vanilla(rows["cp"], rows["K"], rows["T"]), rows["price_double"], rows["F"], rate=rows["r"]
    )
    allowed = np.maximum(4 * rows["iv_uncertainty_half_ulp"], 1e-11)
    assert np.all(np.abs(ours - rows["iv_of_that_double"]) <= allowed)


def test_at_the_forward_the_implied_volatility_is_an_inverse_error_function() -> None:
    price = 100 * erf(0.2 / sqrt(2))
    assert implied_vol(Vanilla(1, 100.0, 0.25), price, 100.0) == pytest.approx(0.8, rel=1e-14)
    assert implied_vol(Vanilla(-1, 100.0, 0.25), price, 100.0) == pytest.approx(0.8, rel=1e-14)


@given(
    sign=SIGNS,
    distance=st.floats(-3.0, 3.0),
    years=st.floats(0.003, 5.0),
    sigma=st.floats(0.02, 4.0),
    rate=st.floats(-0.1, 0.3),
)
def test_a_price_gives_its_volatility_back(
    sign: float, distance: float, years: float, sigma: float, rate: float
) -> None:
    option, forward = Vanilla(sign, 100.0 * exp(distance), years), 100.0
    priced = black76(option, forward, sigma, rate=rate)
    ours = float(implied_vol(option, priced.price, forward, rate=rate))
    # What the roundings inside the price that is inverted are worth in volatility.
    blur = 1e-15 * (abs(float(priced.delta)) * forward + float(priced.price))
    blur /= max(float(priced.vega), 1e-300)
    blur += 1e-13 * sigma * (1 + abs(distance) / sigma / sqrt(years))
    if priced.price > 1e-290 and blur < 0.01 * sigma:
        assert ours == pytest.approx(sigma, abs=max(blur, 1e-13))


@given(distance=st.floats(-8.0, 8.0), total=st.floats(1e-3, 12.0))
def test_three_steps_are_enough_everywhere(distance: float, total: float) -> None:
    option = Vanilla(1.0 if distance > 0 else -1.0, exp(distance), 1.0)
    priced = black76(option, 1.0, total)
    bound = min(1.0, exp(distance))
    if not 1e-280 < priced.price < bound * (1 - 1e-6):
        return
    again = black76(option, 1.0, implied_vol(option, priced.price, 1.0)).price
    # Two prices are compared, each the small difference of two products.
    cancelled = abs(float(priced.delta / priced.price))
    allowed = 2e-15 * (1 + cancelled) * (1 + (distance / total) ** 2)
    assert log(again) == pytest.approx(log(priced.price), abs=allowed)


def test_a_price_that_no_volatility_gives_has_none() -> None:
    call, put = Vanilla(1, 100.0, 1.0), Vanilla(-1, 100.0, 1.0)
    assert np.isnan(implied_vol(call, [-1.0, 120.0, 130.0, nan], 120.0)).all()
    assert np.isnan(implied_vol(call, 19.99, 120.0))
    assert np.isnan(implied_vol(put, [100.0, 101.0], 120.0)).all()
    assert np.isnan(implied_vol(Vanilla(1, 100.0, 0.0), 25.0, 120.0))


def test_intrinsic_value_is_a_volatility_of_zero() -> None:
    call = Vanilla(1, 100.0, 1.0)
    assert implied_vol(call, 20.0, 120.0) == 0.0
    assert implied_vol(call, 20.0 * (1 - 2e-16), 120.0) == 0.0
    assert implied_vol(call, 20.0 * exp(-0.05), 120.0, rate=0.05) < 1e-1
    assert implied_vol(Vanilla(-1, 100.0, 1.0), 0.0, 120.0) == 0.0


def test_implied_volatilities_broadcast() -> None:
    prices = np.array([[5.0], [10.0]])
    assert implied_vol(Vanilla(1, [90.0, 100.0, 110.0], 0.5), prices + 10, 100.0).shape == (2, 3)
