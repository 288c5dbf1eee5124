"""What is known about one endpoint, and which of several should be asked: pure decisions.

    trouble_of   an error           -> what it says about the endpoint
    after_*      health and news    -> health
    ranked       everybody's health -> who may be asked, best first

Times are arguments, in seconds of a monotonic clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from keeper.adapters.chain import breaker, rate_limit
from keeper.adapters.chain.breaker import Breaker, BreakerPolicy
from keeper.adapters.chain.node_errors import Foreign, Kind, classify
from keeper.adapters.chain.rate_limit import RateLimit
from keeper.model.errors import CallReverted, ConfigError, KeeperError, Rejected

_DENIED: Final = frozenset({401, 403})
_TOO_MANY_REQUESTS: Final = 429
_OPTIONAL: Final = frozenset({"eth_feeHistory", "web3_clientVersion"})
"""No decision needs them: a node that does not have them is as good as another."""
_NEWEST_WEIGHT: Final = 0.2
"""Of the newest sample in a running mean: about the last five count."""
_UNKNOWN_LATENCY_MS: Final = 1_000.0
_ERROR_PENALTY: Final = 10.0
"""An endpoint that fails every second time is taken to be as slow as one of six times its time."""
_CLEARLY_BETTER: Final = 0.6
"""The serving endpoint is left for one whose score is below this share of its own: two that are
about as good would otherwise take turns, and their heads differ by a block."""


class HealthPolicy(Struct, frozen=True):
    """What is asked of an endpoint."""

    max_lag_blocks: int = 3
    """Behind the highest head of all endpoints; more, and it serves no reads."""
    breaker: BreakerPolicy = BreakerPolicy()
    denied_rest_s: float = 600.0
    """Refused credentials, or caught with other values than the rest: looked at again after it."""


class Trouble(StrEnum):
    """What an error says about whoever it came from."""

    NONE = "none"
    """It is an answer."""
    SILENT = "silent"
    """No usable answer."""
    LIMITED = "limited"
    DENIED = "denied"
    """It refuses our credentials."""
    FOREIGN = "foreign"
    """It serves another chain, or another history of it."""


class Ban(Struct, frozen=True):
    """Why an endpoint is asked nothing at all, and sent nothing."""

    reason: str
    until_s: float | None = None
    """None for as long as the process lives."""


class Health(Struct, frozen=True):
    """Everything known about one endpoint."""

    breaker: Breaker = Breaker()
    limit: RateLimit = RateLimit()
    ban: Ban | None = None
    head: int | None = None
    """The block it showed last."""
    head_at_s: float = 0.0
    """When it did."""
    lag_blocks: int = 0
    """How far that was behind the highest of all, at the time: what the others have shown since is
    nothing to hold against it."""
    latency_ms: float | None = None
    """Running mean of the time it takes to show its head."""
    error_rate: float = 0.0
    """Running mean: 0 answers always, 1 never."""
    last_error: str = ""


def trouble_of(error: KeeperError) -> Trouble:
    """Return what *error*, raised by a question, says about the endpoint."""
    facts: dict[str, Any] = error.facts
    if isinstance(error, CallReverted | Rejected):
        return Trouble.NONE
    if isinstance(error, ConfigError | Foreign):
        return Trouble.FOREIGN
    if facts.get("status") in _DENIED:
        return Trouble.DENIED
    kind = _kind(facts)
    if kind is Kind.UNSUPPORTED and facts.get("method") in _OPTIONAL:
        return Trouble.NONE
    if kind is Kind.BUSY or facts.get("status") == _TOO_MANY_REQUESTS or "retry_after_s" in facts:
        return Trouble.LIMITED
    return Trouble.SILENT


def _kind(facts: Mapping[str, Any]) -> Kind | None:
    code = facts.get("code")
    return classify(code, str(facts.get("text"))) if isinstance(code, int) else None


def after_answer(health: Health) -> Health:
    """Return the health after an answer: whatever was wrong before is over.

    A wait that was asked for stays: the answer may be to a question from before it.
    """
    return replace(
        health,
        breaker=Breaker(),
        limit=replace(health.limit, refusals=0),
        error_rate=_mean(health.error_rate, 0.0),
    )


def after_time(health: Health, took_ms: float) -> Health:
    """Return the health after the endpoint took so long to show its head."""
    return replace(health, latency_ms=_mean(health.latency_ms, took_ms))


def after_trouble(health: Health, error: KeeperError, now_s: float, policy: HealthPolicy) -> Health:
    """Return the health after *error*."""
    trouble = trouble_of(error)
    if trouble is Trouble.NONE:
        return health
    told = error.message
    if (reason := error.facts.get("reason")) is not None:
        told = f"{told}: {reason}"
    health = replace(health, error_rate=_mean(health.error_rate, 1.0), last_error=told)
    match trouble:
        case Trouble.FOREIGN:
            # Without the block at all it may still be syncing; with another one it never will.
            lacks = "found" in error.facts and error.facts["found"] is None
            return banned(health, error.message, now_s + policy.denied_rest_s if lacks else None)
        case Trouble.DENIED:
            reason = f"it refuses our credentials (HTTP {error.facts['status']})"
            return banned(health, reason, now_s + policy.denied_rest_s)
        case Trouble.LIMITED:
            asked_s: Any = error.facts.get("retry_after_s")
            return replace(health, limit=rate_limit.told_to_wait(health.limit, now_s, asked_s))
        case _:
            return replace(health, breaker=breaker.failed(health.breaker, now_s, policy.breaker))


def after_head(health: Health, number: int, highest: int, now_s: float) -> Health:
    """Return the health after the endpoint showed a head, while *highest* was that of all."""
    return replace(health, head=number, head_at_s=now_s, lag_blocks=max(0, highest - number))


def highest_head(everybody: Iterable[Health], now_s: float, longest_s: float) -> int:
    """Return the highest head that was shown last, and no longer ago than *longest_s*.

    Whoever is banned or silent puts nobody behind, else it would go on doing so for ever. 0 if
    nobody is left.
    """

    def counts(health: Health) -> bool:
        return (
            now_s - health.head_at_s <= longest_s
            and not is_banned(health, now_s)
            and breaker.state(health.breaker, now_s) != "open"
        )

    return max((health.head or 0 for health in everybody if counts(health)), default=0)


def banned(health: Health, reason: str, until_s: float | None = None) -> Health:
    """Return the health of an endpoint that is asked nothing any more."""
    return replace(health, ban=Ban(reason, until_s))


def outvoted(health: Health) -> Health:
    """Return the health of an endpoint that shows another past than the majority."""
    return banned(health, "it has another history of this chain than the others")


def is_banned(health: Health, now_s: float) -> bool:
    """Return whether neither questions nor transactions may go there."""
    ban = health.ban
    return ban is not None and (ban.until_s is None or now_s < ban.until_s)


def is_open(health: Health, now_s: float) -> bool:
    """Return whether a read may be asked at all."""
    return (
        not is_banned(health, now_s)
        and rate_limit.admits_reads(health.limit, now_s)
        and breaker.state(health.breaker, now_s) != "open"
    )


def ranked(
    everybody: Sequence[Health], now_s: float, policy: HealthPolicy, serving: int | None
) -> list[int]:
    """Return the places of those that may be asked, best first.

    *serving* is the place of who was asked last. Those that failed last time come after those that
    did not; one that is only tried again comes last.
    """

    def key(place: int) -> tuple[bool, bool, float, int]:
        health = everybody[place]
        stays = _CLEARLY_BETTER if place == serving else 1.0
        trying = breaker.state(health.breaker, now_s) == "half_open"
        return trying, health.breaker.failures > 0, _score_ms(health) * stays, place

    usable = (
        place
        for place, health in enumerate(everybody)
        if is_open(health, now_s) and health.lag_blocks <= policy.max_lag_blocks
    )
    return sorted(usable, key=key)


def _score_ms(health: Health) -> float:
    latency_ms = _UNKNOWN_LATENCY_MS if health.latency_ms is None else health.latency_ms
    return (latency_ms + 1.0) * (1.0 + _ERROR_PENALTY * health.error_rate)


def _mean(so_far: float | None, newest: float) -> float:
    return newest if so_far is None else so_far + _NEWEST_WEIGHT * (newest - so_far)
