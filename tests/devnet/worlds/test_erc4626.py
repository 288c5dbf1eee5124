from collections.abc import Callable

import pytest

from keeper.devnet import actions
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.devnet.worlds import erc4626, tokens
from keeper.devnet.worlds.uniswap_v3 import Range
from keeper.model.chain import Address
from keeper.model.errors import Rejected

pytestmark = pytest.mark.anvil

WETH = 10**18
View = Callable[..., int]


@pytest.fixture
def vault(world: World) -> View:
    return _view(world)


def _view(world: World) -> View:
    def read(name: str, *values: object) -> int:
        types = ",".join("address" if isinstance(value, str) else "uint256" for value in values)
        found: int = world.chain.read(world.vault, f"{name}({types})", "uint256", *values)
        return found

    return read


def _call(world: World, sender: Address, signature: str, *values: object) -> None:
    world.chain.execute(Tx(sender, world.vault, encode(signature, *values)))


def test_previews_say_what_happens(world: World, vault: View) -> None:
    alice = world.accounts.alice.address
    shares, expected = vault("balanceOf", alice), vault("previewDeposit", 3 * WETH)
    actions.deposit(world, world.accounts.alice, 3)
    assert vault("balanceOf", alice) - shares == expected

    shares, expected = vault("balanceOf", alice), vault("previewWithdraw", 2 * WETH)
    actions.withdraw(world, world.accounts.alice, 2)
    assert shares - vault("balanceOf", alice) == expected

    before, expected = vault("idleAssets"), vault("previewMint", WETH)
    _call(world, alice, "mint(uint256,address)", WETH, alice)
    assert vault("idleAssets") - before == expected

    before, expected = vault("idleAssets"), vault("previewRedeem", WETH)
    _call(world, alice, "redeem(uint256,address,address)", WETH, alice, alice)
    assert before - vault("idleAssets") == expected


def test_rounding_never_favours_the_caller(world: World, vault: View) -> None:
    actions.earn_fees(world)  # an odd share price
    for amount in (1, 7, 10**9 + 1, WETH + 3):
        assert vault("convertToAssets", vault("previewDeposit", amount)) <= amount
        assert vault("previewMint", vault("convertToShares", amount)) <= amount
        assert vault("previewWithdraw", amount) >= vault("convertToShares", amount)
        assert vault("previewMint", amount) >= vault("previewRedeem", amount)


def test_depositing_and_withdrawing_at_once_gains_nothing(world: World) -> None:
    actions.earn_fees(world)
    bob = world.accounts.bob.address
    held = "balanceOf(address)"
    weth = world.chain.read(world.weth, held, "uint256", bob)
    shares = world.chain.read(world.vault, held, "uint256", bob)
    actions.deposit(world, world.accounts.bob, 1.2345)
    new = world.chain.read(world.vault, held, "uint256", bob) - shares
    _call(world, bob, "redeem(uint256,address,address)", new, bob, bob)
    assert world.chain.read(world.weth, held, "uint256", bob) <= weth


def test_nobody_takes_more_than_is_idle(world: World, vault: View) -> None:
    alice = world.accounts.alice.address
    idle = vault("idleAssets")
    assert vault("maxWithdraw", alice) == idle < vault("convertToAssets", vault("balanceOf", alice))
    with pytest.raises(Rejected):
        world.chain.execute(erc4626.withdraw(world.vault, alice, idle + 1))
    most = vault("maxRedeem", alice)
    _call(world, alice, "redeem(uint256,address,address)", most, alice, alice)
    assert vault("idleAssets") <= 1


def test_a_small_holder_takes_all_of_its_own(world: World, vault: View) -> None:
    bob = world.accounts.bob.address
    assert vault("maxRedeem", bob) == vault("balanceOf", bob)
    actions.withdraw(world, world.accounts.bob, vault("maxWithdraw", bob) / WETH - 1e-9)
    with pytest.raises(Rejected):
        actions.withdraw(world, world.accounts.bob, 1)


def test_another_may_withdraw_only_with_an_allowance(world: World, vault: View) -> None:
    alice, bob = world.accounts.alice.address, world.accounts.bob.address
    taking = "withdraw(uint256,address,address)"
    with pytest.raises(Rejected):
        _call(world, bob, taking, WETH, bob, alice)
    _call(world, alice, "approve(address,uint256)", bob, 2 * WETH)
    _call(world, bob, taking, WETH, bob, alice)
    assert vault("allowance", alice, bob) < WETH * 1.01


def test_shares_move_like_any_token(world: World, vault: View) -> None:
    alice, keeper = world.accounts.alice.address, world.accounts.keeper.address
    world.chain.execute(tokens.transfer(world.vault, alice, keeper, 5))
    assert vault("balanceOf", keeper) == 5


