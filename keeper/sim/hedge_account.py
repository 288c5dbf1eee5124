"""The hedge account of a simulated venue: fills, fees, funding, margin and liquidation."""

from math import inf
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from keeper.core.arrays import Floats
from keeper.model.position import VenueState
from keeper.sim.market import Market

NotNegative = Annotated[float, Meta(ge=0)]


class VenueTerms(Struct, frozen=True, kw_only=True):
    """What the venue charges and asks for."""

    fee_fraction: NotNegative = 0.0005
    """Of notional, for taking."""
    impact_per_base: NotNegative = 0.0
    """A trade of d costs price·impact·d² beyond its fee."""
    gas_units: Annotated[int, Meta(gt=0)] = 400_000
    """Of one hedge transaction."""
    tip_wei: Annotated[int, Meta(ge=0)] = 100_000_000
    initial_margin_fraction: NotNegative = 0.1
    maintenance_margin_fraction: NotNegative = 0.05
    liquidation_fee_fraction: NotNegative = 0.01
    """Of the notional that is closed."""
    collateral_usd: Annotated[float, Meta(gt=0)] = 1e6
    """What the account starts with. Nobody tops it up."""


class Carry(Struct, frozen=True, eq=False):
    """What one unit held long has gained since the first bar, by bar: price less funding."""

    gained_usd: Floats

    @classmethod
    def of(cls, market: Market) -> "Carry":
        """Return the carry along *market*; funding is charged on the notional at the next bar."""
        paid = np.cumsum(market.price[1:] * market.funding[:-1])
        moved = market.price - market.price[0]
        return cls(moved - np.concatenate(([0.0], paid)))


class HedgeAccount:
    """One account between two fills; its worth at any later bar is one subtraction away."""

    def __init__(self, terms: VenueTerms, market: Market, carry: Carry) -> None:
        self.terms = terms
        self.size_base = 0.0
        self._price = market.price
        self._gained = carry.gained_usd
        self._settled_usd = terms.collateral_usd
        self._since = 0
        self._entry_usd = 0.0

    def equity_usd(self, bar: int) -> float:
        """Return what the account is worth at *bar*, not before its last fill."""
        return self._settled_usd + self.size_base * float(
            self._gained[bar] - self._gained[self._since]
        )

    def state(self, bar: int) -> VenueState:
        """Return what a keeper reads at *bar*."""
        price, equity = float(self._price[bar]), self.equity_usd(bar)
        notional = abs(self.size_base) * price
        return VenueState(
            size_base=self.size_base,
            open_notional_usd=self._entry_usd,
            pending_funding_usd=0.0,
            account_value_usd=equity,
            free_collateral_usd=max(0.0, equity - self.terms.initial_margin_fraction * notional),
            margin_ratio=equity / notional if notional else None,
            liquidation_price=self._liquidation_price(price, equity),
            mark_price=price,
            trade_price=price,
            index_price=price,
            fee_rate=self.terms.fee_fraction,
            impact_per_base=self.terms.impact_per_base,
            initial_margin_ratio=self.terms.initial_margin_fraction,
        )

    def fill_price(self, bar: int, units: float) -> float:
        """Return the average price of a trade of *units* at *bar*, before its fee."""
        return float(self._price[bar]) * (1 + self.terms.impact_per_base * units)

    def fill(self, bar: int, units: float, cost_usd: float) -> None:
        """Book a trade of *units* at *bar* that costs *cost_usd* beyond the price shown there."""
        self._settled_usd = self.equity_usd(bar) - cost_usd
        self._since = bar
        price = float(self._price[bar])
        after = self.size_base + units
        if self.size_base * units >= 0:
            self._entry_usd -= units * price
        elif self.size_base * after > 0:
            self._entry_usd *= after / self.size_base
        else:
            self._entry_usd = -after * price
        self.size_base = after

    def liquidated_at(self, start: int, stop: int) -> int | None:
        """Return the first bar in [*start*, *stop*) at which the margin is gone, or None."""
        if self.size_base == 0.0 or start >= stop:
            return None
        worth = self._settled_usd + self.size_base * (
            self._gained[start:stop] - self._gained[self._since]
        )
        needed = self.terms.maintenance_margin_fraction * abs(self.size_base)
        gone = worth < needed * self._price[start:stop]
        first = int(gone.argmax())
        return start + first if gone[first] else None

    def _liquidation_price(self, price: float, equity: float) -> float | None:
        """Return where equity + size·(p − price) meets the maintenance margin."""
        size, share = self.size_base, self.terms.maintenance_margin_fraction
        slope = size - share * abs(size)
        if slope == 0.0:
            return None
        level = (size * price - equity) / slope
        return level if 0.0 < level < inf else None
