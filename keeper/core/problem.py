"""From a snapshot to the problem that a policy solves, with the numbers it came from."""

from math import inf
from typing import assert_never

from msgspec import Struct

from keeper.core import exposure as exposures
from keeper.core import fees, gas_regime, prices, volatility
from keeper.core.band_corrections import DeltaAt
from keeper.core.delta_curve import delta_curve
from keeper.core.limits import Activity
from keeper.core.policies import FAR, Situation
from keeper.core.terms import EwmaVolatility, FixedVolatility, Memory, Policy, Terms
from keeper.model.flow import Costs, Exposure, GasState, Snapshot, VolState
from keeper.model.units import MS_PER_S, YEAR_S, wei_to_ether


class Problem(Struct, frozen=True, kw_only=True):
    """One book at one block."""

    at: Situation
    """What the policy is shown."""
    exposure: Exposure
    hedge: float
    costs: Costs
    sigma: float
    volatility: VolState | None
    gas: GasState


def pose(snapshot: Snapshot, terms: Terms, memory: Memory) -> Problem:
    """Return the problem.

    Raises:
        BadData: The price cannot be trusted, or a number is not finite.

    """
    policy = terms.policy
    price = prices.trusted_price(
        snapshot.quote,
        now_s=snapshot.block.timestamp_s,
        max_age_s=terms.limits.max_price_age_s,
    )
    legs = [leg for vault in snapshot.vaults.values() for leg in vault.legs]
    exposure = exposures.net(legs, terms.asset, price, snapshot.block.timestamp_s)
    state, sigma = _sigma(policy, memory.volatility, snapshot)
    costs = _costs(snapshot, terms, memory)
    gas = gas_regime.fold(memory.gas, max(costs.gas_price_wei, 1), snapshot.block.timestamp_s)
    return Problem(
        at=situation(
            exposure,
            costs,
            gas,
            hedge=snapshot.venue.size_base,
            hedge_ratio=policy.hedge_ratio,
            sigma=sigma,
            risk_aversion_per_usd=policy.risk_aversion_per_usd,
            remaining_years=policy.horizon_s / YEAR_S,
            check_years=policy.check_interval_s / YEAR_S,
            max_net=FAR if policy.max_net_base is None else policy.max_net_base,
            since_trade_years=_since_trade_years(memory.activity),
            delta_at=delta_curve(legs, terms.asset, snapshot.block.timestamp_s, policy.hedge_ratio),
        ),
        exposure=exposure,
        hedge=snapshot.venue.size_base,
        costs=costs,
        sigma=sigma,
        volatility=state,
        gas=gas,
    )


def situation(  # noqa: PLR0913  # all that a policy is shown, from what a record has of it
    exposure: Exposure,
    costs: Costs,
    gas: GasState | None,
    *,
    hedge: float,
    hedge_ratio: float,
    sigma: float,
    risk_aversion_per_usd: float,
    remaining_years: float,
    check_years: float,
    max_net: float,
    since_trade_years: float = inf,
    delta_at: DeltaAt | None = None,
) -> Situation:
    """Return what a policy is shown; what has a default no record keeps."""
    price, delta = exposure.price, hedge_ratio * exposure.delta
    return Situation(
        price=price,
        sigma=sigma,
        net=delta + hedge,
        delta=delta,
        gamma=hedge_ratio * exposure.gamma,
        risk_weight=risk_aversion_per_usd * (price * sigma) ** 2,
        fixed_usd=costs.fixed_usd,
        prop_usd=costs.proportional_rate * price,
        impact_usd=costs.impact_per_base * price,
        remaining_years=remaining_years,
        check_years=check_years,
        since_trade_years=since_trade_years,
        delta_at=delta_at,
        gas=None if gas is None else gas_regime.regime(gas, costs),
        max_net=max_net,
    )


def _since_trade_years(activity: Activity) -> float:
    if activity.last_trade_at_ms is None:
        return inf
    return (activity.now_ms - activity.last_trade_at_ms) / MS_PER_S / YEAR_S


def _sigma(
    policy: Policy, state: VolState | None, snapshot: Snapshot
) -> tuple[VolState | None, float]:
    match policy.volatility:
        case FixedVolatility(sigma_fraction=sigma):
            return state, sigma
        case EwmaVolatility(half_life_s=half_life_s, floor_fraction=floor):
            folded = volatility.fold(state, snapshot.quote, half_life_s=half_life_s)
            return folded, volatility.sigma(folded, floor)
        case never:
            assert_never(never)


def _costs(snapshot: Snapshot, terms: Terms, memory: Memory) -> Costs:
    native = prices.trusted_price(
        snapshot.native_quote,
        now_s=snapshot.block.timestamp_s,
        max_age_s=terms.limits.max_price_age_s,
    )
    gas_price_wei = fees.expected_price_wei(
        base_fee_wei=snapshot.block.base_fee_wei, tip_wei=max(terms.tip_wei, snapshot.tip_wei)
    )
    fixed_wei = memory.gas_units * gas_price_wei + snapshot.data_fee_wei
    return Costs(
        gas_units=memory.gas_units,
        gas_price_wei=gas_price_wei,
        fixed_usd=wei_to_ether(fixed_wei) * native,
        data_fee_wei=snapshot.data_fee_wei,
        proportional_rate=snapshot.venue.fee_rate,
        impact_per_base=snapshot.venue.impact_per_base,
    )
