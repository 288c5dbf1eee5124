"""European options: price and sensitivities, and the volatility that a price implies.

Black-Scholes-Merton and Black-76 over any arrays that broadcast together. Work goes in blocks that
fit the cache, which is what makes it fast; nothing here loops over options.

With D = e^(−r·T), C = e^(−q·T), v = σ·√T, x = ln(S/K) + (r − q)·T, d₁ = x/v + v/2, d₂ = d₁ − v,
φ and N the normal density and distribution, and sign = +1 for a call, −1 for a put:

    price = sign·(S·C·N(sign·d₁) − K·D·N(sign·d₂))         delta = sign·C·N(sign·d₁)
    gamma = C·φ(d₁)/(S·v)         vega  = S·C·φ(d₁)·√T      rho   = sign·K·T·D·N(sign·d₂)
    vanna = −C·φ(d₁)·d₂/σ         volga = vega·d₁·d₂/σ
    theta = −½·gamma·S²·σ² + sign·(q·S·C·N(sign·d₁) − r·K·D·N(sign·d₂))

Black-76 is the same on a forward, with q = r, except that rho = −T·price.
At expiry, and with a volatility of zero, the results are their limits; they are never NaN.
"""

from collections.abc import Callable, Sequence
from math import log, pi, sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfcinv, erfcx

from keeper.core.arrays import Bits, Floats
from keeper.core.normal import density_of, distribution
from keeper.core.vanilla import INV_SQRT_2PI, LEAST_DEVIATION, SQRT_HALF
from keeper.model.errors import BadData

BLOCK: Final = 16_384
"""Options worked on at a time: few enough for the caches, enough that a call of numpy is cheap."""

HALF_LN_2PI: Final = 0.5 * log(2.0 * pi)
SQRT_HALF_PI: Final = sqrt(0.5 * pi)

SPLITTER: Final = 2.0**27 + 1.0
"""Cuts a double into two halves whose products are exact."""

BOUNDS: Final = {
    "price": (1e-30, 1e30),
    "strike": (1e-30, 1e30),
    "years": (0.0, 100.0),
    "sigma": (0.0, 1e3),
    "rate": (-5.0, 5.0),
    "carry_yield": (-5.0, 5.0),
}
"""Beyond any market, and such that no intermediate overflows."""


class Vanilla(NamedTuple):
    """European options of one underlying."""

    sign: ArrayLike
    """+1 for a call, −1 for a put."""
    strike: ArrayLike
    years: ArrayLike
    """To expiry; zero at expiry."""


class Greeks(NamedTuple):
    """Per option of one unit, in the shape that the inputs broadcast to."""

    price: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    """Per 1.0 of volatility."""
    theta: Floats
    """Per year that passes."""
    rho: Floats
    """Per 1.0 of rate."""
    vanna: Floats
    """Change of delta per 1.0 of volatility."""
    volga: Floats
    """Change of vega per 1.0 of volatility."""


PRICE, DELTA, GAMMA, VEGA, THETA, RHO, VANNA, VOLGA = range(len(Greeks._fields))


def black_scholes(
    option: Vanilla,
    spot: ArrayLike,
    sigma: ArrayLike,
    *,
    rate: ArrayLike = 0.0,
    carry_yield: ArrayLike = 0.0,
) -> Greeks:
    """Return price and Greeks on a spot price, with q = *carry_yield* paid by the underlying.

    Gamma is infinite at expiry, or without volatility, exactly at the money.

    Raises:
        BadData: An input is beyond its `BOUNDS` or not a number, or a sign is not ±1.

    """
    inputs, shape = _flattened(
        option.sign, spot, option.strike, option.years, sigma, rate, carry_yield
    )
    return Greeks(*_blocked(_fill_greeks, len(Greeks._fields), inputs, shape))


