"""Which of the chain's news is worth a wake-up: shared by the feed and the poller.

A bell says "look now" and nothing else. Here news is matched with what is watched, and what was
already heard is heard no more.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from keeper.adapters.chain.read_ahead import Named
from keeper.adapters.chain.shapes import WireHead, WireLog, quantity
from keeper.model.chain import Watch
from keeper.model.errors import KeeperError

Post = Callable[[str], None]
"""Rings: `Mailbox.post`. Called from the thread of the feed."""

Foresee = Callable[[Named], None]
"""Hears, before a bell rings, of the block that it rings for. Called from the same thread."""

BLOCK: Final = "block"
MISSED: Final = "missed"
"""Something may have been missed: a lost connection, or silence."""

_REMEMBERED: Final = 1 << 10
"""News: what is forgotten and heard again costs a look."""
# What somebody's filter may raise over a log that is not as it expects.
_UNREADABLE: Final = (
    KeeperError, ValueError, LookupError, TypeError, ArithmeticError, struct.error,
)  # fmt: skip


class Counters(Struct):
    """What happened so far, for the metrics. Written by one thread, read by any."""

    heads: int = 0
    logs: int = 0
    """Logs that are watched for, loud or not."""
    duplicates: int = 0
    rings: int = 0
    connections: int = 0
    reconnects: int = 0
    """Times a connection was lost or given up."""
    backfills: int = 0
    last_block: int = 0
    last_error: str = ""


class Bells:
    """Rings `post` for every n-th block and for every loud log that is watched."""

    def __init__(
        self, post: Post, every_blocks: int | None, foresee: Foresee = lambda _named: None
    ) -> None:
        self._post = post
        self._foresee = foresee
        self._every_blocks = every_blocks
        self._rung_at_block: int | None = None
        self._heard: OrderedDict[Any, None] = OrderedDict()
        self._watches: dict[tuple[str, str], list[Watch]] = {}
        self.counters = Counters()

    def watch(self, watches: tuple[Watch, ...]) -> None:
        """Replace what is watched."""
        found: dict[tuple[str, str], list[Watch]] = {}
        for watch in watches:
            key = watch.address.lower(), f"0x{watch.topic.hex()}"
            found.setdefault(key, []).append(watch)
        self._watches = found

    def log_filter(self) -> dict[str, Any] | None:
        """Return the node-side filter that lets every watched log through; None for nothing."""
        watches = self._watches  # another thread may replace it
        if not watches:
            return None
        return {
            "address": sorted({address for address, _ in watches}),
            "topics": [sorted({topic for _, topic in watches})],
        }

    def head(self, head: WireHead) -> None:
        """Hear of a block."""
        if head.number is None or (head.hash is not None and self._again(head.hash)):
            return
        self.reached(quantity(head.number), head.hash)

    def reached(self, number: int, block_hash: str | None = None) -> None:
        """Hear that the chain has come to a height, with a block of this hash."""
        self.counters.heads += 1
        self.counters.last_block = number
        if self._every_blocks is None:
            return
        last = self._rung_at_block
        # A height at or below the last one that rang is a reorg.
        if last is None or not last < number < last + self._every_blocks:
            self._rung_at_block = number
            self.ring(BLOCK, None if block_hash is None else Named(number, block_hash))

    def log(self, sent: WireLog) -> None:
        """Hear of a log; one that a reorg removed is news too."""
        watches = self._watches.get((sent.address.lower(), (sent.topics or [""])[0].lower()))
        if not watches:
            return
        # Without a block, as while it is pending, nothing tells one log from another.
        key = sent.block_hash, sent.log_index, sent.removed
        if sent.block_hash is not None and self._again(key):
            return
        self.counters.logs += 1
        for watch in watches:
            if _loud(watch, sent):
                self.ring(watch.name, _block_of(sent))

    def ring(self, name: str, named: Named | None = None) -> None:
        """Wake the keeper; *named* is the block of the news, if it told."""
        if named is not None:
            self._foresee(named)
        self.counters.rings += 1
        self._post(name)

    def _again(self, key: Any) -> bool:
        if key in self._heard:
            self.counters.duplicates += 1
            return True
        self._heard[key] = None
        if len(self._heard) > _REMEMBERED:
            self._heard.popitem(last=False)
        return False


def _block_of(sent: WireLog) -> Named | None:
    if sent.removed or sent.block_hash is None or sent.block_number is None:
        return None
    return Named(quantity(sent.block_number), sent.block_hash)


def _loud(watch: Watch, sent: WireLog) -> bool:
    """Return whether the log is worth a wake-up; one that cannot be judged is."""
    try:
        return watch.loud(sent.log())
    except _UNREADABLE:
        return True
