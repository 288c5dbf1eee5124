import pytest

from keeper.devnet import actions
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.devnet.worlds import perp_v2
from keeper.model.errors import Rejected

pytestmark = pytest.mark.anvil

ETH = 10**18


def _size(world: World) -> float:
    held: int = world.chain.read(
        world.perp.account_balance,
        "getTotalPositionSize(address,address)",
        "int256",
        world.accounts.keeper.address,
        world.perp.base_token,
    )
    return held / ETH


def _value(world: World) -> float:
    found: int = world.chain.read(
        world.perp.clearing_house,
        "getAccountValue(address)",
        "int256",
        world.accounts.keeper.address,
    )
    return found / ETH


def _funding(world: World) -> float:
    found: int = world.chain.read(
        world.perp.exchange,
        "getPendingFundingPayment(address,address)",
        "int256",
        world.accounts.keeper.address,
        world.perp.base_token,
    )
    return found / ETH


def test_the_keeper_starts_with_collateral_and_no_position(world: World) -> None:
    assert _size(world) == 0
    assert _value(world) == 500_000


def test_a_short_opens_reduces_and_closes(world: World) -> None:
    keeper = world.accounts.keeper
    for change, held in ((-20, -20), (8, -12), (12, 0)):
        actions.hedge(world, keeper, change)
        assert _size(world) == pytest.approx(held, abs=1e-12)


def test_impact_and_fee_are_modest(world: World) -> None:
    actions.hedge(world, world.accounts.keeper, -20)
    assert actions.prices(world).perp == pytest.approx(2000, rel=3e-3)
    notional = 20 * 2000
    assert 0 < 500_000 - _value(world) < notional * 0.004


def test_a_short_gains_when_the_price_falls(world: World) -> None:
    actions.hedge(world, world.accounts.keeper, -20)
    before = _value(world)
    actions.move_price(world, 1800, seconds=288)
    world.chain.advance(1800)
    assert _value(world) - before == pytest.approx(20 * 200, rel=0.02)


def test_a_hedge_offsets_the_asset_through_a_compressed_day(world: World) -> None:
    actions.hedge(world, world.accounts.keeper, -20)
    start, price = _value(world), 2000.0
    for step in range(80):
        price *= 0.996 if step < 40 else 1 / 0.997
        actions.move_price(world, price, seconds=288)
    gained = _value(world) - start
    assert gained == pytest.approx(20 * (2000 - price), abs=0.005 * 20 * 2000)


def test_a_short_below_the_index_pays_funding(world: World) -> None:
    actions.hedge(world, world.accounts.keeper, -50)
    world.chain.execute(
        *perp_v2.trade_to(world.chain, world.perp, world.accounts.arbitrageur.address, 1950)
    )
    world.chain.advance(8 * 3600)
    # 2.5 % under the index for a third of a day: longs are paid, shorts pay.
    assert _funding(world) == pytest.approx(50 * 50 / 3, rel=0.1)


def test_a_bound_that_is_not_met_reverts_with_its_code(world: World) -> None:
    order = (world.perp.base_token, True, True, 5 * ETH, 11_000 * ETH, 2**63, 0, bytes(32))
    signature = "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))"
    data = encode(signature, order)
    with pytest.raises(Rejected, match="CH_TLRS"):
        world.chain.execute(Tx(world.accounts.keeper.address, world.perp.clearing_house, data))


def test_a_passed_deadline_reverts_with_its_code(world: World) -> None:
    order = (world.perp.base_token, True, True, ETH, 0, 1, 0, bytes(32))
    signature = "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))"
    with pytest.raises(Rejected, match="CH_TE"):
        world.chain.execute(
            Tx(
                world.accounts.keeper.address,
                world.perp.clearing_house,
                encode(signature, order),
            )
        )


def test_a_trade_far_from_the_index_is_refused(world: World) -> None:
    with pytest.raises(Rejected, match="EX_OP"):
        actions.hedge(world, world.accounts.arbitrageur, -2_000)


def test_too_little_margin_is_refused(world: World) -> None:
    with pytest.raises(Rejected, match="CH_NEFCI"):
        world.chain.execute(perp_v2.open_position(world.perp, world.accounts.bob.address, -ETH))


def test_a_trade_to_the_present_price_is_no_transaction(world: World) -> None:
    trader = world.accounts.arbitrageur.address
    assert perp_v2.trade_to(world.chain, world.perp, trader, 2000) == ()


def test_an_underwater_account_is_liquidated(world: World) -> None:
    bob, liquidator = world.accounts.bob, world.accounts.liquidator.address
    deposit = perp_v2.deposit(world.perp, world.tokens, bob.address, 2_300 * 10**6)
    world.chain.execute(*deposit)
    actions.hedge(world, bob, -9)
    actions.move_price(world, 2200)
    world.chain.advance(3600)
    held = "getTotalPositionSize(address,address)"
    liquidate = encode("liquidate(address,address)", bob.address, world.perp.base_token)
    world.chain.execute(Tx(liquidator, world.perp.clearing_house, liquidate))
    size = world.chain.read(
        world.perp.account_balance, held, "int256", bob.address, world.perp.base_token
    )
    assert abs(size) < 9 * ETH
