"""Multicall3, put where it stands on every public chain."""

from keeper.adapters.chain.multicall import MULTICALL3
from keeper.devnet.artifacts import multicall3_creation_code
from keeper.devnet.chain import Chain
from keeper.model.chain import Address


def deploy(chain: Chain) -> Address:
    """Put the contract's code at its canonical address, without a transaction."""
    code = chain.rpc.call("eth_call", {"data": "0x" + multicall3_creation_code().hex()}, "latest")
    chain.rpc.call("anvil_setCode", MULTICALL3, code)
    return MULTICALL3
