"""A local world as a value: what stands where, who holds which key, and how to reach it.

`start_world()` builds one; `World.dump` and `World.load` hand it to another process; what can be
done in it is in `chain` (blocks, time, fees) and `actions` (prices, users, positions).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from keeper.adapters.local_key import TEST_CHAIN_IDS
from keeper.devnet.accounts import Accounts, published_accounts
from keeper.devnet.anvil import Node, Options, start_anvil
from keeper.devnet.chain import Chain, Tx
from keeper.devnet.deploy import plan
from keeper.devnet.worlds import chainlink, erc4626, multicall3, perp_v2, tokens, uniswap_v3
from keeper.devnet.worlds.chainlink import Feed
from keeper.devnet.worlds.perp_v2 import Market, Perp
from keeper.devnet.worlds.tokens import Tokens
from keeper.devnet.worlds.uniswap_v3 import Range, Uniswap
from keeper.model.chain import Address
from keeper.model.errors import ConfigError
from keeper.model.units import ETHER

_USDC = 10**tokens.USDC_DECIMALS
_SET_UP_S = 3600
"""How long before now the genesis block lies, so that the finished world's clock is about now."""
_WHALE_WETH = 200_000
_WHALE_USDC = 10**9
_WHALE_COLLATERAL_USDC = 10**9
_INSURANCE_USDC = 10**6


class Plan(Struct, frozen=True, kw_only=True):
    """What kind of world to build."""

    price: float = 2000.0
    """USD per ETH, everywhere."""
    weth_is_token0: bool = True
    started_at_s: int | None = None
    """Chain time of the finished world; None is now, by this machine's clock."""
    base_fee_wei: int = 10**9
    block_gas_limit: int = 60_000_000
    port: int = 0
    automine: bool = False
    """False: blocks come from `chain.mine`. True: every transaction makes one."""
    pool_usd: float = 20e6
    """Liquidity of the spot pool, from a quarter of the price to four times it."""
    maker_usd: float = 20e6
    """Liquidity of the perp market, from half the price to twice it."""
    perp_fee_bps: int = 10
    keeper_collateral_usdc: int = 500_000
    keeper_ether: int = 100
    user_weth: int = 1000
    """WETH in the hands of each of alice and bob, before the vault is seeded."""
    vault_weth: float = 100.0
    """Deposited by alice (60 %) and bob (40 %); 0 leaves the vault empty."""
    range_share: float = 0.5
    """Part of the vault that goes into one range, half as WETH and half as USDC; 0 for none."""
    range_width: float = 1.2
    """The range goes from price/width to price·width."""


