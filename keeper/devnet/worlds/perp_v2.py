"""Perp v2 (Curie) with one ETH market and one deep maker.

The order of the steps is the protocol's: a base token must sort below the quote token, the pool
must be initialised before it is registered, and thirty minutes must pass before the first trade
because the mark price needs that much history.
"""

from typing import Final

from msgspec import Struct

from keeper.adapters.words import checksum_address
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Chain, Tx
from keeper.devnet.deploy import Deployment, plan
from keeper.devnet.pricing import sqrt_x96, tick_at
from keeper.devnet.worlds.tokens import Tokens, approve
from keeper.model.chain import Address

POOL_FEE: Final = 3000
TICK_SPACING: Final = 60
MAX_TICKS_PER_BLOCK: Final = 1000
"""The protocol's own cap: a trade may move the price by about 10.5 % from where it was."""
OBSERVATIONS: Final = 500
INDEX_TIMEOUT_S: Final = 3600
INDEX_TWAP_S: Final = 900
WARM_UP_S: Final = 1900
_MILLIONTH: Final = 10**6
_FOREVER: Final = 2**63
_NO_REFERRAL: Final = bytes(32)
_HUGE_E18: Final = 10**26
_MANAGER: Final = "initialize(address,address,uint8,uint24,uint24,uint24,uint24,uint256,uint256)"
_MANAGER_LIMITS: Final = (5, 750_000, 500_000, 5_000, 30_000, 10**10, 5 * 10**8)
"""Of collateral other than USDC, of which this world has none."""
_OPEN: Final = "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))"
_ADD: Final = "addLiquidity((address,uint256,uint256,int24,int24,uint256,uint256,bool,uint256))"


class Perp(Struct, frozen=True):
    """Perp v2's contracts and its ETH market."""

    clearing_house: Address
    clearing_house_config: Address
    account_balance: Address
    exchange: Address
    order_book: Address
    vault: Address
    collateral_manager: Address
    insurance_fund: Address
    market_registry: Address
    delegate_approval: Address
    base_token: Address
    quote_token: Address
    pool: Address
    index_feed: Address
    """Perp's own cache in front of the price feed, with the TWAP."""


class Market(Struct, frozen=True, kw_only=True):
    """What kind of market to open."""

    price: float
    fee_bps: int = 10
    insurance_fee_share: float = 0.1
    price_band: float = 0.1
    """How far from the index a trade may leave the market price."""


_CONTRACTS: Final = {
    "clearing_house": "ClearingHouse",
    "clearing_house_config": "ClearingHouseConfig",
    "account_balance": "AccountBalance",
    "exchange": "Exchange",
    "order_book": "OrderBook",
    "vault": "Vault",
    "collateral_manager": "CollateralManager",
    "insurance_fund": "InsuranceFund",
    "market_registry": "MarketRegistry",
    "delegate_approval": "DelegateApproval",
    "quote_token": "QuoteToken",
}


def deploy(
    chain: Chain,
    deployer: Address,
    tokens: Tokens,
    factory: Address,
    feed: Address,
    market: Market,
) -> Perp:
    """Deploy Perp v2 and open its market; trading still needs a maker and `WARM_UP_S`."""
    plans = {field: plan(deployer, name) for field, name in _CONTRACTS.items()}
    quote = plans["quote_token"].address
    plans["base_token"] = plan(
        deployer, "BaseToken", accept=lambda address: int(address, 16) < int(quote, 16)
    )
    index = ("address,uint256,uint80", feed, INDEX_TIMEOUT_S, INDEX_TWAP_S)
    plans["index_feed"] = plan(deployer, "ChainlinkPriceFeedV3", *index)
    dispatcher = plan(deployer, "PriceFeedDispatcher", "address", plans["index_feed"].address)
    chain.execute(*(planned.tx for planned in plans.values()), dispatcher.tx)
    at = {field: planned.address for field, planned in plans.items()}
    pool = _create_pool(chain, deployer, factory, at, market)
    perp = Perp(**at, pool=pool)
    chain.execute(*_initialised(perp, deployer, tokens, factory, dispatcher))
    chain.execute(*_introduced(perp, deployer))
    chain.execute(*_opening(perp, deployer, market))
    return perp


