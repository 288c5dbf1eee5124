"""What a simulated vault holds along a market, and what that is worth and exposed to."""

from collections.abc import Callable
from math import fsum
from typing import Annotated, assert_never

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import ArrayLike

from keeper.core import exposure as exposures
from keeper.core.arrays import Floats
from keeper.model.chain import Address
from keeper.model.position import Concentrated, Leg, Linear
from keeper.model.units import DAY_S
from keeper.sim.claims import Claim, liquidity_range
from keeper.sim.market import Market

ASSET = Address("0x00000000000000000000000000000000000000E7")
QUOTE = Address("0x00000000000000000000000000000000000000D0")

Positive = Annotated[float, Meta(gt=0)]


class Spot(Struct, frozen=True, tag="spot"):
    """Units of the asset, held."""

    units: float


class Range(Struct, frozen=True, tag="range"):
    """A concentrated-liquidity position around the price at which it was opened."""

    value_usd: Positive = 1e6
    width_factor: Annotated[float, Meta(gt=1)] = 1.25
    """The range is price/factor to price·factor."""
    reopened_every_days: Positive | None = 30.0
    """Opened anew around the price of that day, with the same value; None: never."""


Holding = Spot | Range


class Opening(Struct, frozen=True, eq=False):
    """What is held from one bar until the next opening: for the decision, and for arrays."""

    bar: int
    legs: tuple[Leg, ...]
    claim: Claim


class Held(Struct, frozen=True, eq=False):
    """A holding along a market. Arrays have a value per bar."""

    openings: tuple[Opening, ...]
    delta: Floats
    gamma: Floats
    value_usd: Floats
    pnl_usd: Floats
    """What the legs of bar k gain until bar k + 1; the last is 0."""

    def legs_at(self, bar: int) -> tuple[Leg, ...]:
        """Return what is held from *bar* on."""
        return next(each for each in reversed(self.openings) if each.bar <= bar).legs

    def delta_at(self, prices: Floats) -> Floats:
        """Return the delta that what each bar holds would have at that bar's *prices*."""
        return _along(self.openings, prices, lambda claim, part: claim.delta(0.0, part))


def hold(holding: Holding, market: Market) -> Held:
    """Return *holding* along *market*."""
    openings = tuple(
        Opening(bar, *_opened(holding, float(market.price[bar])))
        for bar in _opening_bars(holding, market)
    )
    value, after = _values(openings, market.price)
    return Held(
        openings=openings,
        delta=_along(openings, market.price, lambda claim, part: claim.delta(0.0, part)),
        gamma=_along(openings, market.price, lambda claim, part: claim.gamma(0.0, part)),
        value_usd=value,
        pnl_usd=after - value,
    )


def _along(
    openings: tuple[Opening, ...], prices: Floats, ask: Callable[[Claim, Floats], Floats]
) -> Floats:
    starts = [opening.bar for opening in openings]
    parts = np.split(prices, starts[1:])
    return np.concatenate(
        [ask(opening.claim, part) for opening, part in zip(openings, parts, strict=True)]
    )


def _values(openings: tuple[Opening, ...], prices: Floats) -> tuple[Floats, Floats]:
    """Return, by bar, what its legs are worth there, and what the same legs are at the next bar."""
    value, after = np.empty(len(prices)), np.empty(len(prices))
    ends = [opening.bar for opening in openings[1:]] + [len(prices) - 1]
    for opening, end in zip(openings, ends, strict=True):
        worth = [
            # Nothing here ages: any time will do.
            fsum(exposures.part(leg, ASSET, price, 0).value_usd for leg in opening.legs)
            for price in prices[opening.bar : end + 1].tolist()
        ]
        value[opening.bar : end + 1] = worth
        after[opening.bar : end] = worth[1:]
    after[-1] = value[-1]
    return value, after


def _opening_bars(holding: Holding, market: Market) -> list[int]:
    days = holding.reopened_every_days if isinstance(holding, Range) else None
    if days is None:
        return [0]
    # Nothing is opened at the last bar. A gap in the market may be longer than a period.
    periods = (market.at_s[:-1] - market.at_s[0]) // round(days * DAY_S)
    bars: list[int] = np.unique(periods, return_index=True)[1].tolist()
    return bars


class Units(Struct, frozen=True):
    """The claim of what does not bend."""

    units: float

    def delta(self, _years_left: ArrayLike, prices: Floats) -> Floats:
        return np.full_like(prices, self.units)

    def gamma(self, _years_left: ArrayLike, prices: Floats) -> Floats:
        return np.zeros_like(prices)


def _opened(holding: Holding, price: float) -> tuple[tuple[Leg, ...], Claim]:
    match holding:
        case Spot(units=units):
            return (Linear(ASSET, units),), Units(units)
        case Range(value_usd=value_usd, width_factor=factor):
            claim = liquidity_range(spot=price, width=factor, worth_usd=value_usd)
            leg = Concentrated(ASSET, QUOTE, claim.liquidity, claim.lower, claim.upper)
            return (leg,), claim
        case never:
            assert_never(never)
