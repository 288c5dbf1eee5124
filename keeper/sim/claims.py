"""The positions that policies are compared on, with their exposures for whole arrays.

A short straddle, whose delta jumps at expiry; a concentrated-liquidity range, whose delta is bent
at its edges and flat beyond; and the single call of the deep-hedging literature.
"""

from math import sqrt
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike

from keeper.core.arrays import Floats
from keeper.core.greeks import Greeks, Vanilla, black_scholes


class Claim(Protocol):
    """What is hedged, as far as hedging it goes; arguments broadcast."""

    def delta(self, years_left: ArrayLike, prices: Floats) -> Floats:
        """Return units of the asset that it is worth holding, positive when long."""
        ...

    def gamma(self, years_left: ArrayLike, prices: Floats) -> Floats:
        """Return the change of delta per USD of price."""
        ...


class Straddle(Struct, frozen=True, kw_only=True):
    """A call and a put of one strike and expiry, `units` of each; negative when sold."""

    units: float
    strike: float
    sigma: float

    def delta(self, years_left: ArrayLike, prices: Floats) -> Floats:
        # The put's delta is the call's less one.
        return self.units * (2.0 * self._call(years_left, prices).delta - 1.0)

    def gamma(self, years_left: ArrayLike, prices: Floats) -> Floats:
        return 2.0 * self.units * self._call(years_left, prices).gamma

    def _call(self, years_left: ArrayLike, prices: Floats) -> Greeks:
        return black_scholes(Vanilla(1.0, self.strike, years_left), prices, self.sigma)


class Call(Struct, frozen=True, kw_only=True):
    """`units` of a call; negative when sold."""

    units: float
    strike: float
    sigma: float

    def delta(self, years_left: ArrayLike, prices: Floats) -> Floats:
        return self.units * self._one(years_left, prices).delta

    def gamma(self, years_left: ArrayLike, prices: Floats) -> Floats:
        return self.units * self._one(years_left, prices).gamma

    def payoff(self, prices: Floats) -> Floats:
        """Return what it is worth at expiry."""
        return self.units * np.maximum(prices - self.strike, 0.0)

    def _one(self, years_left: ArrayLike, prices: Floats) -> Greeks:
        return black_scholes(Vanilla(1.0, self.strike, years_left), prices, self.sigma)


class Range(Struct, frozen=True, kw_only=True):
    """A concentrated-liquidity position, as `core/amm` has it, that neither ends nor decays."""

    liquidity: float
    lower: float
    upper: float

    def delta(self, years_left: ArrayLike, prices: Floats) -> Floats:  # noqa: ARG002  # a Claim
        inside = np.clip(prices, self.lower, self.upper)
        return self.liquidity * (1.0 / np.sqrt(inside) - 1.0 / sqrt(self.upper))

    def gamma(self, years_left: ArrayLike, prices: Floats) -> Floats:  # noqa: ARG002  # a Claim
        inside = (prices > self.lower) & (prices < self.upper)
        return np.where(inside, -0.5 * self.liquidity / (prices * np.sqrt(prices)), 0.0)


def short_straddle(*, spot: float, sigma: float, notional_usd: float) -> Straddle:
    """Return a sold straddle at the money on *notional_usd* of the asset."""
    return Straddle(units=-notional_usd / spot, strike=spot, sigma=sigma)


def liquidity_range(*, spot: float, width: float, worth_usd: float) -> Range:
    """Return a position worth *worth_usd* at *spot*, from spot/*width* to spot·*width*."""
    lower, upper = spot / width, spot * width
    per_liquidity = 2.0 * sqrt(spot) - sqrt(lower) - spot / sqrt(upper)
    return Range(liquidity=worth_usd / per_liquidity, lower=lower, upper=upper)
