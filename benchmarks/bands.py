"""How long one optimal band takes, and how many a second come out of arrays; one thread.

Without impact the band is one scalar equation, with impact two. Errors are against the reference
values, relative to each.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.figures import Machine, machine
from benchmarks.pricing import vectors
from benchmarks.turns import Rate, seconds, take_turns
from keeper.core.arrays import Floats
from keeper.core.band import optimal_band
from keeper.core.band_vectors import optimal_bands

BANDS: Final = 1_000_000
WITH_IMPACT: Final = 200_000
SCALARS: Final = 5_000
ROUNDS: Final = 15
TARGET_US: Final = 5.0
TARGET_PER_S: Final = 10e6

Columns = dict[str, Floats]


class Microseconds(Struct, frozen=True):
    """Of one call."""

    best: float
    median: float


class Report(Struct, frozen=True, kw_only=True):
    """The last line of stdout."""

    benchmark: str = "bands"
    rounds: int
    numpy: str
    one_us: Microseconds
    one_with_impact_us: Microseconds
    arrays_per_s: Rate
    arrays_with_impact_per_s: Rate
    errors: dict[str, float]
    target_us: float
    """For each of the scalar bands, in the best turn."""
    target_per_s: float
    """For arrays without impact, in the best turn."""
    targets_met: bool
    machine: Machine


def problems(count: int, seed: int = 1) -> Columns:
    """Return *count* problems around a vault of a million dollars that hedges ether."""
    chance = np.random.default_rng(seed)

    def spread(middle: float) -> Floats:
        return np.asarray(middle * np.exp(chance.normal(0.0, 0.5, count)))

    return {
        "sigma_x": spread(200.0),
        "risk_weight": spread(60.0),
        "fixed_cost": spread(5.0),
        "prop_cost": spread(1.8),
        "impact": spread(0.01),
    }


def one_by_one(given: Columns) -> Callable[[], object]:
    """Return the loop over `optimal_band`."""
    names = tuple(given)
    rows = [
        dict(zip(names, row, strict=True))
        for row in zip(*(c.tolist() for c in given.values()), strict=True)
    ]
    return lambda: [optimal_band(**row) for row in rows]


def measure(count: int, rounds: int) -> Report:
    """Time all four in turns."""
    here = machine("not used")
    given = problems(count)
    scalars = {name: column[:SCALARS] for name, column in given.items()}
    bent = {name: column[:WITH_IMPACT] for name, column in given.items()}
    free = {name: column for name, column in given.items() if name != "impact"}
    plain = {name: column for name, column in scalars.items() if name != "impact"}
    one, one_bent = one_by_one(plain), one_by_one(scalars)
    timed = take_turns(
        {
            "one": lambda: seconds(one),
            "one_bent": lambda: seconds(one_bent),
            "arrays": lambda: seconds(lambda: optimal_bands(**free)),
            "arrays_bent": lambda: seconds(lambda: optimal_bands(**bent)),
        },
        rounds,
    )
    each_us = {
        name: Microseconds(
            best=timed[name].best_s * 1e6 / len(scalars["impact"]),
            median=timed[name].median_s * 1e6 / len(scalars["impact"]),
        )
        for name in ("one", "one_bent")
    }
    arrays = timed["arrays"].per_s(count)
    return Report(
        rounds=rounds, numpy=np.__version__, one_us=each_us["one"],
        one_with_impact_us=each_us["one_bent"], arrays_per_s=arrays,
        arrays_with_impact_per_s=timed["arrays_bent"].per_s(len(bent["impact"])), errors=errors(),
        target_us=TARGET_US, target_per_s=TARGET_PER_S, machine=here,
        targets_met=arrays.best_per_s >= TARGET_PER_S
        and all(each.best <= TARGET_US for each in each_us.values()),
    )  # fmt: skip


def errors() -> dict[str, float]:
    """Return the greatest relative error of arrays against the reference values."""
    rows = vectors("qvi_bands")
    found = optimal_bands(
        rows["sigma_x"],
        rows["risk_weight_q"],
        rows["fixed_cost"],
        rows["prop_cost"],
        rows["impact_eta"],
    )
    exact = (rows["outer_b"], rows["inner_a"], rows["cost_rate_rho"])
    return {
        name: _relative(ours, true)
        for name, ours, true in zip(found._fields, found, exact, strict=True)
    }


def _relative(found: Floats, exact: Floats) -> float:
    """Return the greatest relative error; what is exactly zero must be found so."""
    off = np.abs(found - exact)
    return float(np.max(np.divide(off, exact, out=off.copy(), where=exact > 0.0)))


def main(arguments: list[str] | None = None) -> int:
    """Run, tell people on stderr, and print one JSON object."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: always printed")
    parser.add_argument("--bands", type=int, default=BANDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args(arguments)
    report = measure(asked.bands, asked.rounds)
    for name, us in (("one", report.one_us), ("with impact", report.one_with_impact_us)):
        print(f"{name:<22}{us.best:8.2f} µs best {us.median:8.2f} median", file=sys.stderr)
    for name, rate in (
        ("arrays", report.arrays_per_s),
        ("arrays with impact", report.arrays_with_impact_per_s),
    ):
        best, middle = rate.best_per_s / 1e6, rate.median_per_s / 1e6
        print(f"{name:<22}{best:8.2f} M/s best{middle:8.2f} median", file=sys.stderr)
    print(msgspec.json.encode(report).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
