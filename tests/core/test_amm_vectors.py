from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core import amm
from keeper.core.amm_vectors import BLOCK, range_greeks
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.position import Concentrated
from tests.core.vectors import columns

PRICES = st.floats(1e-9, 1e9)
ROUNDINGS = 1e-14


def one(liquidity: float, lower: float, upper: float) -> Concentrated:
    return Concentrated(
        base=Address("0xWeth"), quote=Address("0xUsdc"),
        liquidity=liquidity, price_lower=lower, price_upper=upper,
    )  # fmt: skip


def test_ranges_agree_with_forty_digit_arithmetic() -> None:
    rows = columns("univ3_lp.csv")
    ours = range_greeks(rows["L"], rows["pa"], rows["pb"], rows["S"])
    np.testing.assert_allclose(ours.value, rows["value_quote"], rtol=1e-12, atol=0)
    np.testing.assert_allclose(ours.delta, rows["delta"], rtol=1e-12, atol=0)
    np.testing.assert_allclose(ours.gamma, rows["gamma"], rtol=1e-12, atol=0)


@given(
    liquidity=st.floats(-1e9, 1e9),
    lower=st.one_of(st.just(0.0), PRICES),
    width=st.one_of(st.just(inf), st.floats(1.0001, 1e6)),
    price=PRICES,
    at_edge=st.sampled_from(["", "lower", "upper"]),
)
def test_many_ranges_are_each_what_one_range_is(
    liquidity: float, lower: float, width: float, price: float, at_edge: str
) -> None:
    upper = width * (lower or 1.0)
    price = {"lower": lower, "upper": upper}.get(at_edge, price)
    if not 0.0 < price < inf:
        return
    alone = one(liquidity, lower, upper)
    ours = range_greeks([liquidity] * 2, lower, upper, price)
    for found, expected in zip(
        ours,
        (amm.value(alone, price), amm.delta(alone, price), amm.gamma(alone, price)),
        strict=True,
    ):
        assert found.tolist() == pytest.approx([expected] * 2, rel=ROUNDINGS, abs=0)


def test_arguments_broadcast_and_keep_their_shape() -> None:
    liquidity, price = np.array([[1.0], [2.0]]), np.array([900.0, 1_500.0, 5_000.0])
    ours = range_greeks(liquidity, 1_000.0, 2_000.0, price)
    assert [each.shape for each in ours] == [(2, 3)] * 3
    np.testing.assert_array_equal(ours.value[1], 2.0 * ours.value[0])
    alone = range_greeks(1.0, 1_000.0, 2_000.0, 1_500.0)
    assert alone.delta.shape == ()
    assert alone.delta == ours.delta[0, 1]


def test_blocks_leave_no_seam() -> None:
    price = np.linspace(900.0, 2_100.0, 2 * BLOCK + 7)
    ours = range_greeks(3.0, 1_000.0, 2_000.0, price)
    assert np.all(np.diff(ours.delta) <= 0)
    for index in (0, BLOCK - 1, BLOCK, 2 * BLOCK, -1):
        alone = range_greeks(3.0, 1_000.0, 2_000.0, price[index])
        assert ours.value[index] == pytest.approx(float(alone.value), rel=ROUNDINGS)


def test_no_positions_are_no_values() -> None:
    assert range_greeks([], 1.0, 2.0, 1.5).value.shape == (0,)


@pytest.mark.parametrize(
    ("lower", "upper", "price"),
    [
        (2.0, 2.0, 1.0), (3.0, 2.0, 1.0), (-1.0, 2.0, 1.0), (nan, 2.0, 1.0), (1.0, nan, 1.0),
        (1.0, 2.0, 0.0), (1.0, 2.0, inf), (1.0, 2.0, nan),
    ],
)  # fmt: skip
def test_an_empty_range_or_price_is_refused(lower: float, upper: float, price: float) -> None:
    with pytest.raises(BadData, match="0 ≤ lower < upper") as caught:
        range_greeks([1.0, 1.0], [1.0, lower], [2.0, upper], [1.5, price])
    assert caught.value.facts == {"positions_refused": 1}
