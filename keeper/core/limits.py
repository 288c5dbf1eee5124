"""Hard limits: what a trade may never do, whatever the band says.

Each limit becomes a `Gate` that carries the two numbers it compared, so that `keeper why` can show
every verdict. A limit is mandatory in the configuration; zero never means unlimited.
"""

from msgspec import Struct

from keeper.core import prices
from keeper.model.errors import ConfigError
from keeper.model.flow import Costs, Gate, Snapshot
from keeper.model.position import VenueState
from keeper.model.units import GWEI, MS_PER_S

COOLDOWN = "cooldown"
REVERTS = "reverts"
MIN_TRADE = "min trade"
EXIT_RESERVE = 0.25
"""Of the daily gas budget, beyond it, for trades that only reduce the hedge."""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[books.limits]` in keeper.toml. Every key is mandatory and above zero."""

    min_trade_base: float
    """Smaller trades wait."""
    cooldown_s: int
    """Pause after a trade was signed."""
    max_order_base: float
    """Larger trades are cut to this."""
    max_position_base: float
    """The hedge never grows beyond this, on either side."""
    max_leverage_x: float
    """Notional over account value after the trade."""
    max_gas_price_wei: int
    """Nothing is signed above this fee per gas."""
    daily_gas_budget_usd: float
    """Gas spent on this book in any 24 hours."""
    max_price_age_s: int
    """Oracle price against the block's timestamp; the feed's own heartbeat may be tighter."""
    max_block_age_s: int
    """Newest block against our clock: an old head means a stalled chain or node."""
    max_deviation_fraction: float
    """Oracle against every other price in sight: pool, venue, venue index."""
    max_slippage_fraction: float
    """Average fill price against the oracle's price."""
    urgent_gas_price_wei: int | None = None
    """Signed up to this fee per gas while the net delta is beyond `max_net` of the policy; None:
    `max_gas_price` then, too."""
    gas_exit_reserve_usd: float | None = None
    """Gas that trades which only reduce the hedge may spend beyond the daily budget; None: a
    quarter of it."""
    min_gas_hedges: int = 3
    """Nothing grows when the account's coins pay for fewer hedges than this."""

    def __post_init__(self) -> None:
        """Refuse a limit that does not limit."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(
                    f"limit {name} must be a number above zero",
                    value=value,
                    remedy="zero never means unlimited: choose the largest value you accept",
                )
        if self.gas_cap_wei(urgent=True) < self.max_gas_price_wei:
            raise ConfigError(
                "limit urgent_gas_price must not be below max_gas_price",
                value=self.urgent_gas_price_wei,
                remedy="leave it out, or raise it: it is what a breached risk limit may pay",
            )

    def gas_cap_wei(self, *, urgent: bool) -> int:
        """Return the fee per gas above which nothing is signed."""
        if urgent and self.urgent_gas_price_wei is not None:
            return self.urgent_gas_price_wei
        return self.max_gas_price_wei

    def gas_budget_usd(self, *, reduces: bool) -> float:
        """Return the gas that may be spent in 24 hours."""
        if not reduces:
            return self.daily_gas_budget_usd
        reserve_usd = self.gas_exit_reserve_usd
        if reserve_usd is None:
            reserve_usd = EXIT_RESERVE * self.daily_gas_budget_usd
        return self.daily_gas_budget_usd + reserve_usd


class Kind(Struct, frozen=True, kw_only=True):
    """What sort of trade the gates are asked about."""

    urgent: bool = False
    """The net delta is beyond the owner's hard limit: gas may cost what an emergency may."""
    reduces: bool = False
    """It brings the hedge nearer to zero and no further."""


ORDINARY = Kind()


class Activity(Struct, frozen=True):
    """What happened lately, as the gates need it."""

    now_ms: int
    last_trade_at_ms: int | None
    gas_usd_24h: float
    reverts_1h: int = 0
    """Transactions that were mined and reverted, since the last halt or resume."""


def reverts_gate(activity: Activity, most: int) -> Gate:
    """Return the gate on how often the venue may refuse what the simulation promised.

    It is a breaker: a no halts trading until a person resumes.
    """
    return _at_most(REVERTS, activity.reverts_1h, most, "in 1 h", "mined and reverted")


def standing_gates(
    snapshot: Snapshot, costs: Costs, activity: Activity, limits: Limits, kind: Kind = ORDINARY
) -> tuple[Gate, ...]:
    """Return the gates that do not depend on the size of the trade."""
    quote = snapshot.quote
    age_s = max(0, snapshot.block.timestamp_s - quote.updated_at_s)
    block_age_s = max(0.0, activity.now_ms / MS_PER_S - snapshot.block.timestamp_s)
    witness, deviation = prices.worst_deviation(quote.price, _witnesses(snapshot))
    return (
        _at_most("price age", age_s, min(limits.max_price_age_s, quote.max_age_s), "s"),
        _at_most("block age", block_age_s, limits.max_block_age_s, "s"),
        _at_most("deviation", deviation, limits.max_deviation_fraction, "fraction", witness),
        _at_most(
            "gas price",
            costs.gas_price_wei / GWEI,
            limits.gas_cap_wei(urgent=kind.urgent) / GWEI,
            "gwei",
            "the net delta is beyond max_net" if kind.urgent else "",
        ),
        _at_most(
            "gas budget",
            activity.gas_usd_24h + costs.fixed_usd,
            limits.gas_budget_usd(reduces=kind.reduces),
            "USD",
            "last 24 h plus this transaction",
        ),
        *_runway(snapshot, costs, limits, kind),
        _cooldown(activity, limits),
    )


def trade_gates(units: float, venue: VenueState, price: float, limits: Limits) -> tuple[Gate, ...]:
    """Return the gates on a trade of *units* that was already cut to size."""
    after = venue.size_base + units
    growing = abs(after) > abs(venue.size_base)
    notional_usd = abs(after) * price
    equity_usd = venue.account_value_usd
    leverage = notional_usd / equity_usd if equity_usd > 0 else float("inf")
    margin_usd = abs(units) * price * venue.initial_margin_ratio if growing else 0.0
    return (
        Gate(MIN_TRADE, abs(units) >= limits.min_trade_base, abs(units),
             limits.min_trade_base, "base", "at least"),
        # A trade that only reduces is let through: it is the way back inside.
        Gate("leverage", not growing or leverage <= limits.max_leverage_x,
             leverage if equity_usd > 0 else -1.0, limits.max_leverage_x, "x",
             "" if equity_usd > 0 else "the account has no equity"),
        Gate("margin", margin_usd <= venue.free_collateral_usd, margin_usd,
             venue.free_collateral_usd, "USD", "initial margin against free collateral"),
    )  # fmt: skip


def _witnesses(snapshot: Snapshot) -> dict[str, float]:
    marks = {
        f"{name} {mark}": price
        for name, vault in snapshot.vaults.items()
        for mark, price in vault.marks.items()
    }
    return marks | {
        "venue price": snapshot.venue.trade_price,
        "venue index": snapshot.venue.index_price,
    }


def _runway(snapshot: Snapshot, costs: Costs, limits: Limits, kind: Kind) -> tuple[Gate, ...]:
    if snapshot.purse_wei is None:
        return ()
    each_wei = costs.gas_units * costs.gas_price_wei + costs.data_fee_wei
    # Gas that costs nothing can be paid for by anybody.
    hedges = snapshot.purse_wei // each_wei if each_wei else limits.min_gas_hedges
    least = 1 if kind.reduces else limits.min_gas_hedges
    return (Gate("gas runway", hedges >= least, hedges, least, "hedges", "at least"),)


def _cooldown(activity: Activity, limits: Limits) -> Gate:
    if activity.last_trade_at_ms is None:
        return Gate(COOLDOWN, True, limits.cooldown_s, limits.cooldown_s, "s", "no trade yet")  # noqa: FBT003  # positional on purpose: a row of a table
    since_s = (activity.now_ms - activity.last_trade_at_ms) / MS_PER_S
    # A clock that was set back by hours must not leave the book alone for so long.
    rested = not 0 <= since_s < limits.cooldown_s
    return Gate(COOLDOWN, rested, since_s, limits.cooldown_s, "s", "at least")


def _at_most(name: str, value: float, limit: float, unit: str, note: str = "") -> Gate:
    return Gate(name, value <= limit, value, limit, unit, note)
