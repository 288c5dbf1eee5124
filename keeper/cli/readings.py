"""What `/metrics` and `/healthz` are asked about a running keeper."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from apscheduler.triggers.cron import CronTrigger
from msgspec import json

from keeper.adapters.chain.pool import Pool
from keeper.adapters.clock import SystemClock
from keeper.adapters.health import Page
from keeper.adapters.sinks.progress import Progress
from keeper.adapters.sinks.prometheus import EndpointReading, Prometheus, Readings, Requests
from keeper.bootstrap import Keeper
from keeper.config import Config
from keeper.model.units import MS_PER_S

NS_PER_S: Final = 1_000_000_000
PATIENCE: Final = 3
"""Regular pauses without a decision, after which a keeper is not healthy."""
SHORTEST_LIMIT_S: Final = 30.0
NO_CLOCK_S: Final = 86_400.0
"""Without a regular wake-up a quiet market is no illness; a silent day is worth a look."""
CRON_RUNS: Final = 64


def read(keeper: Keeper) -> Readings:
    """Return the numbers of *keeper* that are not events."""
    pulse, feed = keeper.loop.pulse, keeper.news
    return Readings(
        ticks=pulse.ticks,
        last_tick_at_ms=pulse.last_tick_at_ms,
        last_tick_s=pulse.last_duration_ms / MS_PER_S,
        misfires=keeper.schedule.misfires,
        leads=keeper.leadership.is_leading,
        feed_connected=feed.connected,
        feed_reconnects=feed.counters.reconnects,
        requests={
            # A copy first: the loop's thread may add a method meanwhile.
            method: Requests(tally.requests, tally.failures, tally.total_ns / NS_PER_S)
            for method, tally in list(keeper.node.transport.tallies.items())
        },
        endpoints=_endpoints(keeper.node.pool),
    )


def pages(metrics: Prometheus, progress: Progress) -> dict[str, Page]:
    """Return what is served."""
    return {
        "/metrics": lambda: (HTTPStatus.OK, "text/plain; version=0.0.4", metrics.page()),
        "/healthz": lambda: _health(progress),
    }


def longest_silence_s(config: Config) -> float:
    """Return how long a healthy keeper may go without a decision."""
    triggers = config.triggers
    pauses = [float(triggers.every_s)] if triggers.every_s else []
    if triggers.every_blocks:
        pauses.append(triggers.every_blocks * config.chain.block_time_s)
    if triggers.cron:
        pauses.append(_longest_gap_s(triggers.cron))
    return max(SHORTEST_LIMIT_S, PATIENCE * min(pauses)) if pauses else NO_CLOCK_S


def _endpoints(pool: Pool | None) -> dict[str, EndpointReading]:
    return {
        one.name: EndpointReading(
            usable=one.usable,
            serving=one.serving,
            head=one.head,
            lag_blocks=one.lag_blocks,
            latency_s=None if one.latency_ms is None else one.latency_ms / MS_PER_S,
            error_rate=one.error_rate,
        )
        for one in (pool.report() if pool else ())
    }


def _health(progress: Progress) -> tuple[HTTPStatus, str, bytes]:
    verdict = progress.verdict()
    status = HTTPStatus.OK if verdict.healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "application/json", json.encode(verdict)


def _longest_gap_s(cron: str) -> float:
    trigger = CronTrigger.from_crontab(cron, timezone="UTC")
    now = datetime.fromtimestamp(SystemClock().now_ms() / MS_PER_S, UTC)
    run = trigger.get_next_fire_time(None, now)
    longest = 0.0
    for _ in range(CRON_RUNS):
        following = run and trigger.get_next_fire_time(run, run)
        if not following:
            break
        longest, run = max(longest, (following - run).total_seconds()), following
    return longest or NO_CLOCK_S
