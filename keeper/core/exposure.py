"""Net exposure of legs to one asset: the one place that knows the payoff of every kind of leg."""

from collections.abc import Iterable
from math import fsum, inf
from typing import assert_never

from keeper.core import amm
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.flow import Exposure
from keeper.model.position import Concentrated, Leg, Linear


def net(legs: Iterable[Leg], asset: Address, price: float) -> Exposure:
    """Return the summed exposure of *legs* to *asset* at *price*, USD per unit.

    A leg in other assets adds nothing: its price is not known here. So `value_usd` covers the
    asset itself at *price* and the quote side of ranges in it, one quote taken as one USD; cash
    and other tokens that a vault holds beside them are not in it. No leg of today has vega or
    theta.

    Raises:
        BadData: The price or a leg is not usable, or the asset is the quote of a range.

    """
    if not 0.0 < price < inf:
        raise BadData("the price must be above zero and finite", price=price)
    deltas: list[float] = []
    gammas: list[float] = []
    quotes: list[float] = []
    for leg in legs:
        match leg:
            case Linear():
                if leg.asset == asset:
                    deltas.append(leg.units)
            case Concentrated():
                if leg.base == asset:
                    base, quote = amm.holdings(leg, price)
                    deltas.append(base)
                    quotes.append(quote)
                    gammas.append(amm.gamma(leg, price))
                else:
                    _refuse_as_quote(leg, asset)
            case _:
                assert_never(leg)
    delta = _total("delta", deltas)
    return Exposure(
        delta=delta,
        gamma=_total("gamma", gammas),
        vega=0.0,
        theta=0.0,
        value_usd=delta * price + _total("quote", quotes),
        price=price,
    )


def _refuse_as_quote(leg: Concentrated, asset: Address) -> None:
    # Its quote side is exposure too, in the price of a base that nobody told us.
    if leg.quote == asset:
        raise BadData(
            "the hedged asset is the quote of a range position",
            remedy="its vault must name the hedged asset as base, or another asset must be hedged",
            base=leg.base,
            quote=leg.quote,
        )


def _total(name: str, terms: list[float]) -> float:
    """Return the sum, rounded once, whatever the order of the terms."""
    try:
        return fsum(terms)
    except (OverflowError, ValueError) as error:
        raise BadData(f"the {name} of the legs has no finite sum", legs=len(terms)) from error
