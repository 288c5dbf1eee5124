from math import isclose

import pytest

from keeper.devnet.pricing import sqrt_x96, tick_at


def test_a_price_of_one_is_two_to_the_96() -> None:
    assert sqrt_x96(1, 1) == 2**96


def test_a_square_root_squares_back() -> None:
    assert isclose((sqrt_x96(2000 * 10**6, 10**18) / 2**96) ** 2, 2e-9, rel_tol=1e-15)


@pytest.mark.parametrize(
    ("price", "below", "above"), [(1.0, 0, 0), (1.01, 90, 100), (0.99, -110, -100)]
)
def test_usable_ticks_enclose_a_price(price: float, below: int, above: int) -> None:
    assert tick_at(price, 10) == below
    assert tick_at(price, 10, round_up=True) == above
