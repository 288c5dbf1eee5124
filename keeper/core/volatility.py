"""Volatility from the oracle's own rounds: an exponentially weighted variance.

Rounds come when the price has moved or the heartbeat is due, so they are unevenly spaced. A return
r over dt years says r²/dt about the variance per year, and weighs as much as the time it covers,
halved with every half-life h that has passed since:

    k = 2^(−dt/h)      W′ = W·k + (1 − k)      v′ = (v·W·k + (r²/dt)·(1 − k)) / W′

W is the weight gathered so far. Dividing by it means that no invented first value is carried along;
what is missing to 1 is ignorance, and `sigma` fills it with the owner's floor.
"""

from math import expm1, inf, log, sqrt

from keeper.model.errors import BadData
from keeper.model.flow import VolState
from keeper.model.market import Quote
from keeper.model.units import YEAR_S


def fold(state: VolState | None, quote: Quote, *, half_life_s: float) -> VolState:
    """Return *state* with the round of *quote* folded in; unchanged if it is not a newer one.

    The first round only fixes where the first return starts. A second round within the same second
    is left for the next return to include.

    Raises:
        BadData: The price is not above zero and finite, or the half-life is not.

    """
    if not 0.0 < quote.price < inf:
        raise BadData("the price is not above zero and finite", price=quote.price)
    if not 0.0 < half_life_s < inf:
        raise BadData("the half-life must be above zero and finite", half_life_s=half_life_s)
    if state is None:
        return VolState(
            variance_per_year=0.0, price=quote.price, updated_at_s=quote.updated_at_s, weight=0.0
        )
    elapsed_s = quote.updated_at_s - state.updated_at_s
    if elapsed_s <= 0:
        return state
    seen = log(quote.price / state.price) ** 2 * (YEAR_S / elapsed_s)
    gained = -expm1(-log(2.0) * elapsed_s / half_life_s)
    kept = state.weight * (1.0 - gained)
    weight = kept + gained
    variance = (state.variance_per_year * kept + seen * gained) / weight
    return VolState(
        variance_per_year=variance,
        price=quote.price,
        updated_at_s=quote.updated_at_s,
        weight=weight,
    )


def sigma(state: VolState | None, floor: float) -> float:
    """Return σ per √year, never below *floor*.

    While little time is covered, *floor* makes up the missing weight of the variance, so that one
    large first return does not set the hedge by itself: σ² = W·v + (1 − W)·floor².
    """
    if state is None:
        return floor
    known = state.weight * state.variance_per_year
    return max(floor, sqrt(known + (1.0 - state.weight) * floor * floor))
