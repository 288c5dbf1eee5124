"""What was asked and what was told: every call with its times, every send with its transaction."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from msgspec import Struct

from keeper.testing.faultproxy.jsonrpc import Answer, Call, error_of
from keeper.testing.faultproxy.transaction import NotATransaction, Transaction, decode

SENDS: Final = frozenset({"eth_sendRawTransaction", "eth_sendRawTransactionSync"})
LONGEST: Final = 100_000
"""Older entries are forgotten: a soak lasts days."""
_LONGEST_TEXT: Final = 256
_LONGEST_LIST: Final = 16


class Entry(Struct, kw_only=True):
    """One call. `ended_s` is None while it is under way; times count from the proxy's start."""

    number: int
    method: str
    params: Any
    """Whole for a send; else long texts and lists are cut, and end in `…`."""
    id: Any
    transport: Literal["http", "ws"]
    in_batch: bool
    started_s: float
    ended_s: float | None = None
    faults: list[str]
    """The names of the rules that struck it."""
    reached_node: int = 0
    """How often the node heard it."""
    node_said: Answer | None = None
    """The node's last answer, of a send alone."""
    told: str | None = None
    """What the client got: `result`, `error CODE MESSAGE`, `status CODE`, or `nothing`."""


class Send(Struct, frozen=True, kw_only=True):
    """One `eth_sendRawTransaction`."""

    entry: Entry
    transaction: Transaction | None
    """None if the bytes were no transaction."""

    @property
    def accepted(self) -> bool:
        """Whether the node took it, whatever the client was told."""
        return self.entry.node_said is not None and "result" in self.entry.node_said


class Journal:
    """Entries in the order of arrival."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._zero_s = clock()
        self._entries: deque[Entry] = deque(maxlen=LONGEST)
        self._number = 0
        self.changed = asyncio.Condition()

    def open(
        self, call: Call, transport: Literal["http", "ws"], faults: list[str], *, in_batch: bool
    ) -> Entry:
        """Write down a call that has arrived."""
        self._number += 1
        entry = Entry(
            number=self._number,
            method=call.method,
            params=call.params if call.method in SENDS else _shortened(call.params),
            id=call.id,
            transport=transport,
            in_batch=in_batch,
            started_s=self._clock() - self._zero_s,
            faults=faults,
        )
        self._entries.append(entry)
        return entry

    def heard(self, entry: Entry, answer: Answer) -> None:
        """Write down that the node was asked and what it said."""
        entry.reached_node += 1
        if entry.method in SENDS:
            entry.node_said = answer

    async def close(self, entry: Entry, told: str) -> None:
        """Write down what the client was told."""
        entry.told = told
        entry.ended_s = self._clock() - self._zero_s
        async with self.changed:
            self.changed.notify_all()

    def entries(self, method: str = "*") -> list[Entry]:
        """Return the calls whose method matches a glob."""
        return [entry for entry in self._entries if fnmatchcase(entry.method, method)]

    def sends(self) -> list[Send]:
        """Return every send with its transaction."""
        return [
            Send(entry=entry, transaction=_transaction(entry))
            for entry in self._entries
            if entry.method in SENDS
        ]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


def _shortened(value: Any) -> Any:
    """Return what tells one call from another: a hundred thousand whole ones fill the memory."""
    match value:
        case str() if len(value) > _LONGEST_TEXT:
            return value[:_LONGEST_TEXT] + "…"
        case list() if len(value) > _LONGEST_LIST:
            return [*map(_shortened, value[:_LONGEST_LIST]), "…"]
        case list():
            return [*map(_shortened, value)]
        case dict():
            return {name: _shortened(said) for name, said in value.items()}
        case _:
            return value


def _transaction(entry: Entry) -> Transaction | None:
    try:
        return decode(entry.params[0])
    except (NotATransaction, LookupError, TypeError):
        return None


def verdict(answer: Answer) -> str:
    """Return what an answer tells, in the words of `Entry.told`."""
    error = error_of(answer)
    return "result" if error is None else f"error {error[0]} {error[1]}"
