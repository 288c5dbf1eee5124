"""Perp v2 against its real contracts: what is promised, what is done, and what is refused."""

import json
import re
from typing import Any

import pytest
from eth_abi.abi import encode as abi_encode
from msgspec.structs import replace

from keeper.adapters.perp_v2_errors import classify
from keeper.adapters.signers.private_key import PrivateKey
from keeper.adapters.venues.perp_v2 import PerpV2
from keeper.devnet import actions
from keeper.devnet.accounts import Account
from keeper.devnet.artifacts import PACKAGED, creation_code
from keeper.devnet.calldata import decode, encode
from keeper.devnet.chain import Tx
from keeper.devnet.tools import node_modules
from keeper.devnet.world import World
from keeper.model.chain import Address, Answer, BlockRef, Call, ChainId, Fees, Log, UnsignedTx
from keeper.model.errors import BadData, CallReverted, Rejected
from keeper.model.flow import Fill, Intent
from keeper.model.position import VenueState
from keeper.model.units import ETHER, GWEI
from keeper.ports.reading import Read

pytestmark = pytest.mark.anvil

DUST_BASE = 1e-15
TOTAL_SIZE = "getTotalPositionSize(address,address)"
PENDING = "getAllPendingFundingPayment(address)"
TOTAL_NOTIONAL = "getTotalOpenNotional(address,address)"
PORTAL = "@perp/curie-deployments/optimism/periphery/artifacts/contracts/lens/PerpPortal.sol"


class Desk:
    """Trades for one account of the world: read, prepare, rehearse, sign, send, decode."""

    def __init__(self, world: World, account: Account, trader: Address | None = None) -> None:
        self.world = world
        self.chain = world.chain
        self.signer = PrivateKey(
            PrivateKey.Config(variable="KEY"), ChainId(world.chain_id), {"KEY": account.test_key}
        )
        self.venue = PerpV2(
            PerpV2.Config(
                clearing_house=world.perp.clearing_house,
                base_token=world.perp.base_token,
                trader=trader,
            ),
            self.signer.address,
        )

    # Looking

    def state(self) -> VenueState:
        return self.read(self.venue.read())

    def read(self, reading: Read[VenueState]) -> VenueState:
        calls = next(reading)
        while True:
            try:
                calls = reading.send(tuple(self.answer(call) for call in calls))
            except Rejected as refusal:
                calls = reading.throw(CallReverted("it reverted", data=revert_data(refusal)))
            except StopIteration as done:
                state: VenueState = done.value
                return state

    def answer(self, call: Call) -> Answer:
        asked = {"to": call.to, "data": "0x" + call.data.hex()}
        raw: str = self.chain.rpc.call("eth_call", asked, "latest")
        return decode(",".join(call.returns), bytes.fromhex(raw[2:]))

    # Trading

    def intent(self, units: float, worst_price: float | None = None, life_s: int = 600) -> Intent:
        block = self.chain.block()
        return Intent(
            id="c0" * 16,
            book="book",
            account=self.signer.address,
            units=units,
            reduce_only=False,
            worst_price=worst_price or (1.0 if units < 0 else 1e6),
            deadline_s=block.timestamp_s + life_s,
            native_price=2_000.0,
            block=BlockRef(
                number=block.number,
                hash=block.hash,
                parent_hash="0x" + "00" * 32,
                timestamp_s=block.timestamp_s,
                base_fee_wei=block.base_fee_wei,
            ),
        )

    def returned(self, intent: Intent) -> bytes:
        message = self.venue.prepare(intent)
        wire = {
            "from": self.signer.address,
            "to": message.to,
            "data": "0x" + message.data.hex(),
            "gas": hex(message.gas_limit),
        }
        raw: str = self.chain.rpc.call("eth_call", wire, "latest")
        return bytes.fromhex(raw[2:])

    def refusal(self, intent: Intent) -> str:
        with pytest.raises(Rejected) as caught:
            self.returned(intent)
        return self.venue.explain(revert_data(caught.value))

    def send(self, intent: Intent) -> dict[str, Any]:
        """Sign with the real signer and send; the receipt, whatever it says."""
        account = self.signer.address
        nonce = int(self.chain.rpc.call("eth_getTransactionCount", account, "latest"), 16)
        signed = self.signer.sign(
            UnsignedTx(
                chain_id=ChainId(self.world.chain_id),
                nonce=nonce,
                message=self.venue.prepare(intent),
                fees=Fees(max_fee_wei=50 * GWEI, tip_wei=GWEI),
            )
        )
        assert self.chain.rpc.call("eth_sendRawTransaction", "0x" + signed.raw.hex()) == signed.hash
        self.chain.mine()
        receipt: dict[str, Any] = self.chain.rpc.call("eth_getTransactionReceipt", signed.hash)
        return receipt

    def trade(self, units: float, worst_price: float | None = None) -> Fill:
        receipt = self.send(self.intent(units, worst_price))
        assert receipt["status"] == "0x1"
        fill = self.venue.fill(logs_of(receipt))
        assert fill is not None
        return fill


