import numpy as np
import pytest

from keeper.core import exposure as exposures
from keeper.model.position import Concentrated, Linear
from keeper.sim.holding import ASSET, Range, Spot, hold
from keeper.sim.market import Market
from keeper.sim.processes import Invention, invent


def market(steps: int = 100) -> Market:
    return invent(Invention(steps=steps), 1)


def test_spot_gains_what_the_price_gains() -> None:
    seen = market()
    held = hold(Spot(3.0), seen)
    assert held.legs_at(50) == (Linear(ASSET, 3.0),)
    assert set(held.delta.tolist()) == {3.0}
    assert held.pnl_usd[:-1] == pytest.approx(3.0 * np.diff(seen.price))
    assert held.pnl_usd[-1] == 0.0


def test_a_range_is_opened_with_its_value_half_in_each() -> None:
    seen = market()
    held = hold(Range(value_usd=1e6, width_factor=1.25), seen)
    assert held.value_usd[0] == pytest.approx(1e6)
    assert held.delta[0] * seen.price[0] == pytest.approx(5e5)
    leg = held.legs_at(0)[0]
    assert isinstance(leg, Concentrated)
    assert (leg.price_lower, leg.price_upper) == pytest.approx((2_400, 3_750))
    assert held.gamma[0] == pytest.approx(-leg.liquidity / (2 * seen.price[0] ** 1.5))


def test_a_range_that_is_reopened_starts_with_its_value_and_keeps_its_gains() -> None:
    seen = market(24 * 5)
    held = hold(Range(reopened_every_days=2.0), seen)
    assert [opening.bar for opening in held.openings] == [0, 48, 96]
    assert held.legs_at(47) != held.legs_at(48) == held.legs_at(95)
    assert held.value_usd[48] == pytest.approx(1e6)
    # The gain into the reopening is that of the old legs, not the jump back to the first value.
    never = hold(Range(reopened_every_days=None), seen)
    assert held.pnl_usd[:48] == pytest.approx(never.pnl_usd[:48])
    assert len(never.openings) == 1


def test_a_range_loses_against_its_delta() -> None:
    seen = market()
    held = hold(Range(reopened_every_days=None), seen)
    curvature = held.pnl_usd[:-1] - held.delta[:-1] * np.diff(seen.price)
    assert (curvature <= 1e-6).all()


@pytest.mark.parametrize("holding", [Spot(3.0), Range(reopened_every_days=1.0)])
def test_arrays_say_what_the_decision_sees(holding: Spot | Range) -> None:
    seen = market()
    held = hold(holding, seen)
    for bar in (0, 23, 24, 60, 100):
        exposure = exposures.net(held.legs_at(bar), ASSET, float(seen.price[bar]), 0)
        assert held.delta[bar] == pytest.approx(exposure.delta, rel=1e-12)
        assert held.gamma[bar] == pytest.approx(exposure.gamma, rel=1e-12)
        assert held.value_usd[bar] == exposure.value_usd
    assert held.delta_at(seen.price).tolist() == held.delta.tolist()
