"""Calldata and answers from Solidity signatures: `encode("transfer(address,uint256)", to, 1)`."""

from functools import lru_cache
from typing import Any

from eth_abi import abi
from eth_hash.auto import keccak

from keeper.adapters.words import split_types


def encode(signature: str, *values: object) -> bytes:
    """Return the selector and encoded arguments of a call."""
    selector, types = _parsed(signature)
    return selector + abi.encode(types, values)


def encode_types(types: str, *values: object) -> bytes:
    """Return encoded values without a selector, as constructors take them."""
    return abi.encode(_split(types), values)


def decode(types: str, data: bytes) -> tuple[Any, ...]:
    """Return the values in *data*; *types* is comma-separated."""
    return tuple(abi.decode(_split(types), data))


def topic(event: str) -> str:
    """Return the first topic of an event from its signature."""
    return "0x" + keccak(event.encode()).hex()


@lru_cache(maxsize=512)
def _parsed(signature: str) -> tuple[bytes, tuple[str, ...]]:
    start = signature.index("(")
    return keccak(signature.encode())[:4], _split(signature[start + 1 : -1])


@lru_cache(maxsize=512)
def _split(types: str) -> tuple[str, ...]:
    return split_types(types.replace(" ", ""))
