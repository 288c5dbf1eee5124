"""Numbers from samples, the machine that they were taken on, and words for people."""

import os
import platform
import sqlite3
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns
from typing import Final

from msgspec import Struct

NS_PER_MS: Final = 1e6
_PAGE_BYTES: Final = 4_096
_FSYNC_SAMPLES: Final = 200


class Spread(Struct, frozen=True):
    """How a duration is distributed, in milliseconds."""

    p50: float
    p90: float
    p99: float
    samples: int


class Machine(Struct, frozen=True, kw_only=True):
    """Where the figures come from."""

    cpus: int
    cpu_model: str
    system: str
    python: str
    sqlite: str
    web3: str
    node: str
    load_1min: float
    """Average number of runnable tasks when the benchmark began: above `cpus` it was disturbed."""


class Disk(Struct, frozen=True):
    """Where the journal is."""

    filesystem: str
    """Its type: on tmpfs an fsync costs nothing and proves nothing."""
    fsync_p50_ms: float
    """Of one page written over, with nothing else going on."""


def spread(durations_ns: Sequence[int]) -> Spread:
    """Return the quantiles of *durations_ns*; at least one is needed."""
    ordered = sorted(durations_ns)
    p50, p90, p99 = (_quantile_ms(ordered, q) for q in (0.5, 0.9, 0.99))
    return Spread(p50, p90, p99, samples=len(ordered))


def p50_ms(durations_ns: Sequence[int]) -> float:
    """Return the median, in milliseconds."""
    return _quantile_ms(sorted(durations_ns), 0.5)


def _quantile_ms(ordered: Sequence[int], q: float) -> float:
    """Return the q-quantile, interpolated between its neighbours."""
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return round((ordered[low] + (ordered[high] - ordered[low]) * (at - low)) / NS_PER_MS, 4)


def machine(node: str) -> Machine:
    """Return what this machine is, without its name; *node* is what the node calls itself."""
    return Machine(
        cpus=os.cpu_count() or 0,
        cpu_model=_cpu_model(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        web3=version("web3"),
        node=node,
        load_1min=round(os.getloadavg()[0], 2),
    )


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())


def disk(folder: Path) -> Disk:
    """Return what holds *folder*, and what one fsync costs there."""
    return Disk(filesystem=_filesystem(folder.resolve()), fsync_p50_ms=p50_ms(_fsyncs_ns(folder)))


def _filesystem(folder: Path) -> str:
    """Return the type of the file system that *folder* is on; `unknown` where nobody says."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    holding = [(mount[1], mount[2]) for mount in mounts if folder.is_relative_to(mount[1])]
    return max(holding, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]


def _fsyncs_ns(folder: Path) -> list[int]:
    path = folder / "fsync"
    taken: list[int] = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_FSYNC_SAMPLES):
            file.seek(0)
            file.write(bytes(_PAGE_BYTES))
            began = perf_counter_ns()
            os.fsync(file.fileno())
            taken.append(perf_counter_ns() - began)
    path.unlink()
    return taken


def say(line: str) -> None:
    """Print *line* for people: stdout is for the JSON object."""
    print(line, file=sys.stderr, flush=True)
