"""One slot for wake-ups. Timers, blocks, logs and people all post here; one loop takes.

A trigger says "look now", never what to see: state is always read afresh, so a lost, doubled or
late trigger cannot corrupt anything.
"""

from threading import Condition


class Mailbox:
    """Coalesces any number of posts into at most one pending tick."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._pending: frozenset[str] = frozenset()

    def post(self, trigger: str) -> None:
        """Ask for a tick; safe from any thread, never blocks on a running tick."""
        with self._changed:
            self._pending |= {trigger}
            self._changed.notify()

    def take(self, timeout_s: float) -> frozenset[str]:
        """Wait for a trigger and return all pending ones; empty after *timeout_s*."""
        with self._changed:
            self._changed.wait_for(lambda: self._pending, timeout_s)
            taken, self._pending = self._pending, frozenset()
            return taken
