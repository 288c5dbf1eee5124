import pytest

from keeper.devnet.deploy import plan
from keeper.devnet.world import World

pytestmark = pytest.mark.anvil


def test_a_contract_stands_where_it_was_planned(world: World) -> None:
    deployer = world.accounts.deployer.address
    planned = plan(deployer, "StubVenue", salt=7)
    assert world.chain.rpc.call("eth_getCode", planned.address, "latest") == "0x"
    world.chain.execute(planned.tx)
    assert len(world.chain.rpc.call("eth_getCode", planned.address, "latest")) > 100


def test_a_refused_address_is_replaced_by_another(world: World) -> None:
    deployer, limit = world.accounts.deployer.address, 2**159
    low = plan(deployer, "StubVenue", accept=lambda address: int(address, 16) < limit)
    high = plan(deployer, "StubVenue", accept=lambda address: int(address, 16) >= limit)
    assert int(low.address, 16) < limit <= int(high.address, 16)
