"""Many calls in few requests, all at one block, through the Multicall3 contract."""

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any, Final

from keeper.adapters.chain import gather
from keeper.adapters.chain.codec import (
    Decoder,
    decode_aggregate3,
    decode_all,
    decoder,
    encode_aggregate3,
)
from keeper.adapters.chain.rest import Rest
from keeper.model.chain import Address, Answer, BlockRef, Call
from keeper.model.errors import BadData, CallReverted, KeeperError

MULTICALL3: Final = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Where it is on nearly every chain."""

EthCalls = Callable[[Address, Iterable[bytes], BlockRef], Iterator[bytes]]
"""Calls one contract with each of many call data, in turn, at one block.

Raises `CallReverted`, `BadData` or `Transient`. It must be exhausted before anything is believed.
"""

LentCalls = Callable[[Iterable[bytes], BlockRef], Iterator[bytes]]
"""The same to the program of `gather`, which the node is lent for it."""

_Found = Answer | CallReverted
_BULK: Final = 100
"""From so many calls on, a program of our own beats Multicall3."""
_LONGEST_REST: Final = 1_024
"""Rounds for which it is left alone at most, after it failed again and again."""
_LONGEST_CARE: Final = 64
"""Rounds that ask in smaller parts at most, after the node's gas cap was met again and again."""
_KEPT: Final = 3
"""Rounds that are kept prepared: a tick asks the reads' calls, and some of its own beside."""
_MANY: Final = 16
"""From so many equal calls on, reading their answers column by column is faster."""


class _Part:
    """Calls that travel in one request."""

    def __init__(self, calls: list[Call]) -> None:
        self.calls = calls

    @cached_property
    def data(self) -> bytes:
        """The request's data."""
        return encode_aggregate3((call.to, call.data) for call in self.calls)

    @cached_property
    def decoders(self) -> list[Decoder]:
        """How each answer is read."""
        return [decoder(call.returns) for call in self.calls]


def _split(calls: list[Call], chunk: int) -> list[_Part]:
    return [_Part(calls[start : start + chunk]) for start in range(0, len(calls), chunk)]


class _Asked:
    """What a round asks, prepared once: a steady round asks the same as an earlier one."""

    def __init__(self, calls: tuple[Call, ...], chunk: int) -> None:
        places: dict[Call, int] = {}
        self.calls = calls
        self.chunk = chunk
        self.places = [places.setdefault(call, len(places)) for call in calls]
        """Of each call's answer among those of the distinct ones."""
        self.parts = _split(list(places), chunk)
        self.bulk: list[tuple[bytes, list[gather.Group]]] = []
        """The parts as `gather` takes them; empty if it is not for them."""
        if len(places) >= _BULK:
            packed = [gather.pack(part.calls) for part in self.parts]
            self.bulk = [each for each in packed if each is not None]
            if len(self.bulk) < len(packed):
                self.bulk = []


