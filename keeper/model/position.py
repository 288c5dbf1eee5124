"""What is held. The set of legs is closed: `core` must know the payoff of every one."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from keeper.model.chain import Address


class Linear(Struct, frozen=True, tag=True):
    """`units` of `asset`, long if positive: spot, shares, fees, debt."""

    asset: Address
    units: float


class Wrapped(Struct, frozen=True, tag=True):
    """A wrapped or staked token (wstETH, say) that redeems for the asset at a rate that moves."""

    asset: Address
    """What it redeems for."""
    units: float
    """Of the token, long if positive."""
    exchange_rate: float
    """Units of the asset per token."""


class Concentrated(Struct, frozen=True, tag=True):
    """A Uniswap v3 style range, whatever token order its pool has.

    Prices are human: units of `quote` per one `base`. `liquidity` is human too, so that
    inside the range the holding is `liquidity·(1/√P − 1/√upper)` of base and
    `liquidity·(√P − √lower)` of quote.
    """

    base: Address
    quote: Address
    liquidity: float
    price_lower: float
    price_upper: float


class Option(Struct, frozen=True, tag=True, kw_only=True):
    """European options, `units` of one kind; sold if negative.

    After its expiry the adapter must show what it settled for instead.
    """

    asset: Address
    units: float
    kind: Literal["call", "put"]
    strike: float
    """USD per unit of the asset."""
    expires_at_s: int
    sigma: float
    """Volatility that the market, or the protocol's own pricing, gives it; per √year."""
    rate: float = 0.0
    """Interest per year, continuous."""


class Perpetual(Struct, frozen=True, tag=True, kw_only=True):
    """A perpetual position that belongs to the vault itself, apart from its hedge account."""

    asset: Address
    units: float
    entry_price: float
    pending_funding_usd: float = 0.0
    """Positive: the position pays when it next settles."""


class Loan(Struct, frozen=True, tag=True, kw_only=True):
    """A lending position or loop: collateral less debt, the asset and cash apart on either side."""

    asset: Address
    collateral_units: float = 0.0
    """Of the asset, or of a token that redeems for it; see `exchange_rate`."""
    exchange_rate: float = 1.0
    """Units of the asset per unit of collateral."""
    collateral_usd: float = 0.0
    """Collateral in cash."""
    debt_units: float = 0.0
    """Of the asset, owed: above zero."""
    debt_usd: float = 0.0
    """Cash owed: above zero."""


Leg = Linear | Wrapped | Concentrated | Option | Perpetual | Loan


class VaultState(Struct, frozen=True):
    """One vault at one block, reduced to legs."""

    legs: tuple[Leg, ...]
    marks: Mapping[str, float] = {}
    """Prices of the risk asset that the vault's own protocol shows (a pool's price, say);
    witnesses against the oracle, never used instead of it."""


class VenueState(Struct, frozen=True, kw_only=True):
    """The hedge account at one block. Positive size is long; an unknown is None, never zero."""

    size_base: float
    open_notional_usd: float
    """What the position cost: positive for a short (quote received), negative for a long."""
    pending_funding_usd: float
    """Positive: the account pays when it next settles."""
    account_value_usd: float
    free_collateral_usd: float
    margin_ratio: float | None
    """Account value over position notional; None without a position."""
    liquidation_price: float | None
    """None without a position, or when no price in reach liquidates."""
    mark_price: float
    """What the venue values the position at; it may lag (a time-weighted average)."""
    trade_price: float
    """What an infinitesimal trade fills at now, before its fee."""
    index_price: float
    fee_rate: float
    """Fraction of notional charged for taking."""
    impact_per_base: float
    """Relative price impact of one base unit: a trade of d costs about price·impact·d² beyond
    the fee. Exact inside the current tick range, an underestimate beyond it."""
    initial_margin_ratio: float
    sequence: int | None = None
    """Hedges that the account's guard has seen; None without a guard."""
