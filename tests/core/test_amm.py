from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.amm import (
    _POWERS_X128,
    MAX_TICK,
    amounts_rounded_down,
    delta,
    gamma,
    holdings,
    lvr_rate,
    price_at_tick,
    sqrt_price_x96_at_tick,
    value,
)
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.position import Concentrated
from tests.core.vectors import texts

WETH, USDC = Address("0xWeth"), Address("0xUsdc")
Q96 = 2**96


def position(lower: float, upper: float, liquidity: float = 1.0) -> Concentrated:
    return Concentrated(
        base=WETH, quote=USDC, liquidity=liquidity, price_lower=lower, price_upper=upper
    )


PRICES = st.floats(1.0, 1e5)
POSITIONS = st.tuples(PRICES, PRICES, st.floats(0.1, 1e6)).filter(lambda p: p[0] < p[1] * 0.999)


@pytest.mark.parametrize(
    "row", texts("univ3_lp.csv"), ids=lambda row: "-".join(list(row.values())[:4])
)
def test_a_range_agrees_with_forty_digit_arithmetic(row: dict[str, str]) -> None:
    leg = position(float(row["pa"]), float(row["pb"]), float(row["L"]))
    price = float(row["S"])

    def expected(column: str) -> object:
        return pytest.approx(float(row[column]), rel=1e-12, abs=0)

    assert holdings(leg, price) == (expected("amount0_base"), expected("amount1_quote"))
    assert value(leg, price) == expected("value_quote")
    assert delta(leg, price) == expected("delta")
    assert gamma(leg, price) == expected("gamma")
    assert lvr_rate(leg, price) == expected("lvr_per_unit_variance")


def test_a_range_worked_by_hand() -> None:
    # √P = 2 in a range from 1 to 16: 12·(1/2 − 1/4) of base, 12·(2 − 1) of quote.
    leg = position(1.0, 16.0, 12.0)
    assert holdings(leg, 4.0) == (3.0, 12.0)
    assert value(leg, 4.0) == 24.0
    assert delta(leg, 4.0) == 3.0
    assert gamma(leg, 4.0) == -0.75
    assert lvr_rate(leg, 4.0) == 6.0


def test_below_the_range_all_is_base_and_above_it_all_is_quote() -> None:
    leg = position(1.0, 16.0, 12.0)
    for price in (0.5, 1.0):
        assert holdings(leg, price) == (9.0, 0.0)
        assert gamma(leg, price) == 0.0
    for price in (16.0, 99.0):
        assert holdings(leg, price) == (0.0, 36.0)
        assert gamma(leg, price) == 0.0
        assert lvr_rate(leg, price) == 0.0


def test_the_full_range_is_a_constant_product() -> None:
    leg = position(0.0, inf, 10.0)
    assert holdings(leg, 4.0) == (5.0, 20.0)
    assert value(leg, 4.0) == 40.0
    assert gamma(leg, 4.0) == -0.625
    assert lvr_rate(leg, 4.0) == 5.0


def test_half_open_ranges_are_ranges() -> None:
    assert holdings(position(4.0, inf, 10.0), 1.0) == (5.0, 0.0)
    assert holdings(position(0.0, 4.0, 10.0), 9.0) == (0.0, 20.0)


def test_owed_liquidity_counts_the_other_way() -> None:
    leg = position(1.0, 16.0, -12.0)
    assert holdings(leg, 4.0) == (-3.0, -12.0)
    assert gamma(leg, 4.0) == 0.75


@given(POSITIONS, PRICES)
def test_delta_is_the_slope_of_the_value(shape: tuple[float, float, float], price: float) -> None:
    leg = position(*shape)
    step = 1e-4 * price
    slope = (value(leg, price + step) - value(leg, price - step)) / (2 * step)
    assert slope == pytest.approx(delta(leg, price), rel=1e-3, abs=3e-4 * shape[2])


@given(POSITIONS, PRICES, PRICES)
def test_the_value_never_exceeds_what_the_holding_would_be_worth(
    shape: tuple[float, float, float], price: float, later: float
) -> None:
    leg = position(*shape)
    base, quote = holdings(leg, price)
    assert value(leg, later) <= (base * later + quote) * (1 + 1e-12)
    assert delta(leg, max(price, later)) <= delta(leg, min(price, later)) * (1 + 1e-12)


