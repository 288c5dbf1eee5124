"""`keeper tick`: look, think and act once."""

import click

from keeper.adapters.clock import SystemClock
from keeper.cli import tick_view
from keeper.cli.adopting import adopting
from keeper.cli.command import Command
from keeper.cli.desk import open_desk
from keeper.cli.exit_codes import Exit
from keeper.cli.journal_view import event_document
from keeper.cli.opening import acting, configured, looking, symbols
from keeper.cli.output import emit
from keeper.cli.recorder import Recorder
from keeper.cli.setting import Setting
from keeper.config import Config
from keeper.engine.dry_run import Rehearsal, dry_run
from keeper.engine.leadership import Leadership
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.model.flow import Command as Wish


@click.command(cls=Command)
@click.option("--dry-run", "dry", is_flag=True, help="Sign, send and write nothing.")
@click.option("--book", help="This book only.")
@adopting
@click.pass_context
def tick(ctx: click.Context, *, dry: bool, book: str | None, adopt: bool) -> None:
    """Look, think and act once.

    A transaction that it sends is settled by the next tick, or by `keeper run`.
    """
    setting = ctx.ensure_object(Setting)
    config = configured(setting, book)
    ctx.exit(rehearse(setting, config, book=book) if dry else _act(setting, config, book, adopt))


def rehearse(
    setting: Setting, config: Config, *, command: Wish | None = None, book: str | None = None
) -> Exit:
    """Show what a tick would do now; return the exit code."""
    with looking(config) as journal, open_desk(config, journal, book=book) as desk:
        rehearsals = dry_run(desk, command)
        halted = journal.halted()
    now_ms = SystemClock().now_ms()
    emit(
        setting,
        {"dry_run": True, "books": rehearsals, "halted": halted},
        lambda: (
            tick_view.rehearsed(rehearsals, now_ms, symbols(config))
            + (f"\ntrading is halted: {halted}" if halted else "")
        ),
    )
    return _verdict(rehearsals)


def _verdict(rehearsals: tuple[Rehearsal, ...]) -> Exit:
    if any(rehearsal.refusal is not None for rehearsal in rehearsals):
        return Exit.REJECTED
    if any(rehearsal.decision.why is None for rehearsal in rehearsals):
        return Exit.UNREADABLE
    return Exit.OK


def _act(setting: Setting, config: Config, book: str | None, adopt: bool) -> Exit:  # noqa: FBT001  # an option
    recorder = Recorder()
    with (
        acting(config, adopt=adopt) as journal,
        open_desk(config, journal, sinks=(recorder,), book=book) as desk,
    ):
        leadership = Leadership(journal)
        Loop(desk, Mailbox(), leadership=leadership, adopt=adopt).turn(frozenset({"person"}))
        halted, pending = journal.halted(), journal.open()
    document = {
        "dry_run": False,
        "decisions": recorder.decided,
        "events": [event_document(event) for event in recorder.others],
        "halted": halted,
        "open": len(pending),
    }
    now_ms = SystemClock().now_ms()
    emit(
        setting,
        document,
        lambda: tick_view.done(recorder.decided, recorder.others, now_ms, symbols(config)),
    )
    return Exit.HALTED if halted else recorder.exit
