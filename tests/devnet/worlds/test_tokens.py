import pytest

from keeper.devnet.world import World
from keeper.devnet.worlds import tokens

pytestmark = pytest.mark.anvil


def _balance(world: World, token: str, owner: str) -> int:
    found: int = world.chain.read(token, "balanceOf(address)", "uint256", owner)  # type: ignore[arg-type]  # both are addresses
    return found


def test_decimals_are_those_of_the_real_tokens(world: World) -> None:
    decimals = [world.chain.read(t, "decimals()", "uint8") for t in (world.weth, world.usdc)]
    assert decimals == [18, 6]


def test_ether_becomes_weth_and_anybody_mints_usdc(world: World) -> None:
    keeper = world.accounts.keeper.address
    before = _balance(world, world.weth, keeper), _balance(world, world.usdc, keeper)
    world.chain.execute(
        tokens.wrap(world.tokens, keeper, 3), tokens.mint_usdc(world.tokens, keeper, 5)
    )
    after = _balance(world, world.weth, keeper), _balance(world, world.usdc, keeper)
    assert (after[0] - before[0], after[1] - before[1]) == (3, 5)


def test_tokens_move_between_accounts(world: World) -> None:
    alice, keeper = world.accounts.alice.address, world.accounts.keeper.address
    before = _balance(world, world.weth, keeper)
    world.chain.execute(tokens.transfer(world.weth, alice, keeper, 11))
    assert _balance(world, world.weth, keeper) == before + 11
