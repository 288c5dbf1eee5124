"""A comparison as one HTML page: a table and four charts, with nothing to load and no script."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from itertools import pairwise
from typing import Final, assert_never

import numpy as np

from keeper.core.arrays import Floats
from keeper.core.policies import FAR
from keeper.model.strategies import (
    Always,
    FixedBand,
    Interval,
    Never,
    Optimal,
    Strategy,
    WhalleyWilmott,
    Zakamouline,
)
from keeper.model.units import DAY_S
from keeper.sim import charts
from keeper.sim.accounting import Account
from keeper.sim.charts import Bars, Frame, Scale
from keeper.sim.comparison import Comparison, Entry, Spot, plane
from keeper.sim.rivals import Rival, setting

STYLE: Final = files("keeper.sim").joinpath("report.css").read_text(encoding="utf-8")
COLUMNS: Final = 760
"""Points of a line: about one a pixel."""
PARTS: Final = {
    "hedge error": ("hedge_error_usd", "p0"),
    "funding": ("funding_usd", "p2"),
    "fees": ("fees_usd", "p3"),
    "slippage": ("slippage_usd", "p4"),
    "gas": ("gas_usd", "p5"),
    "liquidation": ("liquidation_usd", "p6"),
}
"""Part of the profit and loss: (field of the attribution, class of its colour)."""
LEAST_RISK_USD: Final = 1e-3
"""Below is what is left of floats when the hedge is always exact."""
STRANGE: Final = 6.0
"""A policy whose cost or risk is beyond this many times the first one's is left out of a chart."""


Rows = Sequence[tuple[str, Mapping[str, str]]]
"""Of a table: (policy, its cells by heading)."""


def page(comparison: Comparison, facts: Mapping[str, str], means: Rows = ()) -> str:
    """Return the page; *facts* are shown under the title as they are.

    *means* are what a table of many scenarios holds, if the comparison is the first of them.
    """
    first = comparison.entries[0]
    figures = [
        ("Cost against risk", _FRONTIER, _frontier(comparison)),
        (f"Net delta inside its band: {first.rival.name}", _BAND, _band(comparison, first)),
        ("Cumulative cost", _COST, _costs(comparison)),
        ("Where profit and loss came from", _PNL, _attribution(comparison)),
    ]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Backtest: {escape(comparison.scene.market.name)}</title>"
        f"<style>{STYLE}</style></head><body><main><h1>Backtest</h1>"
    )
    sections = (
        f"<section><h2>{escape(title)}</h2><p>{escape(words)}</p>{body}</section>"
        for title, words, body in figures
    )
    tables = (_table(comparison.entries), _means(means))
    return "".join((head, _facts(facts), *tables, *sections, "</main></body></html>\n"))


_FIGURES: Final = (
    "USD over the whole time, unless it says otherwise; in colour is the least cost + risk. That "
    "is what the band makes small: cost plus ½ × risk aversion × squared hedge error. CVaR95 is "
    "the mean loss of the worst twentieth of days. CE is the certainty equivalent of the result, "
    "by mean and variance and by exponential utility. Pnl and all after it is of vault and hedge "
    "together, without the fees that a range earns."
)
_MEANS: Final = (
    "Mean of all scenarios and its standard error, USD per scenario; CVaR95 is the mean loss of "
    "the worst twentieth of scenarios. The table above and the charts below show the first one."
)
_FRONTIER: Final = (
    "Each line is one policy from loose to tight, each dot one setting; lower and further left is "
    "better. Cost is fees, slippage and gas; risk is the standard deviation of a year's hedge "
    "error. Ringed is the setting of the table. No limit holds anybody back on the lines."
)
_BAND: Final = (
    "Nothing is traded inside the shaded band. Beyond it, the hedge changes until the net delta is "
    "at the inner edge (thin lines). Dots are trades."
)
_COST: Final = "Fees, slippage, gas and liquidation fees so far; funding is not in it."
_PNL: Final = (
    "Of vault and hedge together; the line in each row is the sum. Left out is the curvature, "
    "which no hedge changes: what a range loses to better informed traders, before its fees."
)


