import pytest

from keeper.devnet import actions
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.devnet.worlds import erc4626, perp_v2
from keeper.devnet.worlds.uniswap_v3 import Range
from keeper.model.errors import Rejected

pytestmark = pytest.mark.anvil

WETH = 10**18


def _everywhere(world: World) -> tuple[float, ...]:
    shown = actions.prices(world)
    index = world.chain.read(world.perp.base_token, "getIndexPrice(uint256)", "uint256", 0) / WETH
    return shown.feed, shown.pool, shown.perp, index


@pytest.mark.parametrize("price", [2000.01, 2060, 1940, 1700, 2700, 1000])
def test_a_price_move_reaches_feed_pool_market_and_index(
    world: World, flipped_world: World, price: float
) -> None:
    for each in (world, flipped_world):
        actions.move_price(each, price)
        assert _everywhere(each) == pytest.approx((price,) * 4, rel=1e-3)


def test_a_small_move_is_one_block_and_a_crash_is_several(world: World) -> None:
    start = world.chain.block().number
    actions.move_price(world, 1900)
    assert world.chain.block().number == start + 1
    actions.move_price(world, 1400)
    assert world.chain.block().number > start + 3


def test_hundreds_of_moves_in_compressed_time_work(world: World) -> None:
    price = 2000.0
    for step in range(60):
        price *= 0.97 if step % 3 else 1.05
        actions.move_price(world, price, seconds=288)
    assert _everywhere(world) == pytest.approx((price,) * 4, rel=1e-3)


def test_a_move_and_other_things_fit_into_one_block(world: World) -> None:
    alice, keeper = world.accounts.alice.address, world.accounts.keeper.address
    hashes = world.chain.submit(
        *actions.price_move(world, 1980),
        erc4626.deposit(world.vault, alice, WETH),
        perp_v2.open_position(world.perp, keeper, -WETH),
    )
    head = world.chain.mine(seconds=288)
    receipts = world.chain.rpc.batch(*(("eth_getTransactionReceipt", (h,)) for h in hashes))
    assert [(r["status"], int(r["blockNumber"], 16)) for r in receipts] == [
        ("0x1", head.number)
    ] * len(hashes)


def test_an_outage_moves_the_pools_and_not_the_feed(world: World) -> None:
    world.chain.execute(*actions.price_move(world, 1950, report=False))
    shown = actions.prices(world)
    assert shown.feed == 2000
    assert (shown.pool, shown.perp) == pytest.approx((1950, 1950))


def test_a_report_moves_the_feed_and_not_the_pools(world: World) -> None:
    actions.report_price(world, 2100)
    shown = actions.prices(world)
    assert shown.feed == 2100
    assert (shown.pool, shown.perp) == pytest.approx((2000, 2000))


def test_users_deposit_and_withdraw(world: World) -> None:
    alice = world.accounts.alice
    before = world.chain.read(world.weth, "balanceOf(address)", "uint256", alice.address)
    actions.deposit(world, alice, 7)
    actions.withdraw(world, alice, 2)
    after = world.chain.read(world.weth, "balanceOf(address)", "uint256", alice.address)
    assert before - after == 5 * WETH


def test_selling_moves_the_pool_down_and_buying_up(world: World, flipped_world: World) -> None:
    for each in (world, flipped_world):
        actions.sell(each, each.accounts.bob, 100)
        low = actions.prices(each).pool
        assert 1900 < low < 2000
        actions.sell(each, each.accounts.bob, -50)
        assert low < actions.prices(each).pool < 2000


def test_a_user_holds_a_range_of_its_own(world: World, flipped_world: World) -> None:
    for each in (world, flipped_world):
        owner = each.accounts.alice
        wanted = Range(1800, 2200, 5 * WETH, 10_000 * 10**6)
        token_id = actions.open_range(each, owner, wanted)
        manager = each.uniswap.position_manager
        found = each.chain.read(manager, "ownerOf(uint256)", "address", token_id)
        assert found == owner.address.lower()


def test_trading_leaves_fees_uncollected_and_the_price_unchanged(world: World) -> None:
    position = world.range_ids[0]
    before = world.chain.read(world.vault, "rangeAmounts(uint256)", "uint256,uint256", position)
    actions.earn_fees(world)
    after = world.chain.read(world.vault, "rangeAmounts(uint256)", "uint256,uint256", position)
    assert after[0] > before[0]
    assert after[1] > before[1]
    assert actions.prices(world).pool == pytest.approx(2000, rel=1e-9)


def test_the_vaults_ranges_open_and_close(world: World) -> None:
    actions.close_vault_range(world, world.range_ids[0])
    assert world.chain.read(world.vault, "ranges()", "uint256[]") == ()
    opened = actions.open_vault_range(world, Range(1900, 2100, 10 * WETH, 20_000 * 10**6))
    assert world.chain.read(world.vault, "ranges()", "uint256[]") == (opened,)


def test_a_new_phase_is_another_aggregator_behind_the_same_address(world: World) -> None:
    after = actions.new_phase(world, 2010)
    assert after.feed == world.feed
    assert after.feed_aggregator != world.feed_aggregator
    found = world.chain.read(world.feed, "aggregator()", "address")
    assert found == after.feed_aggregator.lower()
    assert actions.prices(after).feed == 2010


@pytest.mark.parametrize("answer", [0, -1, 10**15, 2000 * 10**8])
def test_the_feed_says_whatever_it_is_told(world: World, answer: int) -> None:
    actions.set_feed(world, answer, updated_at_s=1_000, started_at_s=900)
    round_data = world.chain.read(
        world.feed, "latestRoundData()", "uint80,int256,uint256,uint256,uint80"
    )
    assert round_data[1:4] == (answer, 900, 1_000)


def test_a_withdrawal_beyond_the_idle_weth_is_refused(world: World) -> None:
    with pytest.raises(Rejected, match="vault withdraw"):
        actions.withdraw(world, world.accounts.alice, 59)


def test_a_pending_transaction_of_another_is_mined_along(world: World) -> None:
    who = world.accounts
    gift = Tx(who.keeper.address, who.bob.address, value_wei=1, gas_limit=21_000)
    (sent,) = world.chain.submit(gift)
    actions.move_price(world, 2001)
    assert world.chain.rpc.call("eth_getTransactionReceipt", sent)["status"] == "0x1"
