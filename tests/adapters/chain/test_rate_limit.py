"""How long an endpoint is left alone after "too many requests"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.chain.rate_limit import RateLimit, admits_reads, told_to_wait

waits = st.one_of(st.none(), st.floats(min_value=0, max_value=1e6))


def test_nobody_waits_before_being_told() -> None:
    assert admits_reads(RateLimit(), 0.0)


@pytest.mark.parametrize("asked_s", [2.0, 30.0, 600.0])
def test_r4_retry_after_is_honoured_to_the_second(asked_s: float) -> None:
    limit = told_to_wait(RateLimit(), 100.0, asked_s)
    assert not admits_reads(limit, 100.0 + asked_s - 0.001)
    assert admits_reads(limit, 100.0 + asked_s)


def test_without_a_word_the_wait_doubles() -> None:
    limit, now_s, waited = RateLimit(), 0.0, []
    for _ in range(8):
        limit = told_to_wait(limit, now_s, None)
        waited.append(limit.until_s - now_s)
        now_s = limit.until_s
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_wait_of_a_day_is_cut_to_an_hour_and_one_of_nothing_to_a_second() -> None:
    assert told_to_wait(RateLimit(), 0.0, 86_400.0).until_s == 3_600.0
    assert told_to_wait(RateLimit(), 0.0, 0.0).until_s == 1.0


@given(refusals=st.lists(waits, min_size=1, max_size=200))
def test_a_refusal_never_shortens_a_wait_and_never_stops_reading_for_ever(
    refusals: list[float | None],
) -> None:
    limit = RateLimit()
    for asked_s in refusals:
        before_s = limit.until_s
        limit = told_to_wait(limit, 50.0, asked_s)
        assert limit.until_s >= before_s
        assert 51.0 <= limit.until_s <= 50.0 + 3_600.0
