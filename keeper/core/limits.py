"""Hard limits: what a trade may never do, whatever the band says.

Each limit becomes a `Gate` that carries the two numbers it compared, so that `keeper why` can show
every verdict. A limit is mandatory in the configuration; zero never means unlimited.
"""

from msgspec import Struct

from keeper.core import prices
from keeper.model.errors import ConfigError
from keeper.model.flow import Costs, Gate, Snapshot
from keeper.model.position import VenueState
from keeper.model.units import GWEI

MS_PER_S = 1_000
COOLDOWN = "cooldown"
MIN_TRADE = "min trade"


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

    def __post_init__(self) -> None:
        """Refuse a limit that does not limit."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ConfigError(
                    f"limit {name} must be a number above zero",
                    value=value,
                    remedy="zero never means unlimited: choose the largest value you accept",
                )


class Activity(Struct, frozen=True):
    """What happened lately, as the gates need it."""

    now_ms: int
    last_trade_at_ms: int | None
    gas_usd_24h: float


def standing_gates(
    snapshot: Snapshot, costs: Costs, activity: Activity, limits: Limits
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
        _at_most("gas price", costs.gas_price_wei / GWEI, limits.max_gas_price_wei / GWEI, "gwei"),
        _at_most(
            "gas budget",
            activity.gas_usd_24h + costs.fixed_usd,
            limits.daily_gas_budget_usd,
            "USD",
            "last 24 h plus this transaction",
        ),
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


def _cooldown(activity: Activity, limits: Limits) -> Gate:
    if activity.last_trade_at_ms is None:
        return Gate(COOLDOWN, True, limits.cooldown_s, limits.cooldown_s, "s", "no trade yet")  # noqa: FBT003  # positional on purpose: a row of a table
    since_s = (activity.now_ms - activity.last_trade_at_ms) / MS_PER_S
    return Gate(COOLDOWN, since_s >= limits.cooldown_s, since_s, limits.cooldown_s, "s", "at least")


def _at_most(name: str, value: float, limit: float, unit: str, note: str = "") -> Gate:
    return Gate(name, value <= limit, value, limit, unit, note)