def _facts(facts: Mapping[str, str]) -> str:
    rows = (f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    return f"<dl>{''.join(rows)}</dl>"


def cells(account: Account) -> dict[str, str]:
    """Return the figures of the table, by heading."""
    return {
        "trades": f"{account.trades:,}",
        "cost": dollars(account.cost_usd),
        "gas": dollars(account.gas_usd),
        "funding": dollars(account.funding_usd),
        "turnover": _millions(account.turnover_usd),
        "risk/√year": dollars(account.risk_usd),
        "cost + risk": dollars(account.objective_usd),
        "CVaR95": dollars(account.cvar95_usd),
        "drawdown": dollars(account.max_drawdown_usd),
        "liq.": f"{account.liquidations:,}",
        "pnl": dollars(account.pnl_usd),
        "CE m-v": dollars(account.mean_variance_ce_usd),
        "CE exp": dollars(account.entropic_ce_usd),
        "Sharpe": _ratio(account.sharpe),
        "Sortino": _ratio(account.sortino),
        "Treynor": _ratio(account.treynor_fraction),
        "msg/trade": _ratio(account.message_to_trade),
    }


def dollars(value: float | None) -> str:
    """Return whole dollars; a dash if they are not known."""
    return "–" if value is None else charts.whole(value)


def _millions(value: float) -> str:
    return f"{value / 1e6:,.2f}M"


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}".replace("-", "−")


def _table(entries: Sequence[Entry]) -> str:
    best = min(entries, key=lambda entry: entry.account.objective_usd)
    rows = [(entry.rival.name, cells(entry.account)) for entry in entries]
    return _grid(rows, best.rival.name) + f"<p>{escape(_FIGURES)}</p>"


