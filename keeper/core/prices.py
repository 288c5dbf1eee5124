"""Whether a price is worth trading on: its age, its plausibility, and what other prices say."""

from collections.abc import Mapping
from math import inf

from keeper.model.errors import BadData
from keeper.model.market import Quote

FUTURE_TOLERANCE_S = 15
"""A feed may be stamped by a clock that runs a little before the block's."""


def trusted_price(
    quote: Quote,
    *,
    now_s: int,
    max_age_s: int,
    future_tolerance_s: int = FUTURE_TOLERANCE_S,
) -> float:
    """Return the price of *quote*, USD per unit, or refuse it. No other price stands in for it.

    Args:
        quote: As its source gave it.
        now_s: The chain's clock: the timestamp of the block it was read at.
        max_age_s: The book's limit; the source's own `max_age_s` may be tighter. An age of exactly
            the limit is trusted.
        future_tolerance_s: How far after *now_s* an update may claim to be.

    Raises:
        BadData: Stale, from the future, not finite, zero or negative.

    """
    if not 0.0 < quote.price < inf:
        raise BadData(
            "the price is not above zero and finite",
            remedy="check the feed's address and decimals, and whether it is paused",
            source=quote.source,
            price=quote.price,
        )
    age_s = now_s - quote.updated_at_s
    limit_s = min(quote.max_age_s, max_age_s)
    if age_s > limit_s:
        raise BadData(
            "the price is stale",
            remedy="wait for the feed's next round; if it has stopped, choose another feed",
            source=quote.source,
            age_s=age_s,
            limit_s=limit_s,
        )
    if -age_s > future_tolerance_s:
        raise BadData(
            "the price is from the future",
            remedy="check the feed, and whether the node follows the right chain",
            source=quote.source,
            ahead_s=-age_s,
            tolerance_s=future_tolerance_s,
        )
    return quote.price


def deviation(price: float, witness: float) -> float:
    """Return by which fraction the larger exceeds the smaller, so neither is the reference.

    Raises:
        BadData: One of them is not above zero and finite.

    """
    # Each by itself: min and max would lose a NaN.
    if not (0.0 < price < inf and 0.0 < witness < inf):
        raise BadData("a price to compare is not usable", price=price, witness=witness)
    return abs(price - witness) / min(price, witness)


def worst_deviation(price: float, marks: Mapping[str, float]) -> tuple[str, float]:
    """Return the name of the mark that deviates most from *price*, and its deviation.

    Raises:
        BadData: There is no mark, or one is not above zero and finite.

    """
    if not marks:
        raise BadData("there is no price to compare with", price=price)
    worst, most = "", -1.0
    for name, mark in marks.items():
        if not 0.0 < mark < inf:
            raise BadData(
                "a price to compare is not above zero and finite",
                remedy="check the pool or the venue that shows it",
                mark=name,
                value=mark,
            )
        apart = deviation(price, mark)
        if apart > most:
            worst, most = name, apart
    return worst, most
