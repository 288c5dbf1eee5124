"""Bytes to values and back, by the contract ABI.

Tuples of fixed-size types are read by our own `Layout`, types of variable size by eth-abi. Both
give the same values: int, bool, bytes, str, tuples, and checksummed addresses.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct, unpack_from
from typing import Any, Final

from eth_abi.abi import decode as decode_dynamic
from eth_abi.abi import is_encodable_type
from eth_abi.exceptions import ABITypeError, DecodingError, InsufficientDataBytes, ParseError
from eth_abi.grammar import ABIType, BasicType, TupleType, normalize, parse

from keeper.adapters.chain.layout import WORD, Layout, NotFixed
from keeper.adapters.words import checksum
from keeper.model.chain import Address, Answer
from keeper.model.errors import BadData

_CACHED_LAYOUTS: Final = 1 << 10

Decoder = Callable[[bytes], Answer]


def decode(types: tuple[str, ...], data: bytes) -> Answer:
    """Return the values of *types* in *data*; bytes after them are ignored, as contracts do.

    Raises:
        BadData: *data* is too short, or a value lies outside its type's range.

    """
    return decoder(types)(data)


@lru_cache(_CACHED_LAYOUTS)
def decoder(types: tuple[str, ...]) -> Decoder:
    """Return the compiled form of `decode` for *types*.

    Raises:
        ValueError: A type is not an ABI type.

    """
    layout = layout_of(types)
    if layout is not None:
        return layout.read
    parsed = tuple(map(_parsed, types))
    return _one_list(types, parsed) or _dynamic(types, parsed)


def decode_all(types: tuple[str, ...], rows: Sequence[bytes]) -> list[Answer]:
    """Return `decode` of every row; for many rows of fixed size in half the time."""
    layout = layout_of(types)
    if layout is not None and rows and layout.size:
        return layout.read_all(rows)
    read = decoder(types)
    return [read(row) for row in rows]


@lru_cache(_CACHED_LAYOUTS)
def layout_of(types: tuple[str, ...]) -> Layout | None:
    """Return the record that *types* make; None if their size is not known before the data.

    Raises:
        ValueError: A type is not an ABI type.

    """
    try:
        return Layout(types, tuple(map(_parsed, types)))
    except NotFixed:
        return None


def _parsed(name: str) -> ABIType:
    try:
        item: ABIType = parse(str(normalize(name)))  # type: ignore[no-untyped-call]  # eth-abi's
        item.validate()  # type: ignore[no-untyped-call]
    except (ParseError, ABITypeError) as error:
        raise ValueError(f"not an ABI type: {name!r}") from error
    known = is_encodable_type(item.to_type_str())  # type: ignore[no-untyped-call]
    if not known:
        raise ValueError(f"not an ABI type: {name!r}")
    return item


def _one_list(types: tuple[str, ...], parsed: tuple[ABIType, ...]) -> Decoder | None:
    """Return the decoder of a lone list of fixed-size items; None for anything else."""
    if len(parsed) != 1 or parsed[0].arrlist is None or parsed[0].arrlist[-1]:
        return None
    item = parsed[0].item_type
    try:
        layout = Layout(types, (item,))
    except NotFixed:
        return None
    size, read_item = layout.size, layout.read

    def read(data: bytes) -> Answer:
        start = int.from_bytes(data[:WORD]) + WORD
        count = int.from_bytes(data[start - WORD : start])
        if start < 2 * WORD or len(data) < start + count * size:  # it cannot overlap its pointer
            raise BadData("the answer is too short", types=types, bytes=len(data))
        ends = range(start + size, start + size * (count + 1), size)
        return (tuple(read_item(data[end - size : end])[0] for end in ends),)

    return read


def _dynamic(types: tuple[str, ...], parsed: tuple[ABIType, ...]) -> Decoder:
    def read(data: bytes) -> Answer:
        try:
            values = decode_dynamic(types, data)
        except InsufficientDataBytes:
            raise BadData("the answer is too short", types=types, bytes=len(data)) from None
        except (DecodingError, UnicodeDecodeError, OverflowError, RecursionError) as error:
            raise BadData(f"the answer does not fit: {error}", types=types) from None
        return tuple(map(_checksummed, parsed, values))

    return read


def _checksummed(item: ABIType, value: Any) -> Any:
    """Return eth-abi's *value* with its addresses in checksummed form."""
    if item.arrlist:
        return tuple(_checksummed(item.item_type, part) for part in value)
    if isinstance(item, TupleType):
        return tuple(map(_checksummed, item.components, value))
    if isinstance(item, BasicType) and item.base == "address":
        return checksum(bytes.fromhex(value[2:]))
    return value


_AGGREGATE3: Final = bytes.fromhex("82ad56cb")  # aggregate3((address,bool,bytes)[])
_CALL_HEAD: Final = Struct(">12x20s31xB24xQ24xQ")
_RESULT_HEAD: Final = Struct(">12Q")


def encode_aggregate3(calls: Iterable[tuple[Address, bytes]]) -> bytes:
    """Return the call data of Multicall3's `aggregate3`, every call allowed to fail."""
    offsets: list[int] = []
    parts: list[bytes] = []
    pairs = list(calls)
    at = WORD * len(pairs)
    for to, data in pairs:
        padding = -len(data) % WORD
        offsets.append(at)
        parts.append(_CALL_HEAD.pack(bytes.fromhex(to[2:]), 1, 3 * WORD, len(data)))
        parts.append(data + bytes(padding) if padding else data)
        at += 4 * WORD + len(data) + padding
    head = Struct(f">4s24xQ24xQ{'24xQ' * len(pairs)}")
    return head.pack(_AGGREGATE3, WORD, len(pairs), *offsets) + b"".join(parts)


def decode_aggregate3(data: bytes, count: int) -> list[tuple[bool, bytes]]:
    """Return (succeeded, what it returned) for each of *count* calls, from `(bool,bytes)[]`.

    Raises:
        BadData: The data is not that, or not of that length.

    """
    if len(data) < 2 * WORD or data[: 2 * WORD] != _pair(WORD, count):
        raise BadData("Multicall3 answered something else", bytes=len(data), calls=count)
    start = 2 * WORD
    end = len(data)
    results = []
    if int.from_bytes(data[start : start + count * WORD]) & _offset_mask(count):
        raise BadData("the answer of Multicall3 is malformed", bytes=end, calls=count)
    if end < start + count * WORD:
        raise BadData("the answer of Multicall3 is too short", bytes=end, calls=count)
    for offset in unpack_from(f">{'24xQ' * count}", data, start):
        at = start + offset
        if at + 3 * WORD > end:
            raise BadData("the answer of Multicall3 is too short", bytes=end, calls=count)
        a, b, c, succeeded, d, e, f, inner, g, h, i, length = _RESULT_HEAD.unpack_from(data, at)
        at += 3 * WORD
        if a | b | c | d | e | f | g | h | i or succeeded > 1 or inner != 2 * WORD:
            raise BadData("the answer of Multicall3 is malformed", bytes=end, calls=count)
        if at + length > end:
            raise BadData("the answer of Multicall3 is too short", bytes=end, calls=count)
        results.append((succeeded == 1, data[at : at + length]))
    return results


def _pair(first: int, second: int) -> bytes:
    return first.to_bytes(WORD) + second.to_bytes(WORD)


@lru_cache(8)
def _offset_mask(count: int) -> int:
    """Return the bits that must be zero in *count* offsets that fit a machine word."""
    return int.from_bytes((b"\xff" * 24 + bytes(8)) * count)