def revert_data(refusal: Rejected) -> bytes:
    data = refusal.facts["data"]
    return bytes.fromhex(data[2:]) if isinstance(data, str) else b""


def logs_of(receipt: dict[str, Any]) -> tuple[Log, ...]:
    return tuple(
        Log(
            address=Address(log["address"]),
            topics=tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
            data=bytes.fromhex(log["data"][2:]),
            index=int(log["logIndex"], 16),
        )
        for log in receipt["logs"]
    )


def call(world: World, sender: Account, to: Address, signature: str, *values: object) -> Any:
    """Do something as *sender*; return its receipt."""
    return world.chain.execute(Tx(sender.address, to, encode(signature, *values)))[0]


def withdraw(world: World, trader: Account, usd: float) -> None:
    """Take collateral out of the venue's vault."""
    units = round(usd * 10**6)
    call(world, trader, world.perp.vault, "withdraw(address,uint256)", world.usdc, units)


@pytest.fixture
def desk(world: World) -> Desk:
    return Desk(world, world.accounts.keeper)


# ---------------------------------------------------------------- reading


def test_a_fresh_account_is_flat_and_owns_its_deposit(desk: Desk) -> None:
    state = desk.state()
    assert (state.size_base, state.open_notional_usd, state.pending_funding_usd) == (0, 0, 0)
    assert (state.account_value_usd, state.free_collateral_usd) == (500_000, 500_000)
    assert (state.margin_ratio, state.liquidation_price) == (None, None)
    assert state.mark_price == pytest.approx(2_000, rel=1e-3)
    assert state.index_price == 2_000
    assert (state.fee_rate, state.initial_margin_ratio) == (0.001, 0.1)


def test_the_state_is_what_the_contracts_say(desk: Desk) -> None:
    desk.trade(-20.0)
    perp, chain, trader = desk.world.perp, desk.chain, desk.signer.address
    state = desk.state()
    base, balance = perp.base_token, perp.account_balance
    for value, to, signature, returns, arguments in (
        (state.size_base, balance, TOTAL_SIZE, "int256", (trader, base)),
        (state.mark_price, balance, "getMarkPrice(address)", "uint256", (base,)),
        (state.pending_funding_usd, perp.exchange, PENDING, "int256", (trader,)),
        (state.open_notional_usd, balance, TOTAL_NOTIONAL, "int256", (trader, base)),
    ):
        assert value == pytest.approx(chain.read(to, signature, returns, *arguments) / ETHER)
    for value, signature, returns in (
        (state.account_value_usd, "getAccountValue(address)", "int256"),
        (state.free_collateral_usd, "getFreeCollateral(address)", "uint256"),
    ):
        assert value == chain.read(perp.vault, signature, returns, trader) / 10**6


