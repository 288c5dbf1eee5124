"""What failed is left alone for a while, and longer after each failure in a row; counted in turns.

For what is only a shorter way to the same answer. A circuit breaker, which counts seconds, is in
`breaker`.
"""

from typing import Final

_FIRST: Final = 2


class Rest:
    """How many turns something is spared."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._next = _FIRST
        self._left = 0

    def spares(self) -> bool:
        """Return whether it rests this turn, which is then over."""
        if not self._left:
            return False
        self._left -= 1
        return True

    def failed(self) -> None:
        """Rest for twice as many turns as after the failure before, up to the longest."""
        self._left = min(self._next, self._longest)
        self._next = 2 * self._left

    def worked(self) -> None:
        """Rest no more, and begin anew after the next failure."""
        self._next, self._left = _FIRST, 0
