"""Records of fixed-size ABI types, compiled once and read in about a microsecond.

A record becomes one `struct` format, one mask of bits that must be zero, and a conversion for each
word that `struct` cannot finish. Many records of one kind are read column by column.
"""

from collections.abc import Callable, Sequence
from functools import partial
from struct import Struct
from typing import Any, Final, cast

from eth_abi.grammar import ABIType, BasicType, TupleType

from keeper.adapters.words import checksum
from keeper.model.chain import Answer
from keeper.model.errors import BadData

WORD: Final = 32
_WORD_BITS: Final = 256
_MACHINE_BITS: Final = 64


class NotFixed(Exception):
    """The layout is not known before the data."""


_Shape = int | tuple["_Shape", ...]
"""Where a value comes from: the index of a word, or a nest of them."""


class _Word:
    """How one 32-byte word is read."""

    __slots__ = ("convert", "forbidden", "format", "signed_bits")

    def __init__(
        self,
        form: str,
        forbidden: int = 0,
        convert: Callable[[bytes], Any] | None = None,
        signed_bits: int = 0,
    ) -> None:
        self.format = form
        self.forbidden = forbidden
        """The bits that must be zero."""
        self.convert = convert
        """What `struct` leaves to be done."""
        self.signed_bits = signed_bits
        """For a signed number, whose upper bits repeat its sign; else 0."""


def _lay_out(item: ABIType, words: list[_Word]) -> _Shape:
    """Append the words of *item* and return its shape."""
    if item.arrlist:
        lengths = item.arrlist[-1]
        if not lengths:
            raise NotFixed
        return tuple(_lay_out(item.item_type, words) for _ in range(lengths[0]))
    if isinstance(item, TupleType):
        return tuple(_lay_out(part, words) for part in item.components)
    words.append(_word(cast("BasicType", item)))
    return len(words) - 1


def _word(item: BasicType) -> _Word:
    match item.base, item.sub:
        case "uint", int(bits) if bits <= _MACHINE_BITS:
            return _Word("24xQ", _above(bits))
        case "uint", int(bits):
            return _Word("32s", _above(bits), int.from_bytes)
        case "int", int(bits):
            return _Word("32s", convert=_from_signed, signed_bits=bits)
        case "address", _:
            return _Word("12x20s", _above(160), checksum)
        case "bool", _:
            return _Word("31x?", _above(1))
        case "bytes", int(size):
            return _Word(f"{size}s{WORD - size}x", (1 << 8 * (WORD - size)) - 1)
        case _:
            raise NotFixed


def _above(bits: int) -> int:
    """Return the mask of a word's bits above the lowest *bits*."""
    return (1 << _WORD_BITS) - (1 << bits)


_from_signed: Final = partial(int.from_bytes, signed=True)


class Layout:
    """A record of fixed size: `read` one, `read_all` of many, `read_joined` without gaps."""

    def __init__(self, types: tuple[str, ...], parsed: Sequence[ABIType]) -> None:
        """Compile; raise `NotFixed` if a type has no fixed size."""
        words: list[_Word] = []
        shape = tuple(_lay_out(item, words) for item in parsed)
        self._types = types
        self._shape = None if shape == tuple(range(len(words))) else shape
        self._struct = Struct(">" + "".join(word.format for word in words))
        self.size = self._struct.size
        self._forbidden = b"".join(word.forbidden.to_bytes(WORD) for word in words)
        self._mask = int.from_bytes(self._forbidden)
        self._conversions = [
            (index, word.convert) for index, word in enumerate(words) if word.convert
        ]
        self._limits = [
            (index, 1 << word.signed_bits - 1)
            for index, word in enumerate(words)
            if word.signed_bits
        ]

    def read(self, data: bytes) -> Answer:
        """Return the values at the beginning of *data*.

        Raises:
            BadData: It is too short, or a value lies outside its type's range.

        """
        size = self.size
        if len(data) < size:
            raise BadData(
                "the answer is too short", types=self._types, bytes=len(data), expected=size
            )
        # One AND over the whole record checks the range of every unsigned value in it.
        if int.from_bytes(data[:size]) & self._mask:
            raise self._outside()
        values = list(self._struct.unpack_from(data))
        for index, convert in self._conversions:
            values[index] = convert(values[index])
        for index, limit in self._limits:
            if not -limit <= values[index] < limit:
                raise self._outside()
        return tuple(values) if self._shape is None else _nest(self._shape, values)

    def read_all(self, rows: Sequence[bytes]) -> list[Answer]:
        """Return the values at the beginning of every row; raises `BadData`."""
        if any(len(row) != self.size for row in rows):
            return [self.read(row) for row in rows]
        return self.read_joined(b"".join(rows))

    def read_joined(self, records: bytes) -> list[Answer]:
        """Return the values of records that lie end to end, at least one; raises `BadData`."""
        count = len(records) // self.size
        if int.from_bytes(records) & int.from_bytes(self._forbidden * count):
            raise self._outside()
        columns: list[Any] = list(zip(*self._struct.iter_unpack(records), strict=True))
        for index, convert in self._conversions:
            columns[index] = tuple(map(convert, columns[index]))
        for index, limit in self._limits:
            if min(columns[index]) < -limit or max(columns[index]) >= limit:
                raise self._outside()
        found = zip(*columns, strict=True)
        return list(found) if self._shape is None else [_nest(self._shape, row) for row in found]

    def _outside(self) -> BadData:
        return BadData("the answer holds a value outside its type", types=self._types)


def _nest(shape: tuple[_Shape, ...], values: Sequence[Any]) -> Answer:
    return tuple(values[at] if isinstance(at, int) else _nest(at, values) for at in shape)
