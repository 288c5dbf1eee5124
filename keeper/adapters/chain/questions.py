"""How a node is asked: methods with their parameters, each read pinned to a block's hash."""

from typing import Any, Final

from msgspec import Struct

from keeper.adapters.chain import shapes
from keeper.adapters.chain.rpc import Asked
from keeper.model.chain import Address, BlockRef, Fees, Message

NEWEST: Final = ("eth_getBlockByNumber", ("latest", False))


class Lookup(Struct, frozen=True):
    """What is asked of a contract, without the block."""

    to: Address
    data: bytes
    overrides: tuple[dict[str, Any], ...] = ()
    """At most one: state that the node takes as given."""


def at_hash(lookup: Lookup, block_hash: str) -> Asked:
    """Return *lookup* at one block and no other."""
    call = {"to": lookup.to, "data": f"0x{lookup.data.hex()}"}
    return "eth_call", (call, shapes.by_hash(block_hash), *lookup.overrides)


def as_call(sender: Address, message: Message, fees: Fees, at: BlockRef) -> Asked:
    """Return the simulation of *message* as it will be signed."""
    call = {
        "from": sender,
        "to": message.to,
        "data": f"0x{message.data.hex()}",
        "value": hex(message.value_wei),
        "gas": hex(message.gas_limit),
        "maxFeePerGas": hex(fees.max_fee_wei),
        "maxPriorityFeePerGas": hex(fees.tip_wei),
    }
    return "eth_call", (call, shapes.by_hash(at.hash))


def where_they_stand(account: Address, target: Address, at: BlockRef) -> tuple[Asked, Asked]:
    """Return the questions for the nonce of *account* and the code of *target*."""
    pin = shapes.by_hash(at.hash)
    return ("eth_getTransactionCount", (account, pin)), ("eth_getCode", (target, pin))
