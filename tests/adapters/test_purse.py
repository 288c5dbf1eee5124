from collections.abc import Callable

import pytest

from keeper.adapters.chain.evm import Evm
from keeper.adapters.purse import Purse
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.engine.reader import read_all
from keeper.model.units import ETHER


@pytest.mark.anvil
def test_g7_the_purse_holds_what_the_account_has_at_the_block(
    world: World, evm_of: Callable[[World], Evm]
) -> None:
    evm = evm_of(world)
    account = world.accounts.keeper.address
    purse = Purse(world.multicall3, account)
    world.chain.fund(account, 700)
    world.chain.mine()
    before = evm.head()
    call = encode("transfer(address,uint256)", world.accounts.alice.address, 0)
    world.chain.execute(Tx(account, world.usdc, call))
    assert read_all(evm, before, {"purse": purse.read()}) == {"purse": 700 * ETHER}
    after = read_all(evm, evm.head(), {"purse": purse.read()})["purse"]
    assert isinstance(after, int)
    assert 699 * ETHER < after < 700 * ETHER
