"""`keeper halt` and `keeper resume`: a person's word, in force before the next signature."""

import click

from keeper.adapters.clock import SystemClock
from keeper.cli.command import Command
from keeper.cli.opening import beside
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.model.events import Halted, Resumed

dry_run = click.option("--dry-run", "dry", is_flag=True, help="Only say what would be done.")


@click.command(cls=Command)
@click.argument("reason", default="halted by hand")
@dry_run
@click.pass_obj
def halt(setting: Setting, reason: str, *, dry: bool) -> None:
    """Stop trading at once, whichever process runs the keeper.

    The keeper reads the journal again before it signs, so nothing is signed after this returns. A
    transaction that was sent before is still followed to its end.
    """
    with beside(setting) as (_, journal):
        before = journal.halted()
        if before is None and not dry:
            journal.append(Halted(reason, SystemClock().now_ms()))
        pending = len(journal.open())
    would = "would be " if dry else ""
    words = f"{would}halted: {reason}" if before is None else f"it was halted before: {before}"
    if pending:
        words += f"\n{pending} transaction is on its way and will be followed to its end"
    document = {
        "dry_run": dry,
        "halted": before or (None if dry else reason),
        "was_halted": before,
        "open": pending,
    }
    emit(setting, document, lambda: words)


@click.command(cls=Command)
@click.argument("reason", default="resumed by hand")
@dry_run
@click.pass_obj
def resume(setting: Setting, reason: str, *, dry: bool) -> None:
    """Allow trading again."""
    with beside(setting) as (_, journal):
        before = journal.halted()
        if before is not None and not dry:
            journal.append(Resumed(reason, SystemClock().now_ms()))
    would = "would be " if dry else ""
    words = "it was not halted" if before is None else f"{would}resumed; it was halted: {before}"
    document = {"dry_run": dry, "halted": before if dry else None, "was_halted": before}
    emit(setting, document, lambda: words)
