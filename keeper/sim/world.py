"""A whole world in memory: chain, vault, oracle and venue, able to die at any side effect.

It keeps a transaction pool and an account nonce the way a node does, so that the engine's safety
argument can be tried at every point where a process may stop.
"""

from hashlib import blake2b

import msgspec
from msgspec import Struct

from keeper.core.decide import FixedVolatility, Policy, Terms
from keeper.core.limits import Limits
from keeper.core.tx_steps import TxPolicy
from keeper.engine.announce import Announcer
from keeper.engine.hands import Hands
from keeper.engine.tick import Book, Desk
from keeper.model.chain import (
    Address,
    Answer,
    BlockRef,
    Call,
    ChainId,
    Fees,
    Log,
    Message,
    SignedTx,
    UnsignedTx,
    Watch,
)
from keeper.model.errors import CallReverted, Refused, Uncertain
from keeper.model.flow import Fill, Intent, Mined
from keeper.model.market import Quote
from keeper.model.position import Linear, VaultState, VenueState
from keeper.model.units import GWEI, HOUR_S, MS_PER_S
from keeper.ports.acting import Journal, Rehearsal, Standing, Work, nothing
from keeper.ports.reading import Read
from keeper.sim.memory_journal import MemoryJournal

ASSET = Address("0x00000000000000000000000000000000000000E7")
KEEPER = Address("0x000000000000000000000000000000000000bEEF")
VENUE = Address("0x00000000000000000000000000000000000000Fe")
CHAIN = ChainId(31337)
FILLED = b"filled".ljust(32)
BLOCK_S = 12
BLOCK_GAS = 36_000_000
TYPICAL_GAS = 100_000
EMPTY_GAS = 21_000  # the rule of a node; the engine counts for itself


class Crash(BaseException):
    """The process died. Not an Exception: nothing may catch it."""


class Order(Struct, frozen=True):
    """What a message tells the venue."""

    units: float
    worst_price: float
    deadline_s: int
    withdraws: str = ""
    """The resting order that it takes back, at a venue that fills later."""


