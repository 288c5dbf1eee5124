"""Alive is not enough: a keeper has to decide."""

import msgspec
import pytest

from keeper.adapters.sinks.progress import Progress
from keeper.model.events import Decided, Event, Halted, Resumed, Troubled
from keeper.model.flow import Hold


class HandClock:
    def __init__(self) -> None:
        self.ms = 1_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def progress(clock: HandClock) -> Progress:
    return Progress(clock, ("eth-lp",), limit_s=30)


def test_p7_before_the_first_decision_it_is_not_healthy(progress: Progress) -> None:
    verdict = progress.verdict()
    assert (verdict.healthy, verdict.last_decision_age_s) == (False, None)


def test_a_recent_decision_is_healthy(
    progress: Progress, clock: HandClock, decided: Decided
) -> None:
    progress.tell(decided)
    clock.ms += 30_000
    assert progress.verdict().healthy


def test_p7_a_decision_longer_ago_than_the_limit_is_not(
    progress: Progress, clock: HandClock, decided: Decided
) -> None:
    progress.tell(decided)
    clock.ms += 31_000
    verdict = progress.verdict()
    assert not verdict.healthy
    assert verdict.reason == "no decision for 31 s, the limit is 30 s"


@pytest.mark.parametrize(
    "trouble",
    [Troubled("Transient", "no answer", 1), Decided("eth-lp", Hold("the feed is stale"), 1, ())],
)
def test_p7_trouble_is_not_progress(
    progress: Progress, clock: HandClock, decided: Decided, trouble: Event
) -> None:
    progress.tell(decided)
    clock.ms += 31_000
    progress.tell(trouble)
    verdict = progress.verdict()
    assert not verdict.healthy
    assert verdict.last_trouble in {"Transient: no answer", "eth-lp: the feed is stale"}


def test_other_events_are_no_progress(progress: Progress, one_of_each: tuple[Event, ...]) -> None:
    for event in one_of_each[1:]:
        progress.tell(event)
    assert progress.verdict().last_decision_age_s is None


def test_p7_one_stuck_book_among_others_is_seen(clock: HandClock, decided: Decided) -> None:
    progress = Progress(clock, ("eth-lp", "btc"), limit_s=30)
    progress.tell(decided)
    assert not progress.verdict().healthy
    progress.tell(msgspec.structs.replace(decided, book="btc"))
    assert progress.verdict().healthy
    clock.ms += 31_000
    progress.tell(decided)
    assert not progress.verdict().healthy


def test_a_keeper_that_stands_by_is_healthy_and_says_who_leads(progress: Progress) -> None:
    progress.stand("another leads")
    verdict = progress.verdict()
    assert (verdict.healthy, verdict.reason) == (True, "stands by: another leads")
    progress.stand(None)
    assert not progress.verdict().healthy


def test_a_halted_keeper_that_still_looks_is_healthy_and_says_so(
    progress: Progress, decided: Decided
) -> None:
    progress.tell(decided)
    progress.tell(Halted("margin", 1))
    assert (progress.verdict().healthy, progress.verdict().halted) == (True, "margin")
    progress.tell(Resumed("checked", 2))
    assert progress.verdict().halted is None
