import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from keeper.model.errors import ConfigError
from keeper.testing.faultproxy.pool import PoolSettings
from keeper.testing.faultproxy.rules import (
    Fault,
    LoseResponse,
    Mutate,
    Removed,
    checked,
    is_deletion,
    name_of,
    read,
)


def test_a_rule_reads_the_same_in_json_and_in_python() -> None:
    text = b'[{"fault": "lose_response", "method": "eth_*", "how": "504", "times": 2}]'
    assert read(text) == (LoseResponse(method="eth_*", how="504", times=2),)


REQUIRED: dict[str, dict[str, Any]] = {
    "latency": {"seconds": 1},
    "http_status": {"code": 503},
    "stale": {"lag": 1},
    "signal": {"pid": 99_999},
    "upstream_call": {"call": "evm_mine"},
    "reorder": {"method": "@logs"},
    "removed": {"method": "@logs"},
}


@pytest.mark.parametrize("kind", get_args(Fault), ids=name_of)
def test_every_fault_can_be_written_and_read_back(kind: type[msgspec.Struct]) -> None:
    name = str(kind.__struct_config__.tag)
    (fault,) = read(json.dumps([{"fault": name, **REQUIRED.get(name, {})}]).encode())
    assert name_of(fault) == name
    assert read(msgspec.json.encode([fault])) == (fault,)


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "{}",
        '[{"fault": "earthquake"}]',
        '[{"fault": "drop", "metod": "eth_call"}]',
        '[{"fault": "drop", "how": "softly"}]',
        '[{"fault": "drop", "times": 0}]',
        '[{"fault": "drop", "probability": 1.5}]',
        '[{"fault": "stale", "lag": 0}]',
        '[{"fault": "signal", "pid": 1}]',
        '[{"fault": "signal", "pid": -1}]',
        '[{"fault": "http_status", "code": 200}]',
    ],
)
def test_what_is_no_rule_is_refused_with_the_known_faults(text: str) -> None:
    with pytest.raises(ConfigError, match=r"known faults: .*lose_response"):
        read(text.encode())


@pytest.mark.parametrize("text", ['{"fault": "removed"}', '{"fault": "reorder", "method": "*"}'])
def test_a_fault_of_notifications_is_refused_for_calls(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot strike there"):
        read(f"[{text}]".encode())


def test_a_fault_of_calls_is_refused_for_notifications() -> None:
    with pytest.raises(ConfigError, match="cannot strike there"):
        checked((LoseResponse(method="@logs"),))
    assert checked((Removed(method="@logs"),))


def test_null_is_a_value_and_nothing_is_a_deletion() -> None:
    null, gone = read(b'[{"fault": "mutate", "value": null}, {"fault": "mutate"}]')
    assert isinstance(null, Mutate)
    assert isinstance(gone, Mutate)
    assert (is_deletion(null), is_deletion(gone)) == (False, True)


GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "faultproxy.md").read_text()


@pytest.mark.parametrize("kind", [*get_args(Fault), PoolSettings], ids=lambda kind: kind.__name__)
def test_every_fault_and_every_key_of_it_is_in_the_guide(kind: type[msgspec.Struct]) -> None:
    names = list(kind.__struct_fields__)
    if kind is not PoolSettings:
        names.append(str(kind.__struct_config__.tag))
    assert [name for name in names if f"`{name}`" not in GUIDE] == []
