"""What `keeper backtest` shows: a table for people, one document for programs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, assert_never

import numpy as np
from msgspec import Struct

from keeper.cli.numbers import duration, moment, percent, plain, usd
from keeper.cli.scene_options import Chosen
from keeper.cli.staging import Staged
from keeper.core.decide import DUST_BASE, EwmaVolatility, FixedVolatility, Policy
from keeper.core.limits import MIN_TRADE
from keeper.model.units import GWEI, MS_PER_S, YEAR_S
from keeper.sim.comparison import Comparison, Entry
from keeper.sim.market import Market
from keeper.sim.pooled import Mean, Pooled
from keeper.sim.report import Rows, cells, dollars

COLUMNS = ("trades", "cost", "gas", "funding", "risk/√year", "cost + risk", "CVaR95", "drawdown",
           "liq.", "pnl", "Sharpe")  # fmt: skip
"""Of the report's table, what fits a terminal."""
UNITS = (
    "USD over the whole time; risk is the sd of a year's hedge error; cost is fees, slippage and "
    "gas"
)
THREE_DIGITS = 1_000.0


class Told(Struct, frozen=True, eq=False):
    """Everything the command found."""

    comparison: Comparison
    pooled: tuple[Pooled, ...]
    facts: Mapping[str, str]
    report: Path | None


def facts(chosen: Chosen, staged: Staged) -> dict[str, str]:
    """Return what stands over the table, in words."""
    market, terms = staged.first.market, staged.terms
    lasted = duration(market.years * YEAR_S)
    return {
        "market": f"{market.name}, {lasted} in steps of {duration(staged.step_s)}",
        "begins": moment(int(market.at_s[0]) * MS_PER_S) if chosen.is_recorded else
        f"seed {chosen.seed}, {_counted(len(staged.places), 'scenario')}",
        "price": f"{usd(float(market.price[0]))} to {usd(float(market.price[-1]))}",
        "gas": _gas(market),
        "vault": _vault(chosen, staged),
        "venue": f"fee {plain(1e4 * chosen.fee)} bps, impact {plain(1e4 * chosen.impact)} bps a "
        f"unit, latency {chosen.latency}",
        "volatility": _volatility(terms.policy),
        "risk aversion": f"{plain(terms.policy.risk_aversion_per_usd)} per USD",
    }  # fmt: skip


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def _vault(chosen: Chosen, staged: Staged) -> str:
    worth = usd(float(staged.first.held.value_usd[0]))
    if chosen.holding == "spot":
        return f"the asset, {worth}"
    anew = f"every {duration(chosen.reopen)}" if chosen.reopen else "never"
    return f"price/{plain(chosen.width)} to price×{plain(chosen.width)}, {worth}, anew {anew}"


def _volatility(policy: Policy) -> str:
    match policy.volatility:
        case FixedVolatility(sigma_fraction=sigma):
            return f"{percent(sigma)} a year"
        case EwmaVolatility(half_life_s=half_life_s, floor_fraction=floor):
            lasted = duration(half_life_s)
            return f"of the prices, half-life {lasted}, at least {percent(floor)} a year"
        case never:
            assert_never(never)


def _gas(market: Market) -> str:
    fees = market.base_fee_wei / GWEI
    return f"median {np.median(fees):,.3g} gwei, highest {fees.max():,.3g}"


def text(told: Told) -> str:
    """Return the table with what stands over and under it."""
    lines = [f"{name:<14}{words}" for name, words in told.facts.items()]
    rows = _rows(told.comparison.entries)
    lines += ["", _table("the first path" if told.pooled else None, rows)]
    if told.pooled:
        paths = told.pooled[0].scenarios
        lines += ["", _table(f"mean of {paths:,} paths, ± its standard error", means(told))]
    lines += [*_refusals(told.comparison), UNITS]
    if told.report is not None:
        lines.append(f"charts: {told.report}")
    return "\n".join(lines)


def _refusals(comparison: Comparison) -> Iterator[str]:
    """Yield what kept a policy from trades that it wanted, most frequent first."""
    # Without a least trade of the owner's, what is too small is the rounding of a float.
    dust = MIN_TRADE if comparison.terms.limits.min_trade_base <= DUST_BASE else None
    for entry in comparison.entries:
        found = Counter(entry.run.refusals)
        found.pop(f"refused: {dust}", None)
        if found:
            words = "; ".join(f"{why} ({_counted(n, 'bar')})" for why, n in found.most_common())
            yield f"{entry.rival.name}: {words}"


def _rows(entries: Sequence[Entry]) -> Rows:
    found = ((entry.rival.name, cells(entry.account)) for entry in entries)
    return [(name, {column: row[column] for column in COLUMNS}) for name, row in found]


def means(told: Told) -> Rows:
    """Return each policy over all scenarios; nothing if there is only one."""
    names = (entry.rival.name for entry in told.comparison.entries)
    return [(name, _pooled(each)) for name, each in zip(names, told.pooled, strict=False)]


def _pooled(found: Pooled) -> dict[str, str]:
    return {
        "trades": _with_error(found.trades),
        "cost": _with_error(found.cost_usd),
        "gas": _with_error(found.gas_usd),
        "funding": _with_error(found.funding_usd),
        "risk/√year": dollars(found.risk_usd),
        "cost + risk": _with_error(found.objective_usd),
        "CVaR95": dollars(found.cvar95_usd),
        "liq.": f"{found.liquidations:,}",
        "pnl": _with_error(found.pnl_usd),
    }


def _with_error(mean: Mean) -> str:
    if mean.se is None:
        return dollars(mean.value)
    error = f"{mean.se:,.3g}" if mean.se < THREE_DIGITS else f"{mean.se:,.0f}"
    return f"{dollars(mean.value)} ± {error}"


def _table(title: str | None, rows: Rows) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("policy")
    for column in rows[0][1]:
        table.add_column(column, justify="right", no_wrap=True)
    for number, (name, row) in enumerate(rows):
        table.add_row(name, *row.values(), style="bold" if number == 0 else None)
    # As wide as it needs to be, also into a pipe.
    drawn = StringIO()
    Console(file=drawn, width=200).print(table)
    return "\n".join(line.rstrip() for line in drawn.getvalue().strip("\n").splitlines())


def document(told: Told) -> dict[str, Any]:
    """Return what `--json` prints."""
    comparison = told.comparison
    policies = [
        {"name": entry.rival.name, "strategy": entry.rival.strategy, "account": entry.account,
         "refusals": entry.run.refusals, "pooled": told.pooled[number] if told.pooled else None}
        for number, entry in enumerate(comparison.entries)
    ]  # fmt: skip
    return {
        "market": {"name": comparison.scene.market.name, "bars": comparison.scene.market.bars,
                   "years": comparison.scene.market.years},
        "risk_aversion_per_usd": comparison.terms.policy.risk_aversion_per_usd,
        "policies": policies,
        "frontier": {
            name: [{"risk_usd": spot.risk_usd, "cost_usd": spot.cost_usd,
                    "strategy": spot.rival.strategy,
                    "risk_aversion_per_usd": spot.rival.risk_aversion_per_usd} for spot in curve]
            for name, curve in comparison.frontier.items()
        },
        "report": None if told.report is None else str(told.report),
    }  # fmt: skip
