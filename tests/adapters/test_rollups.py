"""Fees beyond gas, from a fee oracle at its predeploy address."""

from collections.abc import Callable

import pytest

from keeper.adapters.chain.evm import Evm
from keeper.adapters.rollups import DATA_FEE, OPERATOR_FEE, ORACLE, OpStack
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.deploy import plan
from keeper.devnet.world import World
from keeper.engine.reader import read_all
from keeper.model.errors import BadData
from keeper.model.units import GWEI

pytestmark = pytest.mark.anvil
GAS, SIZE = 900_000, 560
# Base fee, blob base fee, their scalars in millionths, and an operator's scalar and constant.
PARAMETERS = (8 * GWEI, GWEI // 10, 2_269, 1_055_762, 2_000_000, 10**9)

Fee = Callable[[OpStack], int | BadData]


@pytest.fixture
def fee(world: World, evm_of: Callable[[World], Evm]) -> Fee:
    """Read the fee through the keeper's own chain, at the newest block."""
    evm = evm_of(world)
    return lambda rollup: read_all(evm, evm.head(), {"fee": rollup.read()})["fee"]


def put_oracle(world: World, code: str | None = None) -> None:
    """Put a fee oracle where an OP stack chain has it."""
    sender = world.accounts.deployer.address
    deployed = plan(sender, "SettableRollupFees")
    world.chain.execute(deployed.tx)
    runtime = code or world.chain.rpc.call("eth_getCode", deployed.address, "latest")
    world.chain.rpc.call("anvil_setCode", ORACLE, runtime)
    if code is None:
        world.chain.execute(Tx(sender, ORACLE, encode("set(uint256[6])", PARAMETERS)))


def test_g5_data_and_operator_fee_are_those_of_the_chains_own_oracle(
    world: World, fee: Fee
) -> None:
    put_oracle(world)
    size = SIZE + 68
    compressed = size + size // 255 + 16
    scaled = (836_500 * compressed - 42_585_600) * (2_269 * 16 * 8 * GWEI + 1_055_762 * GWEI // 10)
    assert fee(OpStack(GAS, SIZE)) == scaled // 10**12 + GAS * 2 + 10**9


def test_a_chain_without_an_operators_fee_has_none(world: World, fee: Fee) -> None:
    put_oracle(world)
    # The same contract with the operator's function renamed: its selector is in the code once.
    code = world.chain.rpc.call("eth_getCode", ORACLE, "latest")
    selector = OPERATOR_FEE.selector.hex()
    assert code.count(selector) == 1
    world.chain.rpc.call("anvil_setCode", ORACLE, code.replace(selector, "deadbeef"))
    rollup = OpStack(GAS, SIZE)
    alone = fee(rollup)
    size = SIZE.to_bytes(32).hex()
    raw = world.chain.rpc.call(
        "eth_call", {"to": ORACLE, "data": f"0x{DATA_FEE.selector.hex()}{size}"}, "latest"
    )
    assert alone == fee(rollup) == int(raw, 16) > 0


def test_g5_without_its_oracle_the_fee_is_unknown_and_not_zero(fee: Fee) -> None:
    assert isinstance(fee(OpStack(GAS)), BadData)
