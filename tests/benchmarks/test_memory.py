import os

import pytest

from benchmarks.memory import Sample, rss_mb, slope_mb_per_h


def test_the_slope_is_that_of_the_line_through_the_samples() -> None:
    line = [Sample(at_s, 50 + at_s / 3_600 * 7) for at_s in (0.0, 10.0, 30.0, 35.0)]
    assert slope_mb_per_h(line) == pytest.approx(7.0)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_samples_have_no_slope(count: int) -> None:
    assert slope_mb_per_h([Sample(1.0, 50.0)] * count) == 0.0


def test_this_process_has_some_memory_and_one_that_is_gone_has_none() -> None:
    assert rss_mb(os.getpid()) > 5
    with pytest.raises(ProcessLookupError):
        rss_mb(2**22 + 1)
