"""A keeper as one writes it on the first day with web3.py, to measure ours against.

It reads what ours reads, one contract call after the other, and makes the same kind of trade: the
hedge becomes minus the vault's delta. web3.py is used as its documentation shows, with its
defaults. eth-account finds coincurve and signs with it; without it a signature takes 3 ms more.
"""

import json
from collections.abc import Sequence
from math import sqrt
from typing import Any, Final, Protocol

from eth_account import Account
from web3 import Web3
from web3.providers import BaseProvider

from keeper.adapters.abi import ABIS
from keeper.devnet.accounts import Account as Holder
from keeper.devnet.artifacts import abi as compiled_abi
from keeper.devnet.world import World
from keeper.model.units import ETHER

TICK_BASE: Final = 1.0001
USDC_PER_WETH_SCALE: Final = 10**12
FEED_ONE: Final = 10**8
SLIPPAGE: Final = 0.03
LIFE_S: Final = 600
MASK: Final = 2**256 - 1
DUST_WEI: Final = 10**12


Prepared = Any
"""A call that web3.py made of a contract's ABI: to be called, estimated or built."""


class NaiveVenue(Protocol):
    """The part that differs by venue."""

    reads: list[Prepared]
    """What is asked of the venue on every event; the position comes first."""

    def order(self, units: float, price: float, deadline_s: int) -> Prepared:
        """Return the call that changes the position by *units*."""
        ...


class NaiveStub:
    """Orders at the stub."""

    def __init__(self, w3: Web3, world: World, account: str) -> None:
        self._venue = _contract(w3, world.stub_venue, list(compiled_abi("StubVenue"))).functions
        self.reads = [self._venue.position(account)]

    def order(self, units: float, price: float, deadline_s: int) -> Prepared:
        worst = price * (1 + SLIPPAGE if units > 0 else 1 - SLIPPAGE)
        return self._venue.order(_wei(units), _wei(worst), deadline_s)


class NaivePerp:
    """Orders at Perp v2; it asks for the same numbers as our adapter."""

    def __init__(self, w3: Web3, world: World, account: str) -> None:
        perp = world.perp
        self._base = perp.base_token

        def at(address: str, name: str = "perp_v2") -> Any:
            return _contract(w3, address, name).functions

        self._house = at(perp.clearing_house)
        balance, registry = at(perp.account_balance), at(perp.market_registry)
        config, pool = at(perp.clearing_house_config), at(perp.pool, "perp_v2_pool")
        self.reads = [
            balance.getTakerPositionSize(account, self._base),
            balance.getTakerOpenNotional(account, self._base),
            at(perp.exchange).getPendingFundingPayment(account, self._base),
            self._house.getAccountValue(account),
            at(perp.vault).getFreeCollateral(account),
            balance.getTotalAbsPositionValue(account),
            balance.getMarkPrice(self._base),
            at(self._base).getIndexPrice(0),
            registry.getFeeRatio(self._base),
            config.getImRatio(),
            config.getMmRatio(),
            pool.slot0(),
            pool.liquidity(),
            balance.hasOrder(account),
        ]

    def order(self, units: float, price: float, deadline_s: int) -> Prepared:
        sells, amount = units < 0, abs(_wei(units))
        worst = price * (1 - SLIPPAGE if sells else 1 + SLIPPAGE)
        bound = round(amount * worst)
        params = (self._base, sells, sells, amount, bound, deadline_s, 0, bytes(32))
        return self._house.openPosition(params)


