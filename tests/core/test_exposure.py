from math import inf, nan
from typing import Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.core.exposure import net
from keeper.core.greeks import Vanilla, black_scholes
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.flow import Exposure
from keeper.model.position import (
    Concentrated,
    Leg,
    Linear,
    Loan,
    Option,
    Perpetual,
    Wrapped,
)
from keeper.model.units import DAY_S, HOUR_S, YEAR_S

NOW_S = 1_790_000_000
WETH, USDC, WBTC = Address("0xWeth"), Address("0xUsdc"), Address("0xWbtc")


def spot(units: float, asset: Address = WETH) -> Linear:
    return Linear(asset=asset, units=units)


def position(
    liquidity: float,
    lower: float = 1.0,
    upper: float = 16.0,
    base: Address = WETH,
    quote: Address = USDC,
) -> Concentrated:
    return Concentrated(
        base=base, quote=quote, liquidity=liquidity, price_lower=lower, price_upper=upper
    )


def option(
    units: float = 1.0,
    kind: Literal["call", "put"] = "call",
    strike: float = 4.0,
    *,
    life_s: int = 30 * DAY_S,
    sigma: float = 0.8,
) -> Option:
    return Option(
        asset=WETH,
        units=units,
        kind=kind,
        strike=strike,
        expires_at_s=NOW_S + life_s,
        sigma=sigma,
    )


OPTIONS = st.builds(
    option,
    st.floats(-1e3, 1e3),
    st.sampled_from(["call", "put"]),
    st.floats(1.0, 20.0),
    life_s=st.integers(DAY_S, YEAR_S),
    sigma=st.floats(0.1, 3.0),
)
LEGS = st.lists(
    st.builds(spot, st.floats(-1e6, 1e6))
    | st.builds(position, st.floats(0.0, 1e6))
    | st.builds(position, st.floats(0.0, 1e6), st.floats(1, 5), st.floats(6, 9))
    | st.builds(Wrapped, st.just(WETH), st.floats(-1e6, 1e6), st.floats(0.5, 2.0))
    | OPTIONS,
    max_size=20,
)


def test_nothing_held_is_no_exposure() -> None:
    assert net([], WETH, 4.0, NOW_S) == Exposure(
        delta=0.0,
        gamma=0.0,
        vega=0.0,
        theta=0.0,
        value_usd=0.0,
        price=4.0,
        delta_in_1h=0.0,
        delta_in_1d=0.0,
    )


def test_spot_debt_and_a_range_add_up() -> None:
    # The range holds 3 base and 12 quote at 4, with a gamma of −12/(2·8).
    legs = (spot(2.0), spot(-0.5), position(12.0))
    assert net(legs, WETH, 4.0, NOW_S) == Exposure(
        delta=4.5,
        gamma=-0.75,
        vega=0.0,
        theta=0.0,
        value_usd=30.0,
        price=4.0,
        delta_in_1h=4.5,
        delta_in_1d=4.5,
    )


def test_x10_what_is_held_in_other_assets_adds_nothing() -> None:
    legs = (spot(2.0), spot(1e6, USDC), spot(3.0, WBTC), position(12.0, base=WBTC))
    assert net(legs, WETH, 4.0, NOW_S) == net([spot(2.0)], WETH, 4.0, NOW_S)


def test_out_of_range_a_position_is_all_base_or_all_quote() -> None:
    below = net([position(12.0)], WETH, 0.25, NOW_S)
    assert (below.delta, below.gamma, below.value_usd) == (9.0, 0.0, 2.25)
    above = net([position(12.0)], WETH, 25.0, NOW_S)
    assert (above.delta, above.gamma, above.value_usd) == (0.0, 0.0, 36.0)


