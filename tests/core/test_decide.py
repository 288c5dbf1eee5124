"""The decision on hand-made snapshots: what it does, and that it says why."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.decide import EwmaVolatility, Terms, decide
from keeper.core.limits import Activity
from keeper.model.chain import ChainId
from keeper.model.errors import BadData, ConfigError
from keeper.model.flow import (
    Command,
    Decision,
    Gate,
    Hold,
    Reasoning,
    Rebalance,
    Snapshot,
    VolState,
)
from keeper.model.market import Quote
from keeper.model.position import Linear, VaultState
from keeper.model.units import GWEI
from keeper.sim.world import ASSET, LIMITS
from tests.core.books import BLOCK, POLICY, QUIET, QUOTE, RANGE, TERMS, VENUE

OLD_BLOCK = msgspec.structs.replace(BLOCK, timestamp_s=BLOCK.timestamp_s - 3_601)
OLD_QUOTE = msgspec.structs.replace(QUOTE, updated_at_s=OLD_BLOCK.timestamp_s)


def seen(*, hedge: float = 0.0, spot: float = 10.0, **changes: object) -> Snapshot:
    usual = Snapshot(
        chain_id=ChainId(31337),
        block=BLOCK,
        vaults={"v": VaultState((Linear(ASSET, spot), RANGE), {"pool": 2_000.0})},
        quote=QUOTE,
        native_quote=QUOTE,
        venue=msgspec.structs.replace(VENUE, size_base=hedge),
    )
    return msgspec.structs.replace(usual, **changes)


def why(decision: Decision) -> Reasoning:
    assert decision.why is not None
    return decision.why


def gate(decision: Decision, name: str) -> Gate:
    return next(g for g in why(decision).gates if g.name == name)


def test_an_unhedged_book_is_sold_to_the_inner_edge() -> None:
    decision = decide(seen(), TERMS, QUIET)
    assert isinstance(decision, Rebalance)
    reasons = why(decision)
    assert reasons.net == pytest.approx(10 + 3_000 * (2_000**-0.5 - 2_600**-0.5))
    assert 0 < reasons.band.inner < reasons.band.outer < reasons.net
    # The quadratic impact makes a far jump stop a little short of the inner edge.
    assert reasons.band.inner <= reasons.net + decision.units < reasons.band.outer
    assert decision.worst_price == pytest.approx(2_000 * 0.99)


def test_inside_the_band_nothing_is_traded_and_the_way_out_is_told() -> None:
    reasons = why(decide(seen(), TERMS, QUIET))
    held = decide(seen(hedge=-reasons.exposure.delta), TERMS, QUIET)
    assert isinstance(held, Hold)
    assert held.reason == "inside the band"
    assert "price near" in why(held).would_trade_if
    levels = [float(w.replace(",", "")) for w in why(held).would_trade_if.split() if w[0].isdigit()]
    below, above = levels[-2:]
    assert below < 2_000 < above
    moved = seen(
        hedge=-reasons.exposure.delta,
        quote=msgspec.structs.replace(QUOTE, price=above * 1.02),
    )
    assert gate(decide(moved, TERMS, QUIET), "band").ok


def test_without_gamma_only_the_size_of_the_error_is_told() -> None:
    spot_only = seen(hedge=-9.999, vaults={"v": VaultState((Linear(ASSET, 10.0),))})
    decision = decide(spot_only, TERMS, QUIET)
    assert isinstance(decision, Hold)
    assert "price near" not in why(decision).would_trade_if


def test_a_gas_spike_widens_the_band_by_itself() -> None:
    calm = why(decide(seen(), TERMS, QUIET)).band
    spike = msgspec.structs.replace(BLOCK, base_fee_wei=300 * GWEI)
    wild = why(decide(seen(block=spike), TERMS, QUIET)).band
    assert wild.outer > 1.5 * calm.outer


def test_half_a_hedge_is_half_a_target() -> None:
    half = msgspec.structs.replace(TERMS, policy=msgspec.structs.replace(POLICY, hedge_ratio=0.5))
    reasons = why(decide(seen(), half, QUIET))
    assert reasons.net == pytest.approx(0.5 * reasons.exposure.delta)


def test_the_costs_are_the_ones_seen_at_the_block() -> None:
    costs = why(decide(seen(), TERMS, QUIET)).costs
    assert costs.gas_price_wei == 21 * GWEI
    assert costs.fixed_usd == pytest.approx(800_000 * 21e9 / 1e18 * 2_000)
    assert costs.proportional_rate == 0.001


def test_cost_and_benefit_of_the_trade_are_in_the_record() -> None:
    reasons = why(decide(seen(), TERMS, QUIET))
    decision = decide(seen(), TERMS, QUIET)
    assert isinstance(decision, Rebalance)
    size = abs(decision.units)
    expected = reasons.costs.fixed_usd + 2_000 * (0.001 * size + 1e-5 * size**2)
    assert reasons.trade_cost_usd == pytest.approx(expected)
    assert reasons.trade_benefit_usd > reasons.trade_cost_usd
    assert reasons.risk_now_usd_per_year == pytest.approx(
        0.5 * 1e-4 * (2_000 * 0.8) ** 2 * reasons.net**2
    )


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"vaults": {"v": VaultState((Linear(ASSET, 20.0),), {"pool": 2_200.0})}}, "deviation"),
        ({"block": msgspec.structs.replace(BLOCK, base_fee_wei=501 * GWEI)}, "gas price"),
({"block": OLD_BLOCK, "quote": OLD_QUOTE, "native_quote": OLD_QUOTE}, "block age"),
        ({"venue": msgspec.structs.replace(VENUE, free_collateral_usd=100.0)}, "margin"),
        ({"venue": msgspec.structs.replace(VENUE, account_value_usd=0.0)}, "leverage"),
        ({"venue": msgspec.structs.replace(VENUE, account_value_usd=1_000.0)}, "leverage"),
    ],
)  # fmt: skip
def test_a_gate_that_fails_is_named(changes: dict[str, Any], refused: str) -> None:
    decision = decide(seen(spot=20.0, **changes), TERMS, QUIET)
    assert isinstance(decision, Hold)
    assert refused in decision.reason
    assert not gate(decision, refused).ok


@pytest.mark.parametrize("command", ["rebalance", "flatten"])
def test_no_word_of_a_person_lifts_a_limit(command: Command) -> None:
    dear = msgspec.structs.replace(BLOCK, base_fee_wei=501 * GWEI)
    decision = decide(seen(hedge=-5.0, block=dear), TERMS, QUIET, command)
    assert isinstance(decision, Hold)
    assert decision.reason == "refused: gas price"


def test_cooldown_counts_from_the_last_signature() -> None:
    limits = msgspec.structs.replace(LIMITS, cooldown_s=60)
    terms = msgspec.structs.replace(TERMS, limits=limits)
    now_ms = BLOCK.timestamp_s * 1_000
    recent = msgspec.structs.replace(QUIET, activity=Activity(now_ms, now_ms - 59_000, 0.0))
    rested = msgspec.structs.replace(QUIET, activity=Activity(now_ms, now_ms - 60_000, 0.0))
    assert isinstance(decide(seen(), terms, recent), Hold)
    assert isinstance(decide(seen(), terms, rested), Rebalance)
    assert isinstance(decide(seen(), terms, recent, "rebalance"), Rebalance), (
        "a person is not paced"
    )


def test_the_gas_budget_counts_this_transaction_too() -> None:
    spent = LIMITS.daily_gas_budget_usd - 1.0
    memory = msgspec.structs.replace(QUIET, activity=Activity(0, None, spent))
    assert not gate(decide(seen(), TERMS, memory), "gas budget").ok


def test_no_room_is_said() -> None:
    limits = msgspec.structs.replace(LIMITS, max_position_base=5.0, min_trade_base=1e-12)
    terms = msgspec.structs.replace(TERMS, limits=limits)
    decision = decide(seen(hedge=-5.0), terms, QUIET)
    assert isinstance(decision, Hold)
    assert "min trade" in decision.reason or "max position" in decision.reason
    by_hand = decide(seen(hedge=-5.0), terms, QUIET, "rebalance")
    assert isinstance(by_hand, Hold)
    assert by_hand.reason == "no room: max position"


def test_a_person_closes_the_hedge_against_every_band() -> None:
    decision = decide(seen(hedge=-4.0), TERMS, QUIET, "flatten")
    assert isinstance(decision, Rebalance)
    assert (decision.units, decision.reduce_only) == (4.0, True)
    assert decision.worst_price == pytest.approx(2_000 * 1.01)


def test_dust_is_flat() -> None:
    assert isinstance(decide(seen(hedge=1e-12), TERMS, QUIET, "flatten"), Hold)


def test_dust_beside_the_exact_target_is_not_worth_a_transaction() -> None:
    delta = why(decide(seen(), TERMS, QUIET)).exposure.delta
    decision = decide(seen(hedge=1e-12 - delta), TERMS, QUIET, "rebalance")
    assert isinstance(decision, Hold)
    assert decision.reason == "nothing to trade"


def test_the_feed_teaches_the_volatility() -> None:
    policy = msgspec.structs.replace(
        POLICY, volatility=EwmaVolatility(half_life_s=3_600, floor_fraction=0.3)
    )
    terms = msgspec.structs.replace(TERMS, policy=policy)
    first = why(decide(seen(), terms, QUIET))
    assert first.sigma == 0.3
    before = VolState(0.64, price=1_900.0, updated_at_s=QUOTE.updated_at_s - 3_600)
    later = why(decide(seen(), terms, msgspec.structs.replace(QUIET, volatility=before)))
    assert later.sigma > 0.8
    assert later.volatility is not None


@pytest.mark.parametrize(
    "quote",
    [
        msgspec.structs.replace(QUOTE, updated_at_s=BLOCK.timestamp_s - 3_700),
        msgspec.structs.replace(QUOTE, updated_at_s=BLOCK.timestamp_s + 3_700),
        msgspec.structs.replace(QUOTE, price=0.0),
    ],
)
def test_a_price_that_cannot_be_trusted_is_no_decision(quote: Quote) -> None:
    with pytest.raises(BadData):
        decide(seen(quote=quote), TERMS, QUIET)
    with pytest.raises(BadData):
        decide(seen(native_quote=quote), TERMS, QUIET)


@pytest.mark.parametrize(
    "bad", [{"hedge_ratio": 1.6}, {"hedge_ratio": -0.1}, {"risk_aversion_per_usd": 0.0},
            {"horizon_s": 0}]
)  # fmt: skip
def test_a_policy_nobody_can_want_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        msgspec.structs.replace(POLICY, **bad)


@settings(max_examples=200)
@given(hedge=st.floats(-40, 40), spot=st.floats(-20, 20))
def test_a_trade_always_brings_the_net_closer_and_never_across(hedge: float, spot: float) -> None:
    decision = decide(seen(hedge=hedge, spot=spot), TERMS, QUIET)
    if isinstance(decision, Rebalance):
        net = why(decision).net
        assert abs(net + decision.units) < abs(net)
        assert (net + decision.units) * net >= 0


def limited(terms: Terms = TERMS, **changes: object) -> Terms:
    limits = msgspec.structs.replace(terms.limits, **changes)
    return msgspec.structs.replace(terms, limits=limits)


def never_beyond(max_net: float, terms: Terms = TERMS) -> Terms:
    policy = msgspec.structs.replace(terms.policy, max_net_base=max_net)
    return msgspec.structs.replace(terms, policy=policy)


def test_g1_dear_gas_is_waited_out_until_the_risk_limit_is_breached() -> None:
    spike = msgspec.structs.replace(BLOCK, base_fee_wei=300 * GWEI)
    terms = limited(max_gas_price_wei=50 * GWEI, urgent_gas_price_wei=400 * GWEI)
    waits = decide(seen(block=spike), never_beyond(1_000.0, terms), QUIET)
    assert isinstance(waits, Hold)
    assert gate(waits, "gas price").limit == 50
    pays = decide(seen(block=spike), never_beyond(5.0, terms), QUIET)
    assert isinstance(pays, Rebalance)
    assert (gate(pays, "gas price").value, gate(pays, "gas price").limit) == (301, 400)
    assert gate(pays, "gas price").note == "the net delta is beyond max_net"
    assert pays.gas_cap_wei == 400 * GWEI


def test_g1_g3_nothing_is_signed_above_the_hard_cap_however_large_the_risk() -> None:
    absurd = msgspec.structs.replace(BLOCK, base_fee_wei=10**18)
    terms = limited(max_gas_price_wei=50 * GWEI, urgent_gas_price_wei=400 * GWEI)
    assert isinstance(decide(seen(block=absurd), never_beyond(5.0, terms), QUIET), Hold)


def test_without_an_urgent_price_the_ordinary_one_holds_always() -> None:
    decision = decide(seen(), never_beyond(5.0), QUIET)
    assert isinstance(decision, Rebalance)
    assert decision.gas_cap_wei == LIMITS.max_gas_price_wei


def test_an_urgent_price_below_the_ordinary_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="urgent_gas_price must not be below"):
        limited(urgent_gas_price_wei=1)


@pytest.mark.parametrize(("reserve_usd", "passes"), [(None, True), (5.0, False), (500.0, True)])
def test_g6_with_the_budget_spent_only_what_reduces_the_hedge_goes_on(
    reserve_usd: float | None, *, passes: bool
) -> None:
    terms = limited(daily_gas_budget_usd=200.0, gas_exit_reserve_usd=reserve_usd)
    spent = msgspec.structs.replace(QUIET, activity=Activity(0, None, 190.0))
    grows = decide(seen(), terms, spent)
    assert gate(grows, "gas budget").limit == 200
    assert not gate(grows, "gas budget").ok
    shrinks = decide(seen(hedge=-60.0), terms, spent)
    assert gate(shrinks, "gas budget").ok == passes


def test_g7_t11_a_purse_for_too_few_hedges_signs_nothing_but_the_way_out() -> None:
    # One hedge is 800,000 gas at 21 gwei: 0.0168 coins.
    poor = 2 * 16_800_000 * GWEI
    grows = decide(seen(purse_wei=poor), TERMS, QUIET)
    assert isinstance(grows, Hold)
    assert grows.reason == "refused: gas runway"
    assert (gate(grows, "gas runway").value, gate(grows, "gas runway").limit) == (2, 3)
    assert isinstance(decide(seen(purse_wei=poor, hedge=-60.0), TERMS, QUIET), Rebalance)
    assert isinstance(decide(seen(purse_wei=2 * poor), TERMS, QUIET), Rebalance)


def test_where_gas_costs_nothing_no_purse_is_too_small() -> None:
    free = msgspec.structs.replace(BLOCK, base_fee_wei=0)
    terms = msgspec.structs.replace(TERMS, tip_wei=0)
    assert gate(decide(seen(block=free, purse_wei=0), terms, QUIET), "gas runway").ok


def test_g5_what_a_rollup_charges_for_data_is_part_of_the_cost() -> None:
    usual, dear = (why(decide(seen(data_fee_wei=fee), TERMS, QUIET)) for fee in (0, 10**17))
    assert dear.costs.fixed_usd - usual.costs.fixed_usd == pytest.approx(0.1 * 2_000)
    assert dear.costs.data_fee_wei == 10**17
    assert dear.band.outer > usual.band.outer


def test_g8_a_higher_tip_in_recent_blocks_is_expected_and_a_lower_one_is_not() -> None:
    assert why(decide(seen(tip_wei=5 * GWEI), TERMS, QUIET)).costs.gas_price_wei == 25 * GWEI
    assert why(decide(seen(tip_wei=1), TERMS, QUIET)).costs.gas_price_wei == 21 * GWEI
