"""Every policy beside the optimum: two positions, three risk aversions, three prices of gas.

A vault of one million dollars at 3,000, volatility 0.8, 30 days, fee and impact 6 bp. For each of
the 18 cases the optimum comes from dynamic programming; then it and the policies trade on the same
fresh random paths. `ratio` is a policy's J = cost + ½·γ·σ²·∫S²x²dt over the optimum's, with the
standard error of the pairs; `exact` is the same without chance, on the lattice of the optimum.
Rivals with a width or a period have it tuned for each case, on paths of their own.
"""

import argparse
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from secrets import randbits
from statistics import median
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.figures import say
from keeper.model.strategies import Always, FixedBand, Optimal, WhalleyWilmott, Zakamouline
from keeper.sim.claims import Claim, liquidity_range, short_straddle
from keeper.sim.frontier import Clock, Following, Ratio, Table, ratio, simulate, tabulated
from keeper.sim.optimum import Lattice, Optimum, Problem, Rule, cost_of, solve

SPOT: Final = 3_000.0
SIGMA: Final = 0.8
YEARS: Final = 30 / 365
WORTH_USD: Final = 1e6
FEE_RATE: Final = 6e-4
HOURLY: Final = 720
CLAIMS: Final[Mapping[str, Claim]] = {
    "straddle": short_straddle(spot=SPOT, sigma=SIGMA, notional_usd=WORTH_USD),
    "lp": liquidity_range(spot=SPOT, width=1.25, worth_usd=WORTH_USD),
}
AVERSIONS: Final = (1e-6, 1e-5, 1e-4)
GAS_USD: Final = (0.5, 5.0, 50.0)
INTERVALS: Final = {"15 min": 2_880, "1 h": HOURLY, "8 h": 90, "24 h": 30}
INTERVAL_GAS_USD: Final = 5.0

UNCORRECTED: Final = Optimal(smooth_gamma=False, horizon_guard=False, check_shift=False)
TUNED_HOURS: Final = (2, 4, 8, 12, 24, 48, 96)
TUNED_WIDTHS: Final = tuple(0.005 * 1.5**step for step in range(13))
TUNING_PATHS: Final = 1_500
RIVALS: Final = (
    "closed form alone",
    "Whalley-Wilmott",
    "Zakamouline",
    "hourly",
    "daily",
    "band 5 % to zero",
    "band 5 % to edge",
    "tuned interval",
    "tuned band to zero",
    "tuned band to edge",
)
TARGETS: Final = {"max": 1.010, "median": 1.006, "intervals_max": 1.05}


class Case(NamedTuple):
    """One position, risk aversion and price of gas."""

    claim: str
    risk_aversion: float
    gas_usd: float

    @property
    def name(self) -> str:
        """Return what `--cases` is matched with."""
        return f"{self.claim} {self.risk_aversion:.0e} {self.gas_usd:g}"

    def problem(self, checks: int) -> Problem:
        """Return the case with so many checks in its 30 days."""
        return Problem(
            claim=CLAIMS[self.claim],
            spot=SPOT,
            sigma=SIGMA,
            years=YEARS,
            checks=checks,
            risk_aversion=self.risk_aversion,
            fixed_usd=self.gas_usd,
            fee_rate=FEE_RATE,
        )


class Size(NamedTuple):
    """How much is drawn: paths for the default policy, paths for rivals, and the first seed."""

    paths: int
    rival_paths: int
    seed: int


CASES: Final = tuple(Case(*each) for each in product(CLAIMS, AVERSIONS, GAS_USD))


class Row(NamedTuple):
    """One case at one check interval, and where its paths start in the stream of seeds."""

    case: Case
    interval: str
    size: Size


def per_sd(checks: int) -> int:
    """Return the lattice's prices to a standard deviation of one check.

    The same prices for any interval, but never fewer than two: with one, the optimum between the
    nodes is dearer than the default policy by up to 4e-4.
    """
    return max(2, round(2 * sqrt(HOURLY / checks)))


def fixed_rivals(problem: Problem) -> list[Rule]:
    """Return the rivals that have nothing to tune, in the order of `RIVALS`."""
    return [
        Following(problem, UNCORRECTED),
        Following(problem, WhalleyWilmott()),
        Following(problem, Zakamouline()),
        Following(problem, Always()),
        Clock(24),
        band(problem, 0.05, to_edge=False),
        band(problem, 0.05, to_edge=True),
    ]


def tunable(problem: Problem) -> list[list[Rule]]:
    """Return the other rivals, each at every period or width that is tried."""
    return [
        [Clock(hours) for hours in TUNED_HOURS],
        [band(problem, width, to_edge=False) for width in TUNED_WIDTHS],
        [band(problem, width, to_edge=True) for width in TUNED_WIDTHS],
    ]


def band(problem: Problem, width_fraction: float, *, to_edge: bool) -> Rule:
    """Return a fixed band, its width a fraction of the million's worth of units."""
    width = width_fraction * WORTH_USD / SPOT
    return Following(problem, FixedBand(width_base=width, to="edge" if to_edge else "zero"))


def tuned(problem: Problem, lattice: Lattice, tried: Sequence[Rule], seed: int) -> Rule:
    """Return the one that is best on paths drawn for that."""
    tallies = simulate(problem, lattice, tried, paths=TUNING_PATHS, seed=seed)
    return tried[int(np.argmin([tally.j_usd.mean() for tally in tallies]))]


