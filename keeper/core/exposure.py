"""Net exposure of legs to one asset: the one place that knows the payoff of every kind of leg."""

from collections.abc import Iterable
from math import fsum, inf
from typing import Final, NamedTuple, assert_never

from keeper.core import amm, vanilla
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.flow import Exposure
from keeper.model.position import (
    Concentrated,
    Leg,
    Linear,
    Loan,
    Option,
    Perpetual,
    Wrapped,
)
from keeper.model.units import DAY_S, HOUR_S, YEAR_S


class Part(NamedTuple):
    """What one leg adds; units as in `Exposure`."""

    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0
    value_usd: float = 0.0
    rate_usd: float = 0.0


NOTHING: Final = Part()


def net(legs: Iterable[Leg], asset: Address, price: float, now_s: int) -> Exposure:
    """Return the summed exposure of *legs* to *asset* at *price*, USD per unit, at *now_s*.

    A leg in other assets adds nothing: its price is not known here. So `value_usd` covers the
    asset itself at *price*, options at their own volatility, what perpetuals have gained, and the
    cash side of ranges and loans, one quote taken as one USD; cash and other tokens that a vault
    holds beside them are not in it.

    Raises:
        BadData: The price or a leg is not usable, an option is over, or the asset is the quote of
            a range.

    """
    if not 0.0 < price < inf:
        raise BadData("the price must be above zero and finite", price=price)
    legs = tuple(legs)
    parts = [part(leg, asset, price, now_s) for leg in legs]
    totals = Part(*(_total(name, [each[i] for each in parts]) for i, name in enumerate(NAMES)))
    options = [
        (leg, own.delta)
        for leg, own in zip(legs, parts, strict=True)
        if isinstance(leg, Option) and leg.asset == asset
    ]
    return Exposure(
        delta=totals.delta,
        gamma=totals.gamma,
        vega=totals.vega,
        theta=totals.theta,
        value_usd=totals.value_usd,
        price=price,
        rate_usd=totals.rate_usd,
        delta_in_1h=totals.delta + _decay(options, price, now_s + HOUR_S),
        delta_in_1d=totals.delta + _decay(options, price, now_s + DAY_S),
    )


NAMES: Final = ("delta", "gamma", "vega", "theta", "value", "rate risk")


def part(leg: Leg, asset: Address, price: float, now_s: int) -> Part:
    """Return what *leg* adds to the exposure to *asset*: nothing, if it is in another one."""
    if isinstance(leg, Concentrated):
        return _range(leg, asset, price)
    return _own(leg, price, now_s) if leg.asset == asset else NOTHING


def _own(leg: Linear | Wrapped | Option | Perpetual | Loan, price: float, now_s: int) -> Part:
    match leg:
        case Linear(units=units):
            return Part(delta=units, value_usd=units * price)
        case Wrapped():
            worth = _redeemable(leg.units, leg.exchange_rate)
            return Part(delta=worth, value_usd=worth * price, rate_usd=worth * price)
        case Option():
            return _option(leg, price, now_s)
        case Perpetual(units=units):
            gained = units * (price - leg.entry_price) - leg.pending_funding_usd
            return Part(delta=units, value_usd=gained)
        case Loan():
            return _loan(leg, price)
        case _:
            assert_never(leg)


def _range(leg: Concentrated, asset: Address, price: float) -> Part:
    if leg.base != asset:
        _refuse_as_quote(leg, asset)
        return NOTHING
    base, quote = amm.holdings(leg, price)
    return Part(delta=base, gamma=amm.gamma(leg, price), value_usd=base * price + quote)


def _option(leg: Option, price: float, now_s: int) -> Part:
    if not (0.0 < leg.strike < inf and 0.0 <= leg.sigma < inf):
        raise BadData(
            "an option needs a strike above zero and a volatility that is known",
            strike=leg.strike,
            sigma=leg.sigma,
        )
    if now_s > leg.expires_at_s:
        raise BadData(
            "an option is over and its vault still shows it as open",
            remedy="its adapter must show what it settled for; look again when it has settled",
            expires_at_s=leg.expires_at_s,
            now_s=now_s,
        )
    one = vanilla.worth(
        leg.kind,
        spot=price,
        strike=leg.strike,
        years=(leg.expires_at_s - now_s) / YEAR_S,
        sigma=leg.sigma,
        rate=leg.rate,
    )
    units = leg.units
    return Part(
        delta=units * one.delta,
        gamma=units * one.gamma,
        vega=units * one.vega,
        theta=units * one.theta,
        value_usd=units * one.price,
    )


def _loan(leg: Loan, price: float) -> Part:
    collateral = _redeemable(leg.collateral_units, leg.exchange_rate)
    owned_usd = collateral * price + leg.collateral_usd
    return Part(
        delta=collateral - leg.debt_units,
        value_usd=owned_usd - leg.debt_units * price - leg.debt_usd,
        # A token that is the asset itself has no rate that could move.
        rate_usd=0.0 if leg.exchange_rate == 1.0 else collateral * price,
    )


def _redeemable(units: float, exchange_rate: float) -> float:
    if not 0.0 < exchange_rate < inf:
        raise BadData(
            "the exchange rate of a wrapped token must be above zero and finite",
            exchange_rate=exchange_rate,
        )
    return units * exchange_rate


def _refuse_as_quote(leg: Concentrated, asset: Address) -> None:
    # Its quote side is exposure too, in the price of a base that nobody told us.
    if leg.quote == asset:
        raise BadData(
            "the hedged asset is the quote of a range position",
            remedy="its vault must name the hedged asset as base, or another asset must be hedged",
            base=leg.base,
            quote=leg.quote,
        )


def option_delta(leg: Option, price: float, years: float) -> float:
    """Return the delta of a sound *leg* with *years* left; below zero, what it was at expiry."""
    return leg.units * vanilla.delta(
        leg.kind, spot=price, strike=leg.strike, years=years, sigma=leg.sigma, rate=leg.rate
    )


def _decay(options: Iterable[tuple[Option, float]], price: float, then_s: int) -> float:
    """Return by how much the delta changes until *then_s* if the price stands still.

    Only *options* age, each given with its delta now; one that is over by then has none left.
    """
    return fsum(_delta_then(leg, price, then_s) - now for leg, now in options)


def _delta_then(leg: Option, price: float, then_s: int) -> float:
    years = (leg.expires_at_s - then_s) / YEAR_S
    return 0.0 if years < 0.0 else option_delta(leg, price, years)


def _total(name: str, terms: list[float]) -> float:
    """Return the sum, rounded once, whatever the order of the terms."""
    try:
        return fsum(terms)
    except (OverflowError, ValueError) as error:
        raise BadData(f"the {name} of the legs has no finite sum", legs=len(terms)) from error
