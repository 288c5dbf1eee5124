"""The vault: ERC-4626 on WETH, with a part of it in a Uniswap v3 range."""

from typing import Final

from keeper.devnet.calldata import encode, topic
from keeper.devnet.chain import Chain, Tx
from keeper.devnet.deploy import plan
from keeper.devnet.worlds.uniswap_v3 import Range, Uniswap, ticks
from keeper.model.chain import Address

DEPOSIT_TOPIC: Final = topic("Deposit(address,address,uint256,uint256)")
WITHDRAW_TOPIC: Final = topic("Withdraw(address,address,address,uint256,uint256)")


def deploy(chain: Chain, deployer: Address, uniswap: Uniswap, strategist: Address) -> Address:
    """Deploy an empty vault managed by *strategist*."""
    vault = plan(
        deployer,
        "HedgedVault",
        "address,address,address,address,address,address",
        uniswap.tokens.weth,
        uniswap.tokens.usdc,
        uniswap.pool,
        uniswap.position_manager,
        uniswap.swap_router,
        strategist,
    )
    chain.execute(vault.tx)
    return vault.address


def deposit(vault: Address, owner: Address, weth_wei: int) -> Tx:
    """Return the transaction that deposits WETH; the vault must be approved first."""
    data = encode("deposit(uint256,address)", weth_wei, owner)
    return Tx(owner, vault, data, label="vault deposit")


def withdraw(vault: Address, owner: Address, weth_wei: int) -> Tx:
    """Return the transaction that withdraws WETH; it reverts beyond the vault's idle WETH."""
    data = encode("withdraw(uint256,address,address)", weth_wei, owner, owner)
    return Tx(owner, vault, data, label="vault withdraw")


def trade(vault: Address, strategist: Address, *, sell_weth: bool, amount_in: int) -> Tx:
    """Return the transaction by which the vault exchanges *amount_in* base units in the pool."""
    data = encode("trade(bool,uint256,uint256)", sell_weth, amount_in, 0)
    return Tx(strategist, vault, data, label="vault trade")


def open_range(vault: Address, uniswap: Uniswap, strategist: Address, wanted: Range) -> Tx:
    """Return the transaction that puts WETH and USDC of the vault into a range."""
    lower, upper = ticks(uniswap, wanted.price_lower, wanted.price_upper)
    data = encode(
        "openRange(int24,int24,uint256,uint256)",
        lower,
        upper,
        wanted.weth_wei,
        wanted.usdc_units,
    )
    return Tx(strategist, vault, data, label="open range")


def close_range(vault: Address, strategist: Address, token_id: int) -> Tx:
    """Return the transaction that takes a range and its fees back into the vault."""
    return Tx(strategist, vault, encode("closeRange(uint256)", token_id), label="close range")
