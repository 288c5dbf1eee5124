"""When to trade and how far: one small interface, and every policy that stands behind it.

A policy is a function from a `Situation` to a `Plan`. The live decision asks one, the simulator
compares all of them. Pure and scalar; `core/band_vectors.py` has the default policy for arrays.
"""

from collections.abc import Callable
from functools import partial
from math import cbrt, inf, sqrt
from typing import Final, Literal, assert_never

from msgspec import Struct

from keeper.core import band as bands
from keeper.core import band_corrections as corrections
from keeper.core.band_corrections import DeltaAt
from keeper.core.gas_regime import GasRegime
from keeper.model.flow import Band
from keeper.model.strategies import (
    Always,
    FixedBand,
    Interval,
    Never,
    Optimal,
    Strategy,
    WhalleyWilmott,
    Zakamouline,
)
from keeper.model.units import YEAR_S

FAR: Final = 1e18
"""An outer edge, in base, that no net delta reaches: infinity has no JSON."""
NOTHING: Final = Band(outer=0.0, inner=0.0)
PASSES: Final = 3
"""Band and pace depend on each other: so often each is worked out from the other."""


class Situation(Struct, frozen=True, kw_only=True):
    """All a policy may know. Base units, USD, years."""

    price: float
    sigma: float
    """σ of the price per √year."""
    net: float
    """Hedged delta plus hedge: the error."""
    delta: float
    """h·delta of what is held, before the hedge."""
    gamma: float
    """h·gamma: change of `delta` per USD of price."""
    risk_weight: float
    """q = γ·(S·σ)²: an error of x costs ½·q·x² a year."""
    fixed_usd: float
    """F: gas of one trade now."""
    prop_usd: float
    """λ: fee per base traded."""
    impact_usd: float
    """η: a trade of d costs η·d² beyond F + λ·d."""
    remaining_years: float
    """Until nobody counts any more: the book's end, or the owner's horizon."""
    check_years: float = 0.0
    """Between two looks; 0 when watched without a pause."""
    since_trade_years: float = inf
    """Since the last trade; for policies that go by the clock."""
    delta_at: DeltaAt | None = None
    """(price, years from now) → hedged delta; None: only `gamma` is known."""
    gas: GasRegime | None = None
    """None: today's gas is all that is known."""
    max_net: float = FAR
    """Hard limit on |net|: the outer edge never lies beyond it, unless the policy is `never`."""


class Plan(Struct, frozen=True):
    """What a policy says: trade to the net delta `target` when |net| ≥ `band.outer`."""

    band: Band
    target: float
    why: str
    sigma_x: float = 0.0
    """How fast the net delta was taken to move by itself, base per √year."""


Policy = Callable[[Situation], Plan]


def policy_of(strategy: Strategy) -> Policy:
    """Return the function behind a table of `[books.policy]`."""
    found: Policy
    match strategy:
        case Optimal():
            found = partial(optimal, using=strategy)
        case WhalleyWilmott():
            found = whalley_wilmott
        case Zakamouline():
            found = zakamouline
        case FixedBand(width_base=width, to=to):
            found = partial(fixed_band, width=width, to=to)
        case Interval(every_s=every_s):
            found = partial(interval, years=every_s / YEAR_S)
        case Always():
            found = always
        case Never():
            found = never
        case unknown:
            assert_never(unknown)
    return found


def optimal(at: Situation, using: Optimal | None = None) -> Plan:
    """Return the plan with the least long-run cost and risk, corrected as *using* says."""
    sigma_x, band = _optimal(at, using or Optimal())
    target = bands.rebalance_target(
        at.net,
        band,
        sigma_x=sigma_x,
        risk_weight=at.risk_weight,
        prop_cost=at.prop_usd,
        impact=at.impact_usd,
    )
    return Plan(band, target, "least cost and risk together", sigma_x)


def _optimal(at: Situation, using: Optimal) -> tuple[float, Band]:
    sigma_x = _local_sigma_x(at)
    in_gas = _in_gas(at, sigma_x, using)  # the first to refuse a number that is none
    least = _least(at) if using.horizon_guard else None
    band, mean_move = _alive(in_gas, least), 0.0
    if using.smooth_gamma and at.delta_at is not None:
        measured_years = 0.0
        for _ in range(PASSES):
            years = corrections.pace_years(
                band,
                sigma_x=sigma_x,
                check_years=at.check_years,
                remaining_years=at.remaining_years,
            )
            if years == measured_years:
                break  # the same time has the same pace, and so the same band
            measured_years = years
            sigma_x, mean_move = corrections.pace(
                at.delta_at, price=at.price, sigma=at.sigma, years=years
            )
            band = _alive(_in_gas(at, sigma_x, using), least)
    if using.check_shift:
        band = corrections.check_shift(band, sigma_x=sigma_x, check_years=at.check_years)
    return sigma_x, _limited(at, corrections.saturation(band, mean_move), sigma_x)


