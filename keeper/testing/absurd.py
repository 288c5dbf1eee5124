"""Any value an ABI type can hold, with a liking for its limits: what a broken contract may say."""

import re
from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from keeper.adapters.words import checksum_address, split_types
from keeper.model.chain import Answer, BlockRef, Call
from keeper.model.errors import CallReverted
from keeper.ports.acting import Work, nothing
from keeper.testing.replay import Recording

_SIZED: Final = re.compile(r"(u?int|bytes)(\d+)")


def values(abi_type: str) -> SearchStrategy[Any]:
    """Return the values of an ABI type, as a decoder gives them."""
    if abi_type.endswith("]"):
        item, length = abi_type[:-1].rsplit("[", 1)
        low, high = (int(length), int(length)) if length else (0, 3)
        return st.lists(values(item), min_size=low, max_size=high).map(tuple)
    if abi_type.startswith("("):
        return answers(split_types(abi_type[1:-1]))
    match = _SIZED.fullmatch(abi_type)
    if match is None:
        return {
            "address": st.binary(min_size=20, max_size=20).map(checksum_address),
            "bool": st.booleans(),
            "bytes": st.binary(max_size=70),
            "string": st.text(max_size=40),
        }[abi_type]
    kind, size = match[1], int(match[2])
    if kind == "bytes":
        return st.binary(min_size=size, max_size=size)
    low, high = (0, 2**size - 1) if kind == "uint" else (-(2 ** (size - 1)), 2 ** (size - 1) - 1)
    return st.sampled_from((low, high, 0, 1)) | st.integers(low, high)


def answers(types: tuple[str, ...]) -> SearchStrategy[Answer]:
    """Return the answers a call may get whose return types are *types*."""
    return st.tuples(*map(values, types))


class Absurd:
    """Answers as recorded, or with anything its type allows, as *invent* decides call by call."""

    def __init__(self, recording: Recording, invent: Callable[[Call], Answer | None]) -> None:
        self._recording = recording
        self._invent = invent

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """Return one answer per call; a call nobody recorded reverts unless one is invented."""
        del at
        return tuple(self._answer(call) for call in calls)

    def _answer(self, call: Call) -> Answer | CallReverted:
        invented = self._invent(call)
        if invented is not None:
            return invented
        return self._recording.get(call, CallReverted("reverted", to=call.to))

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        """Not asked: reads are pinned by their driver."""
        del meanwhile
        raise NotImplementedError
