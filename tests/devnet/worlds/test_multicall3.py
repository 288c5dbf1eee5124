import pytest

from keeper.adapters.chain.multicall import MULTICALL3
from keeper.devnet.calldata import encode
from keeper.devnet.world import World

pytestmark = pytest.mark.anvil

AGGREGATE3 = "aggregate3((address,bool,bytes)[])"


def test_it_stands_at_its_canonical_address(world: World) -> None:
    assert world.multicall3 == MULTICALL3 == "0xcA11bde05977b3631167028862bE2a173976CA11"


def test_one_call_reads_many_contracts_and_survives_a_revert(world: World) -> None:
    calls = [
        (world.weth, True, encode("decimals()")),
        (world.usdc, True, encode("decimals()")),
        (world.perp.vault, True, encode("withdrawAll(address)", world.weth)),
    ]
    results = world.chain.read(MULTICALL3, AGGREGATE3, "(bool,bytes)[]", calls)
    assert [ok for ok, _ in results] == [True, True, False]
    assert [int.from_bytes(data) for _, data in results[:2]] == [18, 6]


def test_it_knows_the_block(world: World) -> None:
    head = world.chain.block()
    assert world.chain.read(MULTICALL3, "getBlockNumber()", "uint256") == head.number
    assert world.chain.read(MULTICALL3, "getCurrentBlockTimestamp()", "uint256") >= head.timestamp_s
