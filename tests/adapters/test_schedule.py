from datetime import UTC, datetime, timedelta
from itertools import pairwise
from queue import Queue

import pytest
from apscheduler.events import EVENT_JOB_MISSED, JobExecutionEvent

from keeper.adapters.schedule import Schedule
from keeper.model.errors import ConfigError


def test_an_interval_rings_the_bell() -> None:
    rung: Queue[str] = Queue()
    schedule = Schedule(rung.put, every_s=0.05, cron=None)
    schedule.start()
    try:
        assert [rung.get(timeout=5), rung.get(timeout=5)] == ["schedule", "schedule"]
    finally:
        schedule.stop()


def test_k2_cron_is_utc_and_has_no_gap_or_double_in_a_whole_year() -> None:
    schedule = Schedule(lambda _: None, every_s=None, cron="30 2 * * *")
    (job,) = schedule._scheduler._pending_jobs
    trigger = job[0].trigger
    at = datetime(2026, 1, 1, tzinfo=UTC)
    fires = []
    for _ in range(365):
        at = trigger.get_next_fire_time(None, at + timedelta(seconds=1))
        fires.append(at)
    assert {later - earlier for earlier, later in pairwise(fires)} == {timedelta(days=1)}


def test_k2_cron_is_utc_wherever_the_machine_stands() -> None:
    schedule = Schedule(lambda _: None, every_s=None, cron="30 2 * * *")
    (job,) = schedule._scheduler._pending_jobs
    assert str(job[0].trigger.timezone) == "UTC"


def test_a_missed_run_is_counted() -> None:
    schedule = Schedule(lambda _: None, every_s=60, cron=None)
    schedule._scheduler._dispatch_event(
        JobExecutionEvent(EVENT_JOB_MISSED, "schedule", "default", datetime.now(UTC))
    )
    assert schedule.misfires == 1


def test_a_bad_cron_expression_is_refused_with_an_example() -> None:
    with pytest.raises(ConfigError, match="five-field"):
        Schedule(lambda _: None, every_s=None, cron="every hour")


def test_stopping_what_never_started_is_harmless() -> None:
    Schedule(lambda _: None, every_s=None, cron=None).stop()
