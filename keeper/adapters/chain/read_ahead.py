"""The block that news speaks of is most likely the next head: what is asked at it is asked ahead.

A look asks for the head, and then at its hash for everything: two round trips. When news has named
a block, the first lookup at it is known before the head is, and travels with it in one request,
pinned to that block's hash. Its answer is used only if that block is the head; so what a decision
rests on is pinned as ever, and a wrong guess costs the node a call.
"""

from collections.abc import Callable
from time import sleep
from typing import Final

from msgspec import Raw, Struct

from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.questions import Lookup
from keeper.model.chain import BlockRef

_PAUSES_S: Final = (0.02, 0.04, 0.08, 0.16, 0.32)
"""Between two questions to a node that does not know yet of the block that news named."""


class Named(Struct, frozen=True):
    """A block that news spoke of; nobody has verified it."""

    number: int
    hash: str


_Early = tuple[str, Raw | RpcError]
"""What came with a head, after the hash that it was asked at."""


class ReadAhead:
    """For one thread, but for `foresee`."""

    def __init__(self) -> None:
        self._named: Named | None = None
        self._first: Lookup | None = None
        """The first lookup after a head; a steady look begins with the same."""
        self._is_first = True
        self._early: _Early | None = None

    @property
    def named(self) -> Named | None:
        """Return the block that news spoke of, until a head is as high."""
        return self._named

    def foresee(self, named: Named) -> None:
        """Hear that news spoke of a block; from any thread."""
        self._named = named

    def forget(self, named: Named | None) -> None:
        """Wait no longer for a block; a newer one, heard of meanwhile, is still waited for."""
        if self._named is named:
            self._named = None

    def guess(self) -> tuple[Lookup, str] | None:
        """Return what to ask together with the head, and at which hash; None to ask nothing."""
        named = self._named
        if named is None or self._first is None:
            return None
        return self._first, named.hash

    def begin(self, head: BlockRef, early: _Early | None = None) -> None:
        """Begin a look at *head*; *early* is what a guess got, with the hash it was asked at."""
        self._is_first = True
        self._early = early
        if (named := self._named) is not None and named.number <= head.number:
            self.forget(named)

    def take(self, lookup: Lookup, at: BlockRef) -> Raw | None:
        """Return the answer to *lookup* if it was asked ahead; once."""
        early, self._early = self._early, None
        was_asked = early is not None and lookup == self._first
        if self._is_first:
            self._first, self._is_first = lookup, False
        if early is None or not was_asked or early[0] != at.hash or isinstance(early[1], RpcError):
            return None
        return early[1]


def caught_up(look: Callable[[], BlockRef], named: Named | None) -> BlockRef:
    """Return the newest block, having waited a moment for one as high as what news spoke of.

    News and answers may come from two machines, of which one hears of a block before the other. A
    reorg may have taken the block back, so that after two thirds of a second what there is counts.
    """
    block = look()
    for pause_s in _PAUSES_S:
        if named is None or named.number <= block.number:
            break
        sleep(pause_s)
        block = look()
    return block
