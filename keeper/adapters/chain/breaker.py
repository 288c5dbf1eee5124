"""A circuit breaker: who failed again and again is left alone, for longer each time.

    closed ── failures in a row ──► open ── its rest is over ──► half open ── one answer ──► closed
                                      ▲                              │
                                      └────── another failure ───────┘   resting twice as long

Pure: the time is an argument, in seconds of a monotonic clock.
"""

from typing import Literal

from msgspec import Struct

State = Literal["closed", "open", "half_open"]


class BreakerPolicy(Struct, frozen=True):
    """When it opens, and for how long."""

    failures: int = 3
    """In a row."""
    first_rest_s: float = 1.0
    longest_rest_s: float = 60.0


class Breaker(Struct, frozen=True):
    """What one endpoint's failures amount to."""

    failures: int = 0
    """In a row, up to now."""
    trips: int = 0
    """Times it opened since the last answer."""
    rests_until_s: float | None = None


def state(breaker: Breaker, now_s: float) -> State:
    """Return whether questions pass: all (closed), none (open), or one to try (half open)."""
    if breaker.rests_until_s is None:
        return "closed"
    return "open" if now_s < breaker.rests_until_s else "half_open"


def failed(breaker: Breaker, now_s: float, policy: BreakerPolicy) -> Breaker:
    """Return the breaker after one more failure.

    One that comes late, while it rests, is news to nobody and does not lengthen the rest.
    """
    failures = breaker.failures + 1
    was = state(breaker, now_s)
    if was == "open" or (was == "closed" and failures < policy.failures):
        return Breaker(failures, breaker.trips, breaker.rests_until_s)
    trips = breaker.trips + 1
    return Breaker(failures, trips, now_s + rest_s(trips, policy))


def rest_s(trips: int, policy: BreakerPolicy) -> float:
    """Return how long the *trips*-th rest lasts: each twice the one before, up to the longest."""
    # A float beyond 2**1023 would be an error and not a long time.
    return min(policy.first_rest_s * 2.0 ** min(trips - 1, 64), policy.longest_rest_s)
