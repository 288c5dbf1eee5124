"""`keeper fleet`: all keepers that share a database, at a look."""

from contextlib import closing

import click

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.cli import fleet_view
from keeper.cli.command import Group
from keeper.cli.exit_codes import Exit
from keeper.cli.opening import configured, open_beside
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.model.lease import Shard


@click.group(cls=Group)
def fleet() -> None:
    """Show who leads, of all keepers that share a database."""


@fleet.command()
@click.pass_context
def status(ctx: click.Context) -> None:
    """Show every shard of the database: who leads it, until when, what is open, what is halted.

    Ends with 1 if a shard has no leader, is halted or cannot be read. With a journal in a file
    there is one shard.
    """
    setting = ctx.ensure_object(Setting)
    shards = _look(setting)
    document = {"shards": [fleet_view.document(shard) for shard in shards]}
    emit(setting, document, lambda: fleet_view.text(shards))
    ctx.exit(Exit.OK if all(_is_well(shard) for shard in shards) else Exit.NO)


def _look(setting: Setting) -> tuple[Shard, ...]:
    config = configured(setting)
    if isinstance(config.journal, PostgresConfig):
        from keeper.adapters.stores.postgres.fleet import look

        return look(config.journal.url, patience_s=config.journal.answer_s)
    with closing(open_beside(config)) as journal:
        tenure = journal.tenure()
        if tenure is None:
            return ()
        return (Shard(tenure, len(journal.open()), journal.halted()),)


def _is_well(shard: Shard) -> bool:
    return shard.tenure.is_live and shard.halted is None and shard.unreadable is None
