"""The option by which a person vouches for what the journal cannot know."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


def adopting(command: Wrapped) -> Wrapped:
    """Give *command* the option `--adopt`."""
    option = click.option(
        "--adopt",
        is_flag=True,
        help="Accept the account's past as it is: transactions that the journal does not know, "
        "and a lease that another version or configuration did not let go.",
    )
    return option(command)
