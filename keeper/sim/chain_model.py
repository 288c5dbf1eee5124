"""A chain that may be rehearsed on: blocks, one account's pool by a node's rules, and reorgs.

Everything a block holds is in the block, and blocks never change: a fork is another head, a
snapshot is four references, and equal histories have equal hashes. Nothing here is chance or time
of its own; whoever plays it says what happens.

The pool keeps one transaction a nonce, as geth's does. Beside it stands what anybody ever took
(`known`): a miner may have older bytes than the node that is asked, and a pool may forget.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from keeper.model.chain import Address, BlockRef, Fees, Log, Message, UnsignedTx
from keeper.model.errors import Refused
from keeper.model.flow import Mined
from keeper.model.units import GWEI, MS_PER_S
from keeper.sim.world import (
    BLOCK_GAS,
    BLOCK_S,
    CHAIN,
    EMPTY_GAS,
    FILLED,
    TYPICAL_GAS,
    VENUE,
    Order,
    order_of,
    tx_hash_of,
)

START_S: Final = 1_700_000_000
RAISE_PERCENT: Final = 110
"""What a replacement must offer, of both fees, or a node keeps the old bytes."""
STRANGER: Final = Address("0x00000000000000000000000000000000000057A2")
KEPT_BLOCKS: Final = 512
"""Blocks that are found by their hash, whether they are canonical or not."""

Mood = Literal["open", "refusing", "reverting", "inert"]
"""How the venue takes an order. refusing: it reverts, simulated or mined. reverting: only when it
is mined. inert: it succeeds and does nothing."""
Pick = Literal["pool", "oldest", "newest", "none"]
"""What a miner takes under each nonce: the node's, the first or the last that anybody took."""


class Weather(Struct, frozen=True):
    """What the next block will find, whoever trades in it."""

    delta: float = 10.0
    price: float = 2_000.0
    base_fee_wei: int = 10 * GWEI
    mood: Mood = "open"


class Known(Struct, frozen=True):
    """Signed bytes that somebody took."""

    hash: str
    raw: bytes
    tx: UnsignedTx


class Included(Struct, frozen=True):
    """One transaction in its block, and what it did."""

    known: Known
    succeeded: bool
    units: float
    """Change of the position at the venue."""
    position_before: float


class Block(Struct, frozen=True, eq=False):
    """A block and everything that holds after it."""

    ref: BlockRef
    parent: "Block | None"
    included: tuple[Included, ...]
    weather: Weather
    nonce: int
    """The account's next one."""
    position: float


class Moment(Struct, frozen=True, eq=False):
    """The whole chain at one time."""

    head: Block
    pool: tuple[Known, ...]
    known: tuple[Known, ...]
    weather: Weather
    now_ms: int
    forks: int


def known_of(raw: bytes) -> Known:
    """Decode signed bytes; they are the transaction itself, as `WorldSigner` makes them."""
    return Known(tx_hash_of(raw), raw, msgspec.json.decode(raw, type=UnsignedTx))


