"""The doctor as a whole."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from keeper.devnet.world import World

Keeper = Callable[..., Result]


@pytest.mark.anvil
def test_a_keeper_that_can_work_is_ready(devnet_keeper: Keeper, world: World) -> None:
    done = devnet_keeper("doctor")
    assert done.exit_code == 0
    *lines, _, verdict = done.stdout.splitlines()
    # The test's chain may run ahead of this machine's clock.
    assert {line[:7] for line in lines if not line.startswith("✓ ")} <= {"! clock"}
    assert verdict.startswith("ready")
    assert world.accounts.keeper.test_key[2:] not in done.output


@pytest.mark.anvil
def test_the_doctor_writes_nothing(devnet_keeper: Keeper, devnet_home: Path) -> None:
    before = sorted(devnet_home.iterdir())
    devnet_keeper("doctor")
    assert sorted(devnet_home.iterdir()) == before


@pytest.mark.anvil
def test_without_a_key_everything_else_is_still_checked(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    path = devnet_home / ".env"
    path.write_text(path.read_text().replace(world.accounts.keeper.test_key, ""))
    done = devnet_keeper("doctor", "--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["ok"]) == (1, False)
    failed = [check["name"] for check in document["checks"] if check["verdict"] == "fail"]
    assert failed == ["key"]
    assert "eth.vault.address" in [check["name"] for check in document["checks"]]


def test_a_node_that_is_down_ends_the_list_with_its_remedy(keeper: Keeper) -> None:
    done = keeper("doctor")
    assert done.exit_code == 1
    assert "✗ rpc" in done.stdout
    assert "→ check [chain] rpc, the node and the network" in done.stdout
    assert done.stdout.endswith("2 failed: the keeper cannot work like this\n")


def test_a_broken_configuration_is_a_configuration_error(keeper: Keeper, home: Path) -> None:
    path = home / "keeper.toml"
    path.write_text(path.read_text().replace("max_leverage", "max_leverag"))
    done = keeper("doctor")
    assert done.exit_code == 2
    assert "did you mean max_leverage?" in done.stderr
