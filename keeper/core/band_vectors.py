"""`core/band` and its corrections for whole arrays: the same numbers, millions at a time.

Every argument may be an array or a number; all are broadcast. Blocks that fit into the processor's
cache keep memory out of the way. What a formula means is said at its scalar twin; the tests hold
the two together to a few roundings.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from keeper.core.arrays import Floats
from keeper.core.band import TOLERANCE
from keeper.core.band_corrections import (
    CYCLE_SHARE,
    EAGER_INNER,
    EAGER_OUTER,
    INNER_SHIFT,
    LEAST_YEARS,
    NODES,
    OUTER_SHIFT,
    SATURATION,
)
from keeper.core.policies import PASSES
from keeper.model.errors import BadData
from keeper.model.strategies import Optimal

DeltasAt = Callable[[Floats, Floats], Floats]
"""(prices, years from now) → hedged deltas; called with arrays of one shape."""

BLOCK: Final = 4096
STEPS: Final = 3
"""Newton steps from a start within 3e-3: each leaves four times the square of the error."""


class Bands(NamedTuple):
    """`keeper.model.flow.Band`, in arrays of one shape."""

    outer: Floats
    inner: Floats
    cost_rate_usd: Floats


def optimal_bands(
    sigma_x: ArrayLike,
    risk_weight: ArrayLike,
    fixed_cost: ArrayLike,
    prop_cost: ArrayLike,
    impact: ArrayLike = 0.0,
) -> Bands:
    """Return `band.optimal_band` of every element; see there for units.

    Raises:
        BadData: A number is negative or not finite, a risk weight is not above zero, or a band
            is not finite.

    """
    parts = (sigma_x, risk_weight, fixed_cost, prop_cost, impact)
    given = [np.asarray(part, dtype=np.float64) for part in parts]
    _refuse_nonsense(given)
    shape = np.broadcast_shapes(*(part.shape for part in given))
    flat = [part if part.ndim == 0 else np.broadcast_to(part, shape).ravel() for part in given]
    size = int(np.prod(shape))
    out = np.empty((3, size))
    without_impact = not np.any(given[4])
    with np.errstate(over="ignore", invalid="ignore"):  # judged by what comes out
        for start in range(0, size, BLOCK):
            cut = slice(start, start + BLOCK)
            block = [part if part.ndim == 0 else part[cut] for part in flat]
            found = _block(*block[:4]) if without_impact else _block_with_impact(*block)
            for row, part in zip(out, found, strict=True):
                row[cut] = part
    if not bool(np.all(out[2] < np.inf)):  # a NaN fails too
        raise BadData("a band is not finite", remedy="look for a tiny risk weight")
    return Bands(*(row.reshape(shape) for row in out))


def _refuse_nonsense(given: list[Floats]) -> None:
    sound = all(bool(np.all((part >= 0.0) & (part < np.inf))) for part in given)
    if sound and bool(np.all(given[1] > 0.0)):
        return
    raise BadData(
        "the bands need finite numbers: risk weights above zero, drifts and costs not below",
        remedy="check fees, impact, gas prices, volatilities and risk aversion",
    )


def _block(
    sigma_x: Floats, risk_weight: Floats, fixed_cost: Floats, prop_cost: Floats
) -> tuple[Floats, Floats, Floats]:
    kappa = 12.0 * sigma_x * sigma_x / risk_weight
    fourth = np.sqrt(np.sqrt(kappa * fixed_cost))
    third = np.cbrt(kappa * prop_cost)
    unit = np.maximum(fourth, third)
    safe = np.where(unit > 0.0, unit, 1.0)
    share = fourth / safe
    root = np.cbrt(share)
    root = share * root
    ratio = third / safe
    prop = ratio * ratio * ratio
    u = _root(root * root, prop)
    s = u * u * u
    d = root / u
    outer = 0.5 * (s + d)
    inner = np.minimum(outer, prop / (2.0 * s * (s + d)))
    rate = risk_weight * unit * unit * (3.0 * s * s + d * d) / 24.0
    return outer * unit, inner * unit, rate


def _root(slope: Floats, prop: Floats) -> Floats:
    """Return the root u of u⁹ = slope·u + prop, which lies between 1 and 1.09; s is u³.

    One of *slope* and *prop* is 1, neither is above.
    """
    beyond = slope + prop - 1.0
    u = 1.0 + beyond * (0.12 - 0.035 * beyond)
    for _ in range(STEPS):
        square = u * u
        eighth = square * square
        eighth *= eighth
        u = (8.0 * eighth * u + prop) / (9.0 * eighth - slope)
    return u


def _block_with_impact(
    sigma_x: Floats, risk_weight: Floats, fixed_cost: Floats, prop_cost: Floats, impact: Floats
) -> tuple[Floats, Floats, Floats]:
    kappa = 12.0 * sigma_x * sigma_x / risk_weight
    fourth = np.sqrt(np.sqrt(kappa * fixed_cost))
    third = np.cbrt(kappa * prop_cost)
    bent = np.where(fixed_cost > 0.0, kappa * impact, 0.0)
    unit = np.maximum(np.maximum(fourth, third), np.cbrt(fourth * fourth * np.sqrt(bent)))
    safe = np.where(unit > 0.0, unit, 1.0)
    fixed, prop, bent = (fourth / safe) ** 4, (third / safe) ** 3, bent / safe / safe
    s, d = _sums_and_gaps(fixed, prop, bent)
    outer = 0.5 * (s + d)
    inner = np.minimum(outer, (prop + 2.0 * bent * d) / (2.0 * s * (s + d)))
    rate = risk_weight * unit * unit * (3.0 * s * s + d * d) / 24.0
    return outer * unit, inner * unit, rate


def _sums_and_gaps(fixed: Floats, prop: Floats, bent: Floats) -> tuple[Floats, Floats]:
    """Return `band._sum_and_gap` of every element."""
    s = np.cbrt(prop + np.cbrt(fixed) ** 2 + 2.0 * np.sqrt(fixed) * np.sqrt(bent))
    s = np.maximum(s, 1.0)  # 0 only where there is no cost at all
    while True:
        d = _gaps(s, fixed, bent)
        stiffness = 3.0 * s * d + 2.0 * bent
        slope = 3.0 * s * s - d * d
        extra = d * d * (2.0 * s * d + 2.0 * bent)
        slope += np.divide(extra, stiffness, out=np.zeros_like(extra), where=stiffness > 0.0)
        step = (s * (s * s - d * d) - prop - 2.0 * bent * d) / slope
        s = s - step
        if not bool(np.any(np.abs(step) > TOLERANCE * s)):  # a NaN is as near as it gets
            return s, _gaps(s, fixed, bent)


def _gaps(s: Floats, fixed: Floats, bent: Floats) -> Floats:
    d = np.cbrt(fixed / s)
    bounded = np.divide(fixed, bent, out=np.full_like(d, np.inf), where=bent > 0.0)
    d = np.minimum(d, np.sqrt(bounded))
    while True:
        slope = d * (3.0 * s * d + 2.0 * bent)
        excess = d * d * (s * d + bent) - fixed
        step = np.divide(excess, slope, out=np.zeros_like(d), where=slope > 0.0)
        d = d - step
        if not bool(np.any(np.abs(step) > TOLERANCE * d)):
            return d


class GasRegimes(NamedTuple):
    """`gas_regime.GasRegime` in arrays."""

    cheap_usd: ArrayLike
    expensive_usd: ArrayLike
    expensive_now: ArrayLike
    expensive_years: ArrayLike


class Situations(NamedTuple):
    """`policies.Situation` in arrays that broadcast against each other, without the hedge."""

    price: ArrayLike
    sigma: ArrayLike
    gamma: ArrayLike
    risk_weight: ArrayLike
    fixed_usd: ArrayLike
    prop_usd: ArrayLike
    impact_usd: ArrayLike
    remaining_years: ArrayLike
    check_years: ArrayLike = 0.0
    deltas_at: DeltasAt | None = None
    gas: GasRegimes | None = None


class Least(NamedTuple):
    """`band.horizon_guard` of a band of nothing, in arrays: it does not depend on the drift."""

    inner: Floats
    gap: Floats
    """Outer less inner edge."""


def corrected_bands(at: Situations, using: Optimal) -> Bands:
    """Return the band of `policies.optimal` for every element; hard limits are not in it."""
    sigma_x = np.abs(at.gamma) * np.multiply(at.price, at.sigma)
    bands = _in_gas(at, sigma_x, using)
    # After the bands: they refuse the nonsense that this would divide by.
    least = _least(at) if using.horizon_guard else None
    bands, mean_move = _guarded(bands, least), np.zeros(())
    if using.smooth_gamma and at.deltas_at is not None:
        for _ in range(PASSES):
            years = pace_years(
                bands,
                sigma_x=sigma_x,
                check_years=at.check_years,
                remaining_years=at.remaining_years,
            )
            sigma_x, mean_move = paces(at.deltas_at, price=at.price, sigma=at.sigma, years=years)
            bands = _guarded(_in_gas(at, sigma_x, using), least)
    if using.check_shift:
        bands = check_shifts(bands, sigma_x=sigma_x, check_years=at.check_years)
    return bands._replace(outer=bands.outer + SATURATION * np.abs(mean_move))


def _in_gas(at: Situations, sigma_x: Floats, using: Optimal) -> Bands:
    bands = _stationary(at, sigma_x, at.fixed_usd)
    if using.gas_regimes and at.gas is not None:
        return _in_regimes(at, sigma_x, bands, at.gas)
    return bands


def _least(at: Situations) -> Least:
    return least_of(
        prop_cost=at.prop_usd,
        fixed_cost=at.fixed_usd,
        impact=at.impact_usd,
        risk_weight=at.risk_weight,
        horizon_years=at.remaining_years,
    )


def _guarded(bands: Bands, least: Least | None) -> Bands:
    return bands if least is None else remaining_lives(bands, least)


def _stationary(at: Situations, sigma_x: Floats, fixed_usd: ArrayLike) -> Bands:
    return optimal_bands(sigma_x, at.risk_weight, fixed_usd, at.prop_usd, at.impact_usd)


def _in_regimes(at: Situations, sigma_x: Floats, now: Bands, gas: GasRegimes) -> Bands:
    saving = np.maximum(np.subtract(at.fixed_usd, gas.cheap_usd), 0.0)
    dear = saving > 0.0
    # The years mean nothing where there is nothing to wait for.
    wait = 2.0 * saving / np.multiply(at.risk_weight, np.where(dear, gas.expensive_years, 1.0))
    outer = np.sqrt(now.outer * now.outer + wait)
    share = np.divide(now.outer, outer, out=np.ones_like(outer), where=outer > 0.0) ** 2
    cheap = _stationary(at, sigma_x, gas.cheap_usd).inner
    inner = np.minimum(cheap + share * (now.inner - cheap), outer)
    dearer = np.greater(gas.expensive_usd, at.fixed_usd)
    eager = np.where(
        dearer, 1.0 - np.divide(at.fixed_usd, np.where(dearer, gas.expensive_usd, 1.0)), 0.0
    )
    low = now.outer * (1.0 - EAGER_OUTER * eager)
    lower = np.minimum(now.inner * (1.0 - EAGER_INNER * eager), low)
    return Bands(
        np.where(gas.expensive_now, np.where(dear, outer, now.outer), low),
        np.where(gas.expensive_now, np.where(dear, inner, now.inner), lower),
        now.cost_rate_usd,
    )


def least_of(
    *,
    prop_cost: ArrayLike,
    fixed_cost: ArrayLike,
    risk_weight: ArrayLike,
    horizon_years: ArrayLike,
    impact: ArrayLike = 0.0,
) -> Least:
    """Return the bands that a short remaining life alone would have.

    Raises:
        BadData: A horizon is not above zero.

    """
    if not bool(np.all(np.greater(horizon_years, 0.0))):
        raise BadData("the horizons must be above zero")
    urgency = np.multiply(risk_weight, horizon_years)
    twice = np.where(np.greater(fixed_cost, 0.0), np.multiply(2.0, impact), 0.0)
    gap = np.sqrt(np.multiply(2.0, fixed_cost) / (urgency + twice))
    return Least(inner=(prop_cost + twice * gap) / urgency, gap=gap)


def remaining_lives(bands: Bands, least: Least) -> Bands:
    """Return `band_corrections.remaining_life` of every element."""
    inner = _fourth_roots_of_sums(bands.inner, least.inner)
    gap = _fourth_roots_of_sums(bands.outer - bands.inner, least.gap)
    return Bands(inner + gap, inner, bands.cost_rate_usd)


def _fourth_roots_of_sums(one: Floats, other: Floats) -> Floats:
    one, other = one * one, other * other
    return np.asarray(np.sqrt(np.sqrt(one * one + other * other)), dtype=np.float64)


class Paces(NamedTuple):
    """`band_corrections.Pace`, in arrays."""

    sigma_x: Floats
    mean_move: Floats


def paces(deltas_at: DeltasAt, *, price: ArrayLike, sigma: ArrayLike, years: ArrayLike) -> Paces:
    """Return `band_corrections.pace` of every element.

    `deltas_at` is called 16 times, with prices and years of the common shape of the arguments.
    """
    here, volatility, span = np.broadcast_arrays(
        *(np.asarray(part, dtype=np.float64) for part in (price, sigma, years))
    )
    spread = volatility * np.sqrt(span)
    middle = here * np.exp(-0.5 * spread * spread)
    now = deltas_at(here, np.zeros_like(span))
    moved = deltas_at(middle, span) - now
    mean = NODES[0][1] * moved
    square = mean * moved
    for z, weight in NODES[1:]:
        factor = np.exp(z * spread)
        up = deltas_at(middle * factor, span) - now
        down = deltas_at(middle / factor, span) - now
        mean = mean + weight * (up + down)
        square = square + weight * (up * up + down * down)
    return Paces(np.asarray(np.sqrt(square / span), dtype=np.float64), mean)


def pace_years(
    bands: Bands, *, sigma_x: Floats, check_years: ArrayLike, remaining_years: ArrayLike
) -> Floats:
    """Return `band_corrections.pace_years` of every element."""
    most = np.multiply(CYCLE_SHARE, remaining_years)
    cycle = CYCLE_SHARE * (bands.outer * bands.outer - bands.inner * bands.inner * (2.0 / 3.0))
    variance = sigma_x * sigma_x
    long = cycle >= most * variance
    span = cycle / np.where(long, 1.0, variance)
    least = np.maximum(check_years, LEAST_YEARS)
    return np.where(long, most, np.minimum(np.maximum(span, least), most))


def check_shifts(bands: Bands, *, sigma_x: ArrayLike, check_years: ArrayLike) -> Bands:
    """Return `band_corrections.check_shift` of every element."""
    delta = np.multiply(sigma_x, np.sqrt(check_years))
    outer = np.maximum(bands.outer - OUTER_SHIFT * delta, 0.0)
    gap = bands.outer - bands.inner
    square = delta * delta
    spread = 2.0 * gap * gap + square
    share = np.divide(square, spread, out=np.zeros_like(spread), where=spread > 0.0)
    inner = np.minimum(np.maximum(bands.inner - INNER_SHIFT * delta * share, 0.0), outer)
    return Bands(outer, inner, bands.cost_rate_usd)
