import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.model.units import (
    from_base_units,
    price_from_sqrt_x96,
    to_base_units_toward_zero,
    wei_to_ether,
)


def test_the_exact_binary_value_is_scaled_and_cut() -> None:
    assert to_base_units_toward_zero(1.5, 18) == 15 * 10**17
    assert to_base_units_toward_zero(0.1, 18) == 100000000000000005
    assert to_base_units_toward_zero(-1.9999999, 6) == -1999999


@given(units=st.floats(-1e12, 1e12), decimals=st.sampled_from([0, 6, 8, 18]))
def test_v7_rounding_never_enlarges_and_loses_less_than_one_unit(
    units: float, decimals: int
) -> None:
    amount = to_base_units_toward_zero(units, decimals)
    numerator, denominator = units.as_integer_ratio()
    assert 0 <= abs(numerator) * 10**decimals - abs(amount) * denominator < denominator
    assert amount * units >= 0


@given(amount=st.integers(-(2**60), 2**60))
def test_v7_an_amount_survives_the_way_to_a_float_and_back_within_a_float(amount: int) -> None:
    back = to_base_units_toward_zero(from_base_units(amount, 18), 18)
    assert abs(back - amount) <= abs(amount) * 2**-52 + 1


def test_a_price_comes_from_its_root_and_the_decimals() -> None:
    assert price_from_sqrt_x96(2**96, 18, 6) == 1e12
    assert price_from_sqrt_x96(2 * 2**96, 18, 18) == pytest.approx(4.0)


def test_a_gwei_is_a_billionth() -> None:
    assert wei_to_ether(10**9) == 1e-9
