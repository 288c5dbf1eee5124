"""Every policy on recorded ETH prices, funding and gas: what it costs at equal realised risk.

Each policy is turned from loose to tight; between its settings the cost at a given risk is
interpolated. Settings of the rivals that another of their own beats in both cost and risk are left
out, as if their owner had known; ours are all kept, and nothing but the risk aversion is turned:
the rest is what `keeper init` writes. The data is no part of the project: `--data` or the variable
KEEPER_DATA says where it lies, and without it nothing is run.

    eth_5m     31 Dec 2024 to 25 Jul 2025, every 5 minutes; funding of the same time. No gas was
               recorded then: that of 52 weeks earlier stands in, weekday on weekday.
    eth_1h     13 Dec 2023 to 26 Sep 2024, every hour; prices, funding and gas all of one time.

A vault of one million dollars in a range of price/1.25 to price·1.25, opened anew every 30 days,
three times over with openings 10 days apart. An order decided at one bar is filled at the next.
Settings are swept without the decision; that `core.decide` makes the same trades is checked for the
default setting.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks.figures import say
from keeper.cli.staging import OPEN_LIMITS
from keeper.core.decide import EwmaVolatility, Policy, Terms
from keeper.model.strategies import FixedBand, Interval, Optimal, WhalleyWilmott, Zakamouline
from keeper.model.units import DAY_S, GWEI
from keeper.sim.accounting import Account
from keeper.sim.backtest import Scene
from keeper.sim.comparison import Spot, cost_at, decided, plane
from keeper.sim.edges import looks_along
from keeper.sim.fast import run_fast
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import ASSET, Range, hold
from keeper.sim.market import Market
from keeper.sim.recorded import Files, read_market
from keeper.sim.rivals import Rival, setting, typical_width
from keeper.sim.sweep import Task, accounts

RIVALS: Final = {"band": 0.15, "interval": 0.25}
"""What is to be saved against the best tuned one of each kind."""
HELD_TO: Final = "eth_5m"
"""The market that the targets are for; the other one is shown beside it."""
OURS: Final = "optimal"
BANDS: Final = ("fixed band to zero", "fixed band to edge")
REOPENED_DAYS: Final = 30.0
PHASES: Final = 3

DEFAULT: Final = 1e-5
"""USD of cost for one USD² of variance: what `keeper init` writes."""

TERMS: Final = Terms(
    book="real",
    asset=ASSET,
    policy=Policy(
        risk_aversion_per_usd=DEFAULT,
        volatility=EwmaVolatility(half_life_s=DAY_S, floor_fraction=0.4),
    ),
    limits=OPEN_LIMITS,
    tip_wei=GWEI // 10,
)
"""Policy as `keeper init` writes it; no limit binds, since the rivals have none either."""


class Case(NamedTuple):
    """One recorded market, and what an order costs on it."""

    name: str
    prices: str
    funding: str
    gas: str
    gas_shift_s: int
    gas_units: int

    def files(self, folder: Path) -> Files:
        """Return where its files are."""
        return Files(
            prices=folder / self.prices,
            funding=folder / self.funding,
            gas=folder / self.gas,
            gas_shift_s=self.gas_shift_s,
        )


GAS: Final = "ethereum_gas_blockcypher_2023-12_2024-09.csv.gz"
CASES: Final = (
    Case(
        "eth_5m",
        "ethusdt_binance_spot_5m_2025_2026.csv.gz",
        "ethusdt_binance_funding_8h_2025_2026.csv.gz",
        GAS,
        52 * 7 * DAY_S,
        400_000,
    ),
    Case(
        "eth_1h",
        "ethusdt_binance_spot_1h_2022_2025.csv.gz",
        "eth_hyperliquid_funding_1h_2023_2025.csv.gz",
        GAS,
        0,
        400_000,
    ),
)


_OURS: Final = Rival(OURS, Optimal(), DEFAULT)


def scenes(market: Market) -> list[Scene]:
    """Return the market from three starts, so that openings fall on different days."""
    found = []
    for phase in range(PHASES):
        start_s = int(market.at_s[0]) + round(phase * REOPENED_DAYS / PHASES * DAY_S)
        part = market.part(int((market.at_s < start_s).sum()), market.bars)
        held = hold(Range(reopened_every_days=REOPENED_DAYS), part)
        found.append(Scene(part, held, VenueTerms(), latency_bars=1))
    return found


def settings(scene: Scene) -> dict[str, tuple[Rival, ...]]:
    """Return each policy from loose to tight, in steps of about a quarter of its risk."""
    width = typical_width(looks_along(scene, TERMS))
    step_s = scene.market.step_s
    widths = [width * 2.0 ** (power / 3) for power in range(8, -10, -1)]
    periods = [round(16 * DAY_S / 2 ** (power / 2) / step_s) * step_s for power in range(18)]
    aversions = [DEFAULT * 2.0**power for power in range(-5, 8)]
    found = {
        OURS: [Rival(OURS, Optimal(), each) for each in aversions],
        "Whalley-Wilmott": [Rival("", WhalleyWilmott(), each) for each in aversions],
        "Zakamouline": [Rival("", Zakamouline(), each) for each in aversions],
        BANDS[0]: [Rival("", FixedBand(width_base=each, to="zero"), DEFAULT) for each in widths],
        BANDS[1]: [Rival("", FixedBand(width_base=each, to="edge"), DEFAULT) for each in widths],
        "interval": [Rival("", Interval(every_s=each), DEFAULT) for each in periods if each],
    }
    return {name: tuple(rivals) for name, rivals in found.items()}


def together(rival: Rival, found: Sequence[Account]) -> dict[str, Any]:
    """Return one setting over all scenes: costs a year, and the root of the mean variance."""
    years = sum(each.years for each in found)
    variance = sum(each.residual_variance_usd2 * each.years for each in found) / years
    return {
        "setting": setting(rival),
        "risk_usd": sqrt(variance),
        "cost_usd": sum(each.cost_usd for each in found) / years,
        "gas_usd": sum(each.gas_usd for each in found) / years,
        "funding_usd": sum(each.funding_usd for each in found) / years,
        "hedge_error_usd": sum(each.attribution.hedge_error_usd for each in found) / years,
        "trades": sum(each.trades for each in found) / years,
        "cvar95_day_usd": sum(each.cvar95_usd or 0.0 for each in found) / len(found),
    }


def measured(case: Case, folder: Path) -> dict[str, Any]:
    """Return every policy's curve on one market, and what is saved at equal risk."""
    began = perf_counter()
    market = read_market(case.files(folder))
    places = scenes(market)
    curves: dict[str, list[dict[str, Any]]] = {}
    for name, rivals in settings(places[0]).items():
        found = [accounts(Task(place, TERMS, rivals)) for place in places]
        by_setting = zip(rivals, zip(*found, strict=True), strict=True)
        curves[name] = [together(rival, each) for rival, each in by_setting]
        say(f"{case.name}: {name}, {perf_counter() - began:.0f} s")
    rows = equal_risk(curves)
    return {
        "bars": market.bars,
        "years": round(market.years, 4),
        "gas_shift_days": case.gas_shift_s // DAY_S,
        "policies": curves,
        "equal_risk": rows,
        "at_default": next(row for row in rows if row["setting"] == setting(_OURS)),
        "saving_to_band": spread([row["saving_to_band"] for row in rows]),
        "saving_to_interval": spread([row["saving_to_interval"] for row in rows]),
        "decided_trades": sum(decided_as_swept(place) for place in places),
    }


