"""How the engine is told the time and tells others what it did."""

from typing import Protocol

from keeper.model.events import Event


class Sink(Protocol):
    """Somebody who wants to know: a log, a metrics registry, a terminal view."""

    def tell(self, event: Event) -> None:
        """Take note; must not raise and must not block."""
        ...


class Clock(Protocol):
    """Wall time for records, monotonic time for time-outs."""

    def now_ms(self) -> int:
        """Return Unix milliseconds."""
        ...

    def monotonic_ms(self) -> int:
        """Return milliseconds from an arbitrary start that never go back."""
        ...
