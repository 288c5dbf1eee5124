from math import inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.alignment import Feed, align
from keeper.model.errors import BadData


def test_two_feeds_on_one_clock_worked_by_hand() -> None:
    # The clock: 10, 20, 30, since one starts at 10 and the other ends at 35.
    target = Feed([0, 5, 18, 40], [1.0, 2.0, 3.0, 4.0])
    hedge = Feed([10, 20, 25, 35], [5.0, 6.0, 7.0, 8.0])
    pair = align(target, hedge, step_s=10)
    assert np.exp(pair.target) == pytest.approx([2, 3, 3])
    assert np.exp(pair.hedge) == pytest.approx([5, 6, 7])
    # The target had nothing new in one of two steps; its ages are 5, 2 and 12 s.
    assert pair.stale_share == 0.5
    assert pair.lead_lag == 2
    assert pair.returns()[0] == pytest.approx([log(3 / 2), 0.0])


def test_feeds_that_are_refreshed_together_lag_nothing() -> None:
    feed = Feed([0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0])
    pair = align(feed, feed, step_s=1)
    assert (pair.stale_share, pair.lead_lag) == (0.0, 0)


def test_the_last_price_of_a_moment_counts() -> None:
    twice = Feed([0, 1, 1, 2], [1.0, 2.0, 3.0, 4.0])
    assert np.exp(align(twice, twice, step_s=1).target) == pytest.approx([1, 3, 4])


times = st.lists(st.floats(0, 100), min_size=5, max_size=20).map(sorted)


@given(times_s=times, later=st.floats(1.0, 5.0))
def test_no_price_is_used_before_it_is_known(times_s: list[float], later: float) -> None:
    prices = list(range(1, len(times_s) + 1))
    clock = Feed([0.0, 50.0, 101.0], [1.0, 1.0, 1.0])
    try:
        pair = align(Feed([-1.0, *times_s, 200.0], [0.5, *prices, 99.0]), clock, step_s=later)
    except BadData:
        pytest.fail("the feeds overlap")
    for i, level in enumerate(np.exp(pair.target)):
        known = sum(t <= i * later for t in times_s)
        assert level == pytest.approx(known or 0.5)


GOOD = Feed([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("feed", "step_s", "message"),
    [
        (Feed([0, 1], [1, 1, 1]), 1.0, "as many times as prices"),
        (Feed([], []), 1.0, "as many times as prices"),
        (Feed([[0.0]], [[1.0]]), 1.0, "as many times as prices"),
        (Feed([0, 1], [1, inf]), 1.0, "not finite"),
        (Feed([1, 0], [1, 1]), 1.0, "oldest first"),
        (Feed([0, 1], [1, 0]), 1.0, "above zero"),
        (Feed([0, 1.9], [1, 1]), 1.0, "less than two steps"),
        (Feed([5, 9], [1, 1]), 1.0, "less than two steps"),
        (GOOD, 0.0, "less than two steps"),
    ],
)
def test_feeds_that_cannot_be_aligned_are_refused(feed: Feed, step_s: float, message: str) -> None:
    with pytest.raises(BadData, match=message):
        align(GOOD, feed, step_s=step_s)
