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
from keeper.model.strategies import Strategy

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
    purse_wei: int | None = None
    """Coins of the account that pays for gas; None where nobody asked."""
    data_fee_wei: int = 0
    """What a rollup charges for a hedge beyond its gas: data on the chain below, operator."""
    tip_wei: int = 0
    """What recent blocks paid for priority, as last heard."""


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
    """One hedge transaction: its gas, and what a rollup charges beyond it."""
    proportional_rate: float
    """Venue fee as a fraction of notional."""
    impact_per_base: float
    data_fee_wei: int = 0
    """The part of `fixed_usd` that is not gas."""


class Premises(Struct, frozen=True, kw_only=True):
    """What the policy was asked beyond the other numbers of the record, to ask it again by."""

    strategy: Strategy
    sigma_x: float
    """How fast the net delta was taken to move by itself, base per √year."""
    remaining_years: float
    check_years: float
    max_net: float


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
    premises: Premises | None = None
    """None in old records."""


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
    gas_cap_wei: int | None = None
    """Nothing is signed for it above this fee per gas; None in old records."""


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
    sequence: int | None = None
    """Hedges that the account's guard had seen at `block`; None without a guard."""
    gas_cap_wei: int | None = None
    """No attempt offers more per gas; None in old records: then the desk's cap alone."""
    ample_gas: bool = False
    """Whether its gas limit is raised by half, because one before it ran out of gas."""
    withdraws: str | None = None
    """The resting order at the venue that it takes back; None for a trade."""


Purpose = Literal["hedge", "cancel"]
"""What the bytes of an attempt do: the trade, or nothing at all under the same nonce."""


class Attempt(Struct, frozen=True):
    """One signed transaction of an intent. A bumped or cancelled intent has several."""

    intent_id: str
    hash: str
    raw: bytes
    nonce: int
    fees: Fees
    signed_at_ms: int
    purpose: Purpose = "hedge"
    gas_limit: int | None = None
    """None in journals that are older than this field."""


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
    data_fee_wei: int = 0
    """What a rollup charged for its data beyond gas, as the receipt says."""
    final: bool = True
    """Whether it has reached the tag that finality is configured by, if it is."""


Heard = Literal["answer", "refusal", "silence"]
"""How a node took some bytes: it said something, refused them in definite words, or said nothing.
None of the three decides anything; they only tell when to look again."""


class Send(Struct, frozen=True):
    """One time that signed bytes were handed over."""

    hash: str
    at_ms: int
    heard: Heard
    block_number: int
    """The newest block at that time."""


class Facts(Struct, frozen=True, kw_only=True):
    """What the chain says about all attempts of one intent; what is unknown is not made up."""

    head_number: int
    chain_time_s: int
    """Timestamp of the newest block."""
    nonce_mined: int
    """The account's next nonce in the newest block; read before the receipts."""
    nonce_deep: int
    """The same as of the depth at which a receipt is believed; read before the receipts."""
    mined: Mined | None
    now_ms: int
    last_sent: Send | None
    """How the newest attempt was last handed over; None if it never was."""
    refusals: int
    """How often a node refused one of the hedges in definite words."""
    unseen_at: tuple[int, ...]
    """Earlier newest blocks at which the nonce was used at depth and no receipt was ours."""


class Fill(Struct, frozen=True):
    """What a hedge transaction did at the venue."""

    units: float
    price: float
    fee_usd: float
    realized_pnl_usd: float


OrderState = Literal["open", "filled", "partial", "cancelled", "expired"]
"""What a venue that fills later says of an order; all but `open` are final. partial: it ended with
less than was asked for."""


class Progress(Struct, frozen=True):
    """How far an order at such a venue has come."""

    state: OrderState
    fill: Fill | None
    """All of it so far; None if there is none."""


Status = Literal[
    "done",
    "failed",
    "out_of_gas",
    "cancelled",
    "no_effect",
    "wrong_effect",
    "unfilled",
    "abandoned",
    "displaced",
]
"""done: the effect was seen. failed: refused in simulation, or reverted, which cost gas.
out_of_gas: reverted because its gas limit was too low. cancelled: our own empty transaction took
its nonce. no_effect: mined, but the venue shows nothing. wrong_effect: the venue shows a fill of
the other sign, or a larger one than was meant. unfilled: the venue took the order and ended it
without a fill. abandoned: never signed. displaced: its nonce was
used by somebody else."""


class Outcome(Struct, frozen=True):
    """What became of an intent."""

    intent_id: str
    status: Status
    reason: str
    fill: Fill | None
    gas_used: int
    gas_usd: float
