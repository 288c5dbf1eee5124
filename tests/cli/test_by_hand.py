"""A person's wish, carried out."""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest
from click.testing import Result

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli import by_hand
from keeper.devnet.world import World
from keeper.model.chain import ChainId
from tests.cli.conftest import hedge

Keeper = Callable[..., Result]
pytestmark = pytest.mark.anvil


def allow(home: Path, max_order: str) -> None:
    path = home / "keeper.toml"
    path.write_text(path.read_text().replace('max_order = "50 ETH"', f'max_order = "{max_order}"'))


def test_rebalance_trades_to_the_exact_target_and_waits(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    allow(devnet_home, "100 ETH")
    done = devnet_keeper("rebalance")
    assert done.exit_code == 0
    assert done.stdout.endswith("rebalance: done\n")
    assert hedge(world) == pytest.approx(-75, abs=0.01)


def test_flatten_closes_the_hedge_in_as_many_orders_as_it_takes_and_halts(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    devnet_keeper("rebalance")
    allow(devnet_home, "20 ETH")
    done = devnet_keeper("flatten", "--json")
    document = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (document["served"], document["open"]) == (True, 0)
    assert document["halted"] == "flattened by hand"
    assert [i["intent"]["units"] for i in document["intents"]] == pytest.approx([20, 20, 10])
    assert hedge(world) == 0
    again = devnet_keeper("rebalance")
    assert again.exit_code == 6
    assert "`keeper resume`, then `keeper rebalance`" in again.stderr


@pytest.mark.parametrize("wish", ["rebalance", "flatten"])
def test_a_dry_run_only_shows_it(
    devnet_keeper: Keeper, devnet_home: Path, world: World, wish: str
) -> None:
    done = devnet_keeper(wish, "--dry-run")
    assert done.exit_code == 0
    assert "dry run: nothing was signed, sent or written" in done.stdout
    assert not (devnet_home / "keeper.db").exists()
    assert hedge(world) == 0


def test_without_waiting_the_transaction_is_left_open_and_said_so(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    world.chain.automine(on=False)
    done = devnet_keeper("rebalance", "--no-wait")
    assert done.exit_code == 5
    assert "sent, not settled yet" in done.stdout
    with SqliteJournal.beside(devnet_home / "keeper.db", ChainId(31337)) as journal:
        assert len(journal.open()) == 1
        assert journal.requests() == ()


def test_a_wish_that_the_limits_forbid_is_withdrawn(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    devnet_keeper("rebalance")
    path = devnet_home / "keeper.toml"
    path.write_text(path.read_text().replace('"100 gwei"', '"1 gwei"'))
    done = devnet_keeper("flatten", "--timeout", "0.5")
    assert done.exit_code == 5
    assert "not done yet; `keeper why` tells what holds it back" in done.stdout
    assert hedge(world) == pytest.approx(-50)
    with SqliteJournal.beside(devnet_home / "keeper.db", ChainId(31337)) as journal:
        assert journal.requests() == ()
        assert journal.halted() is None


def test_a_wish_that_ends_in_an_error_is_withdrawn(
    devnet_keeper: Keeper, devnet_home: Path, world: World
) -> None:
    world.chain.rpc.call("anvil_setNonce", world.accounts.keeper.address, "0x7")
    assert devnet_keeper("flatten").exit_code == 2
    with SqliteJournal.beside(devnet_home / "keeper.db", ChainId(31337)) as journal:
        assert journal.requests() == ()


def test_s4_an_account_with_an_unknown_past_does_nothing_until_a_person_vouches_for_it(
    devnet_keeper: Keeper, world: World
) -> None:
    world.chain.rpc.call("anvil_setNonce", world.accounts.keeper.address, "0x7")
    done = devnet_keeper("rebalance")
    assert done.exit_code == 2
    assert "add --adopt" in done.stderr
    assert hedge(world) == 0
    assert devnet_keeper("rebalance", "--adopt").exit_code == 0
    assert hedge(world) == pytest.approx(-50)


def test_a_running_keeper_is_asked_and_waited_for(
    devnet_keeper: Keeper, devnet_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_hand, "LOOK_S", 0.01)
    with SqliteJournal.acting(devnet_home / "keeper.db", ChainId(31337)) as journal:
        stop = Event()

        def serve() -> None:
            while not stop.wait(0.01):
                for request in journal.requests():
                    journal.serve(request.id)

        server = Thread(target=serve)
        server.start()
        done = devnet_keeper("rebalance")
        stop.set()
        server.join()
    assert done.exit_code == 0
    assert done.stdout == "no trade was needed or allowed\nrebalance: done\n"


def test_a_running_keeper_may_be_asked_without_waiting(
    devnet_keeper: Keeper, devnet_home: Path
) -> None:
    with SqliteJournal.acting(devnet_home / "keeper.db", ChainId(31337)) as journal:
        done = devnet_keeper("flatten", "--no-wait")
        assert done.exit_code == 5
        assert [request.command for request in journal.requests()] == ["flatten"]