class World:
    """One vault, one price, one venue and one account on one chain."""

    def __init__(self, *, delta: float = 10.0, price: float = 2_000.0) -> None:
        self.lives = float("inf")
        self.delta = delta
        self.price = price
        self.position = 0.0
        self.number = 100
        self.base_fee_wei = 10 * GWEI
        self.now_ms = 1_700_000_000_000
        self.lose_answers = self.deaf = False
        self.refusal: str | None = None
        """What the node says to any bytes it is sent, and does not take."""
        self.pool: dict[str, UnsignedTx] = {}
        self.raws: list[bytes] = []
        self.included: dict[str, int] = {}
        self.reverted: set[str] = set()
        self.base_nonce = self.strangers = self.refused = 0
        self.updated_at_s = self.block_time_s()
        self.revert_reason: bytes | None = None
        self.inert = False
        self.skew = 1.0
        """What the venue fills of each unit that it was asked for."""
        self.code_hash: str | None = "0xc0de"
        self.delegated_to: str | None = None
        """Code hash of the keeper's own address."""
        self.block_gas = BLOCK_GAS
        self.order_gas = TYPICAL_GAS
        """Gas that an order uses when it is mined; the venue asks for twice the typical."""

    def block_time_s(self, number: int | None = None) -> int:
        """Return the timestamp of a block."""
        return 1_700_000_000 + BLOCK_S * ((self.number if number is None else number) - 100)

    def spend(self) -> None:
        """Lose one life at a side effect; die without one."""
        self.lives -= 1
        if self.lives < 0:
            raise Crash

    def mine(self, *, oldest: bool = False) -> None:
        """Make a block with at most one transaction of ours: the first ever sent, or the last."""
        self.number += 1
        self.now_ms += BLOCK_S * MS_PER_S
        self.updated_at_s = self.block_time_s()
        valid = [h for h, tx in self.pool.items() if tx.nonce == self.nonce(KEEPER)]
        if valid:
            self._include(valid[0 if oldest else -1])

    def mine_nothing(self) -> None:
        """Make a block without any transaction of ours."""
        held, self.pool = self.pool, {}
        self.mine()
        self.pool = held

    def reorg(self, depth: int) -> None:
        """Take back what the last *depth* blocks included; height and pool stay."""
        for tx_hash, number in list(self.included.items()):
            if number > self.number - depth:
                del self.included[tx_hash]
                self.position -= self._effect(tx_hash)
                self.reverted.discard(tx_hash)

    def _include(self, tx_hash: str) -> None:
        self.included[tx_hash] = self.number
        tx = self.pool[tx_hash]
        if tx.message.data and (
            self.block_time_s() > order_of(tx).deadline_s
            or self.revert_reason is not None
            or self.order_gas > tx.message.gas_limit
        ):
            self.reverted.add(tx_hash)
        self.position += self._effect(tx_hash)

    def _effect(self, tx_hash: str) -> float:
        """Return what an included transaction did to the position."""
        tx = self.pool[tx_hash]
        is_idle = tx_hash in self.reverted or self.inert or not tx.message.data
        return 0.0 if is_idle else order_of(tx).units * self.skew

    # The ports `Chain` and `Network`.

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        meanwhile()
        return BlockRef(
            number=self.number,
            hash=f"0x{self.number:064x}",
            parent_hash=f"0x{self.number - 1:064x}",
            timestamp_s=self.block_time_s(),
            base_fee_wei=self.base_fee_wei,
            gas_limit=self.block_gas,
        )

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        raise AssertionError(f"nothing here asks the chain: {calls} at {at}")

    def nonce(self, account: Address, *, depth: int = 0) -> int:
        self._refuse_a_stranger(account)
        return self._nonce_at(depth)

    def _nonce_at(self, depth: int) -> int:
        ours = sum(number <= self.number - depth for number in self.included.values())
        return self.base_nonce + ours + self.strangers

    def standing(self, account: Address, target: Address, at: BlockRef) -> Standing:
        if at.number != self.number:
            raise ValueError(f"asked about block {at.number}")
        self._refuse_a_stranger(account)
        codes = {VENUE: self.code_hash, KEEPER: self.delegated_to}
        return Standing(self._nonce_at(0), codes[target])

    def simulate(self, sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        self._refuse_a_stranger(sender)
        if at.number != self.number or not fees.max_fee_wei:
            raise ValueError(f"simulated at {at.number} with {fees}")
        if self.revert_reason is not None:
            raise CallReverted("execution reverted", data=self.revert_reason)
        return message.data

    def rehearse(
        self, sender: Address, message: Message, fees: Fees, at: BlockRef, meanwhile: Work = nothing
    ) -> Rehearsal:
        meanwhile()
        returned = self.simulate(sender, message, fees, at)
        return Rehearsal(returned, self.standing(sender, message.to, at))

    def send(self, raw: bytes) -> str:
        self.spend()
        if self.deaf:
            raise Uncertain("connection reset")
        if self.refusal is not None:
            self.refused += 1
            raise Refused(self.refusal)
        self.raws.append(raw)
        self.pool[tx_hash_of(raw)] = msgspec.json.decode(raw, type=UnsignedTx)
        self.spend()
        if self.lose_answers:
            raise Uncertain("connection reset")
        return "accepted"

    def mined(self, hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        for tx_hash in hashes:
            if (number := self.included.get(tx_hash)) is not None:
                return self._mined(tx_hash, number, head)
        return None

    def _refuse_a_stranger(self, account: Address) -> None:
        if account != KEEPER:
            raise ValueError(f"{account} has no account here")

    def _mined(self, tx_hash: str, number: int, head: BlockRef) -> Mined:
        succeeded = tx_hash not in self.reverted
        tx = self.pool[tx_hash]
        return Mined(
            hash=tx_hash,
            block_number=number,
            block_hash=f"0x{number:064x}",
            depth=head.number - number + 1,
            succeeded=succeeded,
            gas_used=self._gas_used(tx),
            gas_price_wei=self.base_fee_wei,
            logs=self._logs(tx_hash),
        )

    def _logs(self, tx_hash: str) -> tuple[Log, ...]:
        if not (effect := self._effect(tx_hash)):
            return ()
        filled = msgspec.structs.replace(order_of(self.pool[tx_hash]), units=effect)
        return (Log(VENUE, (FILLED,), msgspec.json.encode(filled), 0),)

    def _gas_used(self, tx: UnsignedTx) -> int:
        return min(self.order_gas, tx.message.gas_limit) if tx.message.data else EMPTY_GAS


class HeldVault:
    """A vault that holds the world's delta of the asset."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self) -> Read[VaultState]:
        yield ()
        return VaultState(legs=(Linear(ASSET, self._world.delta),))

    def watch(self) -> tuple[Watch, ...]:
        return ()


class WorldOracle:
    """The world's price."""

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self) -> Read[Quote]:
        yield ()
        return Quote("world", self._world.price, self._world.updated_at_s, max_age_s=HOUR_S)

    def watch(self) -> tuple[Watch, ...]:
        return ()


class WorldVenue:
    """A venue that fills every order at the world's price."""

    account = KEEPER
    typical_gas = TYPICAL_GAS

    def __init__(self, world: World) -> None:
        self._world = world

    def read(self) -> Read[VenueState]:
        yield ()
        price = self._world.price
        return VenueState(
            size_base=self._world.position,
            open_notional_usd=-self._world.position * price,
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


class WorldSigner:
    """Signs by naming: the raw bytes are the transaction itself."""

    address = KEEPER

    def sign(self, tx: UnsignedTx) -> SignedTx:
        raw = msgspec.json.encode(tx)
        return SignedTx(hash=tx_hash_of(raw), raw=raw)


class WorldClock:
    """The world's time, wall and monotonic alike."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now_ms(self) -> int:
        return self._world.now_ms

    def monotonic_ms(self) -> int:
        return self._world.now_ms


class MortalJournal(MemoryJournal):
    """A journal whose process may die before or after each write, but not during one."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def append(self, *events: object) -> None:
        self._world.spend()
        super().append(*events)  # type: ignore[arg-type]  # the port's events, as given
        self._world.spend()


LIMITS = Limits(
    min_trade_base=0.01,
    cooldown_s=1,
    max_order_base=100.0,
    max_position_base=100.0,
    max_leverage_x=5.0,
    max_gas_price_wei=500 * GWEI,
    daily_gas_budget_usd=1e4,
    max_price_age_s=HOUR_S,
    max_block_age_s=HOUR_S,
    max_deviation_fraction=0.05,
    max_slippage_fraction=0.01,
)


def desk_of(
    world: World, journal: Journal, *, limits: Limits = LIMITS, venue: WorldVenue | None = None
) -> Desk:
    """Return a desk with one book that hedges *world*."""
    terms = Terms(
        book="eth",
        asset=ASSET,
        policy=Policy(risk_aversion_per_usd=1e-2, volatility=FixedVolatility(0.8)),
        limits=limits,
        tip_wei=GWEI,
    )
    hands = Hands(
        chain_id=CHAIN,
        log=Announcer(journal, WorldClock(world)),
        network=world,
        signer=WorldSigner(),
        policy=TxPolicy(tip_wei=GWEI),
        cap_wei=limits.max_gas_price_wei,
    )
    oracle = WorldOracle(world)
    book = Book(terms, {"held": HeldVault(world)}, oracle, venue or WorldVenue(world))
    return Desk(chain=world, native_oracle=oracle, hands=hands, books=(book,))


def order_of(tx: UnsignedTx) -> Order:
    """Return what a transaction to the venue asks for."""
    return msgspec.json.decode(tx.message.data, type=Order)


def tx_hash_of(raw: bytes) -> str:
    """Return the hash of signed bytes."""
    return "0x" + blake2b(raw, digest_size=32).hexdigest()
