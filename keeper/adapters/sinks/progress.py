"""Is the keeper getting anywhere? A process that lives but decides nothing is not healthy."""

from threading import Lock

from msgspec import Struct

from keeper.model.events import Decided, Event, Halted, Resumed, Troubled
from keeper.model.flow import Hold
from keeper.model.units import MS_PER_S
from keeper.ports.telling import Clock


class Verdict(Struct, frozen=True, kw_only=True):
    """What `/healthz` answers."""

    healthy: bool
    reason: str
    last_decision_age_s: float | None
    """Of the book that waits longest; None while one has no decision yet."""
    limit_s: float
    halted: str | None
    last_trouble: str | None
    """The error since the last good decision, if there was one."""


class Progress:
    """A sink that remembers when each book last came to a decision on numbers.

    A tick that ends in trouble is not progress, nor is a book that could not be read. A halted
    keeper still looks and decides, so it is healthy, and says that it is halted. One that stands by
    has nothing to decide, so it is healthy, and says who leads.
    """

    def __init__(
        self, clock: Clock, books: tuple[str, ...], *, limit_s: float, halted: str | None = None
    ) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._lock = Lock()
        self._decided_at_ms: dict[str, int | None] = dict.fromkeys(books)
        self._halted = halted
        self._trouble: str | None = None
        self._obstacle: str | None = None

    def stand(self, obstacle: str | None) -> None:
        """Note why this keeper stands by, or with None that it leads."""
        with self._lock:
            self._obstacle = obstacle

    def tell(self, event: Event) -> None:
        with self._lock:
            match event:
                case Decided(book=book, decision=decision) if decision.why is not None:
                    self._decided_at_ms[book] = self._clock.monotonic_ms()
                    self._trouble = None
                case Decided(book=book, decision=Hold(reason=reason)):
                    self._trouble = f"{book}: {reason}"
                case Troubled(kind=kind, message=message):
                    self._trouble = f"{kind}: {message}"
                case Halted(reason=reason):
                    self._halted = reason
                case Resumed():
                    self._halted = None
                case _:
                    pass

    def verdict(self) -> Verdict:
        """Return whether every book came to a decision within the limit."""
        with self._lock:
            age_s = self._oldest_age_s()
            waits = self._obstacle is not None
            return Verdict(
                healthy=waits or (age_s is not None and age_s <= self._limit_s),
                reason=f"stands by: {self._obstacle}" if waits else _reason(age_s, self._limit_s),
                last_decision_age_s=age_s,
                limit_s=self._limit_s,
                halted=self._halted,
                last_trouble=self._trouble,
            )

    def _oldest_age_s(self) -> float | None:
        times_ms = list(self._decided_at_ms.values())
        known_ms = [time_ms for time_ms in times_ms if time_ms is not None]
        if not known_ms or len(known_ms) < len(times_ms):
            return None
        return (self._clock.monotonic_ms() - min(known_ms)) / MS_PER_S


def _reason(age_s: float | None, limit_s: float) -> str:
    if age_s is None:
        return "not every book has come to a decision yet"
    if age_s > limit_s:
        return f"no decision for {age_s:.0f} s, the limit is {limit_s:.0f} s"
    return "deciding"
