"""What the doctor sees of each of several endpoints."""

from pathlib import Path

import pytest
from msgspec import structs

from keeper.cli.doctor_endpoints import Seen, endpoints, judge
from keeper.config import Config, load
from keeper.devnet.world import World
from keeper.model.secret import Secret

NODE = Seen("https://node.example:443/…", 31337, 100, 2.04, "Geth/v1.16")


@pytest.fixture
def config(devnet_home: Path) -> Config:
    return load(devnet_home / "keeper.toml", {})


def having(config: Config, rpc: tuple[str, ...], private: tuple[str, ...] = ()) -> Config:
    secrets = {"rpc": tuple(map(Secret, rpc)), "private": tuple(map(Secret, private))}
    return structs.replace(config, chain=structs.replace(config.chain, **secrets))


@pytest.mark.anvil
def test_an_endpoint_shows_chain_head_lag_latency_and_version(config: Config) -> None:
    told = "answers in 2.0 ms: chain 31337, block 100, 2 behind, Geth/v1.16"
    check = judge("rpc 1", NODE, 102, config)
    assert (check.verdict, check.found) == ("ok", f"https://node.example:443/… {told}")
    assert judge("rpc 1", NODE, 104, config).verdict == "warn"
    assert "0 behind" in judge("private 1", NODE, 90, config).found


@pytest.mark.anvil
def test_an_endpoint_that_cannot_be_read_fails_unless_it_is_only_sent_to(config: Config) -> None:
    mute = structs.replace(NODE, head=None, trouble="not served")
    assert judge("rpc 1", mute, 100, config).verdict == "fail"
    assert judge("private 1", mute, 100, config).verdict == "ok"


@pytest.mark.anvil
def test_each_endpoint_has_its_line(config: Config, world: World) -> None:
    urls = (world.http_url, world.ipc_path, "http://127.0.0.1:1")
    first, second, dead, private = endpoints(having(config, urls, ("http://localhost:1",)))
    assert [first.name, second.name, dead.name] == ["rpc 1", "rpc 2", "rpc 3"]
    assert (first.verdict, second.verdict) == ("ok", "ok")
    assert "chain 31337, block" in first.found
    assert "0 behind, anvil/" in second.found
    assert (dead.verdict, private.verdict, private.name) == ("fail", "fail", "private 1")
    assert "http://127.0.0.1:1 does not answer" in dead.found


@pytest.mark.anvil
def test_r11_another_chain_is_told_by_both_ids(config: Config, world: World) -> None:
    several = having(config, (world.http_url, world.ipc_path))
    other = structs.replace(several, chain=structs.replace(several.chain, chain_id=1))
    (check, _) = endpoints(other)
    assert (check.verdict, check.found) == (
        "fail",
        f"{world.http_url} serves 31337, keeper.toml says 1",
    )


@pytest.mark.anvil
def test_a_single_endpoint_has_its_own_lines(config: Config) -> None:
    assert list(endpoints(config)) == []
