"""What a command prints when it went well: text for people, or one JSON document."""

from collections.abc import Callable
from typing import Any

import click
from msgspec import json

from keeper.cli.setting import Setting


def emit(setting: Setting, document: Any, text: Callable[[], str]) -> None:
    """Print *document* as JSON or *text* for people; the other one is not made."""
    if setting.as_json:
        click.echo(json.encode(document, enc_hook=_encode).decode())
    else:
        click.echo(text())


def _encode(value: Any) -> Any:
    # `bytes` inside values (raw transactions, topics) msgspec writes as base64 by itself.
    if isinstance(value, BaseException):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