def test_a_changed_fee_is_seen_by_the_next_read(desk: Desk) -> None:
    assert desk.state().fee_rate == 0.001
    owner, registry = desk.world.accounts.deployer, desk.world.perp.market_registry
    call(
        desk.world,
        owner,
        registry,
        "setFeeRatio(address,uint24)",
        desk.world.perp.base_token,
        2_500,
    )
    assert desk.state().fee_rate == 0.0025


def test_an_account_that_makes_a_market_cannot_be_a_hedge(world: World) -> None:
    with pytest.raises(BadData, match="also provides liquidity"):
        Desk(world, world.accounts.maker).state()


def test_an_unlisted_base_token_is_explained(world: World) -> None:
    desk = Desk(world, world.accounts.keeper)
    config = PerpV2.Config(clearing_house=world.perp.clearing_house, base_token=world.weth)
    with pytest.raises(BadData, match="no pool for this base token"):
        desk.read(PerpV2(config, desk.signer.address).read())


def test_a_reorg_takes_the_position_away_again(desk: Desk) -> None:
    desk.trade(-20.0)
    assert desk.state().size_base == -20.0
    desk.chain.reorg(1)
    assert desk.state().size_base == 0.0


# ---------------------------------------------------------------- trading


def test_opening_a_short_sells_below_the_market(desk: Desk) -> None:
    fill = desk.trade(-20.0)
    state = desk.state()
    assert fill.units == state.size_base == -20.0
    assert 1_950 < fill.price < 2_000
    assert fill.fee_usd == pytest.approx(0.001 * 20 * fill.price)
    assert state.open_notional_usd == pytest.approx(20 * fill.price - fill.fee_usd)
    assert fill.realized_pnl_usd == 0


def test_opening_a_long_buys_above_the_market(desk: Desk) -> None:
    fill = desk.trade(20.0)
    state = desk.state()
    assert fill.units == state.size_base == 20.0
    assert 2_000 < fill.price < 2_050
    # A long's fee is charged on top: f/(1 - f) of what the pool takes.
    assert fill.fee_usd == pytest.approx(0.001 / 0.999 * 20 * fill.price)
    assert state.open_notional_usd == pytest.approx(-20 * fill.price - fill.fee_usd)


@pytest.mark.parametrize("units", [-20.0, 20.0, -0.123456789, 3.3])
def test_a_preview_is_the_fill(desk: Desk, units: float) -> None:
    desk.state()
    promised = desk.venue.preview(desk.intent(units), desk.returned(desk.intent(units)))
    fill = desk.trade(units)
    assert promised.units == fill.units
    assert promised.price == pytest.approx(fill.price, rel=1e-9)
    assert promised.fee_usd == pytest.approx(fill.fee_usd, rel=1e-9)


def test_a_partial_close_realises_its_share(desk: Desk) -> None:
    opened = desk.trade(-20.0)
    closed = desk.trade(8.0)
    state = desk.state()
    assert state.size_base == -12.0
    received = 8 * opened.price - opened.fee_usd * 8 / 20
    paid = 8 * closed.price + closed.fee_usd
    assert closed.realized_pnl_usd == pytest.approx(received - paid)
    assert state.open_notional_usd == pytest.approx(12 * opened.price - opened.fee_usd * 12 / 20)


def test_a_trade_through_zero_flips_the_position(desk: Desk) -> None:
    desk.trade(-5.0)
    fill = desk.trade(12.0)
    assert fill.units == 12.0
    assert desk.state().size_base == 7.0
    assert desk.state().open_notional_usd < 0


@pytest.mark.parametrize("units", [-20.0, 20.0, -0.1, 7.123456789012345])
def test_closing_what_one_order_opened_leaves_nothing(desk: Desk, units: float) -> None:
    desk.trade(units)
    desk.trade(-desk.state().size_base)
    state = desk.state()
    assert (state.size_base, state.open_notional_usd) == (0, 0)
    assert state.margin_ratio is None


