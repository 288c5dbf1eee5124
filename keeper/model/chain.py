"""What the chain is asked, what is sent to it, and what it answers."""

from collections.abc import Callable
from typing import Any, NewType

from msgspec import Struct

Address = NewType("Address", str)
"""An EIP-55 checksummed address; normalised once, at the edge."""

ChainId = NewType("ChainId", int)


class BlockRef(Struct, frozen=True):
    """The block a whole snapshot is pinned to; the hash is what makes it reorg-safe."""

    number: int
    hash: str
    parent_hash: str
    timestamp_s: int
    base_fee_wei: int
    gas_limit: int | None = None
    """Gas that all transactions of the block may use together; None if it was not asked."""


class Call(Struct, frozen=True):
    """A read-only call: who, what, and the ABI types of the answer."""

    to: Address
    data: bytes
    returns: tuple[str, ...]


Answer = tuple[Any, ...]
"""The decoded return values of one `Call`."""


class Log(Struct, frozen=True):
    """One event of a receipt or a subscription."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    index: int


class Receipt(Struct, frozen=True):
    """What the chain says became of one transaction, in the block that holds it now."""

    tx_hash: str
    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int
    effective_gas_price_wei: int
    logs: tuple[Log, ...]
    data_fee_wei: int = 0
    """What a rollup charged for its data beyond gas; 0 elsewhere."""


class Message(Struct, frozen=True):
    """The part of a transaction that says what it does: no nonce, no fee, no signature."""

    to: Address
    data: bytes
    value_wei: int
    gas_limit: int


class Fees(Struct, frozen=True):
    """What one attempt offers per gas: EIP-1559 max fee and priority fee."""

    max_fee_wei: int
    tip_wei: int


class UnsignedTx(Struct, frozen=True):
    """An EIP-1559 transaction before its signature."""

    chain_id: ChainId
    nonce: int
    message: Message
    fees: Fees


class SignedTx(Struct, frozen=True):
    """Raw bytes and their hash, computed before anything is sent."""

    hash: str
    raw: bytes


class Watch(Struct, frozen=True):
    """A log that should wake the keeper; it rings the bell and carries no data further."""

    address: Address
    topic: bytes
    name: str
    loud: Callable[[Log], bool] = lambda _log: True
    """Whether this one is worth a wake-up; the default is every one."""
