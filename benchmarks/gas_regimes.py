"""Gas that is now cheap, now dear: the waiting-value rule beside the exact optimum.

An error that drifts by 900 units a √year (a range of one million dollars or so), a fee of 6 bp at
3,000, volatility 0.8. Two prices of gas, each lasting a random time without memory. `ratio` is the
long-run cost of a pair of bands over the least there is; both are worked out without chance, by
`sim/optimum_regimes`. The same for keepers that look at today's gas alone, at its mean, or at the
cheap one always.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final, NamedTuple

from benchmarks.figures import say
from keeper.core.gas_regime import GasRegime
from keeper.core.policies import Situation, optimal
from keeper.model.flow import Band
from keeper.model.strategies import Optimal
from keeper.sim.optimum_regimes import Regimes, cost_rate, solve

PRICE: Final = 3_000.0
SIGMA: Final = 0.8
SIGMA_X: Final = 900.0
FEE_RATE: Final = 6e-4
HOUR_YEARS: Final = 1 / 8_760
FOR_EVER: Final = 1e9

GAS_USD: Final = ((0.5, 5.0), (0.5, 50.0), (5.0, 50.0), (5.0, 200.0))
Hours = tuple[float, float]
"""How long cheap and dear gas last on average."""

HOURS: Final[tuple[Hours, ...]] = ((2.0, 2.0), (6.0, 2.0), (18.0, 6.0), (48.0, 12.0))
"""Dear gas is not the rule."""
ALL_HOURS: Final[tuple[Hours, ...]] = tuple(product((2.0, 6.0, 18.0, 48.0), (2.0, 6.0, 18.0, 48.0)))
"""Dear gas may be the rule."""
AVERSIONS: Final = (1e-6, 1e-5, 1e-4)
TARGETS: Final = {"median": 1.002, "max": 1.02}


class Case(NamedTuple):
    """Two prices of gas, how long they last, and how much risk is minded."""

    gas_usd: tuple[float, float]
    hours: Hours
    risk_aversion: float

    @property
    def name(self) -> str:
        """Return what the table calls it."""
        (cheap, dear), (cheap_h, dear_h) = self.gas_usd, self.hours
        lasting = f"{cheap_h:g} h/{dear_h:g} h"
        return f"${cheap:g}/${dear:g}, {lasting}, {self.risk_aversion:.0e}"

    def regimes(self) -> Regimes:
        """Return the problem."""
        return Regimes(
            sigma_x=SIGMA_X,
            risk_weight=self.risk_aversion * (SIGMA * PRICE) ** 2,
            prop_usd=FEE_RATE * PRICE,
            cheap_usd=self.gas_usd[0],
            dear_usd=self.gas_usd[1],
            cheap_years=self.hours[0] * HOUR_YEARS,
            dear_years=self.hours[1] * HOUR_YEARS,
        )


Bands = tuple[Band, Band]
"""While gas is cheap, and while it is dear."""


def asked(regimes: Regimes, *, fixed_usd: float, dear_now: bool, using: Optimal) -> Band:
    """Return the default policy's band, as the live decision would ask for it."""
    return optimal(
        Situation(
            price=PRICE,
            sigma=SIGMA,
            net=0.0,
            delta=0.0,
            gamma=regimes.sigma_x / (PRICE * SIGMA),
            risk_weight=regimes.risk_weight,
            fixed_usd=fixed_usd,
            prop_usd=regimes.prop_usd,
            impact_usd=0.0,
            remaining_years=FOR_EVER,
            gas=GasRegime(
                cheap_usd=regimes.cheap_usd,
                expensive_usd=regimes.dear_usd,
                expensive_now=dear_now,
                expensive_years=regimes.dear_years,
            ),
        ),
        using,
    ).band


