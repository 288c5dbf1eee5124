"""What can be made to happen on a running world."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from keeper.cli.main import cli
from keeper.config import load
from keeper.devnet import actions
from keeper.devnet.world import World

pytestmark = pytest.mark.anvil
Devnet = Callable[..., Result]


@pytest.fixture
def devnet(world: World, tmp_path: Path) -> Devnet:
    world.dump(tmp_path / "world.json")

    def run(*line: str) -> Result:
        return CliRunner().invoke(cli, ["devnet", *line, "--world", str(tmp_path / "world.json")])

    return run


def test_the_price_moves_everywhere(devnet: Devnet, world: World) -> None:
    done = devnet("move-price", "1900")
    assert done.exit_code == 0
    assert done.stdout.endswith("feed 1,900.00 USD, pool 1,900.00 USD, perp 1,900.00 USD\n")
    assert actions.prices(world).feed == 1_900.0


def test_users_come_and_go(devnet: Devnet, world: World) -> None:
    before = world.chain.read(world.weth, "balanceOf(address)", "uint256", world.vault)
    assert devnet("deposit", "alice", "5").exit_code == 0
    assert devnet("withdraw", "bob", "2").exit_code == 0
    after = world.chain.read(world.weth, "balanceOf(address)", "uint256", world.vault)
    assert after - before == 3 * 10**18


def test_gas_gets_dearer(devnet: Devnet, world: World) -> None:
    done = devnet("gas", "40", "--json")
    assert json.loads(done.stdout)["block"]["base_fee_wei"] == 40 * 10**9
    assert world.chain.block().base_fee_wei == 40 * 10**9


def test_blocks_are_mined(devnet: Devnet, world: World) -> None:
    before = world.chain.block()
    assert devnet("mine", "3", "--seconds", "60").exit_code == 0
    after = world.chain.block()
    assert (after.number - before.number, after.timestamp_s - before.timestamp_s) == (3, 180)


def test_what_the_chain_refuses_is_said(devnet: Devnet) -> None:
    done = devnet("withdraw", "alice", "99999")
    assert done.exit_code == 4
    assert "a devnet transaction failed" in done.stderr


def test_a_file_that_is_no_world_is_a_configuration_error(devnet: Devnet, tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text("{}")
    assert devnet("mine").exit_code == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_up_hands_over_a_configuration_that_works_and_ends_with_its_chain(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "keeper.db").write_text("of an older chain")
    command = [sys.executable, "-m", "keeper", "--json", "devnet", "up", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        told = json.loads(up.stdout.readline())
        config = load(tmp_path / "keeper.toml", {})
        assert config.chain.rpc[0].reveal() == told["http_url"]
        assert not (tmp_path / "keeper.db").exists()
        doctor = CliRunner().invoke(cli, ["doctor", "--config", str(tmp_path / "keeper.toml")])
        assert doctor.exit_code == 0, doctor.output
        began = time.monotonic()
        up.send_signal(number)
        assert up.wait(10) == code
    assert time.monotonic() - began < 5
    refused = CliRunner().invoke(cli, ["doctor", "--config", str(tmp_path / "keeper.toml")])
    assert refused.exit_code == 1
