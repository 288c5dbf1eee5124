"""A decision for people: every input, every gate with its two numbers, and what would change it.

Pure: values in, text out. `tests/cli/test_render.py` holds the exact text.
"""

from typing import assert_never

from keeper.cli.numbers import ago, duration, moment, percent, plain, quantity, signed, usd
from keeper.core.explain import sensitivity
from keeper.core.gas_regime import regime
from keeper.core.policies import FAR
from keeper.model.events import Decided
from keeper.model.flow import (
    Band,
    Costs,
    Decision,
    Exposure,
    Gate,
    Halt,
    Hold,
    Reasoning,
    Rebalance,
)
from keeper.model.units import GWEI, YEAR_S

BAR_WIDTH = 31
BAR_SCALE = 1.5
"""The bar shows this many outer edges to each side."""
LABEL = 13


def decided(event: Decided, now_ms: int, symbol: str = "base") -> str:
    """Return the block of text that `keeper why` prints; amounts of the asset are in *symbol*."""
    why = event.decision.why
    head = f"{event.book} · {moment(event.at_ms)}, {ago(event.at_ms, now_ms)}"
    if event.triggers:
        head += f" · woken by {', '.join(event.triggers)}"
    lines = [head]
    if why is not None:
        lines += reasoning(why, symbol)
    lines.append(_row("decision", verdict(event.decision)))
    return "\n".join(lines)


def reasoning(why: Reasoning, symbol: str) -> list[str]:
    """Return the lines between the head and the verdict."""
    return [
        _row("block", f"{why.block.number:,}"),
        _row("price", f"{usd(why.exposure.price)}{_age(why.gates)}"),
        _row("sigma", f"{percent(why.sigma)} a year"),
        _row("delta", f"{signed(why.exposure.delta)}, gamma {signed(why.exposure.gamma)} per USD, "
             f"value {usd(why.exposure.value_usd)}"),
        *aging(why.exposure),
        *rates(why.exposure),
        _row("target", f"{signed(-why.hedge_ratio * why.exposure.delta)} "
             f"(hedge ratio {plain(why.hedge_ratio)})"),
        _row("hedge", signed(why.hedge)),
        _row("net", f"{signed(why.net)}, costs {usd(why.risk_now_usd_per_year)} a year in risk"),
        *policy(why),
        _row("band", edges(why)),
        *levels(why),
        _row("gates", ""),
        *gates(why.gates, symbol),
        *wrong(why),
        _row("trade", trade(why)),
        _row("would trade", f"if {why.would_trade_if}"),
    ]  # fmt: skip


def verdict(decision: Decision) -> str:
    """Return the decision in one line."""
    match decision:
        case Hold(reason=reason):
            return f"HOLD: {reason}"
        case Rebalance():
            side = "BUY" if decision.units > 0 else "SELL"
            only = ", reduce only" if decision.reduce_only else ""
            edge = "higher" if decision.units > 0 else "lower"
            size = plain(abs(decision.units))
            return f"{side} {size}, price no {edge} than {usd(decision.worst_price)}{only}"
        case Halt(reason=reason):
            return f"HALT: {reason}"
        case never:
            assert_never(never)


def gates(verdicts: tuple[Gate, ...], symbol: str = "base") -> list[str]:
    """Return one line for each gate, aligned."""
    width = max((len(gate.name) for gate in verdicts), default=0)
    return [
        f"    {'✓' if gate.ok else '✗'} {gate.name:<{width}}  {_gate(gate, symbol)}"
        for gate in verdicts
    ]


def aging(exposure: Exposure) -> list[str]:
    """Return the line on what options add; none where nothing ages."""
    if exposure.vega == exposure.theta == 0.0:
        return []
    greeks = f"vega {usd(exposure.vega)}, theta {usd(exposure.theta)} a year"
    if exposure.delta_in_1h is None or exposure.delta_in_1d is None:
        return [_row("options", greeks)]
    soon = f"delta {signed(exposure.delta_in_1h)} in 1 h, {signed(exposure.delta_in_1d)} in 1 d"
    return [_row("options", f"{greeks}; {soon} if the price stands still")]


