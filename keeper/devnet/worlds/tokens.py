"""WETH9 and a USDC with six decimals that anybody may mint."""

from typing import Final

from msgspec import Struct

from keeper.devnet.calldata import encode
from keeper.devnet.chain import Chain, Tx
from keeper.devnet.deploy import plan
from keeper.model.chain import Address

USDC_DECIMALS: Final = 6
WETH_DECIMALS: Final = 18
ALL: Final = 2**256 - 1


class Tokens(Struct, frozen=True):
    """The two tokens of the local chain."""

    weth: Address
    usdc: Address


def deploy(chain: Chain, deployer: Address, *, weth_is_token0: bool) -> Tokens:
    """Deploy both tokens so that Uniswap sorts them as asked."""
    weth = plan(deployer, "WETH9")
    usdc = plan(
        deployer,
        "DummyERC20Token",
        "string,string,uint256,uint256",
        "USD Coin",
        "USDC",
        USDC_DECIMALS,
        0,
        accept=lambda address: (int(weth.address, 16) < int(address, 16)) == weth_is_token0,
    )
    chain.execute(weth.tx, usdc.tx)
    return Tokens(weth.address, usdc.address)


def wrap(tokens: Tokens, owner: Address, weth_wei: int) -> Tx:
    """Return the transaction that turns the owner's ether into WETH."""
    return Tx(owner, tokens.weth, encode("deposit()"), value_wei=weth_wei, label="wrap")


def mint_usdc(tokens: Tokens, owner: Address, usdc_units: int) -> Tx:
    """Return the transaction by which the owner mints USDC (6 decimals) to itself."""
    return Tx(owner, tokens.usdc, encode("mint(uint256)", usdc_units), label="mint USDC")


def approve(token: Address, owner: Address, spender: Address) -> Tx:
    """Return the transaction that lets *spender* take all of the owner's token."""
    return Tx(owner, token, encode("approve(address,uint256)", spender, ALL), label="approve")


def transfer(token: Address, owner: Address, to: Address, amount: int) -> Tx:
    """Return the transaction that sends *amount* base units of a token."""
    return Tx(owner, token, encode("transfer(address,uint256)", to, amount), label="transfer")
