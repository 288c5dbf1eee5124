"""A rehearsal on a private copy of the chain."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from keeper.cli.fork import ForkClock
from keeper.devnet.world import World

Keeper = Callable[..., Result]
pytestmark = pytest.mark.anvil


def test_the_keeper_trades_on_the_fork_and_not_on_the_chain(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    account = world.accounts.keeper.address
    nonce = world.chain.rpc.call("eth_getTransactionCount", account, "latest")
    done = devnet_keeper("fork", "--ticks", "2", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert [d["decision"]["type"] for d in document["decisions"]] == ["Rebalance", "Hold"]
    settled = [e["holds"] for e in document["events"] if e["event"] == "Settled"]
    assert [s["outcome"]["status"] for s in settled] == ["done"]
    assert world.chain.rpc.call("eth_getTransactionCount", account, "latest") == nonce
    assert not (devnet_home / "keeper.db").exists()


def test_an_old_block_is_not_taken_for_a_stalled_chain(devnet_keeper: Keeper, world: World) -> None:
    block = world.chain.block()
    world.chain.mine(seconds=3_600)
    done = devnet_keeper(
        "fork", "--rpc-url", world.http_url, "--block", str(block.number), "--ticks", "1"
    )
    assert "✓ block age" in done.stdout
    assert done.stdout.endswith("a rehearsal: nothing was sent to the real chain\n")


def test_the_forks_clock_is_its_newest_blocks(world: World) -> None:
    clock = ForkClock(world.chain)
    block = world.chain.mine(seconds=100)
    assert clock.now_ms() == block.timestamp_s * 1_000
    assert clock.monotonic_ms() <= clock.monotonic_ms()
