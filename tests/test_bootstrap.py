"""From a keeper.toml to a keeper that hedges, on the real contracts."""

from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest
from msgspec.structs import replace

from keeper.adapters.chain.bells import Bells
from keeper.adapters.chain.evm import Evm
from keeper.adapters.chain.shapes import WireLog
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.vaults.uniswap_v3 import LIQUIDITY_MOVES, UniswapV3
from keeper.bootstrap import Keeper, open_node, open_signer, set_desk, watches_of
from keeper.cli import readings
from keeper.config import Config, load
from keeper.demo.settings import KEY_VARIABLE, Tuning, keeper_toml
from keeper.devnet import actions
from keeper.devnet.world import World
from keeper.engine.tick import look
from keeper.model.errors import ConfigError
from keeper.model.secret import Secret
from keeper.ports.reading import Vault
from keeper.sim.memory_journal import MemoryJournal

pytestmark = pytest.mark.anvil


def config_of(world: World, folder: Path, *, key: str | None = None, **changes: str) -> Config:
    text = keeper_toml(world, rpc=world.ipc_path, ws=world.ws_url, tuning=Tuning())
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "keeper.toml"
    path.write_text(text)
    return load(path, {KEY_VARIABLE: key or world.accounts.keeper.test_key})


def test_a_configuration_becomes_a_desk_that_reads_the_world(world: World, tmp_path: Path) -> None:
    config = config_of(world, tmp_path)
    node = open_node(config)
    desk = set_desk(config, node, MemoryJournal())
    view = look(desk, desk.chain.head())["eth"]
    node.transport.close()
    assert set(view.vaults) == {"idle", "range"}  # type: ignore[union-attr]  # it is readable
    assert desk.hands.cap_wei == config.books[0].limits.max_gas_price_wei


def test_what_should_wake_the_keeper_is_known_after_the_first_look(
    world: World, tmp_path: Path
) -> None:
    config = config_of(world, tmp_path)
    node = open_node(config)
    desk = set_desk(config, node, MemoryJournal())
    look(desk, desk.chain.head())
    node.transport.close()
    names = {watch.name for watch in watches_of(desk)}
    assert names >= {"AnswerUpdated", "Swap", "Deposit", "Withdraw", "PositionChanged"}


def test_two_vaults_at_one_contract_are_both_heard(world: World, tmp_path: Path) -> None:
    desk = set_desk(config := config_of(world, tmp_path), open_node(config), MemoryJournal())
    manager, base = world.accounts.alice.address, world.accounts.bob.address
    vaults: dict[str, Vault] = {
        name: UniswapV3(UniswapV3.Config(manager, base, positions=(token,)))
        for name, token in (("seven", 7), ("eight", 8))
    }
    book = replace(desk.books[0], vaults=vaults)
    heard: list[str] = []
    bells = Bells(heard.append, every_blocks=None)
    bells.watch(watches_of(replace(desk, books=(book, book))))
    for token, count in ((7, 1), (8, 2), (6, 2)):
        topics = [LIQUIDITY_MOVES[0].topic.hex(), f"{token:064x}"]
        log = WireLog(manager, [f"0x{topic}" for topic in topics], "0x", "0x0", "0x1", f"0x{token}")
        bells.log(log)
        assert heard == ["IncreaseLiquidity"] * count, "each vault rings once, for its own alone"


def test_the_signer_is_the_configured_account(world: World, tmp_path: Path) -> None:
    assert open_signer(config_of(world, tmp_path)).address == world.accounts.keeper.address


def test_a_journal_of_another_account_is_refused(world: World, tmp_path: Path) -> None:
    stranger = PostgresConfig(url=Secret("postgresql://db/x"), account=world.accounts.bob.address)
    config = replace(config_of(world, tmp_path), journal=stranger)
    node = open_node(config)
    with pytest.raises(ConfigError, match="another account's"):
        set_desk(config, node, MemoryJournal())
    node.transport.close()


