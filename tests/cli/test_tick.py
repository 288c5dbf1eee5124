"""One look, one thought, one act."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.devnet import actions
from keeper.devnet.world import World
from keeper.model.chain import ChainId
from tests.canary import NODE_TOKEN
from tests.cli.conftest import POOR_WEI, hedge

Keeper = Callable[..., Result]


def test_a_node_that_is_down_is_not_readable(keeper: Keeper, home: Path) -> None:
    env = home / ".env"
    env.write_text(env.read_text().replace("KEEPER_KEY=", "KEEPER_KEY=0x" + "11" * 32))
    done = keeper("tick", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["error"]["kind"] == "Transient"


def test_a_missing_key_is_a_configuration_error(keeper: Keeper, world: World, home: Path) -> None:
    env = home / ".env"
    env.write_text(env.read_text().replace(f"http://127.0.0.1:1/v2/{NODE_TOKEN}", world.http_url))
    done = keeper("tick", "--dry-run")
    assert done.exit_code == 2
    assert "KEEPER_KEY" in done.stderr


@pytest.mark.anvil
def test_a_dry_run_signs_sends_and_writes_nothing(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    nonce = world.chain.rpc.call("eth_getTransactionCount", world.accounts.keeper.address, "latest")
    done = devnet_keeper("tick", "--dry-run")
    assert done.exit_code == 0
    assert "decision     SELL 50, price no lower than" in done.stdout
    assert "simulation   would fill -50 at" in done.stdout
    assert not (devnet_home / "keeper.db").exists()
    after = world.chain.rpc.call("eth_getTransactionCount", world.accounts.keeper.address, "latest")
    assert after == nonce


@pytest.mark.anvil
def test_a_tick_trades_and_the_next_one_settles(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    first = devnet_keeper("tick", "--book", "eth")
    assert first.exit_code == 0
    assert "intended  sell 50 of eth" in first.stdout
    assert hedge(world) == pytest.approx(-50)
    second = json.loads(devnet_keeper("tick", "--json").stdout)
    settled = [e["holds"] for e in second["events"] if e["event"] == "Settled"]
    assert [e["outcome"]["status"] for e in settled] == ["done"]
    with SqliteJournal.beside(devnet_home / "keeper.db", ChainId(31337)) as journal:
        assert journal.open() == ()


@pytest.mark.anvil
def test_a_halted_keeper_looks_but_does_not_trade(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    SqliteJournal.acting(devnet_home / "keeper.db", ChainId(31337)).close()
    devnet_keeper("halt", "lunch")
    done = devnet_keeper("tick")
    assert done.exit_code == 6
    assert "HOLD: halted: lunch" in done.stdout
    assert "trading is halted: lunch" in devnet_keeper("tick", "--dry-run").stdout
    assert hedge(world) == 0


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("answer", "age_s"), [(0, 0), (-1, 0), (2_000 * 10**8, 7_200), (2_000 * 10**8, -3_600)]
)
@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_feed_that_cannot_be_trusted_trades_nothing(
    devnet_keeper: Keeper, world: World, answer: int, age_s: int, flags: tuple[str, ...]
) -> None:
    updated_at_s = world.chain.block().timestamp_s - age_s
    actions.set_feed(world, answer, updated_at_s=updated_at_s)
    done = devnet_keeper("tick", *flags)
    assert done.exit_code == 3
    assert "HOLD: " in done.stdout
    assert hedge(world) == 0


@pytest.mark.anvil
def test_a_rehearsal_that_is_refused_is_not_ok(devnet_keeper: Keeper, world: World) -> None:
    world.chain.rpc.call("anvil_setBalance", world.accounts.keeper.address, hex(POOR_WEI))
    done = devnet_keeper("tick", "--dry-run")
    assert done.exit_code == 4
    assert "simulation   refused: " in done.stdout
    assert devnet_keeper("tick").exit_code == 4


@pytest.mark.anvil
def test_p4_two_keepers_cannot_act_on_one_journal(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    with SqliteJournal.acting(devnet_home / "keeper.db", ChainId(31337)):
        done = devnet_keeper("tick")
    assert done.exit_code == 2
    assert "another keeper acts on this journal" in done.stderr
    assert hedge(world) == 0
