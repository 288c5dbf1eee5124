import numpy as np
import pytest
from msgspec.structs import replace

from keeper.core.decide import EwmaVolatility, Terms
from keeper.core.gas_regime import regime
from keeper.core.policies import FAR, Situation, policy_of
from keeper.model.strategies import (
    Always,
    FixedBand,
    Never,
    Optimal,
    Strategy,
    WhalleyWilmott,
    Zakamouline,
)
from keeper.sim.backtest import Scene, costs_along, gas_states
from keeper.sim.edges import Looks, edges, looks_along, sigmas
from tests.sim.conftest import SceneOf

STRATEGIES: tuple[Strategy, ...] = (
    Optimal(),
    Optimal(smooth_gamma=False),
    Optimal(check_shift=False),
    Optimal(horizon_guard=False),
    Optimal(gas_regimes=False),
    WhalleyWilmott(),
    Zakamouline(),
    FixedBand(width_base=3.0, to="zero"),
    FixedBand(width_base=3.0),
    Always(),
    Never(),
)


def situation(scene: Scene, terms: Terms, looks: Looks, bar: int) -> Situation:
    claim = next(each for each in reversed(scene.held.openings) if each.bar <= bar).claim
    gas = gas_states(scene.market, terms.tip_wei)[bar + 1]
    assert gas is not None
    return Situation(
        price=float(looks.price[bar]),
        sigma=float(looks.sigma[bar]),
        net=7.0,
        delta=float(looks.bare[bar]),
        gamma=float(looks.gamma[bar]),
        risk_weight=float(looks.risk_weight[bar]),
        fixed_usd=float(looks.fixed_usd[bar]),
        prop_usd=float(looks.prop_usd[bar]),
        impact_usd=float(looks.impact_usd[bar]),
        remaining_years=looks.remaining_years,
        check_years=looks.check_years,
        delta_at=lambda price, _years: float(claim.delta(0.0, np.array([price]))[0]),
        gas=regime(gas, costs_along(scene, terms.tip_wei)[bar]),
    )


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_they_are_what_the_policy_says_at_each_bar(
    scene: Scene, terms: Terms, strategy: Strategy
) -> None:
    looks = looks_along(scene, terms)
    found = edges(strategy, looks)
    policy = policy_of(strategy)
    for bar in (0, 1, 50, 95, 96, 200, 240):
        band = policy(situation(scene, terms, looks, bar)).band
        assert found.outer[bar] == pytest.approx(band.outer, rel=1e-9)
        assert found.inner[bar] == pytest.approx(band.inner, rel=1e-9)


def test_a_partial_hedge_has_its_share_of_delta_and_gamma(scene: Scene, terms: Terms) -> None:
    half = replace(terms, policy=replace(terms.policy, hedge_ratio=0.5))
    looks = looks_along(scene, half)
    assert looks.bare == pytest.approx(0.5 * scene.held.delta)
    assert looks.gamma == pytest.approx(0.5 * scene.held.gamma)


def test_an_estimated_volatility_is_never_below_its_floor(scene: Scene, terms: Terms) -> None:
    law = EwmaVolatility(half_life_s=86_400, floor_fraction=0.7)
    found = sigmas(scene, replace(terms.policy, volatility=law))
    assert len(found) == scene.market.bars
    assert found.min() == 0.7
    assert found.max() > 0.7


def test_a_policy_that_never_trades_has_a_band_without_end(scene: Scene, terms: Terms) -> None:
    found = edges(Never(), looks_along(scene, terms))
    assert set(found.outer.tolist()) == {FAR}


def test_dear_gas_that_is_known_to_end_makes_the_band_wider(scene: Scene, terms: Terms) -> None:
    looks = looks_along(scene, terms)
    assert looks.gas is not None
    dear = np.asarray(looks.gas.expensive_now) & (np.asarray(looks.gas.cheap_usd) < looks.fixed_usd)
    waits, ignores = (edges(Optimal(gas_regimes=each), looks).outer for each in (True, False))
    assert dear.any()
    assert (waits[dear] > ignores[dear]).all()
    # Before any dear gas was seen to end there is nothing to wait for.
    assert waits[0] == ignores[0]


def test_gas_that_never_moves_has_no_levels(spot_scene: SceneOf, terms: Terms) -> None:
    assert looks_along(spot_scene(2_000.0, 2_100.0), terms).gas is None
