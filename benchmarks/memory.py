"""How the memory of a process grows: samples of its resident set, and the line through them."""

import time
from pathlib import Path
from threading import Event, Thread
from typing import Final

from msgspec import Struct

from keeper.model.units import HOUR_S

KIB_PER_MIB: Final = 1_024
_EVERY_S: Final = 1.0


class Sample(Struct, frozen=True):
    """The resident set at one moment."""

    at_s: float
    rss_mb: float


def rss_mb(pid: int) -> float:
    """Return the resident set of a process, in MiB.

    Raises:
        ProcessLookupError: It has ended.

    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"process {pid} has ended") from error
    found = [line for line in lines if line.startswith("VmRSS:")]
    if not found:
        raise ProcessLookupError(f"process {pid} has ended")
    return int(found[0].split()[1]) / KIB_PER_MIB


def slope_mb_per_h(samples: list[Sample]) -> float:
    """Return the slope of the least-squares line; zero for fewer than two moments."""
    if len({sample.at_s for sample in samples}) < 2:  # noqa: PLR2004  # a line needs two
        return 0.0
    mean_s = sum(s.at_s for s in samples) / len(samples)
    mean_mb = sum(s.rss_mb for s in samples) / len(samples)
    over = sum((s.at_s - mean_s) * (s.rss_mb - mean_mb) for s in samples)
    under = sum((s.at_s - mean_s) ** 2 for s in samples)
    return over / under * HOUR_S


class Watch:
    """Samples a process in a thread of its own until it is stopped or the process ends."""

    def __init__(self, pid: int) -> None:
        self.samples: list[Sample] = []
        self._pid = pid
        self._stop = Event()
        self._thread = Thread(target=self._run, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> list[Sample]:
        """End it; return what was sampled."""
        self._stop.set()
        self._thread.join()
        return self.samples

    def _run(self) -> None:
        while not self._stop.wait(_EVERY_S):
            try:
                self.samples.append(Sample(time.monotonic(), rss_mb(self._pid)))
            except ProcessLookupError:
                return