def test_closing_what_many_orders_opened_leaves_dust_at_most_and_never_flips(desk: Desk) -> None:
    for units in (-0.1, -0.2, -7.123456789012345, -1e-3 / 3):
        desk.trade(units)
    desk.trade(-desk.state().size_base)
    assert -DUST_BASE <= desk.state().size_base <= 0


def test_the_fill_is_what_the_account_gained(desk: Desk) -> None:
    before = desk.state()
    fill = desk.trade(-7.5)
    after = desk.state()
    assert after.size_base - before.size_base == pytest.approx(fill.units)
    assert after.open_notional_usd - before.open_notional_usd == pytest.approx(
        -fill.units * fill.price - fill.fee_usd
    )


def test_an_order_fits_its_gas(desk: Desk) -> None:
    used = [int(desk.send(desk.intent(units))["gasUsed"], 16) for units in (-20.0, 8.0, 24.0)]
    assert max(used) < 1.1 * desk.venue.typical_gas
    assert max(used) < 2_000_000 / 2


def test_x7_a_fill_of_somebody_else_is_not_ours(desk: Desk) -> None:
    receipt = Desk(desk.world, desk.world.accounts.liquidator).send(desk.intent(-1.0))
    assert receipt["status"] == "0x1"
    assert desk.venue.fill(logs_of(receipt)) is None


def test_our_orders_ring_the_bell_and_those_of_others_do_not(desk: Desk) -> None:
    watched = {(w.address.lower(), w.topic): w for w in desk.venue.watch()}

    def rings(receipt: dict[str, Any]) -> list[str]:
        return [
            watch.name
            for log in logs_of(receipt)
            if (watch := watched.get((log.address.lower(), log.topics[0]))) and watch.loud(log)
        ]

    assert rings(desk.send(desk.intent(-1.0))) == ["PositionChanged"]
    stranger = Desk(desk.world, desk.world.accounts.liquidator)
    assert rings(stranger.send(stranger.intent(-1.0))) == []


# ---------------------------------------------------------------- impact


@pytest.mark.parametrize("units", [-40.0, -4.0, -0.5, 0.5, 4.0, 40.0])
def test_the_impact_is_what_the_state_said(desk: Desk, units: float) -> None:
    # 40 ETH is a quarter of a per cent of the curve: so small is what the first order leaves out.
    state = desk.state()
    before = actions.prices(desk.world).perp
    fill = desk.trade(units)
    expected = before * state.impact_per_base * units**2
    cost = abs(units) * abs(fill.price - before)
    assert cost == pytest.approx(expected, rel=0.003)
    # And exactly: d·P·u/(1 + u) for a sale, with u = d·√P/L; a purchase has the sign of u turned.
    assert cost == pytest.approx(expected / (1 - units * state.impact_per_base), rel=1e-6)


def test_beyond_the_range_the_impact_is_an_underestimate(desk: Desk) -> None:
    # A second, narrow maker: most of the liquidity ends 0.6 % below the price.
    world = desk.world
    ticks = "addLiquidity((address,uint256,uint256,int24,int24,uint256,uint256,bool,uint256))"
    tick = world.chain.read(world.perp.pool, "slot0()", "uint160,int24")[1]
    near = tick // 60 * 60
    amounts, ticks_around = (100 * ETHER, 200_000 * ETHER), (near - 60, near + 120)
    params = (world.perp.base_token, *amounts, *ticks_around, 0, 0, False, 2**63)
    call(world, world.accounts.liquidator, world.perp.clearing_house, ticks, params)
    state = desk.state()
    before = actions.prices(world).perp
    fill = desk.trade(-600.0)
    assert 600 * (before - fill.price) > 1.3 * before * state.impact_per_base * 600**2


# ---------------------------------------------------------------- bounds and refusals


