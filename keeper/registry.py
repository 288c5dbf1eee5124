"""Finds adapters by name. Built-in and third-party adapters register the same way."""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from keeper.adapters.tables import TAG, Table, convert, nearest
from keeper.model.errors import ConfigError

CONFIG = "config"
"""The parameter that an adapter takes its checked `Config` by."""


def build(group: str, table: Table, **context: object) -> Any:
    """Return the adapter that *table* names by its `type`, made from the rest of *table*.

    Beside its `Config` an adapter is given whatever of *context* its constructor has a parameter
    for; `environ`, the environment with `.env`, is always on offer.

    Args:
        group: `vaults`, `oracles`, `venues` or `signers`: the entry-point group after `keeper.`.
        table: The table in keeper.toml.
        context: What the keeper has to offer, such as `chain_id` and `account`.

    Raises:
        ConfigError: The type is unknown, its code does not load, or the table does not fit it.

    """
    adapter = _load(group, table)
    config = convert(table.without(TAG).entries, adapter.Config, table.source)
    offered = {"environ": table.source.environ} | context
    try:
        return adapter(config, **_wanted(adapter, offered, table))
    except (ConfigError, ValueError) as error:
        raise table.source.locate(error) from error


def known(group: str) -> Mapping[str, EntryPoint]:
    """Return the adapters of *group* by the name that `type` has in keeper.toml."""
    return _entry_points(f"keeper.{group}")


@cache
def _entry_points(group: str) -> Mapping[str, EntryPoint]:
    # Looking through every installed package takes milliseconds, and nothing is installed while
    # a keeper runs.
    return {point.name: point for point in sorted(entry_points(group=group))}


def _load(group: str, table: Table) -> Any:
    points, source = known(group), table.source.at(TAG)
    name = table.entries.get(TAG)
    if name is None:
        raise source.error("missing key", remedy=f"choose one of {', '.join(points)}")
    if not isinstance(name, str) or name not in points:
        choice = f"known {group}: {', '.join(points) or 'none'}"
        asked = nearest(str(name), [*points])
        raise source.error("unknown type", value=name, remedy=f"{asked} {choice}".strip())
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        raise source.error(
            "the adapter's code does not load",
            value=name,
            reason=error,
            remedy=f"reinstall the package that has {points[name].value}",
        ) from error


def _wanted(adapter: Any, offered: Mapping[str, object], table: Table) -> dict[str, object]:
    parameters = inspect.signature(adapter).parameters
    given = {name: offered[name] for name in parameters if name in offered}
    lacking = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and name not in (CONFIG, *given)
    ]
    if lacking:
        raise table.source.error(
            "the adapter asks for what this keeper does not have",
            parameters=", ".join(lacking),
            remedy=f"it may be for another version; on offer: {', '.join(offered)}",
        )
    return given
