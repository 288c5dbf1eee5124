"""Values to contract ABI bytes, fast where a type is a fixed number of 32-byte words.

`address`, `uintN`, `intN`, `bool`, `bytesN` and tuples of these are encoded here. Everything else
goes through eth_abi, which is right for every type but some forty times slower, and is imported
only then. Stricter than eth_abi in one place: a `bytesN` is exactly N bytes. `chain/codec` is the
way back. Source: the Solidity documentation's "Contract ABI Specification".
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

from eth_hash.auto import keccak

from keeper.model.chain import Address

WORD: Final = 32
_MAX_CHECKSUMS: Final = 100_000
_ADDRESS_SIZE: Final = 20
_ELEMENTARY = re.compile(r"(u?int|bytes)(\d+)|address|bool")

Encode: TypeAlias = Callable[[Any], bytes]


class _Checksums(dict[bytes, Address]):
    """Twenty bytes to their EIP-55 spelling, each hashed once."""

    def __missing__(self, raw: bytes) -> Address:
        if len(self) >= _MAX_CHECKSUMS:
            self.clear()
        plain = raw.hex()
        digest = keccak(plain.encode()).hex()
        letters = (c.upper() if h >= "8" else c for c, h in zip(plain, digest, strict=False))
        spelled = self[raw] = Address("0x" + "".join(letters))
        return spelled


_CHECKSUMS: Final = _Checksums()

checksum: Final[Callable[[bytes], Address]] = _CHECKSUMS.__getitem__
"""Twenty bytes to their EIP-55 spelling, unchecked and in no time: what is read is full of them."""


def checksum_address(text: str | bytes) -> Address:
    """Return the EIP-55 spelling of an address given as twenty bytes or as 0x and 40 digits.

    Raises:
        ValueError: It is not an address, or mixes cases with a wrong checksum.

    """
    raw = text if isinstance(text, bytes) else _address_bytes(text)
    if len(raw) != _ADDRESS_SIZE:
        raise ValueError(f"not an address: {text!r}")
    spelled = _CHECKSUMS[raw]
    if isinstance(text, str) and text[2:] not in (text[2:].lower(), text[2:].upper(), spelled[2:]):
        raise ValueError(f"address with a wrong checksum: {text}, expected {spelled}")
    return spelled


def split_types(inner: str) -> tuple[str, ...]:
    """Return the types of a comma-separated list, tuples kept whole."""
    parts: list[str] = []
    depth = start = 0
    for i, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(inner[start:i])
            start = i + 1
    return (*parts, inner[start:]) if inner else ()


@cache
def encoder(types: tuple[str, ...]) -> Callable[[Sequence[Any]], bytes]:
    """Return a function from values to their ABI encoding.

    The function raises ValueError for a value that is not of its type.
    """
    encoders = [_static_encoder(t) for t in types]
    known = [e for e in encoders if e is not None]
    if len(known) < len(types):
        return lambda values: _encode_any(types, values)
    if len(known) == 1:
        return _encode_one(known[0], types)

    def encode(values: Sequence[Any]) -> bytes:
        try:
            return b"".join([e(v) for e, v in zip(known, values, strict=True)])
        except (AttributeError, OverflowError, TypeError, ValueError) as e:
            raise ValueError(f"{values!r} do not fit ({','.join(types)}): {e}") from e

    return encode


def _address_bytes(text: str) -> bytes:
    if len(text) != 2 + 2 * _ADDRESS_SIZE or text[:2] not in ("0x", "0X"):
        raise ValueError(f"not an address: {text!r}")
    return bytes.fromhex(text[2:])


def _static_encoder(abi_type: str) -> Encode | None:
    if abi_type.startswith("(") and abi_type.endswith(")"):
        inner = split_types(abi_type[1:-1])
        dynamic = any(_static_encoder(t) is None for t in inner)
        return None if dynamic or not inner else encoder(inner)
    match = _ELEMENTARY.fullmatch(abi_type)
    if match is None:
        return None
    kind, digits = match.groups()
    if kind is None:
        return _encode_address if abi_type == "address" else _encode_bool
    if kind == "bytes":
        return _bytes_encoder(int(digits))
    return _integer_encoder(int(digits) // 8, signed=kind == "int")


def _encode_one(encode: Encode, types: tuple[str, ...]) -> Callable[[Sequence[Any]], bytes]:
    def encode_one(values: Sequence[Any]) -> bytes:
        try:
            (value,) = values
            return encode(value)
        except (AttributeError, OverflowError, TypeError, ValueError) as e:
            raise ValueError(f"{values!r} do not fit ({types[0]}): {e}") from e

    return encode_one


def _encode_address(value: str) -> bytes:
    word = bytes(WORD - _ADDRESS_SIZE) + _address_bytes(value)
    if len(word) != WORD:  # bytes.fromhex skips blanks
        raise ValueError(f"not an address: {value!r}")
    return word


def _encode_bool(value: object) -> bytes:
    if value is True or value is False:
        return value.to_bytes(WORD, "big")
    raise TypeError(f"not a bool: {value!r}")


def _bytes_encoder(size: int) -> Encode:
    def encode(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"{len(value)} bytes where {size} belong")
        return bytes(value).ljust(WORD, b"\0")

    return encode


def _integer_encoder(size: int, *, signed: bool) -> Encode:
    pad = bytes(WORD - size)

    def encode_unsigned(value: int) -> bytes:
        if value.__class__ is not int:
            raise TypeError(f"not an int: {value!r}")
        return pad + value.to_bytes(size, "big")

    def encode_signed(value: int) -> bytes:
        if value.__class__ is not int:
            raise TypeError(f"not an int: {value!r}")
        value.to_bytes(size, "big", signed=True)  # raises OverflowError if it does not fit
        return value.to_bytes(WORD, "big", signed=True)

    return encode_signed if signed else encode_unsigned


def _encode_any(types: tuple[str, ...], values: Sequence[Any]) -> bytes:
    from eth_abi.abi import encode  # noqa: PLC0415 - takes 0.25 s; few calls need it
    from eth_abi.exceptions import EncodingError  # noqa: PLC0415 - same

    try:
        return encode(types, values)
    except (EncodingError, TypeError, ValueError) as e:
        raise ValueError(f"{values!r} do not fit ({','.join(types)}): {e}") from e
