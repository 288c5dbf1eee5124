"""Uniswap v3 with one WETH/USDC pool, deep around its price."""

from typing import Final

from msgspec import Struct

from keeper.adapters.words import checksum_address
from keeper.devnet.calldata import encode
from keeper.devnet.chain import Chain, Tx
from keeper.devnet.deploy import plan
from keeper.devnet.pricing import sqrt_x96, tick_at
from keeper.devnet.worlds.tokens import USDC_DECIMALS, WETH_DECIMALS, Tokens, approve
from keeper.model.chain import Address

FEE: Final = 500
"""In hundredths of a basis point: 0.05 %."""
TICK_SPACING: Final = 10
_NO_ADDRESS: Final = Address("0x" + "0" * 40)
_FOREVER: Final = 2**63
_HUGE_WEI: Final = 10**26
_MINT: Final = (
    "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
)
_SWAP: Final = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"


class Uniswap(Struct, frozen=True):
    """Uniswap's contracts and the WETH/USDC pool."""

    factory: Address
    position_manager: Address
    swap_router: Address
    quoter: Address
    pool: Address
    fee: int
    tokens: Tokens

    @property
    def weth_is_token0(self) -> bool:
        """Whether the pool's price is USDC per WETH, in raw units, rather than the inverse."""
        return int(self.tokens.weth, 16) < int(self.tokens.usdc, 16)

    @property
    def token0(self) -> Address:
        """The lower of the two addresses."""
        return self.tokens.weth if self.weth_is_token0 else self.tokens.usdc

    @property
    def token1(self) -> Address:
        """The higher of the two addresses."""
        return self.tokens.usdc if self.weth_is_token0 else self.tokens.weth


class Range(Struct, frozen=True):
    """A price range in USD per WETH and what to put into it at most."""

    price_lower: float
    price_upper: float
    weth_wei: int
    usdc_units: int


def deploy(chain: Chain, deployer: Address, tokens: Tokens, price: float) -> Uniswap:
    """Deploy Uniswap and create the pool at *price* USD per WETH, still empty."""
    factory = plan(deployer, "UniswapV3Factory")
    periphery = ("address,address", factory.address, tokens.weth)
    router = plan(deployer, "SwapRouter", *periphery)
    quoter = plan(deployer, "QuoterV2", *periphery)
    manager = plan(
        deployer,
        "NonfungiblePositionManager",
        "address,address,address",
        factory.address,
        tokens.weth,
        _NO_ADDRESS,  # the picture of an NFT, which nobody looks at here
    )
    create = encode("createPool(address,address,uint24)", tokens.weth, tokens.usdc, FEE)
    chain.execute(factory.tx, router.tx, quoter.tx, manager.tx)
    chain.execute(Tx(deployer, factory.address, create, label="create pool"))
    pool = chain.read(
        factory.address,
        "getPool(address,address,uint24)",
        "address",
        tokens.weth,
        tokens.usdc,
        FEE,
    )
    uniswap = Uniswap(
        factory=factory.address,
        position_manager=manager.address,
        swap_router=router.address,
        quoter=quoter.address,
        pool=checksum_address(pool),
        fee=FEE,
        tokens=tokens,
    )
    start = encode("initialize(uint160)", pool_sqrt_x96(uniswap, price))
    grow = encode("increaseObservationCardinalityNext(uint16)", 100)
    chain.execute(
        Tx(deployer, uniswap.pool, start, label="initialise pool"),
        Tx(deployer, uniswap.pool, grow, label="grow observations"),
    )
    return uniswap


def approve_all(uniswap: Uniswap, owner: Address) -> tuple[Tx, ...]:
    """Return the transactions that let Uniswap take the owner's WETH and USDC."""
    return tuple(
        approve(token, owner, spender)
        for token in (uniswap.tokens.weth, uniswap.tokens.usdc)
        for spender in (uniswap.position_manager, uniswap.swap_router)
    )


def pool_sqrt_x96(uniswap: Uniswap, price: float) -> int:
    """Return the pool's √price for *price* USD per WETH."""
    usdc, weth = round(price * 10**12) * 10**USDC_DECIMALS, 10 ** (WETH_DECIMALS + 12)
    return sqrt_x96(usdc, weth) if uniswap.weth_is_token0 else sqrt_x96(weth, usdc)


def price_of(uniswap: Uniswap, sqrt_price_x96: int) -> float:
    """Return USD per WETH from the pool's √price."""
    raw = float((sqrt_price_x96 / 2**96) ** 2)
    per_weth = raw if uniswap.weth_is_token0 else 1 / raw
    return per_weth * 10.0 ** (WETH_DECIMALS - USDC_DECIMALS)


def price(chain: Chain, uniswap: Uniswap) -> float:
    """Return the pool's price now, USD per WETH."""
    return price_of(uniswap, chain.read(uniswap.pool, "slot0()", "uint160"))


def ticks(uniswap: Uniswap, price_lower: float, price_upper: float) -> tuple[int, int]:
    """Return the usable ticks that just enclose a range given in USD per WETH."""
    scale = 10.0 ** (USDC_DECIMALS - WETH_DECIMALS)
    raw = (price_lower * scale, price_upper * scale)
    lower, upper = raw if uniswap.weth_is_token0 else (1 / raw[1], 1 / raw[0])
    return tick_at(lower, TICK_SPACING), tick_at(upper, TICK_SPACING, round_up=True)


def mint(uniswap: Uniswap, owner: Address, wanted: Range) -> Tx:
    """Return the transaction that opens a range owned by *owner*; approvals are needed first."""
    lower, upper = ticks(uniswap, wanted.price_lower, wanted.price_upper)
    amounts = (wanted.weth_wei, wanted.usdc_units)
    amount0, amount1 = amounts if uniswap.weth_is_token0 else amounts[::-1]
    params = (
        *(uniswap.token0, uniswap.token1, uniswap.fee, lower, upper),
        *(amount0, amount1, 0, 0, owner, _FOREVER),
    )
    return Tx(owner, uniswap.position_manager, encode(_MINT, params), label="mint range")


def swap(uniswap: Uniswap, owner: Address, *, sell_weth: bool, amount_in: int) -> Tx:
    """Return the transaction that sells *amount_in* base units of WETH or USDC."""
    limit = 0  # none
    return _swap(uniswap, owner, sell_weth=sell_weth, amount_in=amount_in, limit=limit)


def swap_to(chain: Chain, uniswap: Uniswap, owner: Address, target: float) -> tuple[Tx, ...]:
    """Return the transaction that moves the pool to *target*; none if it is there already."""
    limit = pool_sqrt_x96(uniswap, target)
    now = chain.read(uniswap.pool, "slot0()", "uint160")
    if limit == now:
        return ()
    sell_token0 = limit < now
    sell_weth = sell_token0 == uniswap.weth_is_token0
    amount_in = chain.read(
        uniswap.tokens.weth if sell_weth else uniswap.tokens.usdc,
        "balanceOf(address)",
        "uint256",
        owner,
    )
    amount_in = min(amount_in, _HUGE_WEI)
    return (_swap(uniswap, owner, sell_weth=sell_weth, amount_in=amount_in, limit=limit),)


def _swap(uniswap: Uniswap, owner: Address, *, sell_weth: bool, amount_in: int, limit: int) -> Tx:
    pair = (uniswap.tokens.weth, uniswap.tokens.usdc)
    sold, bought = pair if sell_weth else pair[::-1]
    params = (sold, bought, uniswap.fee, owner, _FOREVER, amount_in, 0, limit)
    return Tx(owner, uniswap.swap_router, encode(_SWAP, params), label="swap")
