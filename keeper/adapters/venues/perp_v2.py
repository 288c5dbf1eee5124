"""Perpetual Protocol v2 (Curie): a perpetual whose price is a virtual Uniswap v3 pool.

Orders are synchronous: a mined order is a filled order, and one that reverts changed nothing.

**Impact.** Base is token0 of the pool. With virtual liquidity L and pool price P (√P = s), taking d
base moves 1/s by d/L. Integrating, the average price of a sale is P/(1 + u) and of a purchase
P/(1 - u), where u = d·s/L. So to first order in u either costs the fraction s/L per unit of base on
the average, and d·P·u in all: `impact_per_base` is s/L. The pool's own fee plays no part, because
the exchange scales amounts so that it cancels. Beyond the current tick range L is another: if it
falls, the estimate is too low, and the bound of the order is what protects the account.

**Bound.** The venue compares `oppositeAmountBound` with the quote *after* its fee: what a short
receives net of it, what a long pays with it. So `worst_price` limits the average price with the fee
inside, which is stricter than the price of the fill alone. A bound of zero means none at all; such
an order is refused here.

**No price limit.** `sqrtPriceLimitX96` stays zero: the venue fills up to it and returns success, so
a price limit turns one all-or-nothing order into a partial one that nobody noticed.

**Rounding.** Amounts go toward zero and bounds toward the account's favour. The position is read as
the float whose order does not exceed it, so that closing what was read never flips it.

Source: contracts of `@perp/curie-contract` 2.8.4, run against the bytecode of Curie 2.6.0.
"""

from math import inf, isfinite, nextafter
from typing import Final

from msgspec import Struct

from keeper.adapters import perp_v2_errors
from keeper.adapters.abi import Function, checksum_address, event, function
from keeper.model.chain import Address, Answer, Call, Log, Message, Watch
from keeper.model.errors import BadData, CallReverted, ConfigError, Rejected
from keeper.model.flow import Fill, Intent
from keeper.model.position import VenueState
from keeper.model.units import from_base_units, price_from_sqrt_x96, to_base_units_toward_zero
from keeper.ports.reading import Read

DECIMALS: Final = 18
"""Of base, quote, prices and notionals; only the vault counts in its own token's decimals."""
RATIO_ONE: Final = 1_000_000
Q96: Final = 2**96
MAX_REACH: Final = 1_000.0
"""A liquidation price beyond this multiple of the mark is out of reach: dust on a rich account."""
TYPICAL_GAS: Final = 900_000
"""A first order used 868,151 gas on a local chain, a reduction 773,104."""

OPEN_POSITION = function("perp_v2", "openPosition")
OPEN_POSITION_FOR = function("perp_v2", "openPositionFor")
POSITION_CHANGED = event("perp_v2", "PositionChanged")
POSITION_LIQUIDATED = event("perp_v2", "PositionLiquidated")
FUNDING_SETTLED = event("perp_v2", "FundingPaymentSettled")

_PARTS: Final = tuple(
    function("perp_v2", name)
    for name in ("getAccountBalance", "getExchange", "getVault", "getClearingHouseConfig")
)
_MARKET_REGISTRY = function("perp_v2", "getMarketRegistry")
_VAULT_DECIMALS = function("perp_v2", "decimals")
_POOL = function("perp_v2", "getPool")

_SIZE = function("perp_v2", "getTakerPositionSize")
_OPEN_NOTIONAL = function("perp_v2", "getTakerOpenNotional")
_PENDING_FUNDING = function("perp_v2", "getPendingFundingPayment")
_ACCOUNT_VALUE = function("perp_v2", "getAccountValue")
_FREE_COLLATERAL = function("perp_v2", "getFreeCollateral")
_EXPOSURE = function("perp_v2", "getTotalAbsPositionValue")
_MARK = function("perp_v2", "getMarkPrice")
_INDEX = function("perp_v2", "getIndexPrice")
_FEE_RATIO = function("perp_v2", "getFeeRatio")
_INITIAL_RATIO = function("perp_v2", "getImRatio")
_MAINTENANCE_RATIO = function("perp_v2", "getMmRatio")
_HAS_ORDER = function("perp_v2", "hasOrder")
_SLOT0 = function("perp_v2_pool", "slot0")
_LIQUIDITY = function("perp_v2_pool", "liquidity")


class Market(Struct, frozen=True):
    """What never changes: found in the first read, with the calls of every later one."""

    vault_decimals: int
    calls: tuple[Call, ...]


