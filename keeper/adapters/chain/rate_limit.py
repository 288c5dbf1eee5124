"""How long to ask an endpoint nothing, after it said "too many requests".

What it asks for by `Retry-After` is kept; without a word the wait doubles each time. Only reads
wait: they come again by themselves, and giving them up first leaves the quota to transactions.

Pure: the time is an argument, in seconds of a monotonic clock.
"""

from typing import Final

from msgspec import Struct

_FIRST_WAIT_S: Final = 1.0
_LONGEST_OWN_WAIT_S: Final = 60.0
_LONGEST_ASKED_S: Final = 3_600.0
"""A server may ask for a day, by mistake or by design; it is looked at again after an hour."""


class RateLimit(Struct, frozen=True):
    """What one endpoint's refusals amount to."""

    refusals: int = 0
    """In a row."""
    until_s: float = float("-inf")


def told_to_wait(limit: RateLimit, now_s: float, retry_after_s: float | None) -> RateLimit:
    """Return the limit after one more refusal; *retry_after_s* is what the server asked for."""
    refusals = limit.refusals + 1
    wait_s = min(_FIRST_WAIT_S * 2.0 ** min(refusals - 1, 64), _LONGEST_OWN_WAIT_S)
    if retry_after_s is not None:
        wait_s = min(max(retry_after_s, _FIRST_WAIT_S), _LONGEST_ASKED_S)
    return RateLimit(refusals, max(limit.until_s, now_s + wait_s))


def admits_reads(limit: RateLimit, now_s: float) -> bool:
    """Return whether a read may be asked."""
    return now_s >= limit.until_s
