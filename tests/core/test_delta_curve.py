"""The delta of legs at any price: the same as `exposure.net` at each, and continuous."""

from math import inf, nextafter, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core import exposure
from keeper.core.delta_curve import delta_curve
from keeper.model.chain import Address
from keeper.model.position import Concentrated, Leg, Linear, Loan, Option, Perpetual, Wrapped
from keeper.model.units import DAY_S, YEAR_S

NOW_S = 1_790_000_000
WETH, USDC, WBTC = Address("0xWeth"), Address("0xUsdc"), Address("0xWbtc")


def spot(units: float, asset: Address = WETH) -> Linear:
    return Linear(asset=asset, units=units)


def position(
    liquidity: float, lower: float = 1.0, upper: float = 16.0, base: Address = WETH
) -> Concentrated:
    return Concentrated(
        base=base, quote=USDC, liquidity=liquidity, price_lower=lower, price_upper=upper
    )


RANGES = st.builds(
    lambda liquidity, lower, times, base: position(liquidity, lower, lower * times, base),
    st.floats(0.0, 1e6),
    st.floats(0.01, 1e4),
    st.floats(1.0001, 100.0),
    st.sampled_from([WETH, WBTC]),
)
OPEN = st.builds(
    position, st.floats(0.0, 1e6), st.sampled_from([0.0, 2.0]), st.sampled_from([30.0, inf])
)
SPOT = st.builds(spot, st.floats(-1e6, 1e6), st.sampled_from([WETH, USDC]))
LEGS = st.lists(SPOT | RANGES | OPEN, max_size=12)
PRICES = st.floats(1e-3, 1e6)


def size(legs: list[Leg]) -> float:
    """Return what the rounding of a sum over the legs is measured by."""
    total = 1e-300
    for leg in legs:
        if isinstance(leg, Linear):
            total += abs(leg.units)
        elif isinstance(leg, Concentrated):
            total += leg.liquidity / sqrt(leg.price_lower or 1e-3)
    return total


def test_a_curve_worked_by_hand() -> None:
    # 12·(1/√P − ¼) inside the range 1 to 16: 9 at its lower edge, 3 at 4, 0 at its upper edge.
    delta = delta_curve(
        [spot(2.0), position(12.0), spot(9.0, USDC), position(7.0, base=WBTC)], WETH, NOW_S
    )
    assert [delta(price, 0.0) for price in (0.5, 1.0, 4.0, 16.0, 99.0)] == [
        11.0,
        11.0,
        5.0,
        2.0,
        2.0,
    ]


def test_nothing_held_is_flat() -> None:
    assert delta_curve([], WETH, NOW_S)(4.0, 0.0) == 0.0


def test_a_range_without_an_end_never_runs_out() -> None:
    everywhere = delta_curve([position(12.0, 0.0, inf)], WETH, NOW_S)
    assert [everywhere(price, 0.0) for price in (0.25, 4.0, 144.0)] == [24.0, 6.0, 1.0]
    upward = delta_curve([position(12.0, 1.0, inf)], WETH, NOW_S)
    assert [upward(price, 0.0) for price in (0.25, 4.0, 144.0)] == [12.0, 6.0, 1.0]
    downward = delta_curve([position(12.0, 0.0, 16.0)], WETH, NOW_S)
    assert [downward(price, 0.0) for price in (0.25, 4.0, 144.0)] == [21.0, 3.0, 0.0]


@given(LEGS, PRICES, st.floats(0.0, 1.5))
def test_it_is_the_exposure_at_every_price(legs: list[Leg], price: float, ratio: float) -> None:
    found = delta_curve(legs, WETH, NOW_S, ratio)(price, 0.0)
    expected = ratio * exposure.net(legs, WETH, price, NOW_S).delta
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-13 * size(legs))


@given(LEGS.filter(lambda legs: any(isinstance(leg, Concentrated) for leg in legs)), st.data())
def test_at_the_edge_of_a_range_there_is_no_jump(legs: list[Leg], data: st.DataObject) -> None:
    ranges = [leg for leg in legs if isinstance(leg, Concentrated)]
    each = data.draw(st.sampled_from(ranges))
    edge = data.draw(st.sampled_from([each.price_lower or 1.0, min(each.price_upper, 1e9)]))
    delta = delta_curve(legs, WETH, NOW_S)
    beside = [delta(price, 0.0) for price in (nextafter(edge, 0.0), edge, nextafter(edge, inf))]
    assert max(beside) - min(beside) <= 1e-12 * size(legs)


@given(st.lists(RANGES | OPEN, max_size=12), PRICES, st.floats(1.0, 100.0))
def test_liquidity_never_buys_on_the_way_up(legs: list[Leg], price: float, times: float) -> None:
    delta = delta_curve(legs, WETH, NOW_S)
    slack = 1e-12 * size(legs)
    assert -slack <= delta(price * times, 0.0) <= delta(price, 0.0) + slack


@given(LEGS, PRICES, st.floats(0.0, 10.0))
def test_time_alone_moves_nothing_but_options(legs: list[Leg], price: float, years: float) -> None:
    delta = delta_curve(legs, WETH, NOW_S)
    assert delta(price, years) == delta(price, 0.0)


@given(LEGS, LEGS, PRICES)
def test_curves_of_books_add(some: list[Leg], others: list[Leg], price: float) -> None:
    together = delta_curve(some + others, WETH, NOW_S)(price, 0.0)
    apart = delta_curve(some, WETH, NOW_S)(price, 0.0) + delta_curve(others, WETH, NOW_S)(
        price, 0.0
    )
    assert together == pytest.approx(apart, rel=1e-12, abs=1e-12 * size(some + others))


def option(units: float, life_s: int, strike: float = 4.0, asset: Address = WETH) -> Option:
    return Option(
        asset=asset,
        units=units,
        kind="call",
        strike=strike,
        expires_at_s=NOW_S + life_s,
        sigma=0.8,
    )


def test_what_neither_bends_nor_ages_is_a_constant() -> None:
    legs: list[Leg] = [
        Wrapped(WETH, 2.0, 1.5),
        Perpetual(asset=WETH, units=-1.0, entry_price=9.0),
        Loan(asset=WETH, collateral_units=4.0, debt_units=3.0),
        Wrapped(WBTC, 9.0, 1.0),
        option(5.0, DAY_S, asset=WBTC),
    ]
    delta = delta_curve(legs, WETH, NOW_S)
    assert [delta(price, 0.0) for price in (1e-3, 1.0, 1e6)] == [3.0, 3.0, 3.0]


@given(
    st.floats(-10.0, 10.0),
    st.integers(1, YEAR_S),
    st.floats(0.5, 30.0),
    st.floats(0.1, 0.9),
    st.floats(0.0, 1.5),
)
def test_an_option_is_the_exposure_at_every_price_and_time(
    units: float, life_s: int, price: float, share: float, ratio: float
) -> None:
    legs: list[Leg] = [option(units, life_s), position(12.0)]
    later_s = int(share * life_s)
    found = delta_curve(legs, WETH, NOW_S, ratio)(price, later_s / YEAR_S)
    expected = ratio * exposure.net(legs, WETH, price, NOW_S + later_s).delta
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_beyond_its_expiry_an_option_stays_what_it_ended_as() -> None:
    delta = delta_curve([option(2.0, DAY_S)], WETH, NOW_S)
    assert [delta(price, 1.0) for price in (3.9, 4.1)] == [0.0, 2.0]