def _in_gas(at: Situation, sigma_x: float, using: Optimal) -> Band:
    band = _stationary(at, sigma_x, at.fixed_usd)
    if using.gas_regimes and at.gas is not None:
        return _in_regime(at, sigma_x, band, at.gas)
    return band


def _least(at: Situation) -> Band:
    """Return the band of an error that does not drift: what the remaining life can earn back."""
    return bands.horizon_guard(
        NOTHING,
        prop_cost=at.prop_usd,
        fixed_cost=at.fixed_usd,
        risk_weight=at.risk_weight,
        horizon_years=at.remaining_years,
        impact=at.impact_usd if at.fixed_usd else 0.0,
    )


def _alive(band: Band, least: Band | None) -> Band:
    return band if least is None else corrections.remaining_life(band, least)


def _stationary(at: Situation, sigma_x: float, fixed_usd: float) -> Band:
    return bands.optimal_band(
        sigma_x=sigma_x,
        risk_weight=at.risk_weight,
        fixed_cost=fixed_usd,
        prop_cost=at.prop_usd,
        impact=at.impact_usd,
    )


def _in_regime(at: Situation, sigma_x: float, band: Band, gas: GasRegime) -> Band:
    if not gas.expensive_now:
        return corrections.eager_band(band, cheap_usd=at.fixed_usd, expensive_usd=gas.expensive_usd)
    saving_usd = at.fixed_usd - gas.cheap_usd
    if saving_usd <= 0.0:
        return band
    return corrections.waiting_band(
        band,
        _stationary(at, sigma_x, gas.cheap_usd),
        saving_usd=saving_usd,
        risk_weight=at.risk_weight,
        expensive_years=gas.expensive_years,
    )


def _limited(at: Situation, band: Band, sigma_x: float) -> Band:
    if band.outer <= at.max_net:
        return band
    return bands.limit_band(
        band,
        at.max_net,
        sigma_x=sigma_x,
        risk_weight=at.risk_weight,
        fixed_cost=at.fixed_usd,
        prop_cost=at.prop_usd,
        impact=at.impact_usd,
    )


def whalley_wilmott(at: Situation) -> Plan:
    """Return (3·λ·Γ²/(2·γ))^⅓, traded to the edge. Whalley and Wilmott, Math. Finance 7 (1997)."""
    width = cbrt(1.5 * at.prop_usd * (at.gamma * at.price * at.sigma) ** 2 / at.risk_weight)
    return _to_edge(at, width, "Whalley and Wilmott")


def zakamouline(at: Situation) -> Plan:
    """Return the width H0 + H1 of Zakamouline (2006), traded to the edge.

    H0 = λ̄/(γ·S·σ²·τ), H1 = 1.12·λ̄^0.31·τ^0.05·σ^−0.25·(|Γ|/γ)^0.5, λ̄ the fee as a fraction. His
    shift of the delta itself, to a modified volatility, is left out: a band here has its middle at
    zero, and a range has no implied volatility to modify.
    """
    rate = at.prop_usd / at.price
    aversion = at.risk_weight / (at.price * at.sigma) ** 2
    still = at.prop_usd / (at.risk_weight * at.remaining_years)
    moving = (
        1.12
        * rate**0.31
        * at.remaining_years**0.05
        * at.sigma**-0.25
        * sqrt(abs(at.gamma) / aversion)
    )
    return _to_edge(at, still + moving, "Zakamouline")


def fixed_band(at: Situation, *, width: float, to: Literal["zero", "edge"] = "edge") -> Plan:
    """Trade when |net| reaches *width* base: to zero, or just back to the edge."""
    if to == "edge":
        return _to_edge(at, width, "a fixed band, to its edge")
    return _planned(at, _capped(at, width, 0.0), 0.0, "a fixed band, to zero")


def interval(at: Situation, *, years: float) -> Plan:
    """Trade to zero when *years* have passed since the last trade."""
    due = at.since_trade_years >= years
    return _planned(at, _capped(at, 0.0 if due else FAR, 0.0), 0.0, "a fixed interval")


def always(at: Situation) -> Plan:
    """Trade to zero at every look."""
    return _planned(at, _capped(at, 0.0, 0.0), 0.0, "at every look")


def never(at: Situation) -> Plan:
    """Trade nothing; even the hard limit is only watched."""
    return _planned(at, Band(outer=FAR, inner=FAR), at.net, "never")


def _to_edge(at: Situation, width: float, why: str) -> Plan:
    band = _capped(at, width, width)
    return _planned(at, band, max(-band.inner, min(band.inner, at.net)), why)


def _planned(at: Situation, band: Band, target: float, why: str) -> Plan:
    return Plan(band, target, why, _local_sigma_x(at))


def _local_sigma_x(at: Situation) -> float:
    return abs(at.gamma) * at.price * at.sigma


def _capped(at: Situation, outer: float, inner: float) -> Band:
    return Band(outer=min(outer, at.max_net), inner=min(inner, at.max_net))