class Multicall:
    """Asks identical calls once, a single call directly, and the rest in chunks."""

    def __init__(
        self, eth_calls: EthCalls, contract: Address, chunk: int, lent: LentCalls | None = None
    ) -> None:
        """Without *lent*, everything goes through *contract*."""
        self._eth_calls = eth_calls
        self._contract = contract
        self._chunk = chunk
        self._lent = lent
        self._bulk = Rest(_LONGEST_REST)
        self._whole = Rest(_LONGEST_CARE)
        """Chunks as large as they may be, after one met the gas cap."""
        self._worked = chunk
        """The largest part that the node had the gas for, then."""
        self._kept: list[_Asked] = []

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[_Found, ...]:
        """Return one answer per call, in order; see `Chain.answer`.

        An empty answer to a call that should return something is an error too: an address without
        code "succeeds" with nothing. So is an answer that does not fit the declared types.
        """
        asked = self._prepared(calls)
        found = self._in_bulk(asked, at) or self._ordinarily(asked, at)
        if len(found) == len(calls):
            return tuple(found)
        return tuple(found[place] for place in asked.places)

    def _prepared(self, calls: tuple[Call, ...]) -> _Asked:
        chunk = self._chunk
        if len(calls) > self._worked and self._whole.spares():
            chunk = self._worked
        kept = self._kept
        for place, asked in enumerate(kept):
            if asked.chunk == chunk and asked.calls == calls:
                if place:
                    kept.insert(0, kept.pop(place))
                return asked
        self._kept = [_Asked(calls, chunk), *kept[: _KEPT - 1]]
        return self._kept[0]

    def _in_bulk(self, asked: _Asked, at: BlockRef) -> list[_Found] | None:
        """Return all answers, or None to have them asked for the ordinary way."""
        if self._lent is None or not asked.bulk:
            return None
        if self._bulk.spares():
            return None
        found: list[_Found] = []
        try:
            answers = self._lent((data for data, _ in asked.bulk), at)
            for data, (_, groups) in zip(answers, asked.bulk, strict=True):
                found += gather.unpack(data, groups)
        except KeeperError:  # one call that fails is enough; the ordinary way says what it was
            self._bulk.failed()
            return None
        self._bulk.worked()
        return found

    def _ordinarily(self, asked: _Asked, at: BlockRef) -> list[_Found]:
        """Return all answers; remember how large the parts may be for the node's gas cap."""
        found, worked = self._ask(asked.parts, at)
        size = len(asked.parts[0].calls) if asked.parts else 0
        if 1 < worked < size:
            self._worked = worked
            self._whole.failed()
        elif worked > self._worked:
            self._whole.worked()
        return found

    def _ask(self, parts: list[_Part], at: BlockRef) -> tuple[list[_Found], int]:
        """Return all answers, and the size of the parts in which they came."""
        size = len(parts[0].calls) if parts else 0
        if size <= 1:
            return [self._alone(call, at) for part in parts for call in part.calls], size
        found: list[_Found] = []
        silent: list[Call] = []
        places: list[int] = []
        datas = (part.data for part in parts)  # the first is on its way while the next is made
        try:
            for data, part in zip(self._eth_calls(self._contract, datas, at), parts, strict=True):
                results = self._results(data, part.calls)
                for place, (succeeded, returned) in enumerate(results):
                    if not (succeeded or returned):
                        places.append(len(found) + place)
                        silent.append(part.calls[place])
                found += _decoded(part, results)
        except CallReverted:  # each call may fail by itself, so together they met the gas cap
            calls = [call for part in parts for call in part.calls]
            return self._ask(_split(calls, (size + 1) // 2), at)
        # A call that failed without a word may only have had no gas left after its neighbours.
        again, _ = self._ask(_split(silent, max(1, size // 4)), at)
        for place, one in zip(places, again, strict=True):
            found[place] = one
        return found, size

    def _results(self, data: bytes, part: list[Call]) -> list[tuple[bool, bytes]]:
        if not data:
            raise BadData(
                "there is no Multicall3 on this chain",
                remedy="configure the address at which it is",
                address=self._contract,
            )
        return decode_aggregate3(data, len(part))

    def _alone(self, call: Call, at: BlockRef) -> _Found:
        try:
            (returned,) = self._eth_calls(call.to, (call.data,), at)
        except CallReverted as error:
            return error
        return _read(call, decoder(call.returns), returned)


def _decoded(part: _Part, results: list[tuple[bool, bytes]]) -> list[_Found]:
    calls = part.calls
    returns = calls[0].returns
    if len(calls) >= _MANY and all(call.returns == returns for call in calls):
        try:
            if all(succeeded for succeeded, _ in results):
                return [*decode_all(returns, [returned for _, returned in results])]
        except BadData:
            pass  # one of them is odd: which one, the slow way tells
    return [
        _read(call, decode, returned)
        if succeeded
        else CallReverted("the call reverted", data=returned, to=call.to)
        for call, decode, (succeeded, returned) in zip(calls, part.decoders, results, strict=True)
    ]


def _read(call: Call, decode: Decoder, returned: bytes) -> _Found:
    if call.returns and not returned:
        return CallReverted(
            f"no code or empty answer at {call.to}",
            remedy="check the address and the chain",
            selector=f"0x{call.data[:4].hex()}",
        )
    try:
        return decode(returned)
    except BadData as error:
        facts: dict[str, Any] = error.facts
        return CallReverted(error.message, data=returned, to=call.to, **facts)