def test_the_share_price_follows_the_range(world: World, flipped_world: World) -> None:
    for each in (world, flipped_world):
        read = _view(each)
        start = read("convertToAssets", WETH)
        actions.move_price(each, 2300)
        up = read("convertToAssets", WETH)
        actions.move_price(each, 1700)
        down = read("convertToAssets", WETH)
        # In WETH, a vault with USDC in it is worth less when WETH rises.
        assert up < start < down


def test_the_ranges_amounts_are_those_uniswap_pays_out(world: World, flipped_world: World) -> None:
    for each in (world, flipped_world):
        read = _view(each)
        actions.earn_fees(each)
        for price in (1900, 2500, 1500):
            actions.move_price(each, price)
            taken = each.chain.snapshot()
            token_id = each.range_ids[0]
            weth, usdc = each.chain.read(
                each.vault, "rangeAmounts(uint256)", "uint256,uint256", token_id
            )
            idle = read("idleAssets")
            held = each.chain.read(each.usdc, "balanceOf(address)", "uint256", each.vault)
            total = read("totalAssets")
            actions.close_vault_range(each, token_id)
            got = each.chain.read(each.usdc, "balanceOf(address)", "uint256", each.vault) - held
            assert read("idleAssets") - idle == pytest.approx(weth, abs=3)
            assert got == pytest.approx(usdc, abs=3)
            assert read("totalAssets") == pytest.approx(total, rel=1e-9)
            each.chain.rewind(taken)


def test_total_assets_values_usdc_at_the_pools_price(world: World, vault: View) -> None:
    before = vault("totalAssets")
    strategist = world.accounts.strategist.address
    world.chain.execute(
        tokens.mint_usdc(world.tokens, strategist, 2000 * 10**6),
        tokens.transfer(world.usdc, strategist, world.vault, 2000 * 10**6),
    )
    assert vault("totalAssets") - before == pytest.approx(WETH, rel=1e-9)


def test_a_donation_before_the_first_deposit_does_not_rob_it(world: World) -> None:
    """The classic attack, replayed on an empty vault of the same code."""
    other = world.accounts.arbitrageur.address
    empty = erc4626.deploy(world.chain, world.accounts.deployer.address, world.uniswap, other)
    alice, attacker = world.accounts.alice.address, world.accounts.bob.address
    held = "balanceOf(address)"
    world.chain.execute(
        tokens.approve(world.weth, alice, empty),
        tokens.approve(world.weth, attacker, empty),
        erc4626.deposit(empty, attacker, 1),
        tokens.transfer(world.weth, attacker, empty, 10 * WETH),
        erc4626.deposit(empty, alice, 10 * WETH),
    )
    kept = world.chain.read(empty, held, "uint256", attacker)
    worth = world.chain.read(empty, "convertToAssets(uint256)", "uint256", kept)
    assert worth < 10 * WETH  # the attacker does not get its donation back


def test_only_the_strategist_moves_the_money(world: World) -> None:
    bob = world.accounts.bob.address
    for tx in (
        erc4626.trade(world.vault, bob, sell_weth=True, amount_in=1),
        erc4626.close_range(world.vault, bob, world.range_ids[0]),
        erc4626.open_range(world.vault, world.uniswap, bob, Range(1900, 2100, WETH, 0)),
    ):
        with pytest.raises(Rejected):
            world.chain.execute(tx)


def test_an_unknown_range_is_not_closed(world: World) -> None:
    strategist = world.accounts.strategist.address
    with pytest.raises(Rejected):
        world.chain.execute(erc4626.close_range(world.vault, strategist, 1))


def test_a_ninth_range_is_refused(world: World) -> None:
    one = Range(2200, 2400, WETH // 100, 0)  # above the price: WETH alone
    strategist = world.accounts.strategist.address
    world.chain.execute(
        *(erc4626.open_range(world.vault, world.uniswap, strategist, one) for _ in range(7))
    )
    with pytest.raises(Rejected):
        actions.open_vault_range(world, one)


def test_fees_are_collected_into_the_vault(world: World, vault: View) -> None:
    actions.earn_fees(world)
    before, total = vault("idleAssets"), vault("totalAssets")
    strategist = world.accounts.strategist.address
    _call(world, strategist, "collectFees(uint256)", world.range_ids[0])
    assert vault("idleAssets") > before
    assert vault("totalAssets") == pytest.approx(total, rel=1e-12)


def test_deposits_and_withdrawals_are_announced(world: World) -> None:
    alice = world.accounts.alice.address
    deposited, withdrawn = world.chain.execute(
        erc4626.deposit(world.vault, alice, WETH), erc4626.withdraw(world.vault, alice, WETH)
    )
    topics = {log["topics"][0] for log in (*deposited["logs"], *withdrawn["logs"])}
    assert erc4626.DEPOSIT_TOPIC in topics
    assert erc4626.WITHDRAW_TOPIC in topics
