"""What the benchmarks of Greeks and of implied volatility share: options, peers, errors, words."""

import argparse
import csv
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.peers import Peer, PeerGoneError, add_option, interpreter, serving
from benchmarks.turns import Rate, Ratio, take_turns
from keeper.core.arrays import Floats
from keeper.core.greeks import Vanilla, black76

Columns = dict[str, Floats]
Result = TypeVar("Result")

OPTIONS: Final = 1_000_000
LOOPED: Final = 20_000
"""Options given to a library that takes one at a time."""
ROUNDS: Final = 9
SPOT: Final = 3_000.0
RATE: Final = 0.03
SCRIPT: Final = Path(__file__).with_name("pricing_peers.py")
VECTORS: Final = Path(__file__).parents[1] / "tests" / "vectors"
LIBRARIES: Final = {
    "fast_vollib": ("vollib", True),
    "py_vollib_vectorized": ("py_vollib_vectorized", True),
    "quantlib": ("vollib", False),
    "quantlib_1e_12": ("vollib", False),
    "vollib": ("vollib", False),
}
"""Name → the kit that it is in, and whether it takes arrays."""


class Rival(Struct, frozen=True):
    """One library in its process."""

    library: str
    version: str
    vectorised: bool
    peer: Peer
    folder: Path

    def work(self, task: str, columns: Path, options: int) -> Callable[[], float]:
        """Return what runs *task* on the first *options* of *columns* once and says its seconds."""
        asked = {"library": self.library, "task": task, "columns": str(columns), "first": options}
        return lambda: float(self.peer.ask(asked | {"keep": ""})["seconds"])

    def results(self, task: str, columns: Columns) -> Floats:
        """Return what it computes, a row for each quantity."""
        given, kept = self.folder / "given.npz", self.folder / "kept.npy"
        _store(given, columns)
        asked = {"library": self.library, "task": task, "columns": str(given), "first": None}
        self.peer.ask(asked | {"keep": str(kept)})
        found: Floats = np.load(kept)
        return found


def book(count: int, seed: int = 1) -> Columns:
    """Return options on one underlying: strikes within three deviations, a week to two years."""
    chance = np.random.default_rng(seed)
    years = chance.uniform(7.0 / 365.0, 2.0, count)
    sigma = chance.uniform(0.2, 1.5, count)
    forward = SPOT * np.exp(RATE * years)
    strike = forward * np.exp(chance.uniform(-3.0, 3.0, count) * sigma * np.sqrt(years))
    sign = chance.choice([1.0, -1.0], count)
    return {
        "sign": sign,
        "spot": np.full(count, SPOT),
        "forward": forward,
        "strike": strike,
        "years": years,
        "sigma": sigma,
        "rate": np.full(count, RATE),
        "carry_yield": np.zeros(count),
        "price": black76(Vanilla(sign, strike, years), forward, sigma, rate=RATE).price,
    }


def vectors(name: str) -> Columns:
    """Return the columns of a file of reference values."""
    with (VECTORS / f"{name}.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    return {column: np.array([float(row[column]) for row in rows]) for column in rows[0]}


def worst(found: Floats, reference: Floats) -> float:
    """Return the greatest error, relative to the reference or to 1 if that is more."""
    return float(np.max(np.abs(found - reference) / np.maximum(1.0, np.abs(reference))))


@contextmanager
def rivals(names: tuple[str, ...], *, install: bool) -> Iterator[dict[str, Rival]]:
    """Yield those of *names* that are there; the others are named on stderr."""
    with ExitStack() as stack, TemporaryDirectory() as folder:
        kits = {kit: stack.enter_context(_kit(kit, install=install))
                for kit in sorted({LIBRARIES[name][0] for name in names})}  # fmt: skip
        found = {}
        for name in names:
            kit, vectorised = LIBRARIES[name]
            peer = kits[kit]
            if peer is None or name not in peer.versions:
                print(f"{name} is not here: --peers installs it", file=sys.stderr)
                continue
            found[name] = Rival(name, peer.versions[name], vectorised, peer, Path(folder))
        yield found


@contextmanager
def _kit(kit: str, *, install: bool) -> Iterator[Peer | None]:
    python = interpreter(kit, install=install)
    if python is None:
        yield None
        return
    with serving(python, SCRIPT) as peer:
        yield peer


def race(
    task: str, ours: Callable[[], float], columns: Columns, found: Mapping[str, Rival], rounds: int
) -> dict[str, Rate]:
    """Return options per second of all, who take turns; `ours` works on all of *columns*."""
    options = len(columns["sign"])
    with TemporaryDirectory() as folder:
        stored = Path(folder) / "columns.npz"
        _store(stored, columns)
        counts = {name: options if rival.vectorised else min(LOOPED, options)
                  for name, rival in found.items()}  # fmt: skip
        works = {"ours": ours}
        for name, rival in found.items():
            works[name] = rival.work(task, stored, counts[name])
        timed = take_turns(works, rounds)
    return {name: each.per_s(counts.get(name, options)) for name, each in timed.items()}


def _store(path: Path, columns: Columns) -> None:
    np.savez(path, allow_pickle=False, **columns)


def tried(work: Callable[[], Result], name: str) -> Result | None:
    """Return what a rival computes; None where it fails, which is said on stderr."""
    try:
        return work()
    except PeerGoneError as failed:
        print(f"{name} failed: {failed}", file=sys.stderr)
        return None


def speed(name: str, rate: Rate, ratio: Ratio | None) -> str:
    """Return the first columns of a row: how fast a library is, and how much faster ours is."""
    times = "" if ratio is None else f"{ratio.of_best:.1f} x"
    return f"{name:<29}{rate.best_per_s / 1e6:>9.4g}{rate.median_per_s / 1e6:>9.4g}{times:>10}"


def run(
    name: str,
    measure: Callable[..., Result],
    show: Callable[[Result], None],
    arguments: list[str] | None,
) -> int:
    """Run the benchmark *name*, tell people on stderr, and print one JSON object.

    *measure* takes how many options and rounds, and whether to `install` the peers.
    """
    parser = argparse.ArgumentParser(prog=f"scripts/bench {name}")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: always printed")
    parser.add_argument("--options", type=int, default=OPTIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    add_option(parser)
    asked = parser.parse_args(arguments)
    report = measure(asked.options, asked.rounds, install=asked.peers)
    show(report)
    print(msgspec.json.encode(report).decode())
    return 0
