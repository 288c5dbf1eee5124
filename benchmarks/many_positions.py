"""Thousands of real Uniswap v3 positions in one hand, minted in few transactions."""

from collections.abc import Iterator, Sequence
from typing import Final

from keeper.devnet.calldata import encode
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.devnet.worlds import tokens, uniswap_v3
from keeper.devnet.worlds.uniswap_v3 import Range
from keeper.model.chain import Address
from keeper.model.units import ETHER

BLOCK_GAS_LIMIT: Final = 2_000_000_000
"""Room for a thousand mints in a block; a read meets the same limit in each request."""
MINTS_PER_TX: Final = 250
RANGES: Final = 100
"""Different ranges; positions take them in turns."""
EACH_WETH_WEI: Final = ETHER // 100
EACH_USDC_UNITS: Final = 20 * 10**tokens.USDC_DECIMALS

_AGGREGATE: Final = "aggregate3((address,bool,bytes)[])"
_GAS_PER_MINT: Final = 600_000


def mint_many(world: World, owner: Address, count: int) -> tuple[int, ...]:
    """Mint *count* positions for *owner* and return their ids.

    Multicall3 is the payer: it is given the tokens, and mints many in one transaction.
    """
    chain, sender = world.chain, world.accounts.maker.address
    payer, manager = world.multicall3, world.uniswap.position_manager
    before = _owned(world, owner)
    chain.execute(
        tokens.transfer(world.weth, sender, payer, count * EACH_WETH_WEI),
        tokens.mint_usdc(world.tokens, sender, count * EACH_USDC_UNITS),
        tokens.transfer(world.usdc, sender, payer, count * EACH_USDC_UNITS),
        _together(
            world,
            [
                (token, tokens.approve(token, payer, manager).data)
                for token in (world.weth, world.usdc)
            ],
        ),
    )
    mints = list(_mints(world, owner, count))
    for start in range(0, count, MINTS_PER_TX):
        chain.execute(_together(world, mints[start : start + MINTS_PER_TX]))
    first: int = chain.read(
        manager, "tokenOfOwnerByIndex(address,uint256)", "uint256", owner, before
    )
    return tuple(range(first, first + count))


def _owned(world: World, owner: Address) -> int:
    found: int = world.chain.read(
        world.uniswap.position_manager, "balanceOf(address)", "uint256", owner
    )
    return found


def _mints(world: World, owner: Address, count: int) -> Iterator[tuple[Address, bytes]]:
    for index in range(count):
        width = 1.05 + (index % RANGES) / RANGES
        wanted = Range(
            price_lower=2_000 / width,
            price_upper=2_000 * width,
            weth_wei=EACH_WETH_WEI,
            usdc_units=EACH_USDC_UNITS,
        )
        yield world.uniswap.position_manager, uniswap_v3.mint(world.uniswap, owner, wanted).data


def _together(world: World, calls: Sequence[tuple[Address, bytes]]) -> Tx:
    strict = [(to, False, data) for to, data in calls]
    return Tx(
        world.accounts.maker.address,
        world.multicall3,
        encode(_AGGREGATE, strict),
        gas_limit=500_000 + _GAS_PER_MINT * len(calls),
        label="mint many",
    )
