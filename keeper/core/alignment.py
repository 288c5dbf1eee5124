"""Two price feeds on one clock: the first step of every ratio between them.

Feeds that are refreshed at different moments look less related than they are, the more so the finer
the steps (Epps, Journal of the American Statistical Association 74 (1979)). Coarser steps help, and
so does the `lead_lag` of `ratio.ols`, for which `Pair` has the number.
"""

from math import ceil
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from keeper.core.arrays import Floats
from keeper.model.errors import BadData

COVERED_AGES: Final = 0.99
"""Share of the slower feed's ages that `Pair.lead_lag` covers; a ratio misses about the rest."""


class Feed(NamedTuple):
    """Prices of one source, oldest first."""

    times_s: ArrayLike
    """When each became known: the end of a bar, not its start."""
    prices: ArrayLike


class Pair(NamedTuple):
    """Two feeds on one clock, as log prices at n + 1 regular times."""

    target: Floats
    hedge: Floats
    stale_share: float
    """Share of the steps in which the slower feed had nothing new."""
    lead_lag: int
    """Steps that the slower feed lags by, but for rare ones: the `lead_lag` that `ols` needs."""

    def returns(self) -> tuple[Floats, Floats]:
        """Return the n log returns of target and hedge."""
        return np.diff(self.target), np.diff(self.hedge)


def align(target: Feed, hedge: Feed, *, step_s: float) -> Pair:
    """Return both feeds at regular times, each by its last price known by then.

    The clock runs from when both are known to the last price of the feed that ends first. Nothing
    is interpolated: that would use a price before it was known.

    Raises:
        BadData: A price is not above zero, times go back, or there are under two steps.

    """
    times, prices = zip(*(_checked(feed) for feed in (target, hedge)), strict=True)
    start, end = max(t[0] for t in times), min(t[-1] for t in times)
    if not (step_s > 0.0 and end - start >= 2.0 * step_s):
        raise BadData("the feeds share less than two steps", start=start, end=end, step_s=step_s)
    clock = start + step_s * np.arange(int((end - start) / step_s) + 1)
    known = [np.searchsorted(t, clock, side="right") - 1 for t in times]
    ages = [np.quantile(clock - t[k], COVERED_AGES) for t, k in zip(times, known, strict=True)]
    return Pair(
        target=np.log(prices[0][known[0]]),
        hedge=np.log(prices[1][known[1]]),
        stale_share=max(float(np.mean(np.diff(k) == 0)) for k in known),
        lead_lag=ceil(float(max(ages)) / step_s),
    )


def _checked(feed: Feed) -> tuple[Floats, Floats]:
    times, prices = np.asarray(feed.times_s, np.float64), np.asarray(feed.prices, np.float64)
    if times.ndim != 1 or times.shape != prices.shape or not len(times):
        raise BadData("a feed has as many times as prices", times=times.shape, prices=prices.shape)
    if not np.all(np.isfinite(times) & np.isfinite(prices)):
        raise BadData("a feed's time or price is not finite")
    # Rounds of one block share a time; the last of them is the price from then on.
    if np.any(np.diff(times) < 0.0) or np.any(prices <= 0.0):
        raise BadData("a feed has prices above zero, oldest first", prices=len(prices))
    return times, prices
