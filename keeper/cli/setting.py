"""The two options that every command has, wherever they are written on the line."""

from pathlib import Path
from typing import Any

import click

DEFAULT_CONFIG = Path("keeper.toml")


class Setting:
    """What `--config` and `--json` were set to; one per invocation, at `ctx.obj`."""

    def __init__(self) -> None:
        self.config = DEFAULT_CONFIG
        self.as_json = False


def common_options() -> list[click.Option]:
    """Return fresh copies of the options for one command."""
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            envvar="KEEPER_CONFIG",
            expose_value=False,
            callback=_remember_config,
            help="The configuration file.  [default: keeper.toml]",
        ),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            default=False,
            expose_value=False,
            is_eager=True,
            callback=_remember_json,
            help="Print one JSON document.",
        ),
    ]


def _remember_config(ctx: click.Context, _option: click.Parameter, value: Path | None) -> Any:
    if value is not None:
        ctx.ensure_object(Setting).config = value
    return value


def _remember_json(ctx: click.Context, _option: click.Parameter, value: bool) -> Any:  # noqa: FBT001  # click's signature
    if value:
        ctx.ensure_object(Setting).as_json = True
    return value