def _grid(rows: Rows, best: str = "") -> str:
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in ("policy", *rows[0][1]))
    body: list[str] = []
    for name, found in rows:
        kind = ' class="best"' if name == best else ""
        row = "".join(f"<td>{escape(words)}</td>" for words in found.values())
        body.append(f'<tr{kind}><th scope="row">{escape(name)}</th>{row}</tr>')
    return (
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _means(means: Rows) -> str:
    if not means:
        return ""
    return f"<h2>Over all scenarios</h2><p>{escape(_MEANS)}</p>{_grid(means)}"


def kind_of(strategy: Strategy) -> str:
    """Return the class of a policy's colour: one family has one colour on every chart."""
    match strategy:
        case Optimal():
            return "c0"
        case WhalleyWilmott():
            return "c1"
        case Zakamouline():
            return "c2"
        case FixedBand(to=to):
            return "c3" if to == "zero" else "c4"
        case Interval() | Always():
            return "c5" if isinstance(strategy, Interval) else "c6"
        case Never():
            return "c7"
        case never:
            assert_never(never)


def _kinds(rivals: Iterable[Rival]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for rival in rivals:
        kind = kind_of(rival.strategy)
        kinds[rival.name] = f"{kind} again" if kind in kinds.values() else kind
    return kinds


def _legend(names: Mapping[str, str]) -> str:
    items = (f'<li><i class="{kind}"></i>{escape(name)}</li>' for name, kind in names.items())
    return f'<ul class="legend">{"".join(items)}</ul>'


def _plot(svg: str) -> str:
    return f'<div class="plot">{svg}</div>'


def _frontier(comparison: Comparison) -> str:
    curves = comparison.frontier
    drawn = {name: sorted(filter(_drawable, curve), key=plane) for name, curve in curves.items()}
    spots = [spot for curve in drawn.values() for spot in curve]
    if not spots:
        return "<p>No policy traded.</p>"
    frame = Frame(
        x=charts.scale((spot.risk_usd for spot in spots), logarithmic=True),
        y=charts.scale((spot.cost_usd for spot in spots), logarithmic=True),
        x_name="risk, USD per √year",
        y_name="cost, USD per year",
        height=430,
    )
    parts = []
    kinds = {name: kind_of(curve[0].rival.strategy) for name, curve in curves.items()}
    for name, curve in drawn.items():
        kind = kinds[name]
        points = [(spot.risk_usd, spot.cost_usd) for spot in curve]
        parts.append(charts.line(frame, points, kind, title=name))
        parts += [
            charts.dot(frame, s.risk_usd, s.cost_usd, kind, f"{name}, {setting(s.rival)}")
            for s in curve
        ]
    first = comparison.entries[0]
    cost_usd, risk_usd = first.account.cost_usd / first.account.years, first.account.risk_usd
    if cost_usd > 0 and risk_usd > LEAST_RISK_USD:
        words = f"{first.rival.name}, as in the table"
        parts.append(charts.dot(frame, risk_usd, cost_usd, "ring", words, 7.5))
    return _legend(kinds) + _plot(charts.chart(frame, "cost against risk, by policy", *parts))


def _drawable(spot: Spot) -> bool:
    return spot.cost_usd > 0 and spot.risk_usd > LEAST_RISK_USD


def _band(comparison: Comparison, entry: Entry) -> str:
    if entry.band is None or not (entry.band.outer < FAR).all():
        return "<p>This policy has no band.</p>"
    market = comparison.scene.market
    days = (market.at_s - market.at_s[0]) / DAY_S
    ratio = comparison.terms.policy.hedge_ratio
    net = ratio * comparison.scene.held.delta + entry.course.hedge
    outer, inner = entry.band.outer, entry.band.inner
    most = max(float(np.quantile(np.abs(net), 0.999)), float(np.quantile(outer, 0.98))) * 1.15
    frame = Frame(
        x=Scale(0, float(days[-1])),
        y=Scale(-most, most),
        x_name="days",
        y_name="net delta, units of the asset",
        height=360,
    )
    cut = np.minimum(outer, most)
    upper = _thinned(days, cut, "last")
    parts = [charts.area(frame, upper, [(x, -y) for x, y in upper], "band")]
    for sign in (1, -1):
        edge = _thinned(days, sign * np.minimum(inner, most), "last")
        parts.append(charts.line(frame, edge, "inner"))
    shown = np.clip(net, -most, most)
    parts.append(charts.line(frame, _thinned(days, shown, "both"), "net"))
    bars = entry.run.bar[:: max(1, len(entry.run.bar) // COLUMNS)]
    parts += [
        charts.dot(
            frame, float(days[bar]), float(np.clip(net[bar], -most, most)), "net", "trade", 2
        )
        for bar in bars
    ]
    return _plot(charts.chart(frame, "net delta inside its band", *parts))


def _thinned(x: Floats, y: Floats, keep: str) -> list[tuple[float, float]]:
    """Return about a point a pixel: the last of each stretch, or its lowest and highest."""
    stretches = np.unique(np.linspace(0, len(x), COLUMNS + 1).astype(np.int64))
    found: list[tuple[float, float]] = []
    for start, stop in pairwise(stretches):
        part = y[start:stop]
        if keep == "last" or len(part) == 1:
            found.append((float(x[stop - 1]), float(part[-1])))
            continue
        places = sorted((int(part.argmin()), int(part.argmax())))
        found += [(float(x[start + place]), float(part[place])) for place in places]
    return found


def _costs(comparison: Comparison) -> str:
    market = comparison.scene.market
    days = (market.at_s - market.at_s[0]) / DAY_S
    shown = list(_comparable(comparison.entries))
    totals = {entry.rival.name: np.cumsum(entry.course.cost_usd) for entry in shown}
    frame = Frame(
        x=Scale(0, float(days[-1])),
        y=charts.scale((float(total[-1]) for total in totals.values()), zero=True),
        x_name="days",
        y_name="cost so far, USD",
    )
    kinds = _kinds(entry.rival for entry in shown)
    lines = [
        charts.line(frame, _thinned(days, total, "last"), kinds[name], steps=True, title=name)
        for name, total in totals.items()
    ]
    drawn = _plot(charts.chart(frame, "cumulative cost by policy", *lines))
    return f"{_legend(kinds)}{drawn}<p>{_left_out(comparison, shown)}</p>"


def _comparable(entries: Sequence[Entry]) -> Iterable[Entry]:
    """Yield the entries that a chart can show beside the first one."""
    cost, error = _sizes(entries[0])
    for entry in entries:
        own_cost, own_error = _sizes(entry)
        if own_cost <= STRANGE * max(cost, 1.0) and own_error <= STRANGE * max(error, 1.0):
            yield entry


def _sizes(entry: Entry) -> tuple[float, float]:
    return entry.account.cost_usd, entry.account.risk_usd


def _attribution(comparison: Comparison) -> str:
    rows = []
    for entry in _comparable(comparison.entries):
        parts = entry.account.attribution
        found = {name: float(getattr(parts, field)) for name, (field, _) in PARTS.items()}
        rows.append(Bars(entry.rival.name, found, parts.pnl_usd - parts.curvature_usd))
    kinds = {
        name: kind for name, (_, kind) in PARTS.items() if any(row.parts[name] for row in rows)
    }
    seen = [
        row._replace(parts={name: value for name, value in row.parts.items() if name in kinds})
        for row in rows
    ]
    bent = comparison.entries[0].account.attribution.curvature_usd
    note = f"<p>Curvature: {dollars(bent)} USD for every policy. {_left_out(comparison, rows)}</p>"
    drawn = _plot(charts.stacked(seen, kinds, "USD", "profit and loss by its source"))
    return _legend(kinds) + drawn + note


def _left_out(comparison: Comparison, shown: Sequence[object]) -> str:
    left = len(comparison.entries) - len(shown)
    words = f"Left out: {left}, whose cost or risk is beyond {STRANGE:.0f} times the first one's."
    return words if left else ""
