"""What a tick did, or would do, for people. Pure."""

from collections.abc import Mapping

from keeper.cli import render
from keeper.cli.journal_view import happening
from keeper.cli.numbers import signed, usd
from keeper.engine.dry_run import Rehearsal
from keeper.model.events import Decided, Event
from keeper.model.flow import Fill


def done(
    decided: list[Decided], others: list[Event], now_ms: int, symbols: Mapping[str, str]
) -> str:
    """Return decisions, then what followed from them; *symbols* by book."""
    blocks = [render.decided(event, now_ms, symbols[event.book]) for event in decided]
    if others:
        blocks.append("\n".join(happening(event) for event in others))
    return "\n\n".join(blocks) or "nothing was decided"


def rehearsed(rehearsals: tuple[Rehearsal, ...], now_ms: int, symbols: Mapping[str, str]) -> str:
    """Return what would be done now; nothing was. *symbols* by book."""
    blocks = [_rehearsal(it, now_ms, symbols[it.book]) for it in rehearsals]
    return "\n\n".join([*blocks, "dry run: nothing was signed, sent or written"])


def _rehearsal(rehearsal: Rehearsal, now_ms: int, symbol: str) -> str:
    event = Decided(rehearsal.book, rehearsal.decision, now_ms, ())
    lines = [render.decided(event, now_ms, symbol)]
    if rehearsal.promised is not None:
        lines.append(f"  simulation   {_fill(rehearsal.promised)}")
    if rehearsal.refusal is not None:
        lines.append(f"  simulation   refused: {rehearsal.refusal}")
    return "\n".join(lines)


def _fill(fill: Fill) -> str:
    return f"would fill {signed(fill.units)} at {usd(fill.price)}, fee {usd(fill.fee_usd)}"