@given(LEGS, st.randoms(use_true_random=False))
def test_the_order_of_legs_does_not_matter(legs: list[Leg], random: object) -> None:
    shuffled = list(legs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a Random
    assert net(shuffled, WETH, 4.0, NOW_S) == net(legs, WETH, 4.0, NOW_S)


@given(LEGS, LEGS)
def test_exposures_of_books_add(some: list[Leg], others: list[Leg]) -> None:
    together = net(some + others, WETH, 4.0, NOW_S)
    apart = net(some, WETH, 4.0, NOW_S), net(others, WETH, 4.0, NOW_S)
    for name in ("delta", "gamma", "value_usd"):
        total = getattr(apart[0], name) + getattr(apart[1], name)
        assert getattr(together, name) == pytest.approx(total, rel=1e-9, abs=1e-3)


@given(LEGS, st.floats(2.0, 15.0))
def test_delta_is_the_slope_of_the_value(legs: list[Leg], price: float) -> None:
    step = 1e-5 * price
    rise = (
        net(legs, WETH, price + step, NOW_S).value_usd
        - net(legs, WETH, price - step, NOW_S).value_usd
    )
    assert rise / (2 * step) == pytest.approx(
        net(legs, WETH, price, NOW_S).delta, rel=1e-3, abs=500
    )


def test_small_legs_are_not_lost_beside_large_ones() -> None:
    legs = [spot(1e16), *(spot(1.0) for _ in range(10)), spot(-1e16)]
    assert net(legs, WETH, 4.0, NOW_S).delta == 10.0


def test_a_range_quoted_in_the_asset_is_bad_data() -> None:
    with pytest.raises(BadData, match="quote of a range position") as caught:
        net([position(1.0, base=USDC, quote=WETH)], WETH, 4.0, NOW_S)
    assert caught.value.facts == {"base": USDC, "quote": WETH}
    assert caught.value.remedy


@pytest.mark.parametrize("price", [0.0, -4.0, nan, inf])
def test_an_impossible_price_is_bad_data(price: float) -> None:
    with pytest.raises(BadData, match="price must be above zero"):
        net([spot(1.0)], WETH, price, NOW_S)


def test_a5_a_leg_that_is_not_a_number_is_bad_data() -> None:
    with pytest.raises(BadData, match="not finite"):
        net([spot(nan)], WETH, 4.0, NOW_S)


@pytest.mark.parametrize("legs", [(spot(inf), spot(-inf)), (spot(1.7e308), spot(1.7e308))])
def test_a5_legs_without_a_finite_sum_are_bad_data(legs: tuple[Leg, ...]) -> None:
    with pytest.raises(BadData, match="delta of the legs has no finite sum") as caught:
        net(legs, WETH, 4.0, NOW_S)
    assert caught.value.facts == {"legs": 2}


def test_an_empty_range_is_bad_data() -> None:
    with pytest.raises(BadData, match="range position"):
        net([position(1.0, lower=5.0, upper=5.0)], WETH, 4.0, NOW_S)


def test_a_wrapped_token_counts_in_what_it_redeems_for_and_its_rate_is_a_risk_apart() -> None:
    held = net([Wrapped(WETH, units=10.0, exchange_rate=1.2)], WETH, 4.0, NOW_S)
    assert (held.delta, held.value_usd, held.rate_usd) == (12.0, 48.0, 48.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, nan, inf])
def test_an_exchange_rate_that_cannot_be_is_bad_data(rate: float) -> None:
    with pytest.raises(BadData, match="exchange rate"):
        net([Wrapped(WETH, units=10.0, exchange_rate=rate)], WETH, 4.0, NOW_S)


def test_a_perpetual_is_worth_what_it_has_gained_and_not_its_size() -> None:
    leg = Perpetual(asset=WETH, units=-2.0, entry_price=5.0, pending_funding_usd=0.5)
    held = net([leg], WETH, 4.0, NOW_S)
    assert (held.delta, held.gamma, held.value_usd) == (-2.0, 0.0, 1.5)


def test_a_loop_is_collateral_less_debt() -> None:
    loop = Loan(asset=WETH, collateral_units=10.0, exchange_rate=1.2, debt_units=8.0)
    held = net([loop], WETH, 4.0, NOW_S)
    assert held.delta == pytest.approx(4.0)
    assert held.value_usd == pytest.approx(16.0)
    assert held.rate_usd == pytest.approx(48.0)


def test_cash_lent_against_a_debt_in_the_asset_is_short() -> None:
    held = net([Loan(asset=WETH, collateral_usd=100.0, debt_units=5.0)], WETH, 4.0, NOW_S)
    assert (held.delta, held.value_usd, held.rate_usd) == (-5.0, 80.0, 0.0)


