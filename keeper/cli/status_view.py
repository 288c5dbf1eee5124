"""Where every book stands, as the journal knows it: values and their text. Pure."""

from msgspec import Struct

from keeper.cli.numbers import ago, plain, signed, usd
from keeper.cli.render import bar, edges, verdict
from keeper.core.policies import FAR
from keeper.model.events import Decided
from keeper.model.flow import Reasoning
from keeper.ports.acting import History, Open, Request

LABEL = 12
SHORT_ID = 12


class BookView(Struct, frozen=True):
    """One book: its newest decision, the newest one on numbers, and its recent past."""

    book: str
    latest: Decided | None
    seen: Decided | None
    """The newest decision that could read the book; `latest` unless that one could not."""
    history: History


class StatusView(Struct, frozen=True, kw_only=True):
    """Everything `keeper status` shows."""

    books: tuple[BookView, ...]
    halted: str | None
    open: tuple[Open, ...]
    requests: tuple[Request, ...]
    running_pid: str | None
    """Of the process that acts on the journal; None if there is none."""
    now_ms: int


def text(view: StatusView) -> str:
    """Return the whole status for people."""
    blocks = ["\n".join(_head(view))]
    blocks += ["\n".join(_book(book, view.now_ms)) for book in view.books]
    return "\n\n".join(blocks)


def _head(view: StatusView) -> list[str]:
    running = f"running, process {view.running_pid}" if view.running_pid else "not running"
    lines = [_row("keeper", running)]
    if view.halted is not None:
        lines.append(_row("HALTED", f"{view.halted} (`keeper resume` when it is safe)"))
    lines += [_row("open", describe_open(pending, view.now_ms)) for pending in view.open]
    lines += [_row("requested", request.command) for request in view.requests]
    return lines


def describe_open(pending: Open, now_ms: int) -> str:
    """Return one line about an unsettled intent."""
    intent = pending.intent
    side = "buy" if intent.units > 0 else "sell"
    words = f"{intent.id[:SHORT_ID]} {side} {plain(abs(intent.units))} of {intent.book}"
    if not pending.attempts:
        return f"{words}, not signed"
    newest = pending.attempts[-1]
    attempts = f"{len(pending.attempts)} attempt" + ("s" if len(pending.attempts) > 1 else "")
    return f"{words}, nonce {newest.nonce}, {attempts}, signed {ago(newest.signed_at_ms, now_ms)}"


def _book(view: BookView, now_ms: int) -> list[str]:
    if view.latest is None:
        return [view.book, _row("  decision", "none yet")]
    lines = [f"{view.book} · {ago(view.latest.at_ms, now_ms)}"]
    if view.seen is not None and view.seen.decision.why is not None:
        if view.seen != view.latest:
            lines.append(_row("  last seen", ago(view.seen.at_ms, now_ms)))
        lines += _numbers(view.seen.decision.why)
    trade_ms = view.history.last_trade_at_ms
    return [
        *lines,
        _row("  gas 24 h", usd(view.history.gas_usd_24h)),
        _row("  last trade", "none" if trade_ms is None else ago(trade_ms, now_ms)),
        _row("  decision", verdict(view.latest.decision)),
    ]


def _numbers(why: Reasoning) -> list[str]:
    return [
        _row("  price", f"{usd(why.exposure.price)} at block {why.block.number:,}"),
        _row("  delta", f"{signed(why.exposure.delta)}, hedge {signed(why.hedge)}, "
             f"net {signed(why.net)}"),
        _row("  band", _band(why)),
    ]  # fmt: skip


def _band(why: Reasoning) -> str:
    if why.band.outer >= FAR:
        return edges(why)
    return f"{bar(why.net, why.band)}  ±{plain(why.band.outer)}"


def _row(label: str, words: str) -> str:
    return f"{label:<{LABEL}}  {words}"