class ChainModel:
    """One account on one chain. Time passes only when it is told to."""

    def __init__(
        self,
        weather: Weather | None = None,
        *,
        kept_blocks: int = KEPT_BLOCKS,
        siblings_differ: bool = True,
    ) -> None:
        """Start with one empty block.

        Without *siblings_differ* a reorg to the same content is no reorg: the hash is the same.
        """
        self.weather = weather or Weather()
        self.now_ms = START_S * MS_PER_S
        self.pool: tuple[Known, ...] = ()
        """Of the node that is asked, by nonce."""
        self.known: tuple[Known, ...] = ()
        """Oldest first."""
        self._forks = 0
        self._kept_blocks = kept_blocks
        self._siblings_differ = siblings_differ
        self._by_hash: dict[str, Block] = {}
        self.head = self._block(None, (), 0, 0.0)

    # ------------------------------------------------------------------ past and present

    def snapshot(self) -> Moment:
        """Return the chain as it is."""
        return Moment(self.head, self.pool, self.known, self.weather, self.now_ms, self._forks)

    def restore(self, moment: Moment) -> None:
        """Make the chain what it was."""
        self.head, self.pool, self.known = moment.head, moment.pool, moment.known
        self.weather, self.now_ms, self._forks = moment.weather, moment.now_ms, moment.forks

    def key(self) -> tuple[object, ...]:
        """Return what two chains have in common exactly if nothing can tell them apart."""
        known = tuple(one.hash for one in self.known)
        pool = tuple(one.hash for one in self.pool)
        return self.head.ref.hash, pool, known, self.weather, self.now_ms, self._forks

    def back(self, blocks: int) -> Block:
        """Return the block so far below the head; the first one has nothing below it."""
        block = self.head
        for _ in range(blocks):
            block = block.parent or block
        return block

    def net(self) -> float:
        """Return what is not hedged: the delta of now and the position of the newest block."""
        return self.weather.delta + self.head.position

    def blocks(self) -> Iterator[Block]:
        """Yield the canonical blocks, newest first."""
        block: Block | None = self.head
        while block is not None:
            yield block
            block = block.parent

    def find(self, block_hash: str) -> Block | None:
        """Return a block by its hash, canonical or not; None if it is not known any more."""
        return self._by_hash.get(block_hash)

    # ------------------------------------------------------------------ the pool

    def submit(self, raw: bytes) -> str:
        """Take bytes as a node does, and return its words.

        Raises:
            Refused: No node could ever take them.

        """
        one = known_of(raw)
        fees, message = one.tx.fees, one.tx.message
        if message.gas_limit < EMPTY_GAS:
            raise Refused("intrinsic gas too low")
        if fees.tip_wei > fees.max_fee_wei:
            raise Refused("max priority fee per gas higher than max fee per gas")
        if one in self.pool:
            return "already known"
        if one.tx.nonce < self.head.nonce:
            return "nonce too low"
        rival = next((other for other in self.pool if other.tx.nonce == one.tx.nonce), None)
        if rival is not None and not _outbids(fees, rival.tx.fees):
            return "replacement transaction underpriced"
        others = (other for other in self.pool if other is not rival)
        self.pool = tuple(sorted((*others, one), key=lambda other: other.tx.nonce))
        self.hear(raw)
        return one.hash

    def hear(self, raw: bytes) -> None:
        """Let somebody else have the bytes: a miner may take them, the node does not know."""
        one = known_of(raw)
        if one not in self.known:
            self.known = (*self.known, one)

    def forget(self) -> None:
        """Empty the node's pool."""
        self.pool = ()

    def remind(self) -> None:
        """Hand the node's pool again what anybody ever took and is not mined."""
        for one in self.known:
            if one.tx.nonce >= self.head.nonce:
                self.submit(one.raw)

    def stranger(self) -> None:
        """Let somebody else with our key use the next nonce; it does not touch the venue."""
        message = Message(STRANGER, b"", 0, EMPTY_GAS)
        fees = Fees(1_000 * GWEI, 100 * GWEI)
        self.submit(msgspec.json.encode(UnsignedTx(CHAIN, self.head.nonce, message, fees)))

    # ------------------------------------------------------------------ blocks

    def mine(self, pick: Pick = "pool", *, seconds: int = BLOCK_S) -> Block:
        """Make one block *seconds* later, with what *pick* says."""
        self.now_ms += seconds * MS_PER_S
        return self._extend(pick, self.now_ms // MS_PER_S)

    def reorg(self, depth: int, pick: Pick = "none", *, returned: bool = True) -> tuple[Block, ...]:
        """Replace the newest *depth* blocks by as many; return what is not canonical any more.

        What they held goes back into the pool if it is *returned*, by the pool's own rules.
        """
        gone: list[Block] = []
        for block in self.blocks():
            if len(gone) == depth or block.parent is None:
                break
            gone.append(block)
        self._forks += self._siblings_differ
        self.head = self.back(len(gone))
        if returned:
            for block in reversed(gone):
                for included in block.included:
                    self.submit(included.known.raw)
        for block in reversed(gone):
            self._extend(pick, block.ref.timestamp_s)
        return tuple(gone)

    def _extend(self, pick: Pick, time_s: int) -> Block:
        parent = self.head
        nonce, position = parent.nonce, parent.position
        taken: list[Included] = []
        while (one := self._pick(pick, nonce)) is not None:
            succeeded, units = self._run(one.tx.message, time_s, self.weather)
            taken.append(Included(one, succeeded, units, position))
            nonce, position = nonce + 1, position + units
        self.head = self._block(parent, tuple(taken), nonce, position, time_s)
        self.pool = tuple(one for one in self.pool if one.tx.nonce >= nonce)
        return self.head

    def _pick(self, pick: Pick, nonce: int) -> Known | None:
        if pick == "none":
            return None
        offered = self.pool if pick == "pool" else self.known
        fee_wei = self.weather.base_fee_wei
        fit = [o for o in offered if o.tx.nonce == nonce and o.tx.fees.max_fee_wei >= fee_wei]
        if not fit:
            return None
        return fit[-1] if pick == "newest" else fit[0]

    def _run(self, message: Message, time_s: int, weather: Weather) -> tuple[bool, float]:
        """Return whether a message succeeds, and what it does to the position."""
        if message.to != VENUE:
            return True, 0.0
        if weather.mood in {"refusing", "reverting"} or _broken(message, time_s, weather.price):
            return False, 0.0
        order = msgspec.json.decode(message.data, type=Order)
        return True, 0.0 if weather.mood == "inert" else order.units

    def would_revert(self, message: Message, at: Block) -> str | None:
        """Return why a message reverts when it is simulated on top of *at*; None if it does not."""
        if at.weather.mood == "refusing":
            return "the venue is closed"
        return _broken(message, at.ref.timestamp_s, at.weather.price)

    def _block(
        self,
        parent: Block | None,
        taken: tuple[Included, ...],
        nonce: int,
        position: float,
        time_s: int = START_S,
    ) -> Block:
        number = 100 if parent is None else parent.ref.number + 1
        before = "0x" + 64 * "0" if parent is None else parent.ref.hash
        hashes = [included.known.hash for included in taken]
        said = repr((before, time_s, hashes, self.weather, self._forks))
        ref = BlockRef(
            number=number,
            hash="0x" + blake2b(said.encode(), digest_size=32).hexdigest(),
            parent_hash=before,
            timestamp_s=time_s,
            base_fee_wei=self.weather.base_fee_wei,
            gas_limit=BLOCK_GAS,
        )
        block = Block(ref, parent, taken, self.weather, nonce, position)
        self._by_hash[ref.hash] = block
        if len(self._by_hash) > self._kept_blocks:
            del self._by_hash[next(iter(self._by_hash))]
        return block

    # ------------------------------------------------------------------ receipts

    def receipt(self, tx_hash: str) -> tuple[Included, Block] | None:
        """Return where a transaction is, on the canonical chain."""
        for block in self.blocks():
            for included in block.included:
                if included.known.hash == tx_hash:
                    return included, block
        return None


def mined_at(included: Included, block: Block, head: BlockRef) -> Mined:
    """Return a receipt the way the keeper's network tells it."""
    message = included.known.tx.message
    logs: tuple[Log, ...] = ()
    if included.units:
        filled = replace(order_of(included.known.tx), units=included.units)
        logs = (Log(VENUE, (FILLED,), msgspec.json.encode(filled), 0),)
    return Mined(
        hash=included.known.hash,
        block_number=block.ref.number,
        block_hash=block.ref.hash,
        depth=head.number - block.ref.number + 1,
        succeeded=included.succeeded,
        gas_used=TYPICAL_GAS if message.to == VENUE else EMPTY_GAS,
        gas_price_wei=block.ref.base_fee_wei,
        logs=logs,
    )


def _outbids(fees: Fees, standing: Fees) -> bool:
    return (
        fees.max_fee_wei * 100 >= standing.max_fee_wei * RAISE_PERCENT
        and fees.tip_wei * 100 >= standing.tip_wei * RAISE_PERCENT
    )


def _broken(message: Message, time_s: int, price: float) -> str | None:
    """Return which bound of its calldata an order would break."""
    order = msgspec.json.decode(message.data, type=Order)
    if time_s > order.deadline_s:
        return "its deadline has passed"
    worse = price > order.worst_price if order.units > 0 else price < order.worst_price
    return "the price is worse than its worst" if worse else None
