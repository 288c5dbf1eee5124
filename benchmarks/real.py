"""Every policy on recorded ETH prices, funding and gas: what it costs at equal realised risk.

Each policy is turned from loose to tight; between its settings the cost at a given risk is
interpolated. Settings of the rivals that another of their own beats in both cost and risk are left
out, as if their owner had known; ours are all kept. The data is no part of the project: `--data`
or the variable KEEPER_DATA says where it lies, and without it nothing is run.

    eth_5m     31 Dec 2024 to 25 Jul 2025, every 5 minutes; funding of the same time. No gas was
               recorded then: that of 52 weeks earlier stands in, weekday on weekday.
    eth_1h     13 Dec 2023 to 26 Sep 2024, every hour; prices, funding and gas all of one time.

A vault of one million dollars in a range of ±25 %, opened anew every 30 days, three times over with
openings 10 days apart. An order decided at one bar is filled at the next.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from math import sqrt
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final, NamedTuple

from keeper.core.decide import EwmaVolatility, Policy, Terms
from keeper.core.limits import Limits
from keeper.core.policies import FixedBand, Interval, Optimal, WhalleyWilmott, Zakamouline
from keeper.model.units import DAY_S, GWEI, YEAR_S
from keeper.sim.accounting import Account
from keeper.sim.backtest import Scene
from keeper.sim.comparison import Spot, cost_at
from keeper.sim.edges import looks_along
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import ASSET, Range, hold
from keeper.sim.market import Market
from keeper.sim.recorded import Files, read_market
from keeper.sim.rivals import Rival, typical_width
from keeper.sim.sweep import Task, accounts

BAND_TARGET: Final = 0.15
INTERVAL_TARGET: Final = 0.25
OURS: Final = "optimal"
BANDS: Final = ("fixed band to zero", "fixed band to edge")
REOPENED_DAYS: Final = 30.0
PHASES: Final = 3
FREE: Final = 1e15

TERMS: Final = Terms(
    book="real",
    asset=ASSET,
    policy=Policy(
        risk_aversion_per_usd=1e-5,
        volatility=EwmaVolatility(half_life_s=7 * DAY_S, floor_fraction=0.3),
        horizon_s=round(REOPENED_DAYS * DAY_S),
    ),
    limits=Limits(
        min_trade_base=1e-6,
        cooldown_s=1,
        max_order_base=FREE,
        max_position_base=FREE,
        max_leverage_x=FREE,
        max_gas_price_wei=10**6 * GWEI,
        daily_gas_budget_usd=FREE,
        max_price_age_s=YEAR_S,
        max_block_age_s=YEAR_S,
        max_deviation_fraction=1.0,
        max_slippage_fraction=1.0,
    ),
    tip_wei=GWEI // 10,
)
"""γ is turned in the benchmark; volatility is estimated from the prices as they come; the horizon
is how long a range stays open."""


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
    step_s = int((scene.market.at_s[1:] - scene.market.at_s[:-1]).min())
    widths = [width * 2.0 ** (power / 3) for power in range(5, -10, -1)]
    periods = [round(8 * DAY_S / 2 ** (power / 2) / step_s) * step_s for power in range(15)]
    aversions = [1e-5 * 2.0**power for power in range(-5, 8)]
    found = {
        OURS: [Rival(OURS, Optimal(), each) for each in aversions],
        "Whalley-Wilmott": [Rival("", WhalleyWilmott(), each) for each in aversions],
        "Zakamouline": [Rival("", Zakamouline(), each) for each in aversions],
        BANDS[0]: [Rival("", FixedBand(width_base=each, to="zero"), 1e-5) for each in widths],
        BANDS[1]: [Rival("", FixedBand(width_base=each, to="edge"), 1e-5) for each in widths],
        "interval": [Rival("", Interval(every_s=each), 1e-5) for each in periods if each],
    }
    return {name: tuple(rivals) for name, rivals in found.items()}


def together(rival: Rival, found: Sequence[Account]) -> dict[str, Any]:
    """Return one setting over all scenes: costs a year, and the root of the mean variance."""
    years = sum(each.years for each in found)
    variance = sum(each.residual_variance_usd2 * each.years for each in found) / years
    return {
        "setting": _setting(rival),
        "risk_usd": sqrt(variance),
        "cost_usd": sum(each.cost_usd for each in found) / years,
        "gas_usd": sum(each.gas_usd for each in found) / years,
        "funding_usd": sum(each.funding_usd for each in found) / years,
        "trades": sum(each.trades for each in found) / years,
        "cvar95_day_usd": sum(each.cvar95_usd or 0.0 for each in found) / len(found),
    }


def _setting(rival: Rival) -> str:
    match rival.strategy:
        case FixedBand(width_base=width):
            return f"{width:.3g} ETH"
        case Interval(every_s=every_s):
            return f"{every_s / 3_600:.3g} h"
        case _:
            return f"{rival.risk_aversion_per_usd:.3g} /USD"


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
        print(f"{case.name}: {name}, {perf_counter() - began:.0f} s", file=sys.stderr)
    rows = equal_risk(curves)
    return {
        "bars": market.bars,
        "years": round(market.years, 4),
        "policies": curves,
        "equal_risk": rows,
        "saving_to_band": spread([row["saving_to_band"] for row in rows]),
        "saving_to_interval": spread([row["saving_to_interval"] for row in rows]),
    }


def equal_risk(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return what each policy pays for the risk of each of our settings."""
    spots = {
        name: [Spot(each["risk_usd"], each["cost_usd"], _NOBODY) for each in curve]
        for name, curve in curves.items()
    }
    rows = []
    for spot in sorted(spots[OURS]):
        paid = {name: cost_at(curve, spot.risk_usd) for name, curve in spots.items()}
        bands = [cost for name in BANDS if (cost := paid[name]) is not None]
        rows.append({
            "risk_usd": spot.risk_usd,
            "cost_usd": paid | {OURS: spot.cost_usd},
            "saving_to_band": saving(spot.cost_usd, min(bands, default=None)),
            "saving_to_interval": saving(spot.cost_usd, paid["interval"]),
        })  # fmt: skip
    return rows