@pytest.mark.parametrize(("units", "code"), [(-20.0, "CH_TLRS"), (20.0, "CH_TMRL")])
def test_a_bound_that_is_too_tight_is_explained(desk: Desk, units: float, code: str) -> None:
    words = desk.refusal(desk.intent(units, worst_price=2_000.0))
    assert code in words
    assert "next tick decides at the new price" in words


@pytest.mark.parametrize("units", [-20.0, 20.0])
def test_the_bound_has_the_fee_inside(desk: Desk, units: float) -> None:
    desk.state()
    promised = desk.venue.preview(desk.intent(units), desk.returned(desk.intent(units)))
    away = 1 if units > 0 else -1
    with_fee = promised.price + away * promised.fee_usd / abs(units)
    assert desk.returned(desk.intent(units, worst_price=with_fee * (1 + away * 1e-9)))
    assert "CH_T" in desk.refusal(desk.intent(units, worst_price=with_fee * (1 - away * 1e-9)))
    assert "CH_T" in desk.refusal(desk.intent(units, worst_price=promised.price))


def test_a2_a_market_that_moved_before_inclusion_reverts_and_costs_only_gas(desk: Desk) -> None:
    before = desk.state()
    tight = desk.venue.preview(desk.intent(-20.0), desk.returned(desk.intent(-20.0))).price * 0.998
    intent = desk.intent(-20.0, worst_price=tight)
    assert desk.returned(intent)
    actions.hedge(desk.world, desk.world.accounts.arbitrageur, -200.0)
    receipt = desk.send(intent)
    assert receipt["status"] == "0x0"
    assert desk.venue.fill(logs_of(receipt)) is None
    assert desk.state().size_base == before.size_base == 0


def test_a_deadline_that_passed_is_explained(desk: Desk) -> None:
    intent = desk.intent(-1.0, life_s=60)
    desk.chain.advance(61)
    assert "the deadline had passed when it was mined (CH_TE)" in desk.refusal(intent)
    assert desk.send(intent)["status"] == "0x0"


def test_an_order_is_good_in_the_second_of_its_deadline(desk: Desk) -> None:
    intent = desk.intent(-1.0, life_s=12)
    assert desk.send(intent)["status"] == "0x1"
    assert desk.chain.block().timestamp_s == intent.deadline_s


def test_too_little_margin_is_explained(desk: Desk) -> None:
    withdraw(desk.world, desk.world.accounts.keeper, 499_000)
    words = desk.refusal(desk.intent(-6.0))
    assert "CH_NEFCI" in words
    assert "deposit collateral" in words


def test_an_account_without_a_deposit_cannot_trade(world: World) -> None:
    alice = Desk(world, world.accounts.alice)
    assert alice.state().account_value_usd == 0
    assert "CH_NEFCI" in alice.refusal(alice.intent(-1.0))


@pytest.mark.parametrize("units", [-1_000.0, 1_000.0])
def test_a_trade_out_of_the_price_band_is_explained(desk: Desk, units: float) -> None:
    words = desk.refusal(desk.intent(units))
    assert "EX_OPB" in words
    assert "trade less at once" in words


def test_a_trade_beyond_the_ticks_of_a_block_is_explained(desk: Desk) -> None:
    exchange, owner = desk.world.perp.exchange, desk.world.accounts.deployer
    name = "setMaxTickCrossedWithinBlock(address,uint24)"
    call(desk.world, owner, exchange, name, desk.world.perp.base_token, 10)
    assert "EX_OPLAS" in desk.refusal(desk.intent(-40.0))
    call(desk.world, owner, exchange, name, desk.world.perp.base_token, 0)
    assert "EX_MIP" in desk.refusal(desk.intent(-40.0))


@pytest.mark.parametrize("units", [-100_000.0, 100_000.0])
def test_a_trade_beyond_all_liquidity_fills_nothing(desk: Desk, units: float) -> None:
    with pytest.raises(Rejected) as caught:
        desk.returned(desk.intent(units))
    assert classify(revert_data(caught.value)).kind in ("liquidity", "price_band")


