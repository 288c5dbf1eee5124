"""What can happen in a local world: prices move, users come and go, positions open.

A function that returns transactions (`price_move`) only describes them: the caller may submit
several kinds and mine one block. A function that is a verb (`move_price`) also mines.
"""

from typing import Any, Final

from msgspec import Struct, structs

from keeper.devnet.accounts import Account
from keeper.devnet.calldata import topic
from keeper.devnet.chain import BLOCK_S, Block, Tx
from keeper.devnet.world import World
from keeper.devnet.worlds import chainlink, erc4626, perp_v2, uniswap_v3
from keeper.devnet.worlds.tokens import USDC_DECIMALS
from keeper.devnet.worlds.uniswap_v3 import Range
from keeper.model.units import ETHER

STEP_S: Final = 15
"""Perp v2 measures its price limit from the price of at least 15 s ago."""
MAX_STEP: Final = 1.08
"""A larger move takes several blocks: Perp v2 limits one to about 10 %."""

_USDC: Final = 10**USDC_DECIMALS
_TRANSFER: Final = topic("Transfer(address,address,uint256)")
_ERC721_TOPICS: Final = 4


class Prices(Struct, frozen=True):
    """The price of one ETH in USD, as each place shows it."""

    feed: float
    pool: float
    perp: float


def prices(world: World) -> Prices:
    """Return what the feed, the spot pool and the perp market show now."""
    answer = world.chain.read(world.feed, "latestAnswer()", "int256")
    return Prices(
        feed=answer / 10**chainlink.DECIMALS,
        pool=uniswap_v3.price(world.chain, world.uniswap),
        perp=perp_v2.price(world.chain, world.perp),
    )


# ---------------------------------------------------------------------- the price


def price_move(world: World, price: float, *, report: bool = True) -> tuple[Tx, ...]:
    """Return the transactions that bring feed, pool, perp index and perp market to *price*.

    They must be mined in a block of their own time: Perp v2 refuses two prices with one
    timestamp. With *report* off the feed and the index stay as they are (an outage); Perp v2 then
    trades no further than 10 % from them.
    """
    chain, reporter = world.chain, world.accounts.deployer.address
    arbitrageur = world.accounts.arbitrageur.address
    told = (
        chainlink.push(world.feed_pair, reporter, price),
        perp_v2.update_index(world.perp, reporter),
    )
    return (
        *(told if report else ()),
        *uniswap_v3.swap_to(chain, world.uniswap, arbitrageur, price),
        *perp_v2.trade_to(chain, world.perp, arbitrageur, price),
    )


def move_price(world: World, price: float, *, seconds: int = STEP_S) -> Block:
    """Bring every price to *price*; a move beyond 8 % takes several blocks of *seconds* each."""
    chain = world.chain
    while True:
        now = perp_v2.price(chain, world.perp)
        step = min(max(price, now / MAX_STEP), now * MAX_STEP)
        chain.execute(*price_move(world, step), seconds=seconds)
        if step == price:
            return chain.block()


def set_feed(
    world: World,
    answer: int,
    *,
    updated_at_s: int | None = None,
    started_at_s: int | None = None,
) -> Block:
    """Write a round with any answer (8 decimals) and any times; None is the newest block's."""
    now = world.chain.block().timestamp_s
    updated = now if updated_at_s is None else updated_at_s
    started = updated if started_at_s is None else started_at_s
    reporter = world.accounts.deployer.address
    world.chain.execute(
        chainlink.push_round(
            world.feed_pair, reporter, answer, started_at_s=started, updated_at_s=updated
        )
    )
    return world.chain.block()


def report_price(world: World, price: float) -> Block:
    """Start and finish a round at *price* on the feed alone; pools stay where they are."""
    reporter = world.accounts.deployer.address
    world.chain.execute(chainlink.push(world.feed_pair, reporter, price))
    return world.chain.block()


