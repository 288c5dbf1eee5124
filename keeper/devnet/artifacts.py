"""Contracts by name: creation code from the installed packages, or compiled from `contracts/`."""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

from keeper.devnet.tools import node_modules
from keeper.model.errors import ConfigError

_CURIE: Final = "@perp/curie-deployments/optimism"
_V3_CORE: Final = "@uniswap/v3-core/artifacts/contracts"
_V3_PERIPHERY: Final = "@uniswap/v3-periphery/artifacts/contracts"
_TOKENS: Final = "@0x/contracts-erc20/lib/generated-artifacts"
_CURIE_CORE: Final = (
    "AccountBalance BaseToken ClearingHouse ClearingHouseConfig CollateralManager DelegateApproval "
    "Exchange InsuranceFund MarketRegistry OrderBook QuoteToken Vault"
)

PACKAGED: Final = {
    "WETH9": f"{_TOKENS}/WETH9.json",
    "DummyERC20Token": f"{_TOKENS}/DummyERC20Token.json",
    "UniswapV3Factory": f"{_V3_CORE}/UniswapV3Factory.sol/UniswapV3Factory.json",
    "NonfungiblePositionManager": (
        f"{_V3_PERIPHERY}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json"
    ),
    "SwapRouter": f"{_V3_PERIPHERY}/SwapRouter.sol/SwapRouter.json",
    "QuoterV2": f"{_V3_PERIPHERY}/lens/QuoterV2.sol/QuoterV2.json",
    **{
        name: f"{_CURIE}/core/artifacts/contracts/{name}.sol/{name}.json"
        for name in _CURIE_CORE.split()
    },
    **{
        name: f"{_CURIE}/core/artifacts/oracle-contracts/contracts/{name}.sol/{name}.json"
        for name in ("ChainlinkPriceFeedV3", "PriceFeedDispatcher")
    },
}
"""Contract name -> its artifact below node_modules."""

COMPILED: Final = Path(__file__).with_name("compiled")
_MULTICALL3: Final = "viem/constants/contracts.ts"


@cache
def creation_code(name: str) -> bytes:
    """Return what deploys the contract, before its constructor arguments.

    Raises:
        ConfigError: The packages cannot be installed, or they hold no such contract.

    """
    artifact = _artifact(name)
    if "compilerOutput" in artifact:
        artifact = artifact["compilerOutput"]["evm"]["bytecode"]
        return _unhex(artifact["object"])
    return _unhex(artifact["bytecode"])


@cache
def abi(name: str) -> tuple[dict[str, Any], ...]:
    """Return the contract's ABI entries."""
    artifact = _artifact(name)
    return tuple(artifact.get("compilerOutput", artifact)["abi"])


@cache
def multicall3_creation_code() -> bytes:
    """Return the creation code of Multicall3, which no package ships as an artifact file."""
    source = (node_modules() / _MULTICALL3).read_text()
    found = re.search(r"multicall3Bytecode\s*=\s*'0x([0-9a-f]+)'", source)
    if found is None:
        raise ConfigError("the package no longer holds Multicall3", path=_MULTICALL3)
    return bytes.fromhex(found[1])


def _artifact(name: str) -> dict[str, Any]:
    own = COMPILED / f"{name}.json"
    if own.is_file():
        path = own
    elif name in PACKAGED:
        path = node_modules() / PACKAGED[name]
    else:
        raise ConfigError("no artifact of that name", name=name)
    loaded: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return loaded


def _unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