def test_the_asset_lent_against_a_debt_in_cash_stays_long() -> None:
    held = net([Loan(asset=WETH, collateral_units=5.0, debt_usd=8.0)], WETH, 4.0, NOW_S)
    assert (held.delta, held.value_usd, held.rate_usd) == (5.0, 12.0, 0.0)


def test_a_call_less_a_put_is_the_asset_less_its_strike() -> None:
    both = net([option(2.0, "call"), option(-2.0, "put")], WETH, 5.0, NOW_S)
    assert both.delta == pytest.approx(2.0)
    assert both.value_usd == pytest.approx(2.0 * (5.0 - 4.0))
    assert both.gamma == both.vega == both.theta == 0.0


@given(OPTIONS, st.floats(2.0, 15.0))
def test_the_greeks_of_an_option_are_those_of_its_arrays(leg: Option, price: float) -> None:
    held = net([leg], WETH, price, NOW_S)
    years = (leg.expires_at_s - NOW_S) / YEAR_S
    sign = 1.0 if leg.kind == "call" else -1.0
    one = black_scholes(Vanilla(sign, leg.strike, years), price, leg.sigma)
    scale = abs(leg.units)
    assert held.delta == pytest.approx(leg.units * float(one.delta), rel=1e-9, abs=1e-12 * scale)
    assert held.gamma == pytest.approx(leg.units * float(one.gamma), rel=1e-9, abs=1e-12 * scale)
    assert held.vega == pytest.approx(leg.units * float(one.vega), rel=1e-9, abs=1e-12 * scale)
    assert held.theta == pytest.approx(leg.units * float(one.theta), rel=1e-9, abs=1e-12 * scale)
    assert held.value_usd == pytest.approx(
        leg.units * float(one.price), rel=1e-9, abs=1e-11 * scale
    )


@given(OPTIONS, st.floats(2.0, 15.0))
def test_the_delta_to_come_is_the_delta_of_then_at_the_price_of_now(
    leg: Option, price: float
) -> None:
    # Gamma at the strike at the very end is infinite, and refused.
    assume(price != leg.strike)
    now, spot_leg = net([spot(3.0), leg], WETH, price, NOW_S), net([spot(3.0)], WETH, price, NOW_S)
    hour, day = (net([leg], WETH, price, NOW_S + later_s).delta for later_s in (HOUR_S, DAY_S))
    assert now.delta_in_1h == pytest.approx(spot_leg.delta + hour, abs=1e-9)
    assert now.delta_in_1d == pytest.approx(spot_leg.delta + day, abs=1e-9)


def test_of_an_option_that_is_over_tomorrow_no_delta_is_left_then() -> None:
    held = net([spot(1.0), option(2.0, life_s=HOUR_S + 1)], WETH, 40.0, NOW_S)
    assert (held.delta, held.delta_in_1h, held.delta_in_1d) == (3.0, 3.0, 1.0)


def test_an_option_that_is_over_and_still_shown_is_bad_data() -> None:
    with pytest.raises(BadData, match="is over") as caught:
        net([option(life_s=-1)], WETH, 4.0, NOW_S)
    assert "settled for" in str(caught.value.remedy)


@pytest.mark.parametrize("changes", [{"strike": 0.0}, {"sigma": nan}, {"sigma": -0.1}])
def test_an_option_without_strike_or_volatility_is_bad_data(changes: dict[str, float]) -> None:
    with pytest.raises(BadData, match="strike above zero and a volatility"):
        net([option(**changes)], WETH, 4.0, NOW_S)  # type: ignore[arg-type]  # floats, all


def test_an_option_at_the_money_at_its_expiry_has_no_finite_gamma() -> None:
    with pytest.raises(BadData, match="not finite"):
        net([option(life_s=0)], WETH, 4.0, NOW_S)


@pytest.mark.parametrize(
    "leg",
    [
        Wrapped(WBTC, 1.0, 1.1),
        Perpetual(asset=WBTC, units=1.0, entry_price=1.0),
        Loan(asset=WBTC, collateral_units=1.0),
        Option(asset=WBTC, units=1.0, kind="put", strike=1.0, expires_at_s=0, sigma=0.5),
    ],
)
def test_a_leg_of_another_asset_adds_nothing(leg: Leg) -> None:
    assert net([leg], WETH, 4.0, NOW_S) == net([], WETH, 4.0, NOW_S)