def _create_pool(
    chain: Chain, deployer: Address, factory: Address, at: dict[str, Address], market: Market
) -> Address:
    pair = (at["base_token"], at["quote_token"], POOL_FEE)
    create = encode("createPool(address,address,uint24)", *pair)
    chain.execute(Tx(deployer, factory, create, label="create perp pool"))
    found = chain.read(factory, "getPool(address,address,uint24)", "address", *pair)
    pool = checksum_address(found)
    chain.execute(
        Tx(deployer, pool, encode("initialize(uint160)", pool_sqrt_x96(market.price))),
        Tx(deployer, pool, encode("increaseObservationCardinalityNext(uint16)", OBSERVATIONS)),
    )
    return pool


def _initialised(
    perp: Perp, deployer: Address, tokens: Tokens, factory: Address, dispatcher: Deployment
) -> tuple[Tx, ...]:
    """Return the transactions that initialise each contract, in order."""
    config, registry, book = perp.clearing_house_config, perp.market_registry, perp.order_book
    calls: tuple[tuple[Address, tuple[object, ...]], ...] = (
        (perp.quote_token, ("initialize(string,string)", "vUSD", "vUSD")),
        (
            perp.base_token,
            ("initialize(string,string,address)", "vETH", "vETH", dispatcher.address),
        ),
        (config, ("initialize()",)),
        (registry, (_initialize(2), factory, perp.quote_token)),
        (book, (_initialize(1), registry)),
        (perp.exchange, (_initialize(3), registry, book, config)),
        (perp.account_balance, (_initialize(2), config, book)),
        (perp.insurance_fund, (_initialize(1), tokens.usdc)),
        (
            perp.vault,
            (_initialize(4), perp.insurance_fund, config, perp.account_balance, perp.exchange),
        ),
        (perp.collateral_manager, (_MANAGER, config, perp.vault, *_MANAGER_LIMITS)),
        (
            perp.clearing_house,
            (
                *(_initialize(7), config, perp.vault, perp.quote_token, factory),
                *(perp.exchange, perp.account_balance, perp.insurance_fund),
            ),
        ),
        (perp.delegate_approval, ("initialize()",)),
    )
    return tuple(_call(deployer, to, *call) for to, call in calls)


def _introduced(perp: Perp, deployer: Address) -> tuple[Tx, ...]:
    """Return the transactions that tell the contracts of each other."""
    house = (perp.market_registry, perp.order_book, perp.exchange, perp.account_balance, perp.vault)
    calls = (
        (perp.order_book, "setExchange", perp.exchange),
        (perp.exchange, "setAccountBalance", perp.account_balance),
        (perp.insurance_fund, "setVault", perp.vault),
        (perp.account_balance, "setVault", perp.vault),
        (perp.vault, "setCollateralManager", perp.collateral_manager),
        *((each, "setClearingHouse", perp.clearing_house) for each in house),
        (perp.clearing_house, "setDelegateApproval", perp.delegate_approval),
    )
    return tuple(_call(deployer, to, f"{name}(address)", other) for to, name, other in calls)


def _opening(perp: Perp, deployer: Address, market: Market) -> tuple[Tx, ...]:
    """Return the transactions that open the ETH market for deposits and trades."""
    base, registry = perp.base_token, perp.market_registry
    tokens = tuple(
        _call(deployer, token, signature, account)
        for token in (perp.base_token, perp.quote_token)
        for signature, account in (
            ("mintMaximumTo(address)", perp.clearing_house),
            ("addWhitelist(address)", perp.clearing_house),
            ("addWhitelist(address)", perp.pool),
        )
    )
    ratios = {
        "setFeeRatio": market.fee_bps * 100,
        "setInsuranceFundFeeRatio": round(market.insurance_fee_share * _MILLIONTH),
        "setMarketMaxPriceSpreadRatio": round(market.price_band * _MILLIONTH),
    }
    return (
        *tokens,
        _call(
            deployer, perp.clearing_house_config, "setSettlementTokenBalanceCap(uint256)", 10**20
        ),
        _call(deployer, registry, "addPool(address,uint24)", base, POOL_FEE),
        *(
            _call(deployer, registry, f"{name}(address,uint24)", base, ratio)
            for name, ratio in ratios.items()
        ),
        _call(
            deployer,
            perp.exchange,
            "setMaxTickCrossedWithinBlock(address,uint24)",
            base,
            MAX_TICKS_PER_BLOCK,
        ),
    )


