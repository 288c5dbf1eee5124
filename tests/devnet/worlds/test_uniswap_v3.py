import pytest

from keeper.devnet import actions
from keeper.devnet.calldata import encode
from keeper.devnet.world import World
from keeper.devnet.worlds import uniswap_v3
from keeper.devnet.worlds.uniswap_v3 import Range

pytestmark = pytest.mark.anvil

WETH = 10**18


def test_a_price_survives_the_square_root_in_both_orders(
    world: World, flipped_world: World
) -> None:
    for each in (world, flipped_world):
        root = uniswap_v3.pool_sqrt_x96(each.uniswap, 1234.56)
        assert uniswap_v3.price_of(each.uniswap, root) == pytest.approx(1234.56, rel=1e-12)


def test_ticks_enclose_the_range_in_both_orders(world: World, flipped_world: World) -> None:
    for each in (world, flipped_world):
        lower, upper = uniswap_v3.ticks(each.uniswap, 1800, 2200)
        scale = 1e12 if each.uniswap.weth_is_token0 else 1e-12
        ends = sorted(
            (1.0001**tick * scale) ** (1 if each.uniswap.weth_is_token0 else -1)
            for tick in (lower, upper)
        )
        assert ends[0] <= 1800 <= ends[0] * 1.002
        assert ends[1] / 1.002 <= 2200 <= ends[1]


def test_a_swap_to_the_present_price_is_no_transaction(world: World) -> None:
    trader = world.accounts.arbitrageur.address
    assert uniswap_v3.swap_to(world.chain, world.uniswap, trader, 2000) == ()


def test_the_pool_is_deep(world: World) -> None:
    actions.sell(world, world.accounts.alice, 10)
    assert actions.prices(world).pool == pytest.approx(2000, rel=3e-3)


def test_a_minted_range_collects_what_it_earns(world: World) -> None:
    alice = world.accounts.alice
    wanted = Range(1800, 2200, 50 * WETH, 100_000 * 10**6)
    token_id = actions.open_range(world, alice, wanted)
    actions.earn_fees(world, volume_usd=4e6)
    biggest = 2**128 - 1
    collect = "collect((uint256,address,uint128,uint128))"
    asked = (token_id, alice.address, biggest, biggest)
    data = "0x" + encode(collect, asked).hex()
    call = {"from": alice.address, "to": world.uniswap.position_manager, "data": data}
    answer = world.chain.rpc.call("eth_call", call, "latest")
    amount0, amount1 = int(answer[2:66], 16), int(answer[66:], 16)
    earned_usd = amount0 / WETH * 2000 + amount1 / 10**6
    assert 10 < earned_usd < 4e6 * 0.0005 * 1.01
