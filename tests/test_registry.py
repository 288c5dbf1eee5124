"""An adapter is found by its name, given its checked configuration, and what it asks for."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from msgspec import Struct

from keeper import registry
from keeper.adapters.tables import Source, Table
from keeper.model.errors import ConfigError


class Plug:
    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        pause_s: int

    def __init__(self, config: Config, account: str, environ: Mapping[str, str]) -> None:
        if config.pause_s == 13:
            raise ValueError("thirteen brings bad luck")
        if config.pause_s == 17:
            raise ConfigError("seventeen, too", remedy="take another")
        self.config, self.account, self.environ = config, account, environ


class Plain:
    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        pass

    def __init__(self, config: Config, *, colour: str = "red") -> None:
        self.config, self.colour = config, colour


POINTS = {
    name: EntryPoint(name, f"{__name__}:{value}", "keeper.plugs")
    for name, value in {"plug": "Plug", "plain": "Plain", "gone": "Gone"}.items()
} | {"lost": EntryPoint("lost", "no_such_package.at_all:Thing", "keeper.plugs")}


@pytest.fixture(autouse=True)
def plugs(monkeypatch: pytest.MonkeyPatch) -> None:
    # Entry points import by name, and a test module has none: they load from here instead.
    def load(point: EntryPoint) -> Any:
        if point.name == "lost":
            raise ImportError("No module named 'no_such_package'")
        return getattr(_Here, point.value.partition(":")[2])

    monkeypatch.setattr(registry, "_entry_points", lambda _group: POINTS)
    monkeypatch.setattr(EntryPoint, "load", load)


class _Here:
    Plug = Plug
    Plain = Plain


def table(**entries: object) -> Table:
    return Table(entries, Source("keeper.toml", "books[0].venue", environ={"A": "b"}))


def build(context: dict[str, object] | None = None, **entries: Any) -> Any:
    return registry.build("plugs", table(**entries), **(context or {"account": "0xme"}))


def test_an_adapter_gets_its_config_and_what_it_asks_for() -> None:
    plug = build({"account": "0xme", "chain_id": 1}, type="plug", pause="1 min")
    assert isinstance(plug, Plug)
    assert plug.config.pause_s == 60
    assert plug.account == "0xme"
    assert plug.environ == {"A": "b"}


def test_a_parameter_with_a_default_may_stay_unfilled() -> None:
    assert build(type="plain").colour == "red"
    assert build({"colour": "blue"}, type="plain").colour == "blue"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({}, r"missing key .*key=books\[0\].venue.type.*choose one of"),
        ({"type": "plugg"}, r"unknown type .*did you mean plug\? known plugs: plug, plain"),
        ({"type": 3}, "unknown type .*value=3"),
        ({"type": ["plug"]}, "unknown type"),
        ({"type": "gone"}, "does not load .*reinstall"),
        ({"type": "lost"}, "does not load .*no_such_package"),
        ({"type": "plug"}, "missing key: pause"),
        ({"type": "plug", "pause": 3}, "value without unit"),
        ({"type": "plug", "pause": "13 s"}, r"bad luck \[file=keeper.toml key=books"),
        ({"type": "plug", "pause": "17 s"}, "seventeen, too .*key=books.*take another"),
    ],
)
def test_what_cannot_be_built_is_refused(entries: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build(**entries)


def test_an_adapter_that_asks_for_more_than_there_is_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"does not have .*account"):
        registry.build("plugs", table(type="plug", pause="1 s"))


def test_every_registered_adapter_loads_and_has_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = {
        group: sorted(registry.known(group)) for group in ("vaults", "oracles", "venues", "signers")
    }
    assert found["vaults"] == ["erc4626", "uniswap_v3"]
    assert found["oracles"] == ["chainlink"]
    assert found["venues"] == ["perp_v2"]
    assert found["signers"] == ["keystore", "private_key"]
    for group, names in found.items():
        for name in names:
            adapter = registry.known(group)[name].load()
            assert issubclass(adapter.Config, Struct), name
