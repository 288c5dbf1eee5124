"""One European option at a time, without arrays: what a live book needs at every look.

The formulas are those of `core/greeks`, which does the same for arrays; that module needs scipy,
whose import costs more than a start of the keeper may.
"""

from math import copysign, erfc, exp, inf, log, pi, sqrt
from typing import Final, Literal, NamedTuple

SQRT_HALF: Final = sqrt(0.5)
INV_SQRT_2PI: Final = 1.0 / sqrt(2.0 * pi)
LEAST_DEVIATION: Final = 1e-100
"""A total volatility below this is zero: d² would overflow."""

Kind = Literal["call", "put"]


class Worth(NamedTuple):
    """Price and sensitivities of one option on one unit."""

    price: float
    delta: float
    gamma: float
    vega: float
    """Per 1.0 of volatility."""
    theta: float
    """Per year that passes."""


def worth(  # the five numbers of the formula, and which option it is
    kind: Kind, *, spot: float, strike: float, years: float, sigma: float, rate: float = 0.0
) -> Worth:
    """Return Black and Scholes' price and Greeks; their limits at expiry and without volatility.

    Args:
        kind: "call" or "put".
        spot: Above zero.
        strike: Above zero.
        years: To expiry, not below zero.
        sigma: Per √year, not below zero.
        rate: Interest per year, continuous.

    """
    sign = 1.0 if kind == "call" else -1.0
    root_years = sqrt(years)
    deviation = sigma * root_years
    owed_at_all = strike * exp(-rate * years)
    if deviation < LEAST_DEVIATION:
        return _still(sign, spot, owed_at_all, rate)
    moneyness = log(spot / strike)
    d1 = (moneyness + (rate + 0.5 * sigma * sigma) * years) / deviation
    d2 = (moneyness + (rate - 0.5 * sigma * sigma) * years) / deviation
    delta = sign * _cumulative(sign * d1)
    owed = sign * _cumulative(sign * d2) * owed_at_all
    density = INV_SQRT_2PI * exp(-0.5 * d1 * d1)
    vega = density * spot * root_years
    return Worth(
        price=max(delta * spot - owed, 0.0),
        delta=delta,
        gamma=density / (spot * deviation),
        vega=vega,
        theta=-rate * owed - vega * sigma / (2.0 * years),
    )


def delta(  # the same numbers
    kind: Kind, *, spot: float, strike: float, years: float, sigma: float, rate: float = 0.0
) -> float:
    """Return the delta alone, of an option that may be over: then what it was at expiry."""
    sign = 1.0 if kind == "call" else -1.0
    years = max(years, 0.0)
    deviation = sigma * sqrt(years)
    if deviation < LEAST_DEVIATION:
        return _still(sign, spot, strike * exp(-rate * years), rate).delta
    d1 = (log(spot / strike) + (rate + 0.5 * sigma * sigma) * years) / deviation
    return sign * _cumulative(sign * d1)


def _still(sign: float, spot: float, owed: float, rate: float) -> Worth:
    """Return the limits where no movement is left: the forward intrinsic value."""
    if spot == owed:
        # At the money the slope jumps; halfway is what the formula tends to.
        return Worth(0.0, 0.5 * sign, inf, 0.0, 0.0)
    share = sign if copysign(1.0, spot - owed) == sign else 0.0
    return Worth(share * (spot - owed), share, 0.0, 0.0, -rate * share * owed)


def _cumulative(z: float) -> float:
    return 0.5 * erfc(-SQRT_HALF * z)