def decided_as_swept(scene: Scene) -> int:
    """Return how often the live decision trades at the default setting.

    Raises:
        AssertionError: The sweep trades otherwise.

    """
    live, swept = decided(scene, TERMS, _OURS), run_fast(scene, TERMS, _OURS.strategy)
    np.testing.assert_array_equal(live.bar, swept.bar)
    np.testing.assert_allclose(live.units, swept.units, rtol=1e-9)
    return live.trades


def equal_risk(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return what each policy pays for the risk of each of our settings."""
    spots = {
        name: [Spot(each["risk_usd"], each["cost_usd"], _OURS) for each in curve]
        for name, curve in curves.items()
    }
    settings = {(each["risk_usd"], each["cost_usd"]): each["setting"] for each in curves[OURS]}
    rows = []
    for spot in sorted(spots[OURS], key=plane):
        paid = {name: cost_at(curve, spot.risk_usd) for name, curve in spots.items()}
        bands = [cost for name in BANDS if (cost := paid[name]) is not None]
        rows.append({
            "setting": settings[plane(spot)],
            "risk_usd": spot.risk_usd,
            "cost_usd": paid | {OURS: spot.cost_usd},
            "saving_to_band": saving(spot.cost_usd, min(bands, default=None)),
            "saving_to_interval": saving(spot.cost_usd, paid["interval"]),
        })  # fmt: skip
    return rows


def saving(ours_usd: float, theirs_usd: float | None) -> float | None:
    """Return by how much of theirs ours is cheaper; None where theirs has no such risk."""
    return None if theirs_usd is None else 1 - ours_usd / theirs_usd


def spread(savings: Sequence[float | None]) -> dict[str, float]:
    """Return median, least and most of what is known."""
    known = [each for each in savings if each is not None]
    return {"median": median(known), "min": min(known), "max": max(known), "risks": len(known)}


def show(name: str, result: Mapping[str, Any]) -> None:
    """Print the table of one market."""
    names = list(result["policies"])
    shift = result["gas_shift_days"]
    gas = f"gas of {shift} days earlier" if shift else "gas of the same time"
    say(f"\n{name}: {result['bars']:,} bars, {gas}; cost in USD a year at equal risk")
    say(f"{'risk':>9}" + "".join(f"{each:>20}" for each in names))
    for row in result["equal_risk"]:
        costs = (row["cost_usd"][each] for each in names)
        words = ("–" if cost is None else f"{cost:,.0f}" for cost in costs)
        mark = "  ← default" if row == result["at_default"] else ""
        say(f"{row['risk_usd']:>9,.0f}" + "".join(f"{w:>20}" for w in words) + mark)
    received = [each["funding_usd"] for curve in result["policies"].values() for each in curve]
    say(
        f"funding is not in it: every setting received {min(received):,.0f} to "
        f"{max(received):,.0f} USD a year"
    )
    here = result["at_default"]["setting"]
    default = next(each for each in result["policies"][OURS] if each["setting"] == here)
    say(
        "nor is what the hedge error won or lost, which one path cannot tell from chance: "
        f"{default['hedge_error_usd']:,.0f} USD a year at the default setting"
    )
    for rival in RIVALS:
        saved, here = result[f"saving_to_{rival}"], result["at_default"][f"saving_to_{rival}"]
        say(
            f"saved against the best tuned {rival}: median {saved['median']:.1%}, from "
            f"{saved['min']:.1%} to {saved['max']:.1%}; at the default setting {percent(here)}"
        )
    say(f"core.decide makes the same {result['decided_trades']:,} trades at the default setting")


def percent(share: float | None) -> str:
    """Return a share, or a dash if it is not known."""
    return "–" if share is None else f"{share:.1%}"


def missing(folder: Path | None) -> str | None:
    """Return why nothing can be run; None if it can."""
    if folder is None:
        return "no data; --data or KEEPER_DATA names its folder"
    wanted = {name for case in CASES for name in (case.prices, case.funding, case.gas)}
    absent = sorted(name for name in wanted if not (folder / name).is_file())
    return f"{folder} has no {', '.join(absent)}" if absent else None


def met(result: Mapping[str, Any]) -> dict[str, bool]:
    """Return which targets the medians of one market meet."""
    return {
        rival: result[f"saving_to_{rival}"]["median"] >= least for rival, least in RIVALS.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, show, and say whether the targets are met."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    parser.add_argument("--data", type=Path, default=os.environ.get("KEEPER_DATA"))
    options = parser.parse_args(arguments)
    folder = None if options.data is None else Path(options.data)
    absent = missing(folder)
    if folder is None or absent is not None:
        say(f"real: skipped, {absent}")
        if options.json:
            print(json.dumps({"skipped": absent}))
        return
    results = {case.name: measured(case, folder) for case in CASES}
    for name, result in results.items():
        show(name, result)
    found = met(results[HELD_TO])
    say(f"\ntargets, for {HELD_TO}: at least {RIVALS}, met: {found}")
    if options.json:
        print(json.dumps(results | {"held_to": HELD_TO, "targets_met": all(found.values())}))


if __name__ == "__main__":
    main()