def black76(
    option: Vanilla, forward: ArrayLike, sigma: ArrayLike, *, rate: ArrayLike = 0.0
) -> Greeks:
    """Return price and Greeks on a forward price, discounted at *rate*; delta is per forward.

    Raises:
        BadData: As `black_scholes`.

    """
    greeks = black_scholes(option, forward, sigma, rate=rate, carry_yield=rate)
    return greeks._replace(rho=-np.asarray(option.years, dtype=np.float64) * greeks.price)


def _flattened(*inputs: ArrayLike) -> tuple[list[Floats], tuple[int, ...]]:
    """Return one-dimensional arrays of one length, except that single values stay single."""
    arrays = [np.asarray(each, dtype=np.float64) for each in inputs]
    shape = np.broadcast_shapes(*(each.shape for each in arrays))
    return [
        each.reshape(()) if each.size == 1 else np.broadcast_to(each, shape).reshape(-1)
        for each in arrays
    ], shape


def _blocked(
    fill: Callable[[Floats, Sequence[Floats]], None],
    rows: int,
    inputs: list[Floats],
    shape: tuple[int, ...],
) -> list[Floats]:
    """Return *rows* arrays of *shape*, filled block by block."""
    size = int(np.prod(shape))
    out = np.empty((rows, size))
    with np.errstate(all="ignore"):
        for start in range(0, size, BLOCK):
            part = slice(start, min(start + BLOCK, size))
            fill(out[:, part], [each[part] if each.ndim else each for each in inputs])
    return [row.reshape(shape) for row in out]


def _refuse_nonsense(sign: Floats, **inputs: Floats) -> None:
    if not (np.abs(sign) == 1.0).all():
        raise BadData("the sign of an option is +1 for a call or −1 for a put")
    for name, values in inputs.items():
        least, most = BOUNDS[name]
        low, high = (values.min(), values.max()) if values.ndim else (values, values)
        if not least <= low <= high <= most:  # a NaN fails too
            raise BadData(
                f"the {name} of an option is not plausible",
                remedy=f"it must lie between {least:g} and {most:g}",
                lowest=float(low),
                highest=float(high),
            )


def _fill_greeks(out: Floats, block: Sequence[Floats]) -> None:
    sign, spot, strike, years, sigma, rate, carry_yield = block
    _refuse_nonsense(
        sign,
        price=spot,
        strike=strike,
        years=years,
        sigma=sigma,
        rate=rate,
        carry_yield=carry_yield,
    )
    root_years = np.sqrt(years)
    deviation = sigma * root_years
    carry = np.exp(-carry_yield * years)
    # In place wherever it can be: fewer arrays leave more of the cache to each.
    d1, d2 = np.empty((2, out.shape[1]))
    _fill_deviations(d1, d2, np.log(spot / strike) + (rate - carry_yield) * years, deviation)
    _fill_at_the_money(d1, d2, spot == strike, (rate, carry_yield, sigma, years))
    density = density_of(d1)
    delta = np.multiply(distribution(sign * d1, density), sign * carry, out=out[DELTA])
    density *= carry
    held = delta * spot
    owed = distribution(sign * d2, density_of(d2))
    owed *= sign * strike
    owed *= np.exp(-rate * years)
    price = np.subtract(held, owed, out=out[PRICE])
    np.maximum(price, 0.0, out=price)
    gamma = np.divide(density, spot * deviation, out=out[GAMMA])
    theta = np.multiply(gamma, (spot * spot * -0.5) * (sigma * sigma), out=out[THETA])
    theta += carry_yield * held
    theta -= rate * owed
    np.multiply(owed, years, out=out[RHO])
    bend = np.divide(d2, sigma, out=d2)
    vega = np.multiply(density, spot * root_years, out=out[VEGA])
    np.multiply(vega * d1, bend, out=out[VOLGA])
    np.multiply(density, -bend, out=out[VANNA])
    still = deviation < LEAST_DEVIATION
    if still.any():
        _fill_still(out, np.broadcast_to(still, out.shape[1:]), block)