def test_v6_a_paused_market_and_a_paused_venue_are_explained(desk: Desk) -> None:
    perp, owner = desk.world.perp, desk.world.accounts.deployer
    call(desk.world, owner, perp.base_token, "pause()")
    assert "CH_MNO" in desk.refusal(desk.intent(-1.0))
    call(desk.world, owner, perp.clearing_house, "pause()")
    assert "the whole venue is paused" in desk.refusal(desk.intent(-1.0))


# ---------------------------------------------------------------- delegation


def test_a_signer_trades_for_a_trader_who_approved_it(world: World) -> None:
    trader, signer = world.accounts.keeper, world.accounts.alice
    desk = Desk(world, signer, trader=trader.address)
    assert desk.state().account_value_usd == 500_000
    words = desk.refusal(desk.intent(-2.0))
    assert "CH_SHNAOPT" in words
    assert "approve this signer" in words
    call(world, trader, world.perp.delegate_approval, "approve(address,uint8)", signer.address, 1)
    promised = desk.venue.preview(desk.intent(-2.0), desk.returned(desk.intent(-2.0)))
    fill = desk.trade(-2.0)
    assert desk.state().size_base == -2.0
    assert Desk(world, trader).state().size_base == -2.0
    assert promised == replace(fill, price=promised.price)
    assert promised.price == pytest.approx(fill.price, rel=1e-12)


# ---------------------------------------------------------------- funding


@pytest.mark.parametrize(("held", "pays"), [(-50.0, True), (50.0, False)])
def test_funding_flows_from_the_side_that_moved_the_market(
    desk: Desk, *, held: float, pays: bool
) -> None:
    # The arbitrageur pushes the market 5 % below the index: shorts pay, longs receive.
    desk.trade(held)
    actions.hedge(desk.world, desk.world.accounts.arbitrageur, -250.0)
    desk.chain.advance(8 * 3600)
    state = desk.state()
    assert (state.pending_funding_usd > 0) == pays
    # size · (market - index) · 8 h / 24 h, averages aside.
    gap = actions.prices(desk.world).perp - state.index_price
    assert state.pending_funding_usd == pytest.approx(held * gap / 3, rel=0.1)


def test_pending_funding_is_what_the_next_order_settles(desk: Desk) -> None:
    desk.trade(-50.0)
    desk.chain.advance(8 * 3600)
    pending = desk.state().pending_funding_usd
    assert pending > 0
    watched = {w.name: w for w in desk.venue.watch()}
    receipt = desk.send(desk.intent(1.0))
    (settled,) = (
        log for log in logs_of(receipt) if log.topics[0] == watched["FundingPaymentSettled"].topic
    )
    assert watched["FundingPaymentSettled"].loud(settled)
    assert int.from_bytes(settled.data, "big") / ETHER == pytest.approx(pending, rel=1e-2)
    assert desk.state().pending_funding_usd == 0


# ---------------------------------------------------------------- liquidation


@pytest.fixture
def portal(world: World) -> Address:
    """Deploy the venue's own lens, an independent opinion on leverage and liquidation."""
    artifact = json.loads((node_modules() / PORTAL / "PerpPortal.json").read_text())
    perp = world.perp
    parts = (
        perp.clearing_house, perp.clearing_house_config, perp.account_balance, perp.exchange,
        perp.order_book, perp.insurance_fund, perp.market_registry, perp.vault,
    )  # fmt: skip
    code = bytes.fromhex(artifact["bytecode"][2:]) + abi_encode(["address"] * 8, parts)
    (receipt,) = world.chain.execute(Tx(world.accounts.deployer.address, None, code))
    return Address(receipt["contractAddress"])


