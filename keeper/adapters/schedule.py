"""Wake-ups by the clock: APScheduler cron and interval jobs that only ring the bell.

Everything is UTC: a cron time in a zone with daylight saving fires twice or not at all once a
year. Missed runs coalesce into one, because a tick reads the world afresh and needs no catching
up; they are counted, because a scheduler that lags is worth knowing.
"""

from collections.abc import Callable

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from keeper.model.errors import ConfigError

GRACE_S = 3_600
"""A run that is late by less is still worth one look at the world."""


class Schedule:
    """Posts `schedule` every so often and `cron` at set times, from a thread of its own."""

    def __init__(
        self, post: Callable[[str], None], *, every_s: float | None, cron: str | None
    ) -> None:
        self.misfires = 0
        self._scheduler = BackgroundScheduler(
            timezone="UTC",
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": GRACE_S},
        )
        self._scheduler.add_listener(self._count, EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        if every_s is not None:
            self._add("schedule", post, IntervalTrigger(seconds=every_s, timezone="UTC"))
        if cron is not None:
            self._add("cron", post, _crontab(cron))

    def start(self) -> None:
        """Begin to ring."""
        self._scheduler.start()

    def stop(self) -> None:
        """End without waiting: a job only posts, nothing is cut short."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _add(self, name: str, post: Callable[[str], None], trigger: object) -> None:
        self._scheduler.add_job(post, trigger, args=(name,), id=name, replace_existing=True)

    def _count(self, _event: JobExecutionEvent) -> None:
        self.misfires += 1


def _crontab(expression: str) -> CronTrigger:
    try:
        return CronTrigger.from_crontab(expression, timezone="UTC")
    except ValueError as bad:
        raise ConfigError(
            "triggers.cron is not a five-field cron expression",
            value=expression,
            remedy='for example cron = "0 * * * *" for every full hour, UTC',
        ) from bad
