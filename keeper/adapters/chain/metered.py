"""Counts requests and the time they take, for the metrics and the benchmarks."""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from time import perf_counter_ns
from typing import Final, TypeVar

from msgspec import Raw, Struct

from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.rpc import Asked, Transport
from keeper.ports.acting import Work, nothing

T = TypeVar("T")

BATCH: Final = "batch"
"""Stands for the method where several are asked in one request: their time is not to be parted."""


class Tally(Struct):
    """What one method has cost so far."""

    requests: int = 0
    failures: int = 0
    """Any that raised, errors of the node included."""
    total_ns: int = 0
    """From question to answer, our own work on them included."""
    waited_ns: int = 0
    """The part of it spent waiting for the node."""


class Metered:
    """A `Transport` around another, with a `Tally` per method."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.tallies: dict[str, Tally] = defaultdict(Tally)

    @property
    def dials(self) -> int:
        """Connections made so far."""
        return self._inner.dials

    @property
    def waited_ns(self) -> int:
        """Time spent waiting for the node, all of it."""
        return self._inner.waited_ns

    def request(self, method: str, params: object, deadline_s: float) -> Raw:
        """See `Transport`."""
        tally = self.tallies[method]
        return self._timed(tally, lambda: self._inner.request(method, params, deadline_s))

    def stream(
        self, method: str, params: Iterable[object], deadline_s: float
    ) -> Generator[Raw, None, None]:
        """See `Transport`; the time between two answers is the caller's and is not counted."""
        tally = self.tallies[method]
        answers = self._inner.stream(method, params, deadline_s)
        while (raw := self._timed(tally, lambda: next(answers, None))) is not None:
            yield raw
        tally.requests -= 1  # to hear that there is no more was no request

    def batch(
        self, questions: Sequence[Asked], deadline_s: float, meanwhile: Work = nothing
    ) -> list[Raw | RpcError]:
        """See `Transport`; it counts as one request, which failed if any answer is an error."""
        tally = self.tallies[BATCH]
        answers = self._timed(tally, lambda: self._inner.batch(questions, deadline_s, meanwhile))
        tally.failures += any(isinstance(answer, RpcError) for answer in answers)
        return answers

    def close(self) -> None:
        """See `Transport`."""
        self._inner.close()

    def _timed(self, tally: Tally, ask: Callable[[], T]) -> T:
        waited_ns = self._inner.waited_ns
        started_ns = perf_counter_ns()
        tally.requests += 1
        tally.failures += 1  # until it is known to have gone well
        try:
            answer = ask()
            tally.failures -= 1
        finally:
            tally.total_ns += perf_counter_ns() - started_ns
            tally.waited_ns += self._inner.waited_ns - waited_ns
        return answer


def merged(many: Iterable[Mapping[str, Tally]]) -> Mapping[str, Tally]:
    """Return the sum of several connections' tallies."""
    total: dict[str, Tally] = defaultdict(Tally)
    for tallies in many:
        for method, tally in [*tallies.items()]:  # another thread may add a method meanwhile
            so_far = total[method]
            so_far.requests += tally.requests
            so_far.failures += tally.failures
            so_far.total_ns += tally.total_ns
            so_far.waited_ns += tally.waited_ns
    return total