class NaiveKeeper:
    """Hedges the world's vault from an account of its own."""

    def __init__(
        self, world: World, holder: Holder, provider: BaseProvider, venue: type[NaiveVenue]
    ) -> None:
        self._w3 = Web3(provider)
        self._account = Account.from_key(holder.test_key)
        # What never changes is read once, here as there.
        (self._token_id,) = world.range_ids
        self._weth_is_token0 = world.uniswap.weth_is_token0
        manager = _contract(
            self._w3, world.uniswap.position_manager, "uniswap_v3_position_manager"
        ).functions
        weth = _contract(self._w3, world.weth, "erc20").functions
        shares = _contract(self._w3, world.vault, "erc4626").functions
        self._pool = _contract(self._w3, world.uniswap.pool, "uniswap_v3_pool").functions
        self._feed = _contract(self._w3, world.feed, "chainlink_feed").functions
        self._idle = (weth.balanceOf(world.vault), shares.totalSupply())
        self._owned = (
            manager.balanceOf(world.vault),
            manager.tokenOfOwnerByIndex(world.vault, 0),
            manager.positions(self._token_id),
        )
        self._venue = venue(self._w3, world, self._account.address)  # type: ignore[call-arg]  # a protocol has no constructor

    def react(self, log: object) -> str:
        """Return the hash of the hedge that the mempool accepted for an event."""
        del log  # like ours, it only says that it is time to look
        block = self._w3.eth.get_block("latest")
        price = self._feed.latestRoundData().call()[1] / FEED_ONE
        balance, _ = (read.call() for read in self._idle)
        delta = balance / ETHER + self._range_delta(price)
        position, *_ = (read.call() for read in self._venue.reads)
        order = self._venue.order(-delta - position / ETHER, price, block["timestamp"] + LIFE_S)
        return self._send(order)

    def _range_delta(self, price: float) -> float:
        """Return the WETH in the range and in its fees."""
        *_, position = [read.call() for read in self._owned]
        _, tick, *_ = self._pool.slot0().call()
        growths = (
            self._pool.feeGrowthGlobal0X128().call(),
            self._pool.feeGrowthGlobal1X128().call(),
        )
        lower, upper, liquidity = position[5:8]
        edges = [self._pool.ticks(edge).call() for edge in (lower, upper)]
        mine = 0 if self._weth_is_token0 else 1
        below = _outside(edges[0], mine, growths[mine], here=tick >= lower)
        above = _outside(edges[1], mine, growths[mine], here=tick < upper)
        inside = (growths[mine] - below - above) & MASK
        fees = (liquidity * ((inside - position[8 + mine]) & MASK) >> 128) + position[10 + mine]
        # The oracle's price, not the pool's, says what the range holds.
        raw = price / USDC_PER_WETH_SCALE
        bounds = (TICK_BASE**lower, TICK_BASE**upper)
        if not self._weth_is_token0:
            bounds = (1 / bounds[1], 1 / bounds[0])
        at = min(max(raw, bounds[0]), bounds[1])
        held = liquidity * (1 / sqrt(at) - 1 / sqrt(bounds[1]))
        return float((held + fees) / ETHER)

    def _send(self, order: Prepared) -> str:
        sender = self._account.address
        nonce = self._w3.eth.get_transaction_count(sender)
        # The order runs in a later block than the estimate and may need a little more.
        gas = order.estimate_gas({"from": sender}) * 12 // 10
        tx = order.build_transaction({"from": sender, "nonce": nonce, "gas": gas})
        signed = self._account.sign_transaction(tx)
        return self._w3.eth.send_raw_transaction(signed.raw_transaction).to_0x_hex()


def _contract(w3: Web3, address: str, abi: str | list[dict[str, Any]]) -> Any:
    """Return the contract at *address*; *abi* is itself or the name of one in `abis/`."""
    entries = (
        json.loads((ABIS / f"{abi}.json").read_text(encoding="utf-8"))
        if isinstance(abi, str)
        else abi
    )
    return w3.eth.contract(Web3.to_checksum_address(address), abi=entries)


def _outside(edge: Sequence[int], mine: int, growth: int, *, here: bool) -> int:
    return edge[2 + mine] if here else growth - edge[2 + mine]


def _wei(units: float) -> int:
    """Return *units* in wei, without the dust that a float leaves."""
    return round(units * ETHER / DUST_WEI) * DUST_WEI