class World(Struct, frozen=True, kw_only=True):
    """Addresses, keys and URLs of one local chain."""

    chain_id: int
    http_url: str
    ws_url: str
    ipc_path: str
    pid: int
    accounts: Accounts
    multicall3: Address
    weth: Address
    usdc: Address
    feed: Address
    """The AggregatorV3 proxy, ETH/USD, 8 decimals."""
    feed_aggregator: Address
    """Emits `AnswerUpdated`."""
    uniswap: Uniswap
    vault: Address
    perp: Perp
    stub_venue: Address
    guard: Address
    """An `IntentGuard` of the keeper's key; whose position it may change, nobody has said yet."""
    range_ids: tuple[int, ...]
    """Uniswap NFTs that the vault held when the world was finished."""

    @property
    def chain(self) -> Chain:
        """The knobs of this world's chain."""
        return Chain(self.http_url)

    @property
    def tokens(self) -> Tokens:
        """Both tokens, as the builders of transactions take them."""
        return self.uniswap.tokens

    @property
    def feed_pair(self) -> Feed:
        """The feed's proxy and aggregator, as the builders of transactions take them."""
        return Feed(self.feed, self.feed_aggregator)

    def dump(self, path: Path) -> None:
        """Write the world to a JSON file."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")

    @classmethod
    def load(cls, path: Path) -> "World":
        """Read a world written by `dump`.

        Raises:
            ConfigError: The file is not one, or the world is on a chain that is not a local one.

        """
        try:
            world = msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError("no world in this file", path=path, why=error) from error
        if world.chain_id not in TEST_CHAIN_IDS:
            raise ConfigError("not a local chain", path=path, chain_id=world.chain_id)
        return world


@contextmanager
def start_world(wanted: Plan | None = None) -> Iterator[World]:
    """Start Anvil, deploy everything, and yield the world; Anvil ends with the block.

    Raises:
        ConfigError: Tools are missing or Anvil does not start.

    """
    chosen = wanted or Plan()
    end = chosen.started_at_s or int(time.time())
    options = Options(
        port=chosen.port,
        started_at_s=end - _SET_UP_S,
        block_gas_limit=chosen.block_gas_limit,
        base_fee_wei=chosen.base_fee_wei,
    )
    with start_anvil(options) as node:
        world = build(node, chosen, end)
        if chosen.automine:
            world.chain.automine(on=True)
        yield world


@contextmanager
def fork_world(origin: World, *, block: int | None = None) -> Iterator[World]:
    """Start a second Anvil that forks *origin*, and yield the same world on it."""
    with start_anvil(Options(fork_url=origin.http_url, fork_block=block)) as node:
        yield msgspec.structs.replace(
            origin,
            http_url=node.http_url,
            ws_url=node.ws_url,
            ipc_path=node.ipc_path,
            pid=node.pid,
        )


def build(node: Node, wanted: Plan, end_s: int) -> World:
    """Deploy a world on a fresh local chain; its newest block is then at *end_s*.

    Raises:
        ConfigError: The chain is not a local one.

    """
    accounts = published_accounts(node.chain_id)
    chain, deployer = Chain(node.http_url), accounts.deployer.address
    caller = multicall3.deploy(chain)
    coins = tokens.deploy(chain, deployer, weth_is_token0=wanted.weth_is_token0)
    feed = chainlink.deploy(chain, deployer)
    chain.execute(chainlink.push(feed, deployer, wanted.price))
    uniswap = uniswap_v3.deploy(chain, deployer, coins, wanted.price)
    market = Market(price=wanted.price, fee_bps=wanted.perp_fee_bps)
    perp = perp_v2.deploy(chain, deployer, coins, uniswap.factory, feed.proxy, market)
    stub = plan(deployer, "StubVenue")
    guard = plan(deployer, "IntentGuard", "address", accounts.keeper.address)
    chain.execute(stub.tx, guard.tx, perp_v2.update_index(perp, deployer))
    world = World(
        chain_id=node.chain_id,
        http_url=node.http_url,
        ws_url=node.ws_url,
        ipc_path=node.ipc_path,
        pid=node.pid,
        accounts=accounts,
        multicall3=caller,
        weth=coins.weth,
        usdc=coins.usdc,
        feed=feed.proxy,
        feed_aggregator=feed.aggregator,
        uniswap=uniswap,
        vault=erc4626.deploy(chain, deployer, uniswap, accounts.strategist.address),
        perp=perp,
        stub_venue=stub.address,
        guard=guard.address,
        range_ids=(),
    )
    return _furnish(world, wanted, end_s)


def _furnish(world: World, wanted: Plan, end_s: int) -> World:
    """Give everybody their money, make both markets, fill the vault, and let time pass."""
    chain, who = world.chain, world.accounts
    for rich in (who.maker, who.arbitrageur, who.deployer):
        chain.fund(rich.address, 10 * _WHALE_WETH)
    for user in (who.alice, who.bob, who.strategist, who.liquidator):
        chain.fund(user.address, wanted.user_weth + 1000)
    chain.execute(*_money(world, wanted))
    chain.mine(seconds=perp_v2.WARM_UP_S)
    chain.execute(*_markets(world, wanted))
    if wanted.vault_weth:
        _fill_vault(world, wanted)
    chain.fund(who.keeper.address, wanted.keeper_ether)
    chain.mine(seconds=end_s - chain.block().timestamp_s)
    deployer = who.deployer.address
    chain.execute(
        chainlink.push(world.feed_pair, deployer, wanted.price),
        perp_v2.update_index(world.perp, deployer),
        seconds=1,
    )
    ids = chain.read(world.vault, "ranges()", "uint256[]")
    return msgspec.structs.replace(world, range_ids=tuple(ids))


def _money(world: World, wanted: Plan) -> Iterator[Tx]:
    coins, who = world.tokens, world.accounts
    for rich in (who.maker, who.arbitrageur):
        yield tokens.wrap(coins, rich.address, _WHALE_WETH * ETHER)
        yield tokens.mint_usdc(coins, rich.address, (_WHALE_USDC + _WHALE_COLLATERAL_USDC) * _USDC)
        yield from uniswap_v3.approve_all(world.uniswap, rich.address)
        yield from perp_v2.deposit(world.perp, coins, rich.address, _WHALE_COLLATERAL_USDC * _USDC)
    fund_usdc = _INSURANCE_USDC * _USDC
    yield tokens.mint_usdc(coins, who.maker.address, fund_usdc)
    yield tokens.transfer(coins.usdc, who.maker.address, world.perp.insurance_fund, fund_usdc)
    for user in (who.alice, who.bob):
        yield tokens.wrap(coins, user.address, wanted.user_weth * ETHER)
        yield tokens.mint_usdc(coins, user.address, 10**6 * _USDC)
        yield tokens.approve(coins.weth, user.address, world.vault)
        yield from uniswap_v3.approve_all(world.uniswap, user.address)
    yield tokens.mint_usdc(coins, who.liquidator.address, 2 * 10**6 * _USDC)
    yield from perp_v2.deposit(world.perp, coins, who.liquidator.address, 10**6 * _USDC)
    # Its owner pays the keeper's margin in, so that its own first transaction is its first hedge.
    margin = wanted.keeper_collateral_usdc * _USDC
    owner, keeper = who.maker.address, who.keeper.address
    yield tokens.mint_usdc(coins, owner, 2 * margin)
    yield tokens.transfer(coins.usdc, owner, keeper, margin)
    yield perp_v2.deposit_for(world.perp, coins, owner, keeper, margin)


def _markets(world: World, wanted: Plan) -> Iterator[Tx]:
    maker, price = world.accounts.maker.address, wanted.price
    half_usd = wanted.pool_usd / 2
    spot = Range(
        price_lower=price / 4,
        price_upper=price * 4,
        weth_wei=round(half_usd / price * ETHER),
        usdc_units=round(half_usd * _USDC),
    )
    yield uniswap_v3.mint(world.uniswap, maker, spot)
    yield perp_v2.add_liquidity(world.perp, maker, price, usd=wanted.maker_usd, width=2.0)


def _fill_vault(world: World, wanted: Plan) -> None:
    """Deposit for alice and bob, and put a part into a range, half WETH and half USDC."""
    chain, who, vault = world.chain, world.accounts, world.vault
    weth_wei = round(wanted.vault_weth * ETHER)
    chain.execute(
        erc4626.deposit(vault, who.alice.address, weth_wei * 6 // 10),
        erc4626.deposit(vault, who.bob.address, weth_wei * 4 // 10),
    )
    if not wanted.range_share:
        return
    half_wei = round(weth_wei * wanted.range_share / 2)
    strategist = who.strategist.address
    # The trade moves the pool a little; the arbitrageur puts it back before the range opens.
    chain.execute(erc4626.trade(vault, strategist, sell_weth=True, amount_in=half_wei))
    back = uniswap_v3.swap_to(chain, world.uniswap, who.arbitrageur.address, wanted.price)
    usdc = chain.read(world.usdc, "balanceOf(address)", "uint256", vault)
    wanted_range = Range(
        price_lower=wanted.price / wanted.range_width,
        price_upper=wanted.price * wanted.range_width,
        weth_wei=half_wei,
        usdc_units=usdc,
    )
    chain.execute(*back, erc4626.open_range(vault, world.uniswap, strategist, wanted_range))
