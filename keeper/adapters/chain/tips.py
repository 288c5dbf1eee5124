"""What recent blocks paid for priority: asked now and then, never while somebody waits.

A builder orders by the tip, and one that was enough a minute ago mostly still is. So the question
is asked after a tick, at most once in a while, and the offer of the next hedge uses what was heard.
"""

from collections.abc import Callable
from typing import Protocol

from keeper.model.errors import BadData, Transient


class FeeHistory(Protocol):
    """A node, or several."""

    def recent_tip_wei(self) -> int:
        """Return what the middle of the newest blocks paid for priority; 0 if none paid."""
        ...


class HeardTips:
    """`Tips` from one node's history of fees."""

    def __init__(self, node: FeeHistory, every_s: float, now_s: Callable[[], float]) -> None:
        """Ask *node* at most every *every_s*, by a clock that does not go back."""
        self._node = node
        self._every_s = every_s
        self._now_s = now_s
        self._asked_at_s: float | None = None
        self._heard_wei = 0

    def recent_wei(self) -> int:
        return self._heard_wei

    def listen(self) -> None:
        """Ask again if it is time; a node that does not know leaves what was heard before."""
        now_s = self._now_s()
        if self._asked_at_s is not None and now_s - self._asked_at_s < self._every_s:
            return
        self._asked_at_s = now_s
        try:
            self._heard_wei = self._node.recent_tip_wei()
        except (BadData, Transient):
            return