@given(POSITIONS, PRICES, st.floats(0.01, 0.99))
def test_a_range_is_the_sum_of_its_parts(
    shape: tuple[float, float, float], price: float, share: float
) -> None:
    lower, upper, liquidity = shape
    middle = lower + share * (upper - lower)
    whole = holdings(position(lower, upper, liquidity), price)
    low = holdings(position(lower, middle, liquidity), price)
    high = holdings(position(middle, upper, liquidity), price)
    assert low[0] + high[0] == pytest.approx(whole[0], rel=1e-9)
    assert low[1] + high[1] == pytest.approx(whole[1], rel=1e-9)


@pytest.mark.parametrize(
    ("lower", "upper"), [(2.0, 2.0), (3.0, 2.0), (-1.0, 2.0), (nan, 2.0), (1.0, nan)]
)
def test_an_empty_range_is_bad_data(lower: float, upper: float) -> None:
    with pytest.raises(BadData, match="range position") as caught:
        holdings(position(lower, upper), 1.5)
    assert caught.value.facts["price"] == 1.5
    assert caught.value.remedy


@pytest.mark.parametrize("price", [0.0, -1.0, inf, nan])
def test_a_price_that_is_none_is_bad_data(price: float) -> None:
    with pytest.raises(BadData, match="price above zero"):
        value(position(1.0, 2.0), price)


# ticks and integers


@pytest.mark.parametrize("row", texts("univ3_ticks.csv"), ids=lambda row: row["tick"])
def test_a_tick_has_the_pools_own_root_price(row: dict[str, str]) -> None:
    tick = int(row["tick"])
    assert sqrt_price_x96_at_tick(tick) == int(row["sqrtPriceX96_TickMath"])
    assert price_at_tick(tick) == pytest.approx(float(row["price_1.0001^tick"]), rel=3e-14)


def test_the_powers_are_those_of_the_pool() -> None:
    powers = {
        0: 0xFFFCB933BD6FAD37AA2D162D1A594001,  # rounded down
        1: 0xFFF97272373D413259A46990580E213A,  # rounded up
        19: 0x48A170391F7DC42444E8FA2,
    }
    assert {bit: _POWERS_X128[bit] for bit in powers} == powers
    assert len(_POWERS_X128) == 20


@given(st.integers(-MAX_TICK, MAX_TICK - 1))
def test_root_prices_grow_with_the_tick_and_square_to_the_price(tick: int) -> None:
    root = sqrt_price_x96_at_tick(tick)
    assert root < sqrt_price_x96_at_tick(tick + 1)
    # The pool's integers are coarse at the far end: 2^32 at the lowest tick.
    assert (root / Q96) ** 2 == pytest.approx(price_at_tick(tick), rel=1e-9)


@pytest.mark.parametrize("tick", [MAX_TICK + 1, -MAX_TICK - 1])
def test_a_tick_beyond_the_last_is_bad_data(tick: int) -> None:
    with pytest.raises(BadData, match="no pool has such a tick"):
        sqrt_price_x96_at_tick(tick)
    with pytest.raises(BadData, match="no pool has such a tick"):
        price_at_tick(tick)


def test_integer_amounts_worked_by_hand() -> None:
    # A range from √P = ½ to 2, at 1: L·(1 − ½) of each, cut.
    assert amounts_rounded_down(7, Q96, Q96 // 2, 2 * Q96) == (3, 3)
    assert amounts_rounded_down(8, Q96, Q96 // 2, 2 * Q96) == (4, 4)
    assert amounts_rounded_down(7, Q96 // 4, Q96 // 2, 2 * Q96) == (10, 0)
    assert amounts_rounded_down(7, 4 * Q96, Q96 // 2, 2 * Q96) == (0, 10)


@given(
    st.integers(1, 2**100),
    st.integers(-100_000, 100_000),
    st.integers(1, 5_000),
    st.integers(-110_000, 110_000),
)
def test_integer_amounts_are_the_float_amounts_cut(
    liquidity: int, lower: int, width: int, tick: int
) -> None:
    edges = (sqrt_price_x96_at_tick(lower), sqrt_price_x96_at_tick(lower + width))
    root = sqrt_price_x96_at_tick(tick)
    amounts = amounts_rounded_down(liquidity, root, *edges)
    leg = position((edges[0] / Q96) ** 2, (edges[1] / Q96) ** 2, float(liquidity))
    for integer, human in zip(amounts, holdings(leg, (root / Q96) ** 2), strict=True):
        assert integer == pytest.approx(human, rel=1e-8, abs=1.0)
        assert integer <= human * (1 + 1e-8)
