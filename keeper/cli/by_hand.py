"""`keeper rebalance` and `keeper flatten`: a person's wish, carried out by whoever may act."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import click

from keeper.adapters.clock import SystemClock
from keeper.cli import journal_view
from keeper.cli.adopting import adopting
from keeper.cli.command import Command
from keeper.cli.desk import open_desk
from keeper.cli.exit_codes import Exit
from keeper.cli.holder import leader
from keeper.cli.opening import acting, configured, looking, open_beside
from keeper.cli.output import emit
from keeper.cli.recorder import Recorder
from keeper.cli.setting import Setting
from keeper.cli.tick import rehearse
from keeper.config import Config
from keeper.engine.leadership import Leadership
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.model.errors import Fatal
from keeper.model.flow import Command as Wish
from keeper.ports.acting import Archive

LOOK_S = 0.25
"""Pause between two looks while waiting."""

TIMEOUT_S = 120.0


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add what both commands have."""
    for option in (
        click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=TIMEOUT_S,
                     show_default=True, help="Longest wait, in seconds."),
        click.option("--wait/--no-wait", default=True, show_default=True,
                     help="Wait until it is done and settled."),
        click.option("--dry-run", "dry", is_flag=True, help="Only show what would be done."),
        adopting,
    ):  # fmt: skip
        command = option(command)
    return command


@click.command(cls=Command)
@options
@click.pass_context
def rebalance(ctx: click.Context, *, dry: bool, wait: bool, timeout_s: float, adopt: bool) -> None:
    """Trade every book to its exact target now, even inside the band. Limits still bind."""
    setting, wait_s = ctx.ensure_object(Setting), wait * timeout_s
    ctx.exit(_obey(setting, "rebalance", dry=dry, wait_s=wait_s, adopt=adopt))


@click.command(cls=Command)
@options
@click.pass_context
def flatten(ctx: click.Context, *, dry: bool, wait: bool, timeout_s: float, adopt: bool) -> None:
    """Close every hedge, then halt, so that nothing is hedged again before `keeper resume`."""
    setting, wait_s = ctx.ensure_object(Setting), wait * timeout_s
    ctx.exit(_obey(setting, "flatten", dry=dry, wait_s=wait_s, adopt=adopt))


def _obey(setting: Setting, wish: Wish, *, dry: bool, wait_s: float, adopt: bool) -> Exit:
    config = configured(setting)
    if dry:
        return rehearse(setting, config, command=wish)
    with looking(config) as journal:
        holder = leader(config, journal)
    if holder is not None:
        return _ask(setting, config, wish, wait_s)
    return _do(setting, config, wish, wait_s=wait_s, adopt=adopt)


def _ask(setting: Setting, config: Config, wish: Wish, wait_s: float) -> Exit:
    """Have the running keeper do it."""
    with closing(open_beside(config)) as journal:
        _refuse_if_halted(journal, wish)
        asked_at_ms = SystemClock().now_ms()
        request_id = journal.request(wish)
        deadline = time.monotonic() + wait_s
        while not _is_done(journal, request_id) and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        return _report(setting, journal, wish, request_id, asked_at_ms)


def _do(setting: Setting, config: Config, wish: Wish, *, wait_s: float, adopt: bool) -> Exit:
    """Act in this process: the journal's lock keeps every other one out."""
    recorder = Recorder()
    with (
        acting(config, adopt=adopt) as journal,
        open_desk(config, journal, sinks=(recorder,)) as desk,
    ):
        _refuse_if_halted(journal, wish)
        loop = Loop(desk, Mailbox(), leadership=Leadership(journal), adopt=adopt)
        deadline = time.monotonic() + wait_s
        loop.turn(frozenset({"person"}) if journal.open() else frozenset())
        asked_at_ms = SystemClock().now_ms()
        request_id = journal.request(wish)
        try:
            loop.turn(frozenset())
            while not _is_over(journal, request_id, recorder) and time.monotonic() < deadline:
                time.sleep(LOOK_S)
                loop.turn(frozenset())
            served = journal.is_served(request_id)
            code = _report(setting, journal, wish, request_id, asked_at_ms)
            return code if served else max(code, recorder.exit)
        finally:
            if not journal.is_served(request_id):
                # Nobody waits for it any more: the next `keeper run` must not find it and trade.
                journal.serve(request_id)


def _refuse_if_halted(journal: Archive, wish: Wish) -> None:
    if (halted := journal.halted()) is not None:
        raise Fatal(
            "trading is halted",
            reason=halted,
            remedy=f"when it is safe: `keeper resume`, then `keeper {wish}`",
        )


def _is_done(journal: Archive, request_id: int) -> bool:
    return journal.is_served(request_id) and not journal.open()


def _is_over(journal: Archive, request_id: int, recorder: Recorder) -> bool:
    """Return whether it is done, or will not be: a refusal does not get better by asking again."""
    refused = recorder.exit in (Exit.CONFIG, Exit.REJECTED, Exit.HALTED)
    return _is_done(journal, request_id) or (refused and not journal.open())


def _report(
    setting: Setting, journal: Archive, wish: Wish, request_id: int, asked_at_ms: int
) -> Exit:
    served, pending = journal.is_served(request_id), journal.open()
    records = tuple(record for record in journal.intents() if record.at_ms >= asked_at_ms)
    document: dict[str, Any] = {
        "command": wish,
        "request": request_id,
        "served": served,
        "open": len(pending),
        "intents": [journal_view.document(record, ()) for record in records],
        "halted": journal.halted(),
    }
    words = [journal_view.table(records)] if records else ["no trade was needed or allowed"]
    words.append(_sum(wish, served=served, settled=not pending))
    emit(setting, document, lambda: "\n".join(words))
    if pending or not served:
        return Exit.OPEN
    failed = any(r.outcome is not None and r.outcome.status != "done" for r in records)
    return Exit.REJECTED if failed else Exit.OK


def _sum(wish: Wish, *, served: bool, settled: bool) -> str:
    if not served:
        return f"{wish}: not done yet; `keeper why` tells what holds it back"
    if not settled:
        return f"{wish}: sent, not settled yet; `keeper status` follows it"
    return f"{wish}: done" + ("; trading is halted until `keeper resume`" * (wish == "flatten"))