def new_phase(world: World, price: float, *, decimals: int = chainlink.DECIMALS) -> World:
    """Put another aggregator behind the feed, with one round; return the world that has it."""
    chain, reporter = world.chain, world.accounts.deployer.address
    phase = chain.read(world.feed, "phaseId()", "uint16")
    planned = chainlink.plan_aggregator(reporter, salt=phase, decimals=decimals)
    after = structs.replace(world, feed_aggregator=planned.address)
    chain.execute(
        planned.tx,
        chainlink.push(after.feed_pair, reporter, price),
        chainlink.set_aggregator(after.feed_pair, reporter, planned.address),
    )
    return after


# ---------------------------------------------------------------------- the vault


def deposit(world: World, user: Account, weth: float) -> Block:
    """Deposit the user's WETH into the vault."""
    world.chain.execute(erc4626.deposit(world.vault, user.address, round(weth * ETHER)))
    return world.chain.block()


def withdraw(world: World, user: Account, weth: float) -> Block:
    """Withdraw WETH from the vault.

    Raises:
        Rejected: The vault's idle WETH or the user's shares are not enough.

    """
    world.chain.execute(erc4626.withdraw(world.vault, user.address, round(weth * ETHER)))
    return world.chain.block()


def open_vault_range(world: World, wanted: Range) -> int:
    """Put WETH and USDC of the vault into a range; return its NFT."""
    strategist = world.accounts.strategist.address
    tx = erc4626.open_range(world.vault, world.uniswap, strategist, wanted)
    return _minted(world, *world.chain.execute(tx))


def close_vault_range(world: World, token_id: int) -> Block:
    """Take a range back into the vault."""
    world.chain.execute(
        erc4626.close_range(world.vault, world.accounts.strategist.address, token_id)
    )
    return world.chain.block()


# ---------------------------------------------------------------------- spot and perp


def open_range(world: World, owner: Account, wanted: Range) -> int:
    """Open a range held by *owner* (alice, bob, maker or arbitrageur); return its NFT."""
    tx = uniswap_v3.mint(world.uniswap, owner.address, wanted)
    return _minted(world, *world.chain.execute(tx))


def sell(world: World, user: Account, weth: float) -> Block:
    """Sell the user's WETH in the spot pool; a negative amount buys for about that much."""
    if weth >= 0:
        amount = round(weth * ETHER)
    else:
        amount = round(-weth * uniswap_v3.price(world.chain, world.uniswap) * _USDC)
    tx = uniswap_v3.swap(world.uniswap, user.address, sell_weth=weth >= 0, amount_in=amount)
    world.chain.execute(tx)
    return world.chain.block()


def earn_fees(world: World, *, volume_usd: float = 1e6, rounds: int = 2) -> Block:
    """Trade back and forth, so that ranges around the price earn fees; the price comes back."""
    before = uniswap_v3.price(world.chain, world.uniswap)
    trader = world.accounts.arbitrageur
    for _ in range(rounds):
        sell(world, trader, volume_usd / rounds / 2 / before)
        sell(world, trader, -volume_usd / rounds / 2 / before)
    back = uniswap_v3.swap_to(world.chain, world.uniswap, trader.address, before)
    world.chain.execute(*back)
    return world.chain.block()


def hedge(world: World, trader: Account, base: float) -> Block:
    """Buy (or, if negative, sell) ETH on Perp v2 for *trader*."""
    world.chain.execute(
        perp_v2.open_position(world.perp, trader.address, round(base * ETHER)), seconds=BLOCK_S
    )
    return world.chain.block()


def _minted(world: World, receipt: dict[str, Any]) -> int:
    """Return the NFT that a transaction minted."""
    manager = world.uniswap.position_manager.lower()
    return next(
        int(log["topics"][3], 16)
        for log in receipt["logs"]
        if log["address"] == manager
        and log["topics"][0] == _TRANSFER
        and len(log["topics"]) == _ERC721_TOPICS
    )