def measure_default(problem: Problem, optimum: Optimum, size: Size) -> dict[str, Any]:
    """Return the optimum's cost, and the default policy's beside it."""
    lattice = optimum.lattice
    rule = tabulated(problem, lattice, Following(problem, Optimal()))
    best, ours = simulate(
        problem, lattice, [Table(optimum.region), rule], paths=size.paths, seed=size.seed
    )
    found = ratio(ours.j_usd, best.j_usd)
    return {
        "optimum_usd": round(optimum.cost_usd, 2),
        "optimum_simulated_usd": round(float(best.j_usd.mean()), 2),
        "optimum_se_usd": round(float(best.j_usd.std(ddof=1)) / sqrt(size.paths), 2),
        "ratio": round(found.value, 5),
        "se": round(found.se, 5),
        "exact": round(cost_of(problem, lattice, rule) / optimum.cost_usd, 5),
        "trades": round(float(ours.trades.mean()), 1),
        "optimum_trades": round(float(best.trades.mean()), 1),
    }


def measure_rivals(problem: Problem, optimum: Optimum, size: Size) -> dict[str, Ratio]:
    """Return every rival's ratio to the optimum."""
    lattice = optimum.lattice
    best_of = [tuned(problem, lattice, tried, size.seed + 2) for tried in tunable(problem)]
    rules = [Table(optimum.region), *fixed_rivals(problem), *best_of]
    best, *others = simulate(problem, lattice, rules, paths=size.rival_paths, seed=size.seed + 1)
    found = [ratio(other.j_usd, best.j_usd) for other in others]
    return dict(zip(RIVALS, found, strict=True))


def measure_row(row: Row) -> dict[str, Any]:
    """Return one case at one interval; the rivals' clocks want it hourly."""
    checks = INTERVALS[row.interval]
    problem = row.case.problem(checks)
    optimum = solve(problem, per_sd=per_sd(checks))
    found = measure_default(problem, optimum, row.size)
    rivals = measure_rivals(problem, optimum, row.size) if row.size.rival_paths else {}
    shown = {name: [round(each.value, 4), round(each.se, 4)] for name, each in rivals.items()}
    return {"case": row.case.name, "interval": row.interval, **found, "rivals": shown}


def shown(found: Mapping[str, Any]) -> str:
    """Return a line for people."""
    default = f"{found['ratio']:.4f} ± {found['se']:.4f} ({found['exact']:.4f})"
    rivals = "".join(f"{value:>8.3f}" for value, _ in found["rivals"].values())
    name = f"{found['case']:<19} {found['interval']:<7}"
    return f"{name}{found['optimum_usd']:>7.0f}  {default}{rivals}"


def rows_of(cases: Sequence[Case], size: Size) -> list[Row]:
    """Return the hourly rows with their rivals, then the default policy at other intervals."""
    seeded = [(case, size._replace(seed=size.seed + 3 * n)) for n, case in enumerate(cases)]
    hourly = [Row(case, "1 h", own) for case, own in seeded]
    return hourly + [
        Row(case, interval, own._replace(rival_paths=0))
        for case, own in seeded
        if case.gas_usd == INTERVAL_GAS_USD
        for interval in INTERVALS
        if interval != "1 h"
    ]


def measure(cases: Sequence[Case], size: Size) -> dict[str, Any]:
    """Return everything, row by row, as it comes from one process for each processor."""
    say("case: position, risk aversion, gas; interval; optimum in USD; optimal / optimum ± SE")
    say("(without chance); then " + ", ".join(RIVALS))
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        return summary(map(told, processes.map(measure_row, rows_of(cases, size))))


def told(found: dict[str, Any]) -> dict[str, Any]:
    """Return *found* once it is said."""
    say(shown(found))
    return found


def summary(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of all rows, and the rows."""
    found = list(rows)
    hourly = [each for each in found if each["interval"] == "1 h"]
    others = [each for each in found if each["interval"] != "1 h"]
    return {
        **_spread(hourly, "ratio", ""),
        **_spread(hourly, "exact", "_exact"),
        "intervals_max": max((each["ratio"] for each in others), default=None),
        "rivals_median": {
            name: round(median(each["rivals"][name][0] for each in hourly), 3)
            for name in hourly[0]["rivals"]
        },
        "cases": hourly,
        "intervals": others,
    }


def _spread(rows: Sequence[Mapping[str, Any]], name: str, suffix: str) -> dict[str, float]:
    values = [each[name] for each in rows]
    return {f"max{suffix}": max(values), f"median{suffix}": round(median(values), 5)}


def main() -> None:
    """Measure, show, and say which targets were met."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--paths", type=int, default=20_000, help="for the default policy")
    parser.add_argument("--rival-paths", type=int, default=4_000, help="0 leaves rivals out")
    parser.add_argument("--cases", default="", help='only those named so: "lp", "straddle 1e-05"')
    parser.add_argument("--seed", type=int, default=None, help="a fresh one if not given")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    options = parser.parse_args()
    cases = [case for case in CASES if options.cases in case.name]
    if not cases:
        parser.error("no case is named so: " + ", ".join(case.name for case in CASES))
    seed = randbits(32) if options.seed is None else options.seed
    began = perf_counter()
    result = measure(cases, Size(options.paths, options.rival_paths, seed))
    met = {name: result[name] is None or result[name] <= limit for name, limit in TARGETS.items()}
    for name, limit in TARGETS.items():
        say(f"{name:<14} {result[name]}  target ≤ {limit}{'' if met[name] else '  MISSED'}")
    for name, value in result["rivals_median"].items():
        say(f"{name:<20} median {value:.3f}")
    if options.json:
        facts = {"seed": seed, "paths": options.paths, "seconds": round(perf_counter() - began, 1)}
        print(json.dumps(result | facts | {"targets_met": all(met.values())}))


if __name__ == "__main__":
    main()