def _initialize(addresses: int) -> str:
    return f"initialize({','.join(['address'] * addresses)})"


def _call(sender: Address, to: Address, signature: object, *values: object) -> Tx:
    name = str(signature)
    return Tx(sender, to, encode(name, *values), label=name.split("(", maxsplit=1)[0])


def pool_sqrt_x96(price: float) -> int:
    """Return the market pool's √price for *price*; base is token0, both have 18 decimals."""
    return sqrt_x96(round(price * 10**12), 10**12)


def price(chain: Chain, perp: Perp) -> float:
    """Return the market pool's price now."""
    return float((chain.read(perp.pool, "slot0()", "uint160") / 2**96) ** 2)


def deposit(perp: Perp, tokens: Tokens, owner: Address, usdc_units: int) -> tuple[Tx, ...]:
    """Return the transactions that make *usdc_units* of the owner's USDC its collateral."""
    return (
        approve(tokens.usdc, owner, perp.vault),
        _call(owner, perp.vault, "deposit(address,uint256)", tokens.usdc, usdc_units),
    )


def approve_delegate(perp: Perp, owner: Address, delegate: Address) -> Tx:
    """Return the transaction that lets *delegate* open and close positions of *owner*."""
    return _call(owner, perp.delegate_approval, "approve(address,uint8)", delegate, 1)


def deposit_for(perp: Perp, tokens: Tokens, payer: Address, trader: Address, usdc_units: int) -> Tx:
    """Return the transaction that pays collateral in for *trader*.

    *payer* has deposited for itself before, and so approved the vault.
    """
    paid = (trader, tokens.usdc, usdc_units)
    return _call(payer, perp.vault, "depositFor(address,address,uint256)", *paid)


def add_liquidity(perp: Perp, maker: Address, at_price: float, *, usd: float, width: float) -> Tx:
    """Return the transaction that makes a market of *usd*, half each side, from P/width to P·width.

    *at_price* is the pool's price; `width` is a factor above 1.
    """
    lower = tick_at(at_price / width, TICK_SPACING)
    upper = tick_at(at_price * width, TICK_SPACING, round_up=True)
    base, quote = round(usd / 2 / at_price * 10**18), round(usd / 2 * 10**18)
    params = (perp.base_token, base, quote, lower, upper, 0, 0, False, _FOREVER)
    return Tx(maker, perp.clearing_house, encode(_ADD, params), label="make market")


def update_index(perp: Perp, sender: Address) -> Tx:
    """Return the transaction that makes Perp's cache take the feed's newest round."""
    return _call(sender, perp.index_feed, "update()")


def open_position(perp: Perp, trader: Address, base_wei: int) -> Tx:
    """Return the transaction that buys (or, if negative, sells) an exact amount of base."""
    params = _order(perp, sell=base_wei < 0, exact_in=base_wei < 0, amount=abs(base_wei))
    return Tx(trader, perp.clearing_house, encode(_OPEN, params), label="open position")


def trade_to(chain: Chain, perp: Perp, trader: Address, target: float) -> tuple[Tx, ...]:
    """Return the transaction that moves the market to *target*; none if it is there already."""
    limit = pool_sqrt_x96(target)
    now = chain.read(perp.pool, "slot0()", "uint160")
    if limit == now:
        return ()
    # Exact input with a price limit: the order fills up to the limit and stops there.
    params = _order(perp, sell=limit < now, exact_in=True, amount=_HUGE_E18, limit=limit)
    return (Tx(trader, perp.clearing_house, encode(_OPEN, params), label="trade to price"),)


def _order(
    perp: Perp, *, sell: bool, exact_in: bool, amount: int, limit: int = 0
) -> tuple[object, ...]:
    return (perp.base_token, sell, exact_in, amount, 0, _FOREVER, limit, _NO_REFERRAL)