def saving(ours_usd: float, theirs_usd: float | None) -> float | None:
    """Return by how much of theirs ours is cheaper; None where theirs has no such risk."""
    return None if theirs_usd is None else 1 - ours_usd / theirs_usd


_NOBODY: Final = Rival("", Optimal(), 1.0)


def spread(savings: Sequence[float | None]) -> dict[str, float]:
    """Return median, least and most of what is known."""
    known = [each for each in savings if each is not None]
    return {"median": median(known), "min": min(known), "max": max(known), "risks": len(known)}


def show(name: str, result: Mapping[str, Any]) -> None:
    """Print the table of one market."""
    names = list(result["policies"])
    print(f"\n{name}: {result['bars']:,} bars, USD a year at equal risk", file=sys.stderr)
    print(f"{'risk':>9}" + "".join(f"{each:>20}" for each in names), file=sys.stderr)
    for row in result["equal_risk"]:
        costs = (row["cost_usd"][each] for each in names)
        words = ("–" if cost is None else f"{cost:,.0f}" for cost in costs)
        print(f"{row['risk_usd']:>9,.0f}" + "".join(f"{w:>20}" for w in words), file=sys.stderr)
    for rival in ("band", "interval"):
        saved = result[f"saving_to_{rival}"]
        print(
            f"saved against the best tuned {rival}: median {saved['median']:.1%}, "
            f"from {saved['min']:.1%} to {saved['max']:.1%}",
            file=sys.stderr,
        )


def main() -> None:
    """Measure, show, and say whether the targets are met."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    parser.add_argument("--data", type=Path, default=os.environ.get("KEEPER_DATA"))
    options = parser.parse_args()
    folder = None if options.data is None else Path(options.data)
    if folder is None or not all((folder / case.prices).is_file() for case in CASES):
        print("real: skipped, the data is not here; --data or KEEPER_DATA names its folder",
              file=sys.stderr)  # fmt: skip
        if options.json:
            print(json.dumps({"skipped": "no data"}))
        return
    results = {case.name: measured(case, folder) for case in CASES}
    for name, result in results.items():
        show(name, result)
    if options.json:
        met = all(
            result["saving_to_band"]["median"] >= BAND_TARGET
            and result["saving_to_interval"]["median"] >= INTERVAL_TARGET
            for result in results.values()
        )
        print(json.dumps(results | {"targets_met": met}))


if __name__ == "__main__":
    main()
