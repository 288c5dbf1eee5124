"""A sold call beside the deep-hedging literature: policies, the exact optimum, published networks.

The setting is that of pfnet-research/NoTransactionBandNetwork (main.ipynb at c061a1a): S₀ = K = 1,
σ = 0.2, no fixed cost, exponential utility, prices every 1/365 of a year for "30/365". Its notebook
makes int(30/365 ÷ 1/365) = 29 prices of that, hence 28 steps, while the drift −½σ²t still runs to
30/365. Both are repeated here, or the published price would lie below what is possible.

Prices are worked out on the lattice of the optimum, without chance; one is simulated, too.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import product
from math import sqrt
from pathlib import Path
from secrets import randbits
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.figures import say
from keeper.core.arrays import Floats
from keeper.model.strategies import Always, Never, Optimal, Strategy, WhalleyWilmott, Zakamouline
from keeper.sim.accounting import entropic
from keeper.sim.claims import Call
from keeper.sim.frontier import Following, Table
from keeper.sim.optimum import Problem
from keeper.sim.optimum_entropic import Sale, price_of, simulated_pnl, solve

SIGMA: Final = 0.2
STEP_YEARS: Final = 1 / 365
STEPS: Final = 28
DRIFT_YEARS: Final = 30 / 365
CALL: Final = Call(units=-1.0, strike=1.0, sigma=SIGMA)

AVERSIONS: Final = (1.0, 10.0, 100.0)
FEES: Final = (1e-4, 1e-3, 1e-2)
STRATEGIES: Final[Mapping[str, Strategy]] = {
    "optimal": Optimal(),
    "Whalley-Wilmott": WhalleyWilmott(),
    "Zakamouline": Zakamouline(),
    "delta, daily": Always(),
    "no hedge": Never(),
}
PUBLISHED: Final = {"no-transaction-band network": 0.022544096, "feed-forward network": 0.022771166}
PUBLISHED_AT: Final = (1.0, 1e-3)

NETWORK_ROOM: Final = 2e-5
OPTIMUM_ROOM: Final = 3e-5
DISCRIMINATING: Final = (10.0, 100.0)
MOST_FEE: Final = 1e-3
BATCH_PATHS: Final = 50_000
"""As many as in the published mean."""


class Simulated(NamedTuple):
    """An entropic price from random paths and what it is above the optimum's, each with its SE."""

    price: float
    se: float
    above: float
    above_se: float


def sale(risk_aversion: float, fee_rate: float) -> Sale:
    """Return the published setting."""
    return Sale(
        call=CALL,
        spot=1.0,
        sigma=SIGMA,
        steps=STEPS,
        step_years=STEP_YEARS,
        log_drift=-0.5 * SIGMA**2 * DRIFT_YEARS / STEPS,
        risk_aversion=risk_aversion,
        fee_rate=fee_rate,
    )


def following(risk_aversion: float, fee_rate: float, strategy: Strategy) -> Following:
    """Return *strategy* as it sees the setting: it does not know of the drift."""
    problem = Problem(
        claim=CALL,
        spot=1.0,
        sigma=SIGMA,
        years=STEPS * STEP_YEARS,
        checks=STEPS,
        risk_aversion=risk_aversion,
        fixed_usd=0.0,
        fee_rate=fee_rate,
    )
    return Following(problem, strategy)


def measure_one(risk_aversion: float, fee_rate: float) -> dict[str, Any]:
    """Return the optimum, and how much dearer each policy is."""
    setting = sale(risk_aversion, fee_rate)
    optimum = solve(setting).price
    above = {
        name: price_of(setting, following(risk_aversion, fee_rate, strategy)) - optimum
        for name, strategy in STRATEGIES.items()
    }
    say(
        f"{risk_aversion:>5g} {fee_rate:>7g} {optimum:>10.6f} "
        + "".join(f"{1e5 * each:>+17.2f}" for each in above.values())
    )
    return {
        "risk_aversion": risk_aversion,
        "fee_rate": fee_rate,
        "optimum": round(optimum, 8),
        "above_optimum": {name: round(each, 9) for name, each in above.items()},
    }


def simulated(risk_aversion: float, fee_rate: float, *, batches: int, seed: int) -> Simulated:
    """Return the default policy's price as the published ones were taken: a mean over batches."""
    setting = sale(risk_aversion, fee_rate)
    optimum = solve(setting)
    rules = following(risk_aversion, fee_rate, Optimal()), Table(optimum.region)
    chance = np.random.default_rng(seed)
    batch = partial(
        simulated_pnl, setting, optimum.lattice, rules, paths=BATCH_PATHS, chance=chance
    )
    found = [[-entropic(pnl, risk_aversion) for pnl in batch()] for _ in range(batches)]
    ours, best = np.array(found).T
    return Simulated(*_mean(ours), *_mean(ours - best))


def _mean(values: Floats) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1)) / sqrt(len(values))


def verdict(rows: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    """Return which targets are met."""
    at = next(row for row in rows if (row["risk_aversion"], row["fee_rate"]) == PUBLISHED_AT)
    network = PUBLISHED["no-transaction-band network"]
    return {
        "network": at["optimum"] + at["above_optimum"]["optimal"] <= network + NETWORK_ROOM,
        "optimum": all(
            row["above_optimum"]["optimal"] <= OPTIMUM_ROOM
            for row in rows
            if row["risk_aversion"] in DISCRIMINATING and row["fee_rate"] <= MOST_FEE
        ),
    }


def measure(*, batches: int, seed: int) -> dict[str, Any]:
    """Return every row, the published setting's figures side by side, and the verdict."""
    say("    a       c    optimum    above it, in 1e-5:")
    say(" " * 24 + "".join(f"{name:>17}" for name in STRATEGIES))
    rows = [measure_one(*each) for each in product(AVERSIONS, FEES)]
    at = rows[list(product(AVERSIONS, FEES)).index(PUBLISHED_AT)]
    ours = round(at["optimum"] + at["above_optimum"]["optimal"], 8)
    check = simulated(*PUBLISHED_AT, batches=batches, seed=seed)
    beside = {"optimum": at["optimum"], "optimal": ours, **PUBLISHED}
    say(f"a = {PUBLISHED_AT[0]:g}, c = {PUBLISHED_AT[1]:g}, beside the published prices:")
    for name, price in beside.items():
        say(f"  {name:<28}{price:.6f}  {1e5 * (price - at['optimum']):+.2f}e-5")
    say(
        f"  {'optimal, simulated':<28}{check.price:.6f}  {1e5 * check.above:+.2f}e-5"
        f"  (± {check.se:.6f}, ± {1e5 * check.above_se:.2f}e-5)"
    )
    return {
        "price": ours,
        "prices": beside,
        "simulated": {name: round(each, 8) for name, each in check._asdict().items()},
        "rows": rows,
        "met": verdict(rows),
    }


def main() -> None:
    """Measure, show, and say which targets were met."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument(
        "--batches", type=int, default=20, help=f"of {BATCH_PATHS:,} paths, simulated"
    )
    parser.add_argument("--seed", type=int, default=None, help="a fresh one if not given")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    options = parser.parse_args()
    seed = randbits(32) if options.seed is None else options.seed
    began = perf_counter()
    result = measure(batches=options.batches, seed=seed)
    say(f"targets met: {result['met']}")
    if options.json:
        facts = {"seed": seed, "seconds": round(perf_counter() - began, 1)}
        print(json.dumps(result | facts | {"targets_met": all(result["met"].values())}))


if __name__ == "__main__":
    main()
