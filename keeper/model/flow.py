"""The pipeline's values, in the order they are made. Read this file first.

    Trigger → Snapshot → Exposure → Decision → Intent → Attempt → Outcome

Signs: positive is long, buys, receives. `delta` is what the vaults hold, `hedge` what the venue
holds, `net = h·delta + hedge` with h the target hedge ratio.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Literal

from msgspec import Struct

from keeper.model.chain import Address, BlockRef, ChainId, Fees, Log
from keeper.model.errors import BadData
from keeper.model.market import Quote
from keeper.model.position import VaultState, VenueState

Command = Literal["rebalance", "flatten"]
"""What a person may ask of a tick: trade to the target now, or close the hedge."""


class Snapshot(Struct, frozen=True):
    """Everything known about one book at one block. Nothing downstream reads the world again."""

    chain_id: ChainId
    block: BlockRef
    vaults: Mapping[str, VaultState]
    quote: Quote
    native_quote: Quote
    """Price of the coin that pays for gas."""
    venue: VenueState


class Exposure(Struct, frozen=True):
    """Net sensitivity of a book to its asset: what is held, before the hedge."""

    delta: float
    """Units of the asset."""
    gamma: float
    """Change of delta per USD of price."""
    vega: float
    """USD per 1.0 of volatility."""
    theta: float
    """USD per year."""
    value_usd: float
    """Marked to the market at `price`."""
    price: float
    rate_usd: float = 0.0
    """USD that wrapped tokens would gain if their exchange rates doubled: a risk apart, which a
    hedge of the asset does not take away."""
    delta_in_1h: float | None = None
    """Units of the asset an hour from now, if the price stands still; None in old records."""
    delta_in_1d: float | None = None

    def __post_init__(self) -> None:
        """Refuse NaN and infinity: bad numbers stop here, not at a venue."""
        numbers = (getattr(self, name) for name in self.__struct_fields__)
        if not all(number is None or isfinite(number) for number in numbers):
            raise BadData("exposure is not finite", delta=self.delta, gamma=self.gamma)


class Band(Struct, frozen=True):
    """The no-trade region of the net delta, symmetric around zero.

    Outside `outer` a trade pays for itself; it then goes to `inner` on the same side.
    """

    outer: float
    inner: float
    cost_rate_usd: float = 0.0
    """Expected cost of following this band, risk included, USD per year."""


class VolState(Struct, frozen=True):
    """An exponentially weighted variance, folded over the oracle's rounds."""

    variance_per_year: float
    price: float
    updated_at_s: int
    weight: float = 1.0
    """Share of the weights that the observed rounds cover: 0 before the first return, near 1 after
    a few half-lives."""


class GasState(Struct, frozen=True):
    """Two levels of the gas price and how long each lasts, folded over the looks."""

    at_s: int
    price_wei: float
    """At that look."""
    dear: bool
    cheap_log: float
    """Natural logarithm of the mean cheap price, in wei."""
    dear_log: float
    cheap_s: float
    """Seconds seen at the cheap level; older ones count less."""
    dear_s: float
    falls: float
    """How often dear gas became cheap; older times count less."""


class Sensitivity(Struct, frozen=True, array_like=True):
    """What the band would be if one number were another multiple of what it is."""

    of: str
    times: float
    outer: float
    inner: float


class Gate(Struct, frozen=True):
    """One condition on trading, with the numbers it compared."""

    name: str
    ok: bool
    value: float
    limit: float
    unit: str
    note: str = ""


class Costs(Struct, frozen=True):
    """What a trade costs, as the decision saw it."""

    gas_units: int
    gas_price_wei: int
    fixed_usd: float
    """Gas of one hedge transaction."""
    proportional_rate: float
    """Venue fee as a fraction of notional."""
    impact_per_base: float


class Reasoning(Struct, frozen=True, kw_only=True):
    """Every input of a decision and every gate's verdict: what `keeper why` shows."""

    book: str
    block: BlockRef
    exposure: Exposure
    hedge: float
    hedge_ratio: float
    net: float
    band: Band
    costs: Costs
    risk_aversion: float
    sigma: float
    volatility: VolState | None
    risk_now_usd_per_year: float
    """½·q·net²: what the present error costs in risk."""
    trade_cost_usd: float
    trade_benefit_usd: float
    """Expected saving, over the error's life, of trading to the inner target now."""
    gates: tuple[Gate, ...]
    would_trade_if: str
    policy: str = ""
    """What the policy calls itself."""
    gas: GasState | None = None
    sensitivity: tuple[Sensitivity, ...] = ()


class Hold(Struct, frozen=True, tag=True):
    """Do nothing, and why. `why` is None when the book could not be read at all."""

    reason: str
    why: Reasoning | None = None


class Rebalance(Struct, frozen=True, tag=True):
    """Change the hedge by `units`: positive buys, negative sells."""

    units: float
    reduce_only: bool
    worst_price: float
    """Limit on the average price of the fill, USD per unit."""
    why: Reasoning


class Halt(Struct, frozen=True, tag=True):
    """Stop trading until a person resumes."""

    reason: str
    why: Reasoning | None = None


Decision = Hold | Rebalance | Halt


class Intent(Struct, frozen=True):
    """A durable promise to try one trade once. Its id is a function of what caused it."""

    id: str
    book: str
    account: Address
    """The sender whose nonce carries it: at most one open intent each."""
    units: float
    reduce_only: bool
    worst_price: float
    deadline_s: int
    """By the chain's clock; the calldata carries it too."""
    native_price: float
    """USD per coin of gas when it was decided: what its gas will be booked at."""
    block: BlockRef


class Attempt(Struct, frozen=True):
    """One signed transaction that would carry out an intent. A bumped intent has several."""

    intent_id: str
    hash: str
    raw: bytes
    nonce: int
    fees: Fees
    signed_at_ms: int


class Mined(Struct, frozen=True):
    """Where one of our attempts stands on the chain now."""

    hash: str
    block_number: int
    block_hash: str
    depth: int
    """1 in the newest block."""
    succeeded: bool
    gas_used: int
    gas_price_wei: int
    logs: tuple[Log, ...]


class Facts(Struct, frozen=True, kw_only=True):
    """What the chain says about all attempts of one intent; what is unknown is not made up."""

    nonce_mined: int
    """The account's next nonce in the newest block; read before the receipts."""
    nonce_deep: int
    """The same as of the depth at which a receipt is believed; read before the receipts."""
    mined: Mined | None
    now_ms: int


class Fill(Struct, frozen=True):
    """What a hedge transaction did at the venue."""

    units: float
    price: float
    fee_usd: float
    realized_pnl_usd: float


Status = Literal["done", "failed", "no_effect", "abandoned", "displaced"]
"""done: the effect was seen. failed: refused in simulation or reverted. no_effect: mined, but the
venue shows nothing. abandoned: never signed. displaced: its nonce was used by somebody else."""


class Outcome(Struct, frozen=True):
    """What became of an intent."""

    intent_id: str
    status: Status
    reason: str
    fill: Fill | None
    gas_used: int
    gas_usd: float
