import msgspec
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.sizing import Sized, size
from keeper.sim.world import LIMITS

CAPS = msgspec.structs.replace(LIMITS, max_order_base=4.0, max_position_base=10.0)
units = st.floats(min_value=-50, max_value=50)


def test_what_fits_is_not_touched() -> None:
    assert size(-3.0, 0.0, CAPS) == Sized(-3.0, reduce_only=False, cut_by=())


def test_a_large_order_is_cut() -> None:
    assert size(9.0, 0.0, CAPS) == Sized(4.0, reduce_only=False, cut_by=("max order",))


def test_a_position_is_filled_up_to_its_limit_and_no_further() -> None:
    assert size(-3.0, -9.0, CAPS) == Sized(-1.0, reduce_only=False, cut_by=("max position",))
    assert size(-3.0, -12.0, CAPS).units == 0.0


def test_from_beyond_the_limit_the_way_back_is_open() -> None:
    assert size(3.0, -12.0, CAPS) == Sized(3.0, reduce_only=True, cut_by=())


def test_crossing_zero_is_not_reducing() -> None:
    assert not size(3.0, -2.0, CAPS).reduce_only
    assert size(2.0, -2.0, CAPS).reduce_only


@given(wish=units, hedge=units)
def test_sizing_never_enlarges_never_turns_round_and_never_breaks_a_cap(
    wish: float, hedge: float
) -> None:
    sized = size(wish, hedge, CAPS)
    assert abs(sized.units) <= min(abs(wish), CAPS.max_order_base)
    assert sized.units * wish >= 0
    assert abs(hedge + sized.units) <= max(abs(hedge), CAPS.max_position_base) + 1e-9
