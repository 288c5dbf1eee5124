"""Works that take turns, so that a busy moment of the machine hits all of them."""

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter

from msgspec import Struct


class Timed(Struct, frozen=True):
    """The shortest and the middle one of all turns of a work."""

    best_s: float
    median_s: float

    def per_s(self, count: int) -> "Rate":
        """Return how many of *count* things that is in a second."""
        return Rate(best_per_s=count / self.best_s, median_per_s=count / self.median_s)


class Rate(Struct, frozen=True):
    """Things per second."""

    best_per_s: float
    median_per_s: float

    def over(self, other: "Rate") -> "Ratio":
        """Return how many times faster this is than *other*."""
        return Ratio(
            of_best=round(self.best_per_s / other.best_per_s, 3),
            of_medians=round(self.median_per_s / other.median_per_s, 3),
        )


class Ratio(Struct, frozen=True):
    """How many times faster, in one run."""

    of_best: float
    """Of the shortest turns: what the machine does when nothing else runs on it."""
    of_medians: float


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def take_turns(works: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, Timed]:
    """Let every work, which returns its own seconds, have one turn in each round.

    One round before the first fills caches and compiles what compiles itself, and does not count.
    """
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            spent = work()
            if number:
                taken[name].append(spent)
    return {name: Timed(min(all_of), median(all_of)) for name, all_of in taken.items()}