def _fill_deviations(d1: Floats, d2: Floats, moneyness: Floats, deviation: Floats) -> None:
    """Write d₁ and d₂, each from *moneyness* x: their difference v would swallow a small x."""
    half_variance = 0.5 * deviation * deviation
    np.divide(moneyness + half_variance, deviation, out=d1)
    np.divide(moneyness - half_variance, deviation, out=d2)


def _fill_at_the_money(d1: Floats, d2: Floats, there: Bits, block: tuple[Floats, ...]) -> None:
    """Write d₁ and d₂ at the money, exact to a rounding also where drift and variance cancel.

    There what rounding took from the terms is put back; elsewhere that of the logarithm is left.
    """
    if not there.any():
        return
    there = np.broadcast_to(there, d1.shape)
    rate, carry_yield, sigma, years = (np.broadcast_to(each, d1.shape)[there] for each in block)
    drift, half_variance = rate - carry_yield, 0.5 * sigma * sigma
    lost_drift, lost_half = _lost_in_difference(rate, carry_yield, drift), _lost_in_half(sigma)
    root_years = np.sqrt(years)
    deviation = sigma * root_years
    for found, total, lost in (
        (d1, drift + half_variance, lost_drift + lost_half),
        (d2, drift - half_variance, lost_drift - lost_half),
    ):
        found[there] = (total * years) / deviation + lost * (years / deviation)


def _lost_in_difference(one: Floats, other: Floats, difference: Floats) -> Floats:
    """Return what rounding took from one − other. Knuth, TAOCP 2, 4.2.2."""
    back = difference - one
    return (one - (difference - back)) - (other + back)


def _lost_in_half(sigma: Floats) -> Floats:
    """Return what rounding took from ½·σ·σ. Dekker, Numerische Mathematik 18 (1971)."""
    wide = SPLITTER * sigma
    high = wide - (wide - sigma)
    low = sigma - high
    return 0.5 * (((high * high - sigma * sigma) + 2.0 * high * low) + low * low)


def _fill_still(out: Floats, still: Bits, block: Sequence[Floats]) -> None:
    """Write the limits where no movement is left: the option is its forward intrinsic value."""
    sign, spot, strike, years, sigma, rate, carry_yield = (
        np.broadcast_to(each, still.shape)[still] for each in block
    )
    root_years = np.sqrt(years)
    carry = np.exp(-carry_yield * years)
    moneyness = np.log(spot / strike) + (rate - carry_yield) * years
    at_the_money = moneyness == 0.0
    share = sign * 0.5 * (1.0 + sign * np.sign(moneyness))
    held = share * carry * spot
    owed = share * np.exp(-rate * years) * strike
    density = np.where(at_the_money, carry * INV_SQRT_2PI, 0.0)
    # At the money the last moment loses value at any speed, unless nothing ever moves.
    decay = np.where(at_the_money & (sigma > 0.0), np.inf, 0.0)
    out[PRICE, still] = np.maximum(held - owed, 0.0)
    out[DELTA, still] = share * carry
    out[GAMMA, still] = np.where(at_the_money, np.inf, 0.0)
    out[VEGA, still] = density * spot * root_years
    out[THETA, still] = carry_yield * held - rate * owed - decay
    out[RHO, still] = owed * years
    out[VANNA, still] = 0.5 * density * root_years
    out[VOLGA, still] = 0.0


def implied_vol(
    option: Vanilla, price: ArrayLike, forward: ArrayLike, *, rate: ArrayLike = 0.0
) -> Floats:
    """Return the volatility that gives *price*, to what rounding of the price allows.

    0 when the price is the discounted intrinsic value to the last digits, NaN when no volatility
    gives it: below that, at or above the discounted forward (call) or strike (put), at expiry.
    On a spot price S, *forward* is S·e^((r − q)·T).

    In units of √(F·K), with h = −|ln(F/K)|/s and t = s/2, an option out of the money is worth

        b(s) = φ(√(h² + t²))·R,   R = √(π/2)·(erfcx(−(h + t)/√2) − erfcx((t − h)/√2)) = b/b′

    and what it lacks to its upper bound has the same form with other signs. The logarithm of the
    smaller of the two is nearly free of curvature, so three steps of third order from a good
    start are exact.

    Raises:
        BadData: An input other than the price is beyond its `BOUNDS`, or a sign is not ±1.

    """
    inputs, shape = _flattened(option.sign, price, forward, option.strike, option.years, rate)
    return _blocked(_fill_sigma, 1, inputs, shape)[0]


