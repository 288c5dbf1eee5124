"""`keeper journal`: what was tried, and whether the record is whole."""

import click

from keeper.cli import journal_view
from keeper.cli.command import Group
from keeper.cli.exit_codes import Exit
from keeper.cli.failure import block
from keeper.cli.opening import beside
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.model.errors import ConfigError, Fatal


@click.group(cls=Group)
def journal() -> None:
    """Read and check what was tried."""


@journal.command("list")
@click.option(
    "--last", type=click.IntRange(min=1), default=20, show_default=True, help="How many intents."
)
@click.pass_obj
def list_intents(setting: Setting, last: int) -> None:
    """List the last intents, oldest first, and what became of them."""
    with beside(setting) as (_, store):
        records = store.intents(last)
        totals = store.totals()
    document = {"intents": [journal_view.document(r, ()) for r in records], "totals": totals}
    emit(setting, document, lambda: journal_view.table(records))


@journal.command()
@click.argument("intent")
@click.pass_obj
def show(setting: Setting, intent: str) -> None:
    """Tell one intent's story. INTENT is its id, or enough of its beginning."""
    with beside(setting) as (_, store):
        record = store.intent(intent)
        if record is None:
            raise ConfigError(
                "there is not exactly one intent that begins so",
                intent=intent,
                remedy="`keeper journal list` shows the ids",
            )
        entries = store.entries(intent_id=record.intent.id)
    emit(
        setting,
        journal_view.document(record, entries),
        lambda: journal_view.story(record, entries),
    )


@journal.command()
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Check that nothing in the journal was changed, removed or inserted."""
    setting = ctx.ensure_object(Setting)
    with beside(setting) as (_, store):
        try:
            proof = store.verify()
        except Fatal as broken:
            found = broken
            emit(setting, {"whole": False, "reason": str(broken)}, lambda: block(found))
            ctx.exit(Exit.NO)
    emit(
        setting,
        {"whole": True, "events": proof.events, "tip": proof.tip},
        lambda: f"✓ {proof.events:,} events, hashes and tables agree; tip {proof.tip}",
    )
