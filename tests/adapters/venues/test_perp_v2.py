"""Perp v2 without a chain: numbers worked by hand, and laws of its arithmetic."""

from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest
from eth_abi.abi import decode, encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keeper.adapters.abi import Function, function
from keeper.adapters.venues import perp_v2
from keeper.adapters.venues.perp_v2 import PerpV2
from keeper.model.chain import Address, Answer, Call, Log, Message
from keeper.model.errors import BadData, ConfigError
from keeper.model.flow import Fill
from keeper.model.position import VenueState
from keeper.testing.conformance.venue import (
    BLOCK,
    Order,
    VenueConformance,
    intent,
    read_recorded,
)


def address(digit: str) -> Address:
    return Address("0x" + digit * 40)


HOUSE, BASE, TRADER = address("1"), address("2"), address("3")
BALANCE, EXCHANGE, VAULT, CONFIG = address("4"), address("5"), address("6"), address("7")
REGISTRY, POOL, SIGNER = address("8"), address("9"), Address("0x" + "0" * 39 + "1")

E18 = 10**18
SQRT_2000_X96 = int(2_000**0.5 * 2**96)
FUNDING_TOPIC = keccak(b"FundingPaymentSettled(address,address,int256)")
ORDER_TYPES = "(address,bool,bool,uint256,uint256,uint256,uint160,bytes32)"

