"""A breaker is small, so its tests are laws."""

from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.chain.breaker import Breaker, BreakerPolicy, failed, rest_s, state

POLICY = BreakerPolicy(failures=3, first_rest_s=1.0, longest_rest_s=60.0)
seconds = st.floats(min_value=0, max_value=1e9)
gaps = st.lists(st.floats(min_value=0, max_value=500), max_size=40)


def after(*times_s: float) -> Breaker:
    breaker = Breaker()
    for now_s in times_s:
        breaker = failed(breaker, now_s, POLICY)
    return breaker


def test_two_failures_are_forgiven_and_three_are_not() -> None:
    assert state(after(1, 2), 2) == "closed"
    assert state(after(1, 2, 3), 3) == "open"


def test_after_its_rest_one_question_may_try() -> None:
    assert state(after(1, 2, 3), 3.9) == "open"
    assert state(after(1, 2, 3), 4.0) == "half_open"


def test_a_failed_try_rests_twice_as_long() -> None:
    breaker = after(1, 2, 3, 4)
    assert state(breaker, 5.9) == "open"
    assert state(breaker, 6.0) == "half_open"


def test_a_late_failure_does_not_lengthen_the_rest() -> None:
    assert after(1, 2, 3, 3.5).rests_until_s == after(1, 2, 3).rests_until_s


@given(trips=st.integers(min_value=1, max_value=10_000))
def test_no_rest_is_longer_than_the_longest_and_none_shorter_than_the_one_before(
    trips: int,
) -> None:
    assert POLICY.first_rest_s <= rest_s(trips, POLICY) <= rest_s(trips + 1, POLICY)
    assert rest_s(trips, POLICY) <= POLICY.longest_rest_s


@given(start_s=seconds, gaps=gaps)
def test_whoever_only_fails_is_asked_ever_more_rarely(start_s: float, gaps: list[float]) -> None:
    breaker, now_s, tried = Breaker(), start_s, 0
    for gap in gaps:
        now_s += gap
        if state(breaker, now_s) != "open":
            tried += 1
            breaker = failed(breaker, now_s, POLICY)
    assert breaker.failures == tried
    assert breaker.trips == max(0, tried - POLICY.failures + 1)


@given(start_s=seconds, gaps=gaps)
def test_it_is_open_only_until_a_time_it_can_name(start_s: float, gaps: list[float]) -> None:
    breaker, now_s = Breaker(), start_s
    for gap in gaps:
        now_s += gap
        breaker = failed(breaker, now_s, POLICY)
    if breaker.rests_until_s is not None:
        assert state(breaker, breaker.rests_until_s) == "half_open"
        assert breaker.rests_until_s <= now_s + POLICY.longest_rest_s
