"""What people and metrics are told about the endpoints of a pool."""

from collections.abc import Mapping

from msgspec import Struct

from keeper.adapters.chain import breaker, endpoint_health, rate_limit
from keeper.adapters.chain.endpoint_health import Health, HealthPolicy


class EndpointReport(Struct, frozen=True):
    """One endpoint, for metrics and people."""

    name: str
    usable: bool
    """Whether it may be read from now."""
    serving: bool
    """Whether the decision under way reads from it."""
    breaker: breaker.State
    head: int | None
    lag_blocks: int | None
    latency_ms: float | None
    error_rate: float
    trouble: str
    """Why it is banned, or what it failed with last; empty if nothing ever did."""


def report(
    known: Mapping[str, Health], serving: str | None, now_s: float, policy: HealthPolicy
) -> tuple[EndpointReport, ...]:
    """Return one report for each endpoint of *known*, in their order."""
    everybody = [*known.values()]
    usable = endpoint_health.ranked(everybody, now_s, policy, None)
    return tuple(
        EndpointReport(
            name=name,
            usable=place in usable,
            serving=name == serving,
            breaker=breaker.state(health.breaker, now_s),
            head=health.head,
            lag_blocks=None if health.head is None else health.lag_blocks,
            latency_ms=health.latency_ms,
            error_rate=health.error_rate,
            trouble=banned_for(health, now_s) or health.last_error,
        )
        for place, (name, health) in enumerate(known.items())
    )


def reasons(known: Mapping[str, Health], now_s: float) -> dict[str, str]:
    """Return why each endpoint cannot be used, in words."""
    return {name: _reason(health, now_s) for name, health in known.items()}


def banned_for(health: Health, now_s: float) -> str:
    """Return why an endpoint is banned now; empty if it is not."""
    ban = health.ban
    return ban.reason if ban is not None and endpoint_health.is_banned(health, now_s) else ""


def _reason(health: Health, now_s: float) -> str:
    if why := banned_for(health, now_s):
        return f"banned: {why}"
    if not rate_limit.admits_reads(health.limit, now_s):
        return f"asks for patience, {health.limit.until_s - now_s:.0f} s more"
    if breaker.state(health.breaker, now_s) == "open":
        return f"rests after {health.breaker.failures} failures: {health.last_error}"
    return health.last_error or "behind the others"
