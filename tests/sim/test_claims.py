import numpy as np
import pytest

from keeper.core import amm
from keeper.model.chain import Address
from keeper.model.position import Concentrated
from keeper.sim.claims import Call, Claim, Straddle, liquidity_range, short_straddle

SOLD_CALL = Call(units=-1.0, strike=100.0, sigma=0.5)
STRADDLE = short_straddle(spot=100.0, sigma=0.5, notional_usd=1e4)
RANGE = liquidity_range(spot=100.0, width=1.25, worth_usd=1e4)
PRICES = np.array([50.0, 79.0, 81.0, 100.0, 124.0, 126.0, 200.0])


@pytest.mark.parametrize("claim", [SOLD_CALL, STRADDLE, RANGE])
def test_gamma_is_the_slope_of_delta(claim: Claim) -> None:
    bump = 1e-4
    slope = (claim.delta(0.1, PRICES + bump) - claim.delta(0.1, PRICES - bump)) / (2 * bump)
    assert claim.gamma(0.1, PRICES) == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_a_range_is_the_position_of_the_pool() -> None:
    leg = Concentrated(Address("0x1"), Address("0x2"), RANGE.liquidity, RANGE.lower, RANGE.upper)
    assert amm.value(leg, 100.0) == pytest.approx(1e4, rel=1e-12)
    assert RANGE.delta(0.0, PRICES) == pytest.approx(
        [amm.delta(leg, price) for price in PRICES], rel=1e-12, abs=1e-12
    )
    assert RANGE.gamma(0.0, PRICES) == pytest.approx(
        [amm.gamma(leg, price) for price in PRICES], rel=1e-12
    )


def test_a_straddle_is_a_call_and_a_put() -> None:
    call = Call(units=STRADDLE.units, strike=100.0, sigma=0.5)
    put = call.delta(0.1, PRICES) - STRADDLE.units
    assert STRADDLE.delta(0.1, PRICES) == pytest.approx(call.delta(0.1, PRICES) + put)
    assert isinstance(STRADDLE, Straddle)
    assert STRADDLE.units == -100.0


def test_at_expiry_it_is_all_or_nothing() -> None:
    assert SOLD_CALL.delta(0.0, PRICES).tolist() == [0, 0, 0, -0.5, -1, -1, -1]
    assert SOLD_CALL.payoff(PRICES).tolist() == [0, 0, 0, 0, -24, -26, -100]
    assert STRADDLE.delta(0.0, np.array([50.0, 200.0])).tolist() == [100.0, -100.0]