@pytest.mark.parametrize("units", [-50.0, 50.0, -3.0])
def test_the_liquidation_price_is_the_one_of_the_venues_own_lens(
    desk: Desk, portal: Address, units: float
) -> None:
    withdraw(desk.world, desk.world.accounts.keeper, 480_000)
    desk.trade(units)
    base = desk.world.perp.base_token
    theirs = desk.chain.read(
        portal, "getLiquidationPrice(address,address)", "uint256", desk.signer.address, base
    )
    ours = desk.state().liquidation_price
    assert ours is not None
    assert ours == pytest.approx(theirs / ETHER, rel=1e-9)
    assert (ours > 2_000) == (units < 0)


def test_the_margin_ratio_is_the_inverse_of_the_lenss_leverage(desk: Desk, portal: Address) -> None:
    desk.trade(-50.0)
    leverage = desk.chain.read(portal, "getAccountLeverage(address)", "int256", desk.signer.address)
    ratio = desk.state().margin_ratio
    assert ratio is not None
    assert ratio == pytest.approx(ETHER / leverage, rel=1e-9)


def test_a_fully_funded_long_has_no_liquidation_price(desk: Desk) -> None:
    desk.trade(10.0)
    assert desk.state().liquidation_price is None


def test_liquidation_begins_at_the_liquidation_price_and_not_before(desk: Desk) -> None:
    world = desk.world
    withdraw(world, world.accounts.keeper, 485_000)
    desk.trade(-50.0)
    target = desk.state().liquidation_price
    assert target is not None
    assert 2_000 < target < 2_400
    liquidate = encode("liquidate(address,address)", desk.signer.address, world.perp.base_token)
    order = Tx(world.accounts.liquidator.address, world.perp.clearing_house, liquidate)
    settle_at(world, target * 0.98)
    with pytest.raises(Rejected, match="CH_EAV"):
        world.chain.execute(order)
    settle_at(world, target * 1.02)
    (receipt,) = world.chain.execute(order)
    fill = desk.venue.fill(logs_of(receipt))
    assert fill is not None
    assert fill.units > 0
    names = {w.topic: w.name for w in desk.venue.watch() if any(map(w.loud, logs_of(receipt)))}
    rung = {names.get(log.topics[0]) for log in logs_of(receipt)}
    assert "PositionLiquidated" in rung
    assert -50 < desk.state().size_base <= 0


def settle_at(world: World, price: float) -> None:
    """Move every price there and wait until the averages inside the mark price have followed."""
    actions.move_price(world, price)
    for _ in range(3):
        world.chain.advance(900)
        world.chain.execute(*actions.price_move(world, price), seconds=15)


# ---------------------------------------------------------------- completeness


def codes_in(creation: bytes) -> set[str]:
    """Return the codes that *creation* pushes whole or shifted, as Solidity 0.7 stores them."""
    found: set[str] = set()
    at = 0
    while at < len(creation):
        size = creation[at] - 0x5F if 0x60 <= creation[at] <= 0x7F else 0
        pushed = creation[at + 1 : at + 1 + size]
        after = creation[at + 1 + size : at + 4 + size]
        if size == 32:
            found.add(pushed.rstrip(b"\0").decode("latin-1"))
        if size and len(after) == 3 and (after[0], after[2]) == (0x60, 0x1B):
            shifted = (int.from_bytes(pushed, "big") << after[1]) % 2**256
            found.add(shifted.to_bytes(32, "big").rstrip(b"\0").decode("latin-1"))
        at += 1 + size
    return {text for text in found if re.fullmatch(r"[A-Z]{1,4}_[A-Z0-9]{2,8}", text)}


def test_every_code_in_the_deployed_bytecode_is_understood() -> None:
    contracts = [name for name, path in PACKAGED.items() if "curie" in path]
    codes = set[str]().union(*(codes_in(creation_code(name)) for name in contracts))
    assert len(codes) > 100
    assert {"CH_TE", "CH_TLRS", "CH_NEFCI", "EX_OPB", "V_NEFC"} <= codes
    error = bytes.fromhex("08c379a0")
    unknown = {c for c in codes if classify(error + abi_encode(["string"], [c])).kind == "unknown"}
    assert unknown == set()
