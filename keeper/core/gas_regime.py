"""Cheap gas and dear gas: at which of two levels it is, and how long the dear one lasts.

What a look sees of the gas price is folded into a `GasState`, as the oracle's rounds are into a
volatility. A price at twice the cheap level is the first of a dear one; a price at half of it says
that what was seen so far was dear. From then on a price belongs to the level it is nearer to, by
the logarithm, with a dead zone around the middle so that noise is no change. A level is the mean of
its logarithms over the time spent there, older time counting half after every half-life. Dear gas
goes on for the time seen so divided by how often it ended.

That is an estimate of a process that jumps between two levels without memory. Gas is not quite one:
it is what `band_corrections.waiting_band` needs.
"""

from collections.abc import Iterable
from math import exp, inf, log
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from keeper.model.errors import BadData
from keeper.model.flow import Costs, GasState
from keeper.model.units import DAY_S, HOUR_S, YEAR_S

HALF_LIFE_S: Final = 7 * DAY_S
LONGEST_GAP_S: Final = 6 * HOUR_S
"""Of a longer time between two looks nobody knows which level it was spent at."""
SPLIT: Final = log(2.0)
DEAD_ZONE: Final = 0.25
"""Share of the way between the levels, around its middle, where nothing changes."""
LEAST_FALLS: Final = 0.5
"""Fewer ends of dear gas than this say nothing about how long it lasts."""


class GasRegime(Struct, frozen=True, kw_only=True):
    """Gas that jumps between two levels without memory, as one trade feels it."""

    cheap_usd: float
    """Gas of one trade while gas is cheap."""
    expensive_usd: float
    expensive_now: bool
    expensive_years: float
    """Mean time that dear gas goes on from any moment of it."""


def fold(state: GasState | None, price_wei: float, at_s: int) -> GasState:
    """Return *state* with the gas price at *at_s* folded in; unchanged if it is not later.

    Raises:
        BadData: The price is not above zero and finite.

    """
    if not 0.0 < price_wei < inf:
        raise BadData("the price of gas must be above zero and finite", price_wei=price_wei)
    if state is None:
        return GasState(at_s, price_wei, False, log(price_wei), log(price_wei), 0.0, 0.0, 0.0)  # noqa: FBT003  # the state's own order
    elapsed_s = at_s - state.at_s
    if elapsed_s <= 0:
        return state
    if elapsed_s <= LONGEST_GAP_S:
        state = _spent(state, elapsed_s)
    return _moved(state, price_wei, at_s, counts=elapsed_s <= LONGEST_GAP_S)


def estimate(history: Iterable[tuple[int, float]]) -> GasState | None:
    """Return the state after a *history* of (seconds, price in wei); None if it is empty."""
    state: GasState | None = None
    for at_s, price_wei in history:
        state = fold(state, price_wei, at_s)
    return state


def regime(state: GasState, costs: Costs) -> GasRegime | None:
    """Return the two levels in money, for a trade of *costs*.

    None while dear gas was never seen to last and to end, or the levels are not yet twice apart.
    """
    seen = state.falls >= LEAST_FALLS and state.dear_s > 0.0
    if not seen or state.dear_log - state.cheap_log < SPLIT:
        return None
    # Not from the state's own price: a look at the same second as the last one is not in it.
    usd_per_wei = costs.fixed_usd / max(costs.gas_price_wei, 1)
    return GasRegime(
        cheap_usd=usd_per_wei * exp(state.cheap_log),
        expensive_usd=usd_per_wei * exp(state.dear_log),
        expensive_now=state.dear,
        expensive_years=state.dear_s / state.falls / YEAR_S,
    )


def _spent(state: GasState, elapsed_s: float) -> GasState:
    """Return *state* with the time since its look spent at the level of its price."""
    kept = exp(-log(2.0) * elapsed_s / HALF_LIFE_S)
    cheap_s, dear_s, falls = kept * state.cheap_s, kept * state.dear_s, kept * state.falls
    price_log = log(state.price_wei)
    if state.dear:
        dear_log = (state.dear_log * dear_s + price_log * elapsed_s) / (dear_s + elapsed_s)
        return replace(
            state, dear_log=dear_log, dear_s=dear_s + elapsed_s, cheap_s=cheap_s, falls=falls
        )
    cheap_log = (state.cheap_log * cheap_s + price_log * elapsed_s) / (cheap_s + elapsed_s)
    return replace(
        state, cheap_log=cheap_log, cheap_s=cheap_s + elapsed_s, dear_s=dear_s, falls=falls
    )


def _moved(state: GasState, price_wei: float, at_s: int, *, counts: bool) -> GasState:
    """Return *state* at its new price: at which level, and whether that is a fall."""
    price_log = log(price_wei)
    state = replace(state, at_s=at_s, price_wei=price_wei)
    if not state.dear and not state.dear_s:
        return _only_cheap(state, price_log, counts=counts)
    middle = 0.5 * (state.cheap_log + state.dear_log)
    margin = 0.5 * DEAD_ZONE * max(state.dear_log - state.cheap_log, SPLIT)
    if state.dear and price_log < middle - margin:
        return replace(state, dear=False, falls=state.falls + counts)
    if not state.dear and price_log > middle + margin:
        return replace(state, dear=True)
    return state


def _only_cheap(state: GasState, price_log: float, *, counts: bool) -> GasState:
    if price_log >= state.cheap_log + SPLIT:
        return replace(state, dear=True, dear_log=price_log)
    if price_log <= state.cheap_log - SPLIT:
        # What was taken for cheap was dear; when it began is not known, that it ended is.
        return replace(
            state,
            cheap_log=price_log,
            cheap_s=0.0,
            dear_log=state.cheap_log,
            dear_s=state.cheap_s,
            falls=state.falls + counts,
        )
    return state