def test_e5_another_chain_than_the_configured_one_is_refused(world: World, tmp_path: Path) -> None:
    config = config_of(world, tmp_path, **{"chain_id = 31337": "chain_id = 1337"})
    with SqliteJournal.acting(config.journal_file, config.chain_id) as journal:
        keeper = Keeper(config, journal)
        with pytest.raises(ConfigError, match="chain"):
            keeper.run()


def test_a_started_keeper_hedges_and_a_stopped_one_ends(world: World, tmp_path: Path) -> None:
    config = config_of(world, tmp_path)
    with SqliteJournal.acting(config.journal_file, config.chain_id) as journal:
        tidied: list[int] = []
        keeper = Keeper(config, journal, tidy=lambda: tidied.append(keeper.loop.pulse.ticks))
        thread = Thread(target=keeper.run)
        thread.start()
        deadline = monotonic() + 20
        while monotonic() < deadline and not journal.totals().traded_base:
            sleep(0.05)
            world.chain.mine(seconds=1)
        actions.report_price(world, 2_000.0)
        keeper.stop()
        thread.join(timeout=5)
        assert not thread.is_alive()
        assert journal.totals().traded_base == pytest.approx(75, abs=5)
        assert tidied == list(range(keeper.loop.pulse.ticks)), "after each tick, once"


SEVERAL = 'rpc = ["{ipc}", "{http}"]\nquorum = 2'


def several_of(world: World, folder: Path, lines: str = SEVERAL) -> Config:
    told = lines.format(ipc=world.ipc_path, http=world.http_url)
    return config_of(world, folder, **{f'rpc = "{world.ipc_path}"': told})


def test_several_nodes_are_a_pool_and_a_single_one_is_spoken_to_directly(
    world: World, tmp_path: Path
) -> None:
    single = open_node(config_of(world, tmp_path))
    assert single.pool is None
    assert isinstance(single.evm, Evm)
    pooled = open_node(several_of(world, tmp_path))
    assert pooled.pool is not None
    assert pooled.transport is pooled.evm is pooled.pool
    fork = open_node(several_of(world, tmp_path), world.http_url)
    assert fork.pool is None, "a rehearsal reaches the named node alone"


def test_a_private_endpoint_makes_a_pool_of_a_single_node(world: World, tmp_path: Path) -> None:
    lines = 'rpc = "{ipc}"\nprivate = ["{http}"]\npublic_after = "1 min"'
    node = open_node(several_of(world, tmp_path, lines))
    assert node.pool is not None
    node.pool.connect()
    assert len(node.pool.report()) == 1
    node.transport.close()


def test_a_keeper_on_several_nodes_hedges_what_they_agree_on(world: World, tmp_path: Path) -> None:
    config = several_of(world, tmp_path)
    with SqliteJournal.acting(tmp_path / "keeper.db", config.chain_id) as journal:
        keeper = Keeper(config, journal)
        keeper.node.evm.connect()
        for _ in range(4):
            keeper.loop.turn(frozenset({"test"}))
            world.chain.mine(seconds=1)
        shown = readings.read(keeper).endpoints
        keeper.node.transport.close()
        assert journal.totals().traded_base == pytest.approx(75, abs=5)
    assert [one.usable for one in shown.values()] == [True, True]
    assert sum(one.serving for one in shown.values()) == 1


def test_a_keeper_watches_every_node_while_it_runs(world: World, tmp_path: Path) -> None:
    config = several_of(world, tmp_path)
    with SqliteJournal.acting(tmp_path / "keeper.db", config.chain_id) as journal:
        keeper = Keeper(config, journal)
        thread = Thread(target=keeper.run)
        thread.start()
        deadline = monotonic() + 20
        while monotonic() < deadline and not keeper.loop.pulse.ticks:
            sleep(0.01)
        keeper.stop()
        thread.join(timeout=5)
        assert not thread.is_alive()
        assert keeper.loop.pulse.ticks
