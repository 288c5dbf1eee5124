"""Deploys contracts at addresses that are known before anything is sent (EIP-1014)."""

from collections.abc import Callable
from typing import Final

from eth_hash.auto import keccak
from msgspec import Struct

from keeper.adapters.words import checksum
from keeper.devnet.artifacts import creation_code
from keeper.devnet.calldata import encode_types
from keeper.devnet.chain import Tx
from keeper.model.chain import Address

FACTORY: Final = Address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
"""Deploys what it is sent at an address made from a salt and the code; Anvil has it from genesis.
It, and not the sender, is `msg.sender` in every constructor."""


class Deployment(Struct, frozen=True):
    """A contract to be: where it will stand and the transaction that puts it there."""

    address: Address
    tx: Tx


def plan(
    sender: Address,
    name: str,
    types: str = "",
    *values: object,
    salt: int = 0,
    accept: Callable[[Address], bool] = lambda _address: True,
) -> Deployment:
    """Return how to deploy *name* with constructor arguments *values* of *types*.

    *accept* may refuse an address; the next salt is then tried.
    """
    code = creation_code(name) + encode_types(types, *values)
    digest = keccak(code)
    while True:
        word = salt.to_bytes(32)
        address = checksum(keccak(b"\xff" + bytes.fromhex(FACTORY[2:]) + word + digest)[12:])
        if accept(address):
            return Deployment(address, Tx(sender, FACTORY, word + code, label=f"deploy {name}"))
        salt += 1
