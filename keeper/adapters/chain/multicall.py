"""Many calls in few requests, all at one block, through the Multicall3 contract."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from keeper.adapters.chain.codec import decode, decode_aggregate3, decode_all, encode_aggregate3
from keeper.model.chain import Address, Answer, BlockRef, Call
from keeper.model.errors import BadData, CallReverted

MULTICALL3: Final = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Where it is on nearly every chain."""

EthCalls = Callable[[Address, Iterable[bytes], BlockRef], Iterator[bytes]]
"""Calls one contract with each of many call data, in turn, at one block.

Raises `CallReverted`, `BadData` or `Transient`. It must be exhausted before anything is believed.
"""

_Found = Answer | CallReverted
_MANY: Final = 16
"""From so many equal calls on, reading their answers column by column is faster."""


class Multicall:
    """Asks identical calls once, a single call directly, and the rest in chunks."""

    def __init__(self, eth_calls: EthCalls, contract: Address, chunk: int) -> None:
        self._eth_calls = eth_calls
        self._contract = contract
        self._chunk = chunk

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[_Found, ...]:
        """Return one answer per call, in order; see `Chain.answer`.

        An empty answer to a call that should return something is an error too: an address without
        code "succeeds" with nothing. So is an answer that does not fit the declared types.
        """
        places: dict[Call, int] = {}
        wanted = [places.setdefault(call, len(places)) for call in calls]
        found = self._ask(list(places), self._chunk, at)
        if len(found) == len(calls):
            return tuple(found)
        return tuple(found[place] for place in wanted)

    def _ask(self, calls: list[Call], chunk: int, at: BlockRef) -> list[_Found]:
        if len(calls) <= 1 or chunk <= 1:
            return [self._alone(call, at) for call in calls]
        parts = [calls[start : start + chunk] for start in range(0, len(calls), chunk)]
        datas = (encode_aggregate3((call.to, call.data) for call in part) for part in parts)
        found: list[_Found] = []
        silent: list[int] = []
        try:
            for data, part in zip(self._eth_calls(self._contract, datas, at), parts, strict=True):
                results = self._results(data, part)
                silent += (
                    len(found) + place
                    for place, (succeeded, returned) in enumerate(results)
                    if not (succeeded or returned)
                )
                found += _decoded(part, results)
        except CallReverted:  # each call may fail by itself, so together they met the gas cap
            return self._ask(calls, (min(chunk, len(calls)) + 1) // 2, at)
        # A call that failed without a word may only have had no gas left after its neighbours.
        again = self._ask([calls[i] for i in silent], min(chunk, len(calls)) // 4, at)
        for place, one in zip(silent, again, strict=True):
            found[place] = one
        return found

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
        return _read(call, returned)


def _decoded(calls: list[Call], results: list[tuple[bool, bytes]]) -> list[_Found]:
    returns = calls[0].returns
    if len(calls) >= _MANY and all(call.returns == returns for call in calls):
        try:
            if all(succeeded for succeeded, _ in results):
                return [*decode_all(returns, [returned for _, returned in results])]
        except BadData:
            pass  # one of them is odd: which one, the slow way tells
    return [
        _read(call, returned)
        if succeeded
        else CallReverted("the call reverted", data=returned, to=call.to)
        for call, (succeeded, returned) in zip(calls, results, strict=True)
    ]


def _read(call: Call, returned: bytes) -> _Found:
    if call.returns and not returned:
        return CallReverted(
            f"no code or empty answer at {call.to}",
            remedy="check the address and the chain",
            selector=f"0x{call.data[:4].hex()}",
        )
    try:
        return decode(call.returns, returned)
    except BadData as error:
        facts: dict[str, Any] = error.facts
        return CallReverted(error.message, data=returned, to=call.to, **facts)