def _fill_sigma(out: Floats, block: Sequence[Floats]) -> None:
    sign, price, forward, strike, years, rate = block
    _refuse_nonsense(sign, price=forward, strike=strike, years=years, rate=rate)
    ultimate = price * np.exp(rate * years)
    time_value = ultimate - np.maximum(sign * (forward - strike), 0.0)
    lesser = np.minimum(forward, strike)
    unit = np.sqrt(forward) * np.sqrt(strike)
    deviation = _total_deviation(
        np.abs(np.log(forward / strike)), time_value / unit, (lesser - time_value) / unit
    )
    rounding = 4.0 * np.finfo(np.float64).eps * ultimate
    possible = (years > 0.0) & (time_value >= -rounding) & (time_value < lesser)
    sigma = np.where(time_value > 0.0, deviation / np.sqrt(years), 0.0)
    out[0] = np.where(possible, sigma, np.nan)


def _total_deviation(distance: Floats, worth: Floats, lack: Floats) -> Floats:
    """Return s = σ·√T from |ln(F/K)|, b(s), and its bound less b(s); all in units of √(F·K)."""
    deviation = _start(distance, worth, lack)
    side = np.where(lack < worth, 1.0, -1.0)
    target = np.log(np.where(lack < worth, lack, worth))
    for _ in range(3):
        h, t = distance / deviation, 0.5 * deviation
        ratio = SQRT_HALF_PI * (
            erfcx(side * SQRT_HALF * (t - h)) + side * erfcx(SQRT_HALF * (t + h))
        )
        level = np.log(ratio) - 0.5 * (h * h + t * t) - HALF_LN_2PI
        newton = side * ratio * (level - target)
        # b″/b′ and its derivative; `pull` turns them into those of the logarithm.
        bend = (h * h - t * t) / deviation
        pull = side / ratio
        second = bend + pull
        third = bend * (bend + 3.0 * pull) + 2.0 * pull * pull
        third -= 3.0 * (h / deviation) ** 2 + 0.25
        step = newton * (1.0 + 0.5 * second * newton)
        step /= 1.0 + newton * (second + third * newton / 6.0)
        deviation = np.maximum(deviation + step, 0.3 * deviation)
    return deviation


def _start(distance: Floats, worth: Floats, lack: Floats) -> Floats:
    """Return s within a factor of three, mostly within a few per cent.

    b has its steepest point at s = √(2·distance). Above it the curve is close to an error function;
    below, s is guessed from the normal model, once for z = distance/s small and once for large.
    """
    turn = np.sqrt(2.0 * distance)
    reached = 0.5 * (1.0 - erfcx(SQRT_HALF * turn))
    bound = worth + lack
    left = np.minimum(lack / (bound * (1.0 - reached)), 1.0)
    above = turn + 2.0 / SQRT_HALF * (1.0 - reached) * erfcinv(left)
    tail = np.log(distance / worth) - HALF_LN_2PI
    near = INV_SQRT_2PI / (worth / distance + 0.5)
    far = np.sqrt(np.maximum(2.0 * tail - 3.0 * np.log(np.maximum(2.0 * tail, 2.0)), 0.5))
    far = np.sqrt(np.maximum(2.0 * tail - 6.0 * np.log(far), 0.5))
    below = distance / np.where(tail < 3.0 - HALF_LN_2PI, near, far)
    return np.where(worth > reached * bound, above, below)