def rates(exposure: Exposure) -> list[str]:
    """Return the line on wrapped tokens; none where there are none."""
    if exposure.rate_usd == 0.0:
        return []
    words = f"{usd(exposure.rate_usd)} redeems at an exchange rate, which no hedge covers"
    return [_row("rate risk", words)]


def policy(why: Reasoning) -> list[str]:
    """Return the line on who says so, and what an error is worth to it; none in old records."""
    words = f"{why.policy}, risk aversion {why.risk_aversion:.3g} /USD"
    return [_row("policy", words)] if why.policy else []


def edges(why: Reasoning) -> str:
    """Return the band in figures and as a line."""
    if why.band.outer >= FAR:
        return "none: no size of the net delta starts a trade"
    figures = f"±{plain(why.band.outer)} outer, ±{plain(why.band.inner)} inner"
    return f"{figures}  {bar(why.net, why.band)}"


def levels(why: Reasoning) -> list[str]:
    """Return the line on cheap and dear gas; none while the two are not known apart."""
    if why.gas is None or (known := regime(why.gas, why.costs)) is None:
        return []
    lasts = duration(known.expensive_years * YEAR_S)
    now = "dear" if known.expensive_now else "cheap"
    cheap, dear = usd(known.cheap_usd), usd(known.expensive_usd)
    return [_row("gas levels", f"{now} now; a trade {cheap} or {dear}, dear lasts {lasts}")]


def wrong(why: Reasoning) -> list[str]:
    """Return the lines on what the band would be if a number were half or double of what it is."""
    asked = sensitivity(why)
    if not asked:
        return []
    width = max(len(each.of) for each in asked)
    lines = [_row("if wrong", "")]
    for of in dict.fromkeys(each.of for each in asked):
        words = ", ".join(
            f"×{plain(each.times)}: ±{plain(each.outer)} outer, ±{plain(each.inner)} inner"
            for each in asked
            if each.of == of
        )
        lines.append(f"    {of:<{width}}  {words}")
    return lines


def trade(why: Reasoning) -> str:
    """Return cost against benefit, and what the cost is made of."""
    terms = f"gas {usd(why.costs.fixed_usd)}: {_gas(why.costs)}; fee {_fee(why.costs)}"
    if why.trade_cost_usd == 0 and why.trade_benefit_usd == 0:
        return f"none; one would cost {terms}"
    return f"cost {usd(why.trade_cost_usd)}, benefit {usd(why.trade_benefit_usd)} ({terms})"


def bar(net: float, band: Band, width: int = BAR_WIDTH) -> str:
    """Return the band as a line: `[ ]` outer edges, `( )` inner, `|` zero, `●` the net delta.

    Beyond the line the net delta is an arrow at its end.
    """
    middle = width // 2
    if band.outer <= 0:
        return ""
    per_cell = BAR_SCALE * band.outer / middle
    cells = ["·"] * width
    marks = (
        ("|", 0.0),
        ("(", -band.inner),
        (")", band.inner),
        ("[", -band.outer),
        ("]", band.outer),
    )
    for mark, at in marks:
        cells[middle + round(at / per_cell)] = mark
    spot = middle + round(net / per_cell)
    if spot < 0:
        cells[0] = "◀"
    elif spot >= width:
        cells[-1] = "▶"
    else:
        cells[spot] = "●"
    return "".join(cells)


def _row(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{text}".rstrip()


def _gate(gate: Gate, symbol: str) -> str:
    note = gate.note
    if note.startswith("at least"):
        sign, note = "≥", note.removeprefix("at least").strip()
    elif gate.ok == (gate.value <= gate.limit):
        sign = "≤"
    else:
        sign = "of"
    value, limit = (quantity(x, gate.unit, symbol) for x in (gate.value, gate.limit))
    words = f"{value} {sign} {limit}"
    return f"{words}  ({note})" if note else words


def _age(verdicts: tuple[Gate, ...]) -> str:
    ages = [gate.value for gate in verdicts if gate.name == "price age"]
    return f", {quantity(ages[0], 's')} old" if ages else ""


def _gas(costs: Costs) -> str:
    return f"{costs.gas_units:,} at {plain(costs.gas_price_wei / GWEI)} gwei"


def _fee(costs: Costs) -> str:
    return f"{percent(costs.proportional_rate)}, impact {percent(costs.impact_per_base)} per unit"
