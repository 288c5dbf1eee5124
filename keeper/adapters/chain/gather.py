"""Hundreds of calls and more in one `eth_call`, by a program that the node is lent for it.

`contracts/Gather.sol` runs at an address where nothing is, by the state override of `eth_call`;
nothing is deployed. It does what Multicall3 does with half the work for the node and half the
bytes, for answers whose size is known. Which of the calls failed it does not say: Multicall3 does.

geth, Nethermind, Erigon, reth and Anvil take a state override; some hosted nodes refuse it.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from struct import Struct
from typing import Any, Final

import msgspec

from keeper.adapters.chain.codec import layout_of
from keeper.adapters.chain.layout import Layout
from keeper.model.chain import Address, Answer, Call
from keeper.model.errors import BadData

ADDRESS: Final = Address("0x6B656570657220726561647320696E2062756C6B")
"""Where it runs. No key leads there: it is "keeper reads in bulk" in ASCII."""

_HEAD: Final = Struct(">20sIII")


Group = tuple[Layout, int]
"""Calls in a row that differ in their arguments alone: how each is answered, and how many."""


@cache
def override() -> dict[str, dict[str, str]]:
    """Return the state override that lends the program to the node."""
    stored = files(__package__).joinpath("Gather.json").read_bytes()
    artifact: dict[str, Any] = msgspec.json.decode(stored)
    return {ADDRESS: {"code": artifact["deployedBytecode"]}}


def pack(calls: Sequence[Call]) -> tuple[bytes, list[Group]] | None:
    """Return the program's input for *calls*, and what to read its output with.

    None if the size of one of the answers is not known before.
    """
    parts: list[bytes] = []
    groups: list[Group] = []
    for (to, size, returns), alike in groupby(calls, lambda c: (c.to, len(c.data), c.returns)):
        layout = layout_of(returns)
        if layout is None or not layout.size:
            return None
        datas = [call.data for call in alike]
        parts += _HEAD.pack(bytes.fromhex(to[2:]), size, layout.size, len(datas)), *datas
        groups.append((layout, len(datas)))
    return b"".join(parts), groups


def unpack(data: bytes, groups: Sequence[Group]) -> list[Answer]:
    """Return the answers in *data*, one for each call of *groups*.

    Raises:
        BadData: It is of another length, as from a node that ignores a state override, or a value
            lies outside its type's range.

    """
    expected = sum(layout.size * count for layout, count in groups)
    if len(data) != expected:
        raise BadData("the node did not run what it was lent", bytes=len(data), expected=expected)
    answers: list[Answer] = []
    end = 0
    for layout, count in groups:
        start, end = end, end + layout.size * count
        answers += layout.read_joined(data[start:end])
    return answers
