from pathlib import Path

import pytest
from msgspec import structs

from keeper.devnet import actions
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.world import Plan, World, fork_world, start_world
from keeper.model.errors import ConfigError, Rejected

pytestmark = pytest.mark.anvil


def test_everything_stands_where_the_world_says(world: World) -> None:
    addresses = [world.multicall3, world.weth, world.usdc, world.feed, world.feed_aggregator]
    addresses += [world.vault, world.stub_venue]
    addresses += structs.astuple(world.perp)
    uniswap = world.uniswap
    addresses += [uniswap.factory, uniswap.position_manager, uniswap.swap_router, uniswap.pool]
    for address in addresses:
        assert world.chain.rpc.call("eth_getCode", address, "latest") != "0x"


def test_another_process_attaches_through_a_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    world.dump(file)
    attached = World.load(file)
    assert attached == world
    assert attached.chain.block() == world.chain.block()


def test_a_file_that_holds_no_world_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    with pytest.raises(ConfigError, match="no world"):
        World.load(file)
    file.write_text('{"chain_id": 31337}')
    with pytest.raises(ConfigError, match="no world"):
        World.load(file)


def test_a_world_on_a_real_chain_is_refused(world: World, tmp_path: Path) -> None:
    file = tmp_path / "world.json"
    structs.replace(world, chain_id=1).dump(file)
    with pytest.raises(ConfigError, match="not a local chain"):
        World.load(file)


def test_a_fork_leaves_its_origin_untouched(world: World) -> None:
    before = world.chain.block()
    with fork_world(world) as fork:
        actions.move_price(fork, 1900)
        actions.hedge(fork, fork.accounts.keeper, -3)
        assert fork.chain.block().number > before.number
        assert actions.prices(fork).perp == pytest.approx(1900, rel=1e-3)
    assert world.chain.block() == before
    assert actions.prices(world).perp == pytest.approx(2000)


def test_a_fork_can_begin_at_an_older_block(world: World) -> None:
    height = world.chain.block().number
    actions.move_price(world, 1900)
    with fork_world(world, block=height) as fork:
        assert fork.chain.block().number == height
        assert actions.prices(fork).feed == 2000


@pytest.mark.parametrize("weth_is_token0", [True, False])
def test_the_token_order_is_as_planned(
    world: World, flipped_world: World, *, weth_is_token0: bool
) -> None:
    chosen = world if weth_is_token0 else flipped_world
    token0 = chosen.chain.read(chosen.uniswap.pool, "token0()", "address")
    assert (token0 == chosen.weth.lower()) is weth_is_token0
    assert chosen.uniswap.weth_is_token0 is weth_is_token0


def test_a_planned_world_is_built_as_planned() -> None:
    plan = Plan(
        price=150.0, started_at_s=1_700_000_000, vault_weth=0, base_fee_wei=5, automine=True
    )
    with start_world(plan) as world:
        head = world.chain.block()
        assert 1_700_000_000 <= head.timestamp_s <= 1_700_000_005
        assert head.base_fee_wei == 5
        assert world.range_ids == ()
        assert structs.astuple(actions.prices(world)) == pytest.approx((150.0, 150.0, 150.0))


def test_a_world_can_make_its_own_blocks() -> None:
    with start_world(Plan(automine=True)) as world:
        for price in (1950, 1900, 1990):
            actions.move_price(world, price)
            actions.hedge(world, world.accounts.keeper, -1)
        assert structs.astuple(actions.prices(world)) == pytest.approx((1990,) * 3, rel=1e-3)


def test_an_order_at_the_stub_venue_costs_about_thirty_thousand_gas(world: World) -> None:
    keeper = world.accounts.keeper.address
    order = encode("order(int256,uint256,uint256)", -(10**18), 2000 * 10**18, 2**40)
    first, second = world.chain.execute(
        *(Tx(keeper, world.stub_venue, order, label="stub order") for _ in range(2))
    )
    assert int(second["gasUsed"], 16) == pytest.approx(30_000, rel=0.1)
    assert len(first["logs"]) == 1
    held = world.chain.read(world.stub_venue, "position(address)", "int256", keeper)
    assert held == -2 * 10**18


def test_the_stub_venue_keeps_deadlines(world: World) -> None:
    order = encode("order(int256,uint256,uint256)", 1, 1, 1)
    with pytest.raises(Rejected):
        world.chain.execute(Tx(world.accounts.keeper.address, world.stub_venue, order))


def test_a_vault_without_a_range_holds_only_weth() -> None:
    with start_world(Plan(range_share=0)) as world:
        assets = world.chain.read(world.vault, "totalAssets()", "uint256")
        assert assets == world.chain.read(world.vault, "idleAssets()", "uint256") == 100 * 10**18
