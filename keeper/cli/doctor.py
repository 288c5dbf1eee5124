"""`keeper doctor`: everything the keeper depends on, one line each."""

from collections.abc import Iterator

import click

from keeper.bootstrap import Node, open_node, set_desk
from keeper.cli import doctor_book, doctor_endpoints, doctor_local, doctor_node, doctor_view
from keeper.cli.command import Command
from keeper.cli.doctor_view import Check
from keeper.cli.exit_codes import Exit
from keeper.cli.opening import configured, looking
from keeper.cli.output import emit
from keeper.cli.setting import Setting
from keeper.config import Config
from keeper.model.errors import KeeperError


@click.command(cls=Command)
@click.pass_context
def doctor(ctx: click.Context) -> None:
    """Check everything the keeper depends on, one line each, with the remedy.

    Writes and sends nothing, and prints no secret. Ends with 1 if something failed.
    """
    setting = ctx.ensure_object(Setting)
    config = configured(setting)
    checks = list(examine(setting, config))
    failed = any(check.verdict == "fail" for check in checks)
    emit(setting, {"ok": not failed, "checks": checks}, lambda: doctor_view.text(checks))
    ctx.exit(Exit.NO if failed else Exit.OK)


def examine(setting: Setting, config: Config) -> Iterator[Check]:
    """Return the checks in the order in which one depends on another."""
    books = ", ".join(book.name for book in config.books)
    yield Check("configuration", "ok", f"{setting.config}: {books}")
    yield from doctor_local.secrets_file(setting.config)
    yield doctor_local.signing()
    checked, account = doctor_local.key(config)
    yield checked
    yield from doctor_local.journal(config)
    yield from doctor_endpoints.endpoints(config)
    node = open_node(config)
    try:
        found, reachable = doctor_node.node(node, config)
        yield from found
        if reachable:
            head = node.evm.head()
            yield doctor_node.clock(head, config)
            yield from doctor_node.code(node, config)
            yield from doctor_node.decimals(node, config, head)
            if account is not None:
                yield from _trade(config, node)
    except KeeperError as trouble:
        yield Check("chain", "fail", str(trouble))
    finally:
        node.transport.close()


def _trade(config: Config, node: Node) -> Iterator[Check]:
    """Check what needs the account, too."""
    with looking(config) as journal:
        desk = set_desk(config, node, journal)
        head = desk.chain.head()
        yield from doctor_node.gas(node, desk, head, config)
        yield doctor_node.nonce(node, desk)
        yield from doctor_node.guard(node, desk, head, config)
        yield doctor_book.native_price(desk, head)
        for book in desk.books:
            yield from doctor_book.book(desk, book, head)
        yield from doctor_book.rehearsal(desk)
