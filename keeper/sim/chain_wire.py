"""What one keeper sees of a modelled chain: answers that lag, sends that get lost, death between.

One object per process. It is the ports `Chain` and `Network`, and every question goes through one
gate, where whoever plays the model may kill the process or let the world move on.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from keeper.core.decide import FixedVolatility, Policy, Terms
from keeper.core.limits import Limits
from keeper.core.tx_steps import TxPolicy
from keeper.engine.announce import Announcer
from keeper.engine.hands import Hands
from keeper.engine.tick import Book, Desk
from keeper.model.chain import Address, Answer, BlockRef, Call, Fees, Log, Message, Watch
from keeper.model.errors import BadData, CallReverted, Refused, Transient, Uncertain
from keeper.model.flow import Fill, Intent, Mined
from keeper.model.market import Quote
from keeper.model.position import Linear, VaultState, VenueState
from keeper.model.strategies import Strategy
from keeper.model.units import GWEI, HOUR_S
from keeper.ports.acting import Journal, Rehearsal, Standing, Work, nothing
from keeper.ports.reading import Read
from keeper.sim.chain_model import Block, ChainModel, Known, known_of, mined_at
from keeper.sim.world import (
    ASSET,
    CHAIN,
    FILLED,
    KEEPER,
    LIMITS,
    TYPICAL_GAS,
    VENUE,
    Order,
    WorldSigner,
)

Delivery = Literal["plain", "unheard", "lost", "swallowed", "refused", "mistaken", "elsewhere"]
"""What becomes of bytes that are sent. unheard: taken, but the answer is lost. lost: nobody has
them, and nothing is heard. swallowed: taken, answered, forgotten. refused: in definite words, by
all. mistaken: refused in definite words by one node and taken by another. elsewhere: nothing is
heard, and only somebody else has them."""

CODE_HASH: Final = "0xc0de"
READ: Final = ("float",)
TIP_WEI: Final = GWEI

Gate = Callable[[str], None]
"""Told what is about to be asked or done; may raise, or change the chain first."""


class Weakness(Struct, frozen=True):
    """How bad the connection is at the moment."""

    delivery: Delivery = "plain"
    head_lag: int = 0
    """Blocks that the newest block shown is behind, as long as it does not go backwards."""
    receipt_lag: int = 0
    """Blocks that the index of receipts is behind."""
    silent: bool = False
    """Whether no question is answered at all."""


class Wire:
    """The ports `Chain` and `Network` of one process."""

    def __init__(self, chain: ChainModel, gate: Gate = lambda _point: None) -> None:
        self._chain = chain
        self._gate = gate
        self.weakness = Weakness()
        self.heard: Callable[[Known], None] = lambda _one: None
        """Told of all bytes before anybody takes them: a tap on the line."""
        self._seen = 0
        self._tip = 0
        """The chain's newest block when the process last asked for it."""

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        meanwhile()  # before others get their turn: what was done in it is as old as it can be
        self._ask("head")
        ref = self._view().ref
        self._seen, self._tip = ref.number, self._chain.head.ref.number
        return ref

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        self._ask("answer")
        block = self._pinned(at)
        values = {
            b"delta": block.weather.delta,
            b"price": block.weather.price,
            b"position": block.position,
            b"time": block.ref.timestamp_s,
        }
        return tuple((values[call.data],) for call in calls)

    def nonce(self, account: Address, *, depth: int = 0) -> int:
        self._ask("nonce")
        del account
        block = self._view()
        for _ in range(depth):
            block = block.parent or block
        return block.nonce

    def standing(self, account: Address, target: Address, at: BlockRef) -> Standing:
        self._ask("standing")
        del account
        return Standing(self._pinned(at).nonce, CODE_HASH if target == VENUE else None)

    def simulate(self, sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        self._ask("simulate")
        del sender, fees
        why = self._chain.would_revert(message, self._pinned(at))
        if why is not None:
            raise CallReverted("execution reverted", data=why.encode())
        return message.data

    def rehearse(
        self, sender: Address, message: Message, fees: Fees, at: BlockRef, meanwhile: Work = nothing
    ) -> Rehearsal:
        meanwhile()
        returned = self.simulate(sender, message, fees, at)
        return Rehearsal(returned, self.standing(sender, message.to, at))

    def send(self, raw: bytes) -> str:
        self._gate("send")
        self.heard(known_of(raw))
        try:
            return self._deliver(raw)
        finally:
            self._gate("sent")

    def mined(self, hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        self._ask("mined")
        # Blocks that come between two questions of one look are not another look: they count here.
        tip = self._chain.head.ref.number
        newest = tip - max(0, self.weakness.receipt_lag - (tip - self._tip))
        for tx_hash in reversed(hashes):
            found = self._chain.receipt(tx_hash)
            if found is not None and found[1].ref.number <= min(newest, head.number):
                return mined_at(*found, head)
        return None

    def _ask(self, point: str) -> None:
        self._gate(point)
        if self.weakness.silent:
            raise Transient("the node did not answer", point=point)

    def _view(self) -> Block:
        newest = self._chain.head.ref.number
        return self._chain.back(max(0, min(self.weakness.head_lag, newest - self._seen)))

    def _pinned(self, at: BlockRef) -> Block:
        block = self._chain.find(at.hash)
        if block is None:
            raise BadData("the block is not known any more", block=at.number)
        return block

    def _deliver(self, raw: bytes) -> str:
        match self.weakness.delivery:
            case "lost":
                raise Uncertain("connection reset")
            case "elsewhere":
                self._chain.hear(raw)
                raise Uncertain("connection reset")
            case "refused":
                raise Refused("insufficient funds for gas * price + value")
            case "mistaken":
                self._chain.hear(raw)
                raise Refused("transaction type not supported")
            case "swallowed":
                pool = self._chain.pool
                said = self._chain.submit(raw)
                self._chain.pool = pool
                return said
            case "unheard":
                self._chain.submit(raw)
                raise Uncertain("connection reset")
            case _:
                return self._chain.submit(raw)


class ModelVault:
    """Holds the chain's delta of the asset."""

    def read(self) -> Read[VaultState]:
        ((delta,),) = yield (Call(ASSET, b"delta", READ),)
        return VaultState(legs=(Linear(ASSET, delta),))

    def watch(self) -> tuple[Watch, ...]:
        return ()


class ModelOracle:
    """The chain's price, new in every block."""

    def read(self) -> Read[Quote]:
        (price,), (time_s,) = yield (Call(ASSET, b"price", READ), Call(ASSET, b"time", READ))
        return Quote("model", price, time_s, max_age_s=HOUR_S)

    def watch(self) -> tuple[Watch, ...]:
        return ()


class ModelVenue:
    """Fills every order at the chain's price, or does what its mood says."""

    account = KEEPER
    typical_gas = TYPICAL_GAS

    def read(self) -> Read[VenueState]:
        (position,), (price,) = yield (Call(VENUE, b"position", READ), Call(ASSET, b"price", READ))
        return VenueState(
            size_base=position,
            open_notional_usd=-position * price,
            pending_funding_usd=0.0,
            account_value_usd=1e6,
            free_collateral_usd=1e6,
            margin_ratio=None,
            liquidation_price=None,
            mark_price=price,
            trade_price=price,
            index_price=price,
            fee_rate=0.001,
            impact_per_base=0.0,
            initial_margin_ratio=0.1,
        )

    def watch(self) -> tuple[Watch, ...]:
        return ()

    def prepare(self, intent: Intent) -> Message:
        order = Order(intent.units, intent.worst_price, intent.deadline_s)
        return Message(VENUE, msgspec.json.encode(order), 0, 2 * TYPICAL_GAS)

    def preview(self, intent: Intent, returned: bytes) -> Fill:
        order = msgspec.json.decode(returned, type=Order)
        return Fill(order.units, intent.worst_price, 0.0, 0.0)

    def fill(self, logs: tuple[Log, ...]) -> Fill | None:
        for log in logs:
            if log.topics[0] == FILLED:
                order = msgspec.json.decode(log.data, type=Order)
                return Fill(order.units, order.worst_price, 0.0, 0.0)
        return None

    def explain(self, revert: bytes) -> str:
        return revert.decode()


class ModelClock:
    """The chain's time, wall and monotonic alike."""

    def __init__(self, chain: ChainModel) -> None:
        self._chain = chain

    def now_ms(self) -> int:
        return self._chain.now_ms

    def monotonic_ms(self) -> int:
        return self._chain.now_ms


def model_desk(
    chain: ChainModel,
    wire: Wire,
    journal: Journal,
    *,
    confirmations: int = 2,
    limits: Limits = LIMITS,
    strategy: Strategy | None = None,
) -> Desk:
    """Return the desk of one process, with one book, whose view of the chain is *wire*."""
    owner = Policy(risk_aversion_per_usd=1e-2, volatility=FixedVolatility(0.8))
    policy = TxPolicy(tip_wei=TIP_WEI, confirmations=confirmations)
    terms = Terms(
        book="eth",
        asset=ASSET,
        policy=owner if strategy is None else replace(owner, strategy=strategy),
        limits=limits,
        tip_wei=TIP_WEI,
        max_reverts_per_hour=policy.max_reverts_per_hour,
    )
    hands = Hands(
        chain_id=CHAIN,
        log=Announcer(journal, ModelClock(chain)),
        network=wire,
        signer=WorldSigner(),
        policy=policy,
        cap_wei=limits.max_gas_price_wei,
    )
    oracle = ModelOracle()
    book = Book(terms, {"held": ModelVault()}, oracle, ModelVenue())
    return Desk(chain=wire, native_oracle=oracle, hands=hands, books=(book,))
