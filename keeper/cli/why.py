"""`keeper why`: the last decisions, with every input and every gate."""

import click

from keeper.adapters.clock import SystemClock
from keeper.cli import render
from keeper.cli.command import Command
from keeper.cli.opening import beside, symbols
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.core.explain import Sensitivity, sensitivity
from keeper.model.events import Decided


@click.command(cls=Command)
@click.option(
    "--last", type=click.IntRange(min=1), default=1, show_default=True, help="How many decisions."
)
@click.option("--book", help="Of this book only.")
@click.pass_obj
def why(setting: Setting, last: int, book: str | None) -> None:
    """Explain the last decisions.

    Shows exposure, target, band, each gate with its two numbers, cost against benefit, and what
    would make it trade. Reads the journal; asks no node.
    """
    with beside(setting, book) as (config, journal):
        names = [book] if book else [entry.name for entry in config.books]
        decided = [event for name in names for event in journal.decisions(name, last)]
    now_ms, symbol = SystemClock().now_ms(), symbols(config)
    emit(
        setting,
        {"decisions": decided, "if_wrong": [_if_wrong(event) for event in decided]},
        lambda: (
            "\n\n".join(render.decided(event, now_ms, symbol[event.book]) for event in decided)
            or "no decisions yet: `keeper tick --dry-run` makes one without trading"
        ),
    )


def _if_wrong(event: Decided) -> tuple[Sensitivity, ...]:
    why = event.decision.why
    return () if why is None else sensitivity(why)
