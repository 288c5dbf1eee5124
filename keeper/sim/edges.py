"""The band of a strategy at every bar of a market, before any hedge is known.

No policy's band depends on the hedge, so all of it can be worked out beforehand: the default one
in arrays, the others by asking the policy itself, bar by bar.
"""

from typing import assert_never

import numpy as np
from msgspec import Struct

from keeper.core import band_vectors as vectors
from keeper.core import gas_regime, volatility
from keeper.core.arrays import Floats
from keeper.core.decide import EwmaVolatility, FixedVolatility, Policy, Terms
from keeper.core.policies import Situation, policy_of
from keeper.model.flow import Costs
from keeper.model.strategies import Always, FixedBand, Never, Optimal, Strategy
from keeper.model.units import YEAR_S
from keeper.sim.backtest import Scene, costs_along, gas_states, volatility_states
from keeper.sim.market import Market
from keeper.sim.skipping import Edges


class Looks(Struct, frozen=True, eq=False):
    """What a policy is shown, bar by bar; `Situation` in arrays, without the hedge."""

    price: Floats
    sigma: Floats
    bare: Floats
    """Hedge ratio × the vault's delta."""
    gamma: Floats
    """Hedge ratio × the vault's gamma."""
    aversion: float
    """γ, per USD."""
    variance_usd2: Floats
    """(S·σ)², per year and unit²."""
    fixed_usd: Floats
    prop_usd: Floats
    impact_usd: Floats
    remaining_years: float
    check_years: float
    bare_at: vectors.DeltasAt | None
    """(prices, years from now) → hedged deltas, of each bar; None: only `gamma` is known."""
    gas: vectors.GasRegimes | None = None
    """None: today's gas is all that is known."""

    @property
    def risk_weight(self) -> Floats:
        """Return q = γ·(S·σ)²."""
        return self.aversion * self.variance_usd2


def sigmas(scene: Scene, policy: Policy) -> Floats:
    """Return the volatility that a decision at each bar uses."""
    match policy.volatility:
        case FixedVolatility(sigma_fraction=sigma):
            return np.full(scene.market.bars, sigma)
        case EwmaVolatility(floor_fraction=floor):
            states = volatility_states(scene.market, policy)[1:]
            return np.array([volatility.sigma(state, floor) for state in states])
        case never:
            assert_never(never)


def edges(strategy: Strategy, looks: Looks) -> Edges:
    """Return the band of *strategy* at every bar.

    A strategy that goes by the clock has none: see `skipping.clock_trades`.
    """
    if isinstance(strategy, Optimal):
        found = vectors.corrected_bands(_situations(looks), strategy)
        return Edges(looks.bare, found.outer, found.inner)
    policy = policy_of(strategy)
    # Some are the same everywhere: no need to ask more than once.
    asked = 1 if isinstance(strategy, FixedBand | Always | Never) else len(looks.price)
    bands = [policy(_situation(looks, bar)).band for bar in range(asked)]
    bands *= len(looks.price) // asked
    return Edges(
        looks.bare,
        np.array([band.outer for band in bands]),
        np.array([band.inner for band in bands]),
    )


def _situation(looks: Looks, bar: int) -> Situation:
    bare = float(looks.bare[bar])
    return Situation(
        price=float(looks.price[bar]),
        sigma=float(looks.sigma[bar]),
        net=bare,
        delta=bare,
        gamma=float(looks.gamma[bar]),
        risk_weight=looks.aversion * float(looks.variance_usd2[bar]),
        fixed_usd=float(looks.fixed_usd[bar]),
        prop_usd=float(looks.prop_usd[bar]),
        impact_usd=float(looks.impact_usd[bar]),
        remaining_years=looks.remaining_years,
        check_years=looks.check_years,
    )


def _situations(looks: Looks) -> vectors.Situations:
    return vectors.Situations(
        price=looks.price,
        sigma=looks.sigma,
        gamma=looks.gamma,
        risk_weight=looks.risk_weight,
        fixed_usd=looks.fixed_usd,
        prop_usd=looks.prop_usd,
        impact_usd=looks.impact_usd,
        remaining_years=looks.remaining_years,
        check_years=looks.check_years,
        deltas_at=looks.bare_at,
        gas=looks.gas,
    )


def looks_along(scene: Scene, terms: Terms) -> Looks:
    """Return what a keeper on *terms* is shown along *scene*."""
    market, policy = scene.market, terms.policy
    sigma = sigmas(scene, policy)
    ratio = policy.hedge_ratio
    price = market.price
    costs = costs_along(scene, terms.tip_wei)
    return Looks(
        price=price,
        sigma=sigma,
        bare=ratio * scene.held.delta,
        gamma=ratio * scene.held.gamma,
        aversion=policy.risk_aversion_per_usd,
        variance_usd2=(price * sigma) ** 2,
        fixed_usd=np.array([each.fixed_usd for each in costs]),
        prop_usd=scene.venue.fee_fraction * price,
        impact_usd=scene.venue.impact_per_base * price,
        remaining_years=policy.horizon_s / YEAR_S,
        check_years=market.step_s / YEAR_S,
        bare_at=lambda prices, _years: ratio * scene.held.delta_at(prices),
        gas=_gas_regimes(market, terms, costs),
    )


def _gas_regimes(market: Market, terms: Terms, costs: list[Costs]) -> vectors.GasRegimes | None:
    """Return what a keeper takes for cheap and dear gas at each bar; None if it never knows."""
    states = gas_states(market, terms.tip_wei)[1:]
    found = [
        None if state is None else gas_regime.regime(state, cost)
        for state, cost in zip(states, costs, strict=False)
    ]
    if not any(found):
        return None
    known = [each or _no_regime(cost.fixed_usd) for each, cost in zip(found, costs, strict=True)]
    return vectors.GasRegimes(
        cheap_usd=np.array([each.cheap_usd for each in known]),
        expensive_usd=np.array([each.expensive_usd for each in known]),
        expensive_now=np.array([each.expensive_now for each in known]),
        expensive_years=np.array([each.expensive_years for each in known]),
    )


def _no_regime(fixed_usd: float) -> gas_regime.GasRegime:
    """Return what leaves a band alone: dear gas that saves nothing when it ends."""
    return gas_regime.GasRegime(
        cheap_usd=fixed_usd, expensive_usd=fixed_usd, expensive_now=True, expensive_years=1.0
    )
