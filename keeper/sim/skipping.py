"""Find the bars at which a keeper could trade, without asking at those where it cannot.

The edges of a band do not depend on the hedge, so along a market they are known beforehand. Then
|Δ + h| ≥ outer is Δ − outer ≥ −h or Δ + outer ≤ −h: two comparisons of arrays with one number,
and most bars are passed over hundreds at a time.
"""

from math import copysign
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from keeper.core.arrays import Floats, Ints

BLOCK: Final = 8_192
"""Bars prepared at once: what is prepared stays in the processor's cache until it is searched."""
STRIDE: Final = 512
"""Bars compared at once, while trades may be near; without one, the rest of the block."""


class Edges(Struct, frozen=True, eq=False):
    """A band along a market, base, and the error without a hedge; one entry per bar."""

    bare: Floats
    """Hedge ratio × the vault's delta: net = bare + hedge."""
    outer: Floats
    inner: Floats


class Trades(NamedTuple):
    """When the hedge changes, and by how much."""

    bar: Ints
    units: Floats


class Finder:
    """Finds where the net delta is outside its band, and not only by a crumb."""

    def __init__(self, edges: Edges, *, min_trade: float) -> None:
        self.bars = len(edges.bare)
        self._edges = edges
        self._min_trade = min_trade
        self._above, self._below = np.empty(BLOCK), np.empty(BLOCK)
        self._first = self._stop = 0

    def first_outside(self, bar: int, hedge: float) -> int:
        """Return the first bar from *bar* on at which a trade is due; the number of bars if none.

        That is |net| ≥ outer, and a trade to the inner edge no smaller than the least one.
        """
        while bar < self.bars:
            if not self._first <= bar < self._stop:
                self._prepare(bar)
            found = self._within(bar - self._first, self._stop - self._first, -hedge)
            if found is not None:
                return self._first + found
            bar = self._stop
        return self.bars

    def _prepare(self, bar: int) -> None:
        self._first = bar
        self._stop = stop = min(bar + BLOCK, self.bars)
        bare = self._edges.bare[bar:stop]
        above, below = self._above[: stop - bar], self._below[: stop - bar]
        np.add(self._edges.inner[bar:stop], self._min_trade, out=below)
        np.maximum(below, self._edges.outer[bar:stop], out=below)
        np.subtract(bare, below, out=above)
        np.add(bare, below, out=below)

    def _within(self, start: int, end: int, level: float) -> int | None:
        """Return the first place in [*start*, *end*) of the block that is outside, or None."""
        above, below = self._above, self._below
        stop = min(start + STRIDE, end)
        while start < end:
            outside = above[start:stop] >= level
            outside |= below[start:stop] <= level
            first = outside.argmax().item()
            if first or outside.item(0):
                return start + first
            start, stop = stop, end
        return None


def band_trades(edges: Edges, *, min_trade: float, hedge: float = 0.0) -> Trades:
    """Return the trades of a keeper without limits that goes to the inner edge.

    A trade smaller than *min_trade*, base, waits.
    """
    finder = Finder(edges, min_trade=min_trade)
    bare, inner, end = edges.bare.item, edges.inner.item, finder.bars
    bars: list[int] = []
    units: list[float] = []
    bar = finder.first_outside(0, hedge)
    while bar < end:
        net = bare(bar) + hedge
        trade = copysign(inner(bar), net) - net
        hedge += trade
        bars.append(bar)
        units.append(trade)
        bar = finder.first_outside(bar + 1, hedge)
    return Trades(np.array(bars, dtype=np.int64), np.array(units, dtype=np.float64))


def clock_trades(
    bare: Floats, at_s: Ints, *, every_s: int, min_trade: float, hedge: float = 0.0
) -> Trades:
    """Return the trades of a keeper that goes to zero once *every_s* have passed since the last."""
    nothing = np.zeros(len(bare))
    finder = Finder(Edges(bare, nothing, nothing), min_trade=min_trade)
    bars: list[int] = []
    units: list[float] = []
    bar = finder.first_outside(0, hedge)
    while bar < finder.bars:
        trade = -bare.item(bar) - hedge
        hedge += trade
        bars.append(bar)
        units.append(trade)
        due = int(at_s.searchsorted(at_s[bar] + every_s))
        bar = finder.first_outside(max(due, bar + 1), hedge)
    return Trades(np.array(bars, dtype=np.int64), np.array(units, dtype=np.float64))
