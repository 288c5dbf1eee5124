from collections.abc import Callable

import pytest

from benchmarks.turns import Rate, Timed, seconds, take_turns


def test_works_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []

    def work(name: str, spent: list[float]) -> Callable[[], float]:
        left = iter(spent)

        def once() -> float:
            order.append(name)
            return next(left)

        return once

    timed = take_turns(
        {"one": work("one", [100.0, 3.0, 1.0, 2.0]), "two": work("two", [0.1, 5.0, 5.0, 8.0])}, 3
    )
    assert order == ["one", "two"] * 4
    assert timed == {"one": Timed(1.0, 2.0), "two": Timed(5.0, 5.0)}


def test_a_rate_is_a_count_over_a_time_and_a_ratio_says_who_is_faster() -> None:
    ours, theirs = Timed(0.5, 1.0).per_s(10), Timed(2.0, 5.0).per_s(10)
    assert ours == Rate(best_per_s=20.0, median_per_s=10.0)
    ratio = ours.over(theirs)
    assert (ratio.of_best, ratio.of_medians) == (4.0, 5.0)


def test_a_work_is_timed_by_the_wall() -> None:
    assert 0.0 < seconds(lambda: sum(range(1_000))) < 60.0
    with pytest.raises(ZeroDivisionError):
        seconds(lambda: 1 / 0)
