from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.exposure import net
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.flow import Exposure
from keeper.model.position import Concentrated, Leg, Linear

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


LEGS = st.lists(
    st.builds(spot, st.floats(-1e6, 1e6))
    | st.builds(position, st.floats(0.0, 1e6))
    | st.builds(position, st.floats(0.0, 1e6), st.floats(1, 5), st.floats(6, 9)),
    max_size=20,
)


def test_nothing_held_is_no_exposure() -> None:
    assert net([], WETH, 4.0) == Exposure(
        delta=0.0, gamma=0.0, vega=0.0, theta=0.0, value_usd=0.0, price=4.0
    )


def test_spot_debt_and_a_range_add_up() -> None:
    # The range holds 3 base and 12 quote at 4, with a gamma of −12/(2·8).
    legs = (spot(2.0), spot(-0.5), position(12.0))
    assert net(legs, WETH, 4.0) == Exposure(
        delta=4.5, gamma=-0.75, vega=0.0, theta=0.0, value_usd=30.0, price=4.0
    )


def test_what_is_held_in_other_assets_adds_nothing() -> None:
    legs = (spot(2.0), spot(1e6, USDC), spot(3.0, WBTC), position(12.0, base=WBTC))
    assert net(legs, WETH, 4.0) == net([spot(2.0)], WETH, 4.0)


def test_out_of_range_a_position_is_all_base_or_all_quote() -> None:
    below = net([position(12.0)], WETH, 0.25)
    assert (below.delta, below.gamma, below.value_usd) == (9.0, 0.0, 2.25)
    above = net([position(12.0)], WETH, 25.0)
    assert (above.delta, above.gamma, above.value_usd) == (0.0, 0.0, 36.0)


@given(LEGS, st.randoms(use_true_random=False))
def test_the_order_of_legs_does_not_matter(legs: list[Leg], random: object) -> None:
    shuffled = list(legs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a Random
    assert net(shuffled, WETH, 4.0) == net(legs, WETH, 4.0)


@given(LEGS, LEGS)
def test_exposures_of_books_add(some: list[Leg], others: list[Leg]) -> None:
    together = net(some + others, WETH, 4.0)
    apart = net(some, WETH, 4.0), net(others, WETH, 4.0)
    for name in ("delta", "gamma", "value_usd"):
        total = getattr(apart[0], name) + getattr(apart[1], name)
        assert getattr(together, name) == pytest.approx(total, rel=1e-9, abs=1e-3)


@given(LEGS, st.floats(2.0, 15.0))
def test_delta_is_the_slope_of_the_value(legs: list[Leg], price: float) -> None:
    step = 1e-5 * price
    rise = net(legs, WETH, price + step).value_usd - net(legs, WETH, price - step).value_usd
    assert rise / (2 * step) == pytest.approx(net(legs, WETH, price).delta, rel=1e-3, abs=500)


def test_small_legs_are_not_lost_beside_large_ones() -> None:
    legs = [spot(1e16), *(spot(1.0) for _ in range(10)), spot(-1e16)]
    assert net(legs, WETH, 4.0).delta == 10.0


def test_a_range_quoted_in_the_asset_is_bad_data() -> None:
    with pytest.raises(BadData, match="quote of a range position") as caught:
        net([position(1.0, base=USDC, quote=WETH)], WETH, 4.0)
    assert caught.value.facts == {"base": USDC, "quote": WETH}
    assert caught.value.remedy


@pytest.mark.parametrize("price", [0.0, -4.0, nan, inf])
def test_an_impossible_price_is_bad_data(price: float) -> None:
    with pytest.raises(BadData, match="price must be above zero"):
        net([spot(1.0)], WETH, price)


def test_a_leg_that_is_not_a_number_is_bad_data() -> None:
    with pytest.raises(BadData, match="not finite"):
        net([spot(nan)], WETH, 4.0)


@pytest.mark.parametrize("legs", [(spot(inf), spot(-inf)), (spot(1.7e308), spot(1.7e308))])
def test_legs_without_a_finite_sum_are_bad_data(legs: tuple[Leg, ...]) -> None:
    with pytest.raises(BadData, match="delta of the legs has no finite sum") as caught:
        net(legs, WETH, 4.0)
    assert caught.value.facts == {"legs": 2}


def test_an_empty_range_is_bad_data() -> None:
    with pytest.raises(BadData, match="range position"):
        net([position(1.0, lower=5.0, upper=5.0)], WETH, 4.0)