STEADY: dict[str, tuple[Address, tuple[object, ...], tuple[object, ...]]] = {
    "getTakerPositionSize": (BALANCE, (TRADER, BASE), (-12 * E18,)),
    "getTakerOpenNotional": (BALANCE, (TRADER, BASE), (23_719 * E18,)),
    "getPendingFundingPayment": (EXCHANGE, (TRADER, BASE), (310 * E18 + E18 // 2,)),
    "getAccountValue": (HOUSE, (TRADER,), (50_000 * E18,)),
    "getFreeCollateral": (VAULT, (TRADER,), (47_600 * 10**6,)),
    "getTotalAbsPositionValue": (BALANCE, (TRADER,), (24_000 * E18,)),
    "getMarkPrice": (BALANCE, (BASE,), (2_000 * E18,)),
    "getIndexPrice": (BASE, (0,), (2_010 * E18,)),
    "getFeeRatio": (REGISTRY, (BASE,), (1_000,)),
    "getImRatio": (CONFIG, (), (100_000,)),
    "getMmRatio": (CONFIG, (), (62_500,)),
    "hasOrder": (BALANCE, (TRADER,), (False,)),
}


def recorded(**changes: tuple[object, ...]) -> dict[Call, Answer]:
    answers: dict[Call, Answer] = {
        function("perp_v2", "getAccountBalance")(HOUSE): (BALANCE,),
        function("perp_v2", "getExchange")(HOUSE): (EXCHANGE,),
        function("perp_v2", "getVault")(HOUSE): (VAULT,),
        function("perp_v2", "getClearingHouseConfig")(HOUSE): (CONFIG,),
        function("perp_v2", "getMarketRegistry")(EXCHANGE): (REGISTRY,),
        function("perp_v2", "decimals")(VAULT): (6,),
        function("perp_v2", "getPool")(REGISTRY, BASE): (POOL,),
        function("perp_v2_pool", "slot0")(POOL): changes.pop(
            "slot0", (SQRT_2000_X96, 76_012, 0, 1, 1, 0, True)
        ),
        function("perp_v2_pool", "liquidity")(POOL): changes.pop("liquidity", (100_000 * E18,)),
    }
    for name, (to, arguments, values) in STEADY.items():
        answers[function("perp_v2", name)(to, *arguments)] = changes.get(name, values)
    return answers


def state_of(**changes: tuple[object, ...]) -> VenueState:
    return read_recorded(build(), recorded(**changes))[0]


def build(trader: Address | None = None, account: Address = TRADER) -> PerpV2:
    config = PerpV2.Config(clearing_house=HOUSE, base_token=BASE, trader=trader)
    return PerpV2(config, account)


def word(account: Address) -> bytes:
    return bytes(12) + bytes.fromhex(account[2:])


def position_changed(*values: int, index: int = 3, trader: Address = TRADER) -> Log:
    topic = keccak(b"PositionChanged(address,address,int256,int256,uint256,int256,int256,uint256)")
    return Log(
        address=HOUSE,
        topics=(topic, word(trader), word(BASE)),
        data=encode(["int256", "int256", "uint256", "int256", "int256", "uint256"], values),
        index=index,
    )


def decoded(message: Message, signature: str = f"openPosition({ORDER_TYPES})") -> Order:
    assert message.to == HOUSE
    assert message.data[:4] == keccak(signature.encode())[:4]
    types = ["address", ORDER_TYPES] if "For" in signature else [ORDER_TYPES]
    *_, order = decode(types, message.data[4:])
    base, sells, exact_input, amount, bound, deadline_s, limit, referral = order
    assert base == BASE.lower()
    # An exact amount of base either way: what is sold comes in, what is bought goes out.
    assert exact_input == sells
    assert (limit, referral) == (0, bytes(32))
    return Order(
        units=Fraction(-amount if sells else amount, E18),
        worst_price=Fraction(bound, amount),
        deadline_s=deadline_s,
    )


class TestPerpV2(VenueConformance):
    @pytest.fixture
    def make(self) -> Callable[[], PerpV2]:
        return build

    @pytest.fixture
    def recording(self) -> Mapping[Call, Answer]:
        return recorded()

    @pytest.fixture
    def expected(self) -> VenueState:
        return VenueState(
            size_base=-12.0,
            open_notional_usd=23_719.0,
            pending_funding_usd=310.5,
            account_value_usd=50_000.0,
            free_collateral_usd=47_600.0,
            margin_ratio=50_000 / 24_000,
            # 2000 + (50000 - 0.0625·24000) / (12·1.0625)
            liquidation_price=2_000 + 48_500 / 12.75,
            mark_price=2_000.0,
            trade_price=(SQRT_2000_X96 / 2**96) ** 2,
            index_price=2_010.0,
            fee_rate=0.001,
            # √2000 / 100000
            impact_per_base=SQRT_2000_X96 / 2**96 / 100_000,
            initial_margin_ratio=0.1,
        )

    @pytest.fixture
    def order_of(self) -> Callable[[Message], Order]:
        return decoded

    @pytest.fixture
    def receipt(self) -> tuple[Log, ...]:
        funding = Log(
            address=HOUSE,
            topics=(FUNDING_TOPIC, word(TRADER), word(BASE)),
            data=encode(["int256"], [7]),
            index=1,
        )
        return (
            funding,
            position_changed(-20 * E18, 39_532 * E18, 39 * E18, 39_492 * E18, 0, SQRT_2000_X96),
        )

    @pytest.fixture
    def filled(self) -> Fill:
        return Fill(units=-20.0, price=1_976.6, fee_usd=39.0, realized_pnl_usd=0.0)


# ---------------------------------------------------------------- reading


def test_an_account_without_a_position_has_no_ratio_and_no_liquidation_price() -> None:
    state = state_of(getTakerPositionSize=(0,), getTotalAbsPositionValue=(0,))
    assert state.margin_ratio is None
    assert state.liquidation_price is None


def test_an_account_that_also_makes_a_market_is_bad_data() -> None:
    with pytest.raises(BadData, match="also provides liquidity"):
        state_of(hasOrder=(True,))


@pytest.mark.parametrize(
    "broken",
    [
        {"getMarkPrice": (0,)},
        {"getIndexPrice": (0,)},
        {"liquidity": (0,)},
        {"slot0": (0, 0, 0, 0, 0, 0, False)},
    ],
)
def test_a_market_without_price_or_liquidity_is_bad_data(
    broken: dict[str, tuple[object, ...]],
) -> None:
    with pytest.raises(BadData, match="no price or no liquidity"):
        state_of(**broken)


def test_a_wrong_address_names_the_configuration_keys() -> None:
    with pytest.raises(BadData, match="not a Perp v2 market") as caught:
        read_recorded(build(), recorded(), revert_in_round=2)
    assert "clearing_house" in str(caught.value)
    assert "base_token" in str(caught.value)


def test_a_malformed_address_is_a_configuration_error() -> None:
    config = PerpV2.Config(clearing_house=Address("0x12"), base_token=BASE)
    with pytest.raises(ConfigError):
        PerpV2(config, TRADER)


@given(size=st.integers(-(10**30), 10**30))
def test_closing_what_was_read_never_flips_the_position(size: int) -> None:
    read = state_of(getTakerPositionSize=(size,)).size_base
    if read == 0:
        assert size == 0
        return
    closing = decoded(build().prepare(intent(-read)))
    assert 0 <= abs(size) - abs(closing.units * E18) <= abs(size) // 2**51
    assert (closing.units < 0) == (size > 0)


@given(units=st.floats(1e-6, 1e6))
def test_a_position_opened_by_one_order_is_closed_exactly(units: float) -> None:
    opened = decoded(build().prepare(intent(-units))).units * E18
    read = state_of(getTakerPositionSize=(int(opened),)).size_base
    closed = decoded(build().prepare(intent(-read))).units * E18
    assert opened + closed == 0


# ---------------------------------------------------------------- liquidation


def liquidatable(mark: float, *, size: float, value: float, other: float, ratio: float) -> bool:
    """Say what the venue would at *mark*, for an account worth *value* at a mark of 2,000."""
    account_value = value + size * (mark - 2_000)
    return account_value < ratio * (abs(size) * mark + other)


@given(
    size=st.floats(-100, 100).filter(lambda s: abs(s) > 1e-3),
    value=st.floats(1, 1e6),
    other=st.floats(0, 1e6),
    ratio=st.floats(0.01, 0.2),
)
def test_liquidation_begins_at_the_liquidation_price(
    size: float, value: float, other: float, ratio: float
) -> None:
    price = perp_v2.liquidation_price(
        size_base=size,
        mark_price=2_000.0,
        account_value_usd=value,
        exposure_usd=abs(size) * 2_000 + other,
        maintenance_ratio=ratio,
    )
    if price is None:
        return
    worse, better = (0.999, 1.001) if size > 0 else (1.001, 0.999)
    assert liquidatable(price * worse, size=size, value=value, other=other, ratio=ratio)
    assert not liquidatable(price * better, size=size, value=value, other=other, ratio=ratio)


def test_a_fully_collateralised_long_cannot_be_liquidated() -> None:
    assert (
        perp_v2.liquidation_price(
            size_base=1.0,
            mark_price=2_000.0,
            account_value_usd=2_500.0,
            exposure_usd=2_000.0,
            maintenance_ratio=0.0625,
        )
        is None
    )


def test_dust_on_a_rich_account_has_no_liquidation_price_in_reach() -> None:
    state = state_of(getTakerPositionSize=(-900,), getTotalAbsPositionValue=(1_800_000,))
    assert state.liquidation_price is None


# ---------------------------------------------------------------- impact


@given(
    sqrt_price=st.floats(1.0, 1e3),
    liquidity=st.floats(1e3, 1e9),
    share=st.floats(1e-4, 1e-2),
)
def test_impact_is_the_first_order_of_the_curve(
    sqrt_price: float, liquidity: float, share: float
) -> None:
    # Exact constant-product integral between 1/s and 1/s ± d/L, as in the module's docstring.
    price = sqrt_price**2
    d = share * liquidity / sqrt_price
    after_sale = 1 / (1 / sqrt_price + d / liquidity)
    received = liquidity * (sqrt_price - after_sale)
    after_purchase = 1 / (1 / sqrt_price - d / liquidity)
    paid = liquidity * (after_purchase - sqrt_price)
    rate = perp_v2.impact_per_base(int(sqrt_price * 2**96), int(liquidity * E18))
    expected = price * rate * d * d
    assert price * d - received == pytest.approx(expected / (1 + share), rel=1e-4)
    assert paid - price * d == pytest.approx(expected / (1 - share), rel=1e-4)


# ---------------------------------------------------------------- orders and fills


def test_a_short_sells_an_exact_amount_for_at_least_its_bound() -> None:
    order = decoded(build().prepare(intent(-1.5, worst_price=1_990.0)))
    assert order == Order(Fraction(-3, 2), Fraction(1_990), BLOCK.timestamp_s + 60)


def test_a_long_buys_an_exact_amount_for_at_most_its_bound() -> None:
    order = decoded(build().prepare(intent(1.5, worst_price=2_010.0)))
    assert order == Order(Fraction(3, 2), Fraction(2_010), BLOCK.timestamp_s + 60)


def test_reduce_only_changes_nothing_in_the_order() -> None:
    plain = intent(-1.5)
    assert build().prepare(replace(plain, reduce_only=True)) == build().prepare(plain)


def test_a_delegated_order_names_the_trader() -> None:
    venue = build(trader=TRADER, account=SIGNER)
    assert venue.account == TRADER
    message = venue.prepare(intent(-1.5))
    signature = f"openPositionFor(address,{ORDER_TYPES})"
    assert decoded(message, signature).units == Fraction(-3, 2)
    assert decode(["address", ORDER_TYPES], message.data[4:])[0] == TRADER.lower()


def test_a_trader_that_is_the_signer_is_not_delegated() -> None:
    assert build(trader=TRADER).prepare(intent(1.0)) == build().prepare(intent(1.0))


def previewed(units: float, base: int, quote: int) -> Fill:
    venue = build()
    read_recorded(venue, recorded())
    returned = encode(["uint256", "uint256"], [base, quote])
    return venue.preview(intent(units), returned)


def test_a_previewed_short_has_its_fee_added_back() -> None:
    # 20 ETH at 1976.6 is 39532; the venue returns it less 0.1 %.
    fill = previewed(-20.0, 20 * E18, 39_532 * E18 * 999 // 1_000)
    assert fill.units == -20.0
    assert fill.price == pytest.approx(1_976.6, rel=1e-12)
    assert fill.fee_usd == pytest.approx(39.532, rel=1e-12)


def test_a_previewed_long_has_its_fee_taken_out() -> None:
    # A long pays notional / (1 - 0.1 %).
    fill = previewed(20.0, 20 * E18, 40_468 * E18 * 1_000 // 999)
    assert fill.units == 20.0
    assert fill.price == pytest.approx(2_023.4, rel=1e-12)
    assert fill.fee_usd == pytest.approx(40_468 / 999, rel=1e-12)


def test_a_delegated_preview_uses_the_fee_the_venue_returns() -> None:
    returned = encode(["uint256"] * 3, [2 * E18, 3_990 * E18, 10 * E18])
    fill = build(trader=TRADER, account=SIGNER).preview(intent(-2.0), returned)
    assert fill == Fill(units=-2.0, price=2_000.0, fee_usd=10.0, realized_pnl_usd=0.0)


def test_a_preview_before_any_read_does_not_guess_the_fee() -> None:
    with pytest.raises(BadData, match="fee is unknown"):
        build().preview(intent(-1.0), encode(["uint256", "uint256"], [E18, 2_000 * E18]))


def test_a_preview_that_fills_nothing_is_bad_data() -> None:
    with pytest.raises(BadData, match="fills nothing"):
        previewed(-1.0, 0, 0)


def test_several_changes_of_one_transaction_add_up() -> None:
    fill = build().fill(
        (
            position_changed(-2 * E18, 4_000 * E18, 4 * E18, 0, 5 * E18, 1, index=1),
            position_changed(-6 * E18, 11_600 * E18, 12 * E18, 0, -2 * E18, 1, index=2),
        )
    )
    assert fill == Fill(units=-8.0, price=1_950.0, fee_usd=16.0, realized_pnl_usd=3.0)


def test_a_change_of_nothing_is_no_fill() -> None:
    assert build().fill((position_changed(0, 0, 0, 0, 0, 1),)) is None


def test_a_malformed_log_of_our_own_is_bad_data() -> None:
    log = position_changed(-E18, 2_000 * E18, 1, 0, 0, 1)
    with pytest.raises(BadData):
        build().fill((replace(log, data=log.data[:-32]),))


def test_every_call_of_a_steady_read_is_built_once() -> None:
    venue = build()
    read_recorded(venue, recorded())
    first, second = next(venue.read()), next(venue.read())
    assert first is second
    assert len(first) == 14


def test_the_abi_has_the_selectors_of_the_venue() -> None:
    # From the public ABI of the deployed ClearingHouse.
    assert isinstance(perp_v2.OPEN_POSITION, Function)
    assert perp_v2.OPEN_POSITION.selector == keccak(f"openPosition({ORDER_TYPES})".encode())[:4]