class PerpV2:
    """One account in one market."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """`[books.venue] type = "perp_v2"` in keeper.toml. The rest is asked of the chain."""

        clearing_house: Address
        base_token: Address
        """The market: the virtual base token, vETH for ether."""
        trader: Address | None = None
        """Who holds the position, if not the signer; it must have approved the signer."""
        gas_limit: int = 2_000_000

    typical_gas = TYPICAL_GAS

    def __init__(self, config: Config, account: Address) -> None:
        """Bind to one market; *account* is the signer's address.

        Raises:
            ConfigError: An address is malformed.

        """
        try:
            self._house = checksum_address(config.clearing_house)
            self._base = checksum_address(config.base_token)
            self.account = checksum_address(config.trader or account)
        except ValueError as error:
            raise ConfigError(str(error), remedy="copy the address again") from error
        self._delegated = self.account != checksum_address(account)
        self._gas_limit = config.gas_limit
        self._subject = (POSITION_CHANGED.topic, _word(self.account), _word(self._base))
        self._market: Market | None = None
        self._fee_ratio_e6: int | None = None

    def read(self) -> Read[VenueState]:
        """Read account and market: one round, three more the first time.

        Raises:
            BadData: The contracts do not answer as this venue, a number is impossible, or the
                account also provides liquidity, whose delta is not a position's.

        """
        if self._market is None:
            self._market = yield from self._find_market()
        *numbers, (has_order,) = yield self._market.calls
        if has_order:
            raise BadData(
                "the hedge account also provides liquidity, whose delta moves with the price",
                account=self.account,
                remedy="remove its orders, or hedge from an account that only takes",
            )
        return self._state(tuple(numbers), self._market.vault_decimals)

    def watch(self) -> tuple[Watch, ...]:
        """Return trades, liquidations and funding of this account in this market."""
        return tuple(
            Watch(address=self._house, topic=seen.topic, name=seen.name, loud=self._is_ours)
            for seen in (POSITION_CHANGED, POSITION_LIQUIDATED, FUNDING_SETTLED)
        )

    def prepare(self, intent: Intent) -> Message:
        """Return the order: an exact amount of base, bounded in quote and time.

        `reduce_only` is not a property of this venue's orders: the amount is all it knows. Whoever
        sizes the intent answers for it; an amount rounded toward zero cannot break it.

        Raises:
            Rejected: The size rounds to nothing, or the price leaves no bound that protects.

        """
        amount = abs(to_base_units_toward_zero(intent.units, DECIMALS))
        sells = intent.units < 0
        bound = _bound(amount, intent.worst_price, sells=sells)
        order = (self._base, sells, sells, amount, bound, intent.deadline_s, 0, bytes(32))
        if self._delegated:
            data = OPEN_POSITION_FOR.encode_call(self.account, order)
        else:
            data = OPEN_POSITION.encode_call(order)
        return Message(to=self._house, data=data, value_wei=0, gas_limit=self._gas_limit)

    def preview(self, intent: Intent, returned: bytes) -> Fill:
        """Return the fill that a simulated order promised; it realises nothing yet.

        The venue returns the quote with its fee inside; the fee is taken out by the ratio of the
        last read, unless the venue returned it.

        Raises:
            BadData: *returned* is not what an order returns, or nothing was read before.

        """
        order: Function = OPEN_POSITION_FOR if self._delegated else OPEN_POSITION
        base, quote, *fees = order.decode_result(returned)
        if base == 0:
            raise BadData("the simulated order fills nothing", intent=intent.id)
        sells = intent.units < 0
        fee = fees[0] if fees else self._fee_inside(quote, sells=sells)
        notional = quote + fee if sells else quote - fee
        return Fill(
            units=_human(-base if sells else base),
            price=notional / base,
            fee_usd=_human(fee),
            realized_pnl_usd=0.0,
        )

    def fill(self, logs: tuple[Log, ...]) -> Fill | None:
        """Return what *logs* did to this account here, all of it together; None if nothing.

        The price is the average by size, without the fee. A log that is there twice counts once.

        Raises:
            BadData: The venue's own log of our account is malformed.

        """
        by_index = {
            log.index: log
            for log in logs
            if log.topics[:1] == self._subject[:1] and self._is_ours(log)
        }
        ours = [POSITION_CHANGED.decode(log) for log in by_index.values()]
        exchanged = sum(abs(change["exchangedPositionSize"]) for change in ours)
        if not exchanged:
            return None
        notional = sum(abs(change["exchangedPositionNotional"]) for change in ours)
        return Fill(
            units=_human(sum(change["exchangedPositionSize"] for change in ours)),
            price=notional / exchanged,
            fee_usd=_human(sum(change["fee"] for change in ours)),
            realized_pnl_usd=_human(sum(change["realizedPnl"] for change in ours)),
        )

    def explain(self, revert: bytes) -> str:
        return perp_v2_errors.explain(revert)

    def _is_ours(self, log: Log) -> bool:
        return log.topics[1:3] == self._subject[1:] and log.address.lower() == self._house.lower()

    def _fee_inside(self, quote: int, *, sells: bool) -> int:
        ratio = self._fee_ratio_e6
        if ratio is None:
            raise BadData("the venue's fee is unknown before its first read")
        # A short is paid notional·(1 - f). A long pays notional/(1 - f): its fee is f of the whole.
        return quote * ratio // (RATIO_ONE - ratio) if sells else quote * ratio // RATIO_ONE

    def _find_market(self) -> Read[Market]:
        try:
            parts = yield tuple(part(self._house) for part in _PARTS)
            balance, exchange, vault, config = (part for (part,) in parts)
            (registry,), (decimals,) = yield (_MARKET_REGISTRY(exchange), _VAULT_DECIMALS(vault))
            ((pool,),) = yield (_POOL(registry, self._base),)
        except CallReverted as revert:
            raise BadData(
                "the configured contracts are not a Perp v2 market",
                clearing_house=self._house,
                base_token=self._base,
                reason=self.explain(revert.data),
                remedy="check clearing_house and base_token in keeper.toml, and the chain",
            ) from revert
        trader, base = self.account, self._base
        calls = (
            _SIZE(balance, trader, base),
            _OPEN_NOTIONAL(balance, trader, base),
            _PENDING_FUNDING(exchange, trader, base),
            _ACCOUNT_VALUE(self._house, trader),
            _FREE_COLLATERAL(vault, trader),
            _EXPOSURE(balance, trader),
            _MARK(balance, base),
            _INDEX(base, 0),
            _FEE_RATIO(registry, base),
            _INITIAL_RATIO(config),
            _MAINTENANCE_RATIO(config),
            _SLOT0(pool),
            _LIQUIDITY(pool),
            _HAS_ORDER(balance, trader),
        )
        return Market(vault_decimals=decimals, calls=calls)

    def _state(self, numbers: tuple[Answer, ...], vault_decimals: int) -> VenueState:
        size, open_notional, funding, value, free, exposure, mark, index, *rest = (
            answer[0] for answer in numbers
        )
        fee_ratio, initial_ratio, maintenance_ratio, sqrt_price_x96, liquidity = rest
        if min(mark, index, sqrt_price_x96, liquidity) <= 0:
            raise BadData(
                "the market shows no price or no liquidity",
                mark=mark,
                index=index,
                sqrt_price_x96=sqrt_price_x96,
                liquidity=liquidity,
            )
        self._fee_ratio_e6 = fee_ratio
        size_base = _closable(size)
        return VenueState(
            size_base=size_base,
            open_notional_usd=_human(open_notional),
            pending_funding_usd=_human(funding),
            account_value_usd=_human(value),
            free_collateral_usd=from_base_units(free, vault_decimals),
            margin_ratio=value / exposure if exposure else None,
            liquidation_price=liquidation_price(
                size_base=size_base,
                mark_price=_human(mark),
                account_value_usd=_human(value),
                exposure_usd=_human(exposure),
                maintenance_ratio=maintenance_ratio / RATIO_ONE,
            ),
            mark_price=_human(mark),
            # Base and quote of the market both have eighteen decimals.
            trade_price=price_from_sqrt_x96(sqrt_price_x96, DECIMALS, DECIMALS),
            index_price=_human(index),
            fee_rate=fee_ratio / RATIO_ONE,
            impact_per_base=impact_per_base(sqrt_price_x96, liquidity),
            initial_margin_ratio=initial_ratio / RATIO_ONE,
        )


def impact_per_base(sqrt_price_x96: int, liquidity: int) -> float:
    """Return the relative cost on the average price per unit of base: √P / L, both human."""
    return sqrt_price_x96 / Q96 / from_base_units(liquidity, DECIMALS)


def liquidation_price(
    *,
    size_base: float,
    mark_price: float,
    account_value_usd: float,
    exposure_usd: float,
    maintenance_ratio: float,
) -> float | None:
    """Return the mark at which the account may be liquidated, all else equal, or None.

    Liquidation is allowed when account value < maintenance ratio · exposure, where *exposure_usd*
    is the sum of |position value| over all markets. A move x of the mark changes the left side by
    size·x and the right by ratio·|size|·x, so x = (ratio·exposure - value)/(size - ratio·|size|).
    """
    if size_base == 0:
        return None
    slope = size_base - maintenance_ratio * abs(size_base)
    price = mark_price + (maintenance_ratio * exposure_usd - account_value_usd) / slope
    return price if 0 < price < MAX_REACH * mark_price else None


def _bound(amount: int, worst_price: float, *, sells: bool) -> int:
    if not (isfinite(worst_price) and worst_price > 0):
        raise Rejected("an order needs a price limit above zero", worst_price=worst_price)
    if amount == 0:
        raise Rejected("the order rounds to nothing")
    numerator, denominator = worst_price.as_integer_ratio()
    # Up for what is received, down for what is paid: never worse than the limit.
    bound = -(-amount * numerator // denominator) if sells else amount * numerator // denominator
    if bound == 0:
        raise Rejected(
            "the order is so small that the venue would not bound its price", amount=amount
        )
    return bound


def _human(amount: int) -> float:
    return from_base_units(amount, DECIMALS)


def _closable(amount: int) -> float:
    """Return the size as the float whose order comes nearest to *amount* and never exceeds it."""
    if amount == 0:
        return 0.0
    nearest = from_base_units(abs(amount), DECIMALS)
    neighbours = (nextafter(nearest, inf), nearest, nextafter(nearest, 0.0))
    size = next(
        near for near in neighbours if to_base_units_toward_zero(near, DECIMALS) <= abs(amount)
    )
    return size if amount >= 0 else -size


def _word(address: Address) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])
