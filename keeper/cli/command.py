"""Commands and groups that carry the common options; the root turns errors into exit codes."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from keeper.cli import failure
from keeper.cli.exit_codes import Exit, exit_code
from keeper.cli.setting import Setting, common_options
from keeper.model.errors import KeeperError


class Command(click.Command):
    """A command with `--config` and `--json`."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params.extend(common_options())


class Group(click.Group):
    """A group whose subcommands are `Command`s."""

    command_class = Command

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.params.extend(common_options())


class LazyGroup(Group):
    """A group that imports a command only when it runs it: `--help` stays quick.

    *lazy* maps a command's name to its module (`keeper.cli.<module>`, which has it under the name
    `command`) and to the sentence that `--help` shows, so that the list needs no import.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, tuple[str, str]], **more: Any) -> None:
        super().__init__(*args, **more)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, _ = self.lazy[cmd_name]
        command = getattr(import_module(f"keeper.cli.{module}"), cmd_name)
        if not isinstance(command, click.Command):
            raise TypeError(f"keeper.cli.{module}.{cmd_name} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.lazy[name][1]) for name in self.list_commands(ctx)])


class Root(LazyGroup):
    """The `keeper` command: the one place where an error becomes words and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        setting = ctx.ensure_object(Setting)
        try:
            return super().invoke(ctx)
        except KeeperError as error:
            _show(setting, failure.document(error), failure.block(error))
            ctx.exit(exit_code(error))
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(Exit.INTERRUPTED)
        except click.ClickException as mistake:
            if not setting.as_json:
                raise
            words = mistake.format_message()
            _show(setting, failure.plain("UsageError", words, Exit.CONFIG), words)
            ctx.exit(Exit.CONFIG)


def _show(setting: Setting, document: dict[str, Any], text: str) -> None:
    from msgspec import json

    if setting.as_json:
        click.echo(json.encode(document).decode())
    else:
        click.echo(text, err=True)
