"""Calldata and answers from Solidity signatures: `encode("transfer(address,uint256)", to, 1)`."""

from functools import lru_cache
from typing import Any

from eth_abi import abi
from eth_hash.auto import keccak

from keeper.model.chain import Address


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


def checksummed(address: str | bytes) -> Address:
    """Return the EIP-55 form of an address."""
    digits = address.hex() if isinstance(address, bytes) else address.lower().removeprefix("0x")
    digest = keccak(digits.encode()).hex()
    return Address(
        "0x"
        + "".join(
            char.upper() if int(nibble, 16) > 7 else char  # noqa: PLR2004  # EIP-55's own number
            for char, nibble in zip(digits, digest, strict=False)
        )
    )


def topic(event: str) -> str:
    """Return the first topic of an event from its signature."""
    return "0x" + keccak(event.encode()).hex()


@lru_cache(maxsize=512)
def _parsed(signature: str) -> tuple[bytes, tuple[str, ...]]:
    start = signature.index("(")
    return keccak(signature.encode())[:4], _split(signature[start + 1 : -1])


@lru_cache(maxsize=512)
def _split(types: str) -> tuple[str, ...]:
    """Split at the commas outside parentheses."""
    depth, parts, part = 0, [], ""
    for char in types.replace(" ", ""):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    return (*parts, part) if part else tuple(parts)
