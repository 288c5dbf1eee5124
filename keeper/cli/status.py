"""`keeper status`: where every book stands, from the journal."""

import time
from typing import TYPE_CHECKING

import click

from keeper.adapters.clock import SystemClock
from keeper.cli import status_view
from keeper.cli.command import Command
from keeper.cli.holder import leader
from keeper.cli.opening import beside
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.cli.status_view import BookView, StatusView
from keeper.ports.acting import Archive

if TYPE_CHECKING:
    from keeper.config import Config

SEEN_BACK = 200
"""How many decisions back the last readable one is looked for."""


@click.command(cls=Command)
@click.option("--watch", is_flag=True, help="Draw it anew until Ctrl-C.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=1.0, show_default=True,
    help="Seconds between two drawings.",
)  # fmt: skip
@click.pass_obj
def status(setting: Setting, *, watch: bool, every: float) -> None:
    """Show each book: price, delta, hedge, net delta inside its band, gas, last trade.

    Reads the journal; asks no node. With --watch and --json there is one document a line.
    """
    with beside(setting) as (config, journal):
        if not watch:
            view = look(config, journal)
            emit(setting, view, lambda: status_view.text(view))
        elif setting.as_json:
            _repeat(setting, config, journal, every)
        else:
            _draw(config, journal, every)


def look(config: "Config", journal: Archive) -> StatusView:
    """Return where every book stands now."""
    now_ms = SystemClock().now_ms()
    return StatusView(
        books=tuple(_book(journal, entry.name, now_ms) for entry in config.books),
        halted=journal.halted(),
        open=journal.open(),
        requests=journal.requests(),
        running_pid=leader(config, journal),
        now_ms=now_ms,
    )


def _book(journal: Archive, name: str, now_ms: int) -> BookView:
    latest = next(iter(journal.decisions(name, 1)), None)
    seen = latest
    if latest is not None and latest.decision.why is None:
        past = journal.decisions(name, SEEN_BACK)
        seen = next((event for event in reversed(past) if event.decision.why is not None), None)
    return BookView(name, latest, seen, journal.history(name, now_ms))


def _repeat(setting: Setting, config: "Config", journal: Archive, every: float) -> None:
    while True:
        view = look(config, journal)
        emit(setting, view, lambda: "")
        time.sleep(every)


def _draw(config: "Config", journal: Archive, every: float) -> None:
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False, screen=True) as live:
        while True:
            live.update(Text(status_view.text(look(config, journal))), refresh=True)
            time.sleep(every)