def waiting(regimes: Regimes) -> Bands:
    """Return the default: it knows that gas changes."""
    return (
        asked(regimes, fixed_usd=regimes.cheap_usd, dear_now=False, using=Optimal()),
        asked(regimes, fixed_usd=regimes.dear_usd, dear_now=True, using=Optimal()),
    )


def _plain(regimes: Regimes, fixed_usd: float) -> Band:
    using = Optimal(gas_regimes=False)
    return asked(regimes, fixed_usd=fixed_usd, dear_now=False, using=using)


def todays(regimes: Regimes) -> Bands:
    """Return the bands for today's gas, as if it stayed."""
    return _plain(regimes, regimes.cheap_usd), _plain(regimes, regimes.dear_usd)


def mean(regimes: Regimes) -> Bands:
    """Return the band for the mean price of gas over time, always."""
    both = regimes.cheap_years + regimes.dear_years
    spent = regimes.cheap_usd * regimes.cheap_years + regimes.dear_usd * regimes.dear_years
    return _twice(_plain(regimes, spent / both))


def cheap_always(regimes: Regimes) -> Bands:
    """Return the band for cheap gas, always."""
    return _twice(_plain(regimes, regimes.cheap_usd))


def _twice(band: Band) -> Bands:
    # The formula wants the second band the wider one, by however little.
    return band, Band(outer=band.outer * (1.0 + 1e-9), inner=band.inner)


KEEPERS: Final[Mapping[str, Callable[[Regimes], Bands]]] = {
    "optimal": waiting,
    "today's gas": todays,
    "mean gas": mean,
    "cheap gas": cheap_always,
}


def measure_case(case: Case) -> dict[str, float]:
    """Return each keeper's long-run cost over the least there is."""
    regimes = case.regimes()
    least = solve(regimes).cost_rate_usd
    return {name: cost_rate(regimes, *bands(regimes)) / least for name, bands in KEEPERS.items()}


def cases(hours: Iterable[Hours]) -> list[Case]:
    """Return every combination with these durations."""
    return [Case(*each) for each in product(GAS_USD, hours, AVERSIONS)]


def spread(found: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return median and maximum of each keeper."""
    return {
        name: {
            "median": round(median(each[name] for each in found), 5),
            "max": round(max(each[name] for each in found), 5),
        }
        for name in KEEPERS
    }


def measure(hours: Sequence[Hours] = HOURS) -> dict[str, Any]:
    """Return the stationary cases one by one, and the spread of them and of all durations."""
    say(f"{'gas, lasting, risk aversion':<32}" + "".join(f"{name:>13}" for name in KEEPERS))
    listed = cases(hours)
    found = [measure_case(case) for case in listed]
    for case, each in zip(listed, found, strict=True):
        say(f"{case.name:<32}" + "".join(f"{value:>13.4f}" for value in each.values()))
    spreads = spread(found)
    return {
        **spreads["optimal"],
        "keepers": spreads,
        "cases": [
            {"case": case.name} | {name: round(value, 5) for name, value in each.items()}
            for case, each in zip(listed, found, strict=True)
        ],
    }


def main() -> None:
    """Measure, show, and say which targets were met."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    options = parser.parse_args()
    began = perf_counter()
    result = measure()
    everywhere = spread([measure_case(case) for case in cases(ALL_HOURS)])
    for label, spreads in (
        (f"{len(result['cases'])} cases", result["keepers"]),
        ("all durations, 2 h to 48 h", everywhere),
    ):
        say(
            f"{label}: "
            + ", ".join(
                f"{name} median {each['median']:.4f} max {each['max']:.4f}"
                for name, each in spreads.items()
            )
        )
    met = {name: result[name] <= limit for name, limit in TARGETS.items()}
    say(f"targets {TARGETS}, met: {met}")
    if options.json:
        facts = {"all_durations": everywhere, "seconds": round(perf_counter() - began, 1)}
        print(json.dumps(result | facts | {"targets_met": all(met.values())}))


if __name__ == "__main__":
    main()
