"""From a snapshot to what a policy is shown."""

from math import inf, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keeper.core import exposure, gas_regime
from keeper.core.limits import Activity
from keeper.core.policies import FAR
from keeper.core.problem import Problem, pose
from keeper.core.terms import EwmaVolatility, Memory
from keeper.model.chain import ChainId
from keeper.model.errors import BadData
from keeper.model.flow import Snapshot, VolState
from keeper.model.market import Quote
from keeper.model.position import Linear, VaultState
from keeper.model.units import GWEI, YEAR_S
from keeper.sim.world import ASSET
from tests.core.books import BLOCK, NOW_S, POLICY, QUIET, QUOTE, RANGE, TERMS, VENUE

NATIVE = replace(QUOTE, price=2_500.0)
SHORT = replace(VENUE, size_base=-7.0)
LEGS = (Linear(ASSET, 10.0), RANGE)
SNAPSHOT = Snapshot(
    chain_id=ChainId(31337),
    block=BLOCK,
    vaults={"v": VaultState(LEGS), "w": VaultState((Linear(ASSET, 2.0),))},
    quote=QUOTE,
    native_quote=NATIVE,
    venue=SHORT,
)


def posed(snapshot: Snapshot = SNAPSHOT, memory: Memory = QUIET, **policy: object) -> Problem:
    return pose(snapshot, replace(TERMS, policy=replace(POLICY, **policy)), memory)


def test_a_problem_worked_by_hand() -> None:
    problem = posed()
    at = problem.at
    delta = 12.0 + 3_000 * (1 / sqrt(2_000) - 1 / sqrt(2_600))
    assert at.delta == pytest.approx(delta, rel=1e-12)
    assert at.net == pytest.approx(delta - 7.0, rel=1e-12)
    assert at.gamma == pytest.approx(-3_000 / (2 * 2_000**1.5), rel=1e-12)
    # γ·(S·σ)² = 1e-4·1600²; 800 000 gas at 21 gwei, ETH at 2 500; fee and impact times price.
    assert at.risk_weight == pytest.approx(256.0, rel=1e-12)
    assert at.fixed_usd == pytest.approx(42.0, rel=1e-12)
    assert at.prop_usd == pytest.approx(2.0, rel=1e-12)
    assert at.impact_usd == pytest.approx(0.02, rel=1e-12)
    assert at.remaining_years * YEAR_S == pytest.approx(7 * 86_400)
    assert at.check_years * YEAR_S == pytest.approx(12.0)
    assert (at.price, at.sigma, at.since_trade_years, at.max_net) == (2_000.0, 0.8, inf, FAR)
    assert (problem.hedge, problem.costs.gas_price_wei, problem.sigma) == (-7.0, 21 * GWEI, 0.8)
    assert problem.exposure == exposure.net(
        [*LEGS, Linear(ASSET, 2.0)], ASSET, 2_000.0, BLOCK.timestamp_s
    )


@given(st.floats(0.0, 1.5), st.floats(-100.0, 100.0))
def test_a_hedge_that_offsets_the_share_leaves_no_error(ratio: float, extra: float) -> None:
    delta = posed(hedge_ratio=ratio).at.delta
    hedged = replace(SNAPSHOT, venue=replace(VENUE, size_base=extra - delta))
    problem = posed(hedged, hedge_ratio=ratio)
    assert problem.at.net == pytest.approx(extra, abs=1e-12)
    assert problem.at.delta == pytest.approx(ratio * problem.exposure.delta, rel=1e-12)
    assert problem.at.gamma == pytest.approx(ratio * problem.exposure.gamma, rel=1e-12)


@given(st.floats(0.0, 1.5), st.floats(500.0, 5_000.0))
def test_the_curve_is_the_hedged_delta_at_any_price(ratio: float, price: float) -> None:
    there = replace(SNAPSHOT, quote=replace(QUOTE, price=price))
    delta_at = posed(hedge_ratio=ratio).at.delta_at
    assert delta_at is not None
    assert delta_at(price, 0.0) == pytest.approx(posed(there, hedge_ratio=ratio).at.delta, rel=1e-9)


def test_what_the_owner_set_reaches_the_policy() -> None:
    at = posed(horizon_s=3_600, check_interval_s=60, max_net_base=4.0).at
    assert (at.remaining_years * YEAR_S, at.check_years * YEAR_S) == pytest.approx((3_600, 60))
    assert at.max_net == 4.0


def test_the_time_since_the_last_trade_is_counted_in_years() -> None:
    traded = replace(QUIET, activity=Activity(NOW_S * 1_000, (NOW_S - 7_200) * 1_000, 0.0))
    assert posed(memory=traded).at.since_trade_years == 7_200 / YEAR_S


def test_the_feed_teaches_the_volatility() -> None:
    law = EwmaVolatility(half_life_s=3_600, floor_fraction=0.3)
    before = VolState(0.64, price=1_900.0, updated_at_s=QUOTE.updated_at_s - 3_600)
    first, later = (
        posed(memory=replace(QUIET, volatility=state), volatility=law) for state in (None, before)
    )
    assert first.sigma == first.at.sigma == 0.3
    assert later.sigma > 0.8
    assert later.volatility is not None
    assert later.at.risk_weight == pytest.approx(1e-4 * (2_000 * later.sigma) ** 2)
    assert posed(memory=replace(QUIET, volatility=before)).volatility is before


# gas


def with_fee(gwei: float, at_s: int = NOW_S) -> Snapshot:
    block = replace(BLOCK, base_fee_wei=round(gwei * GWEI), timestamp_s=at_s)
    quote = replace(QUOTE, updated_at_s=at_s - 10)
    return replace(SNAPSHOT, block=block, quote=quote, native_quote=replace(quote, price=2_500.0))


def learned() -> Memory:
    """Return the memory after 18 h at 3 gwei, 6 h at 81, and an hour at 3, tip included."""
    spells = [(2.0, 18), (80.0, 6), (2.0, 1)]
    fees = [fee for fee, hours in spells for _ in range(hours)]
    memory = QUIET
    for hour, fee in enumerate(fees):
        look = with_fee(fee, NOW_S + (hour - len(fees)) * 3_600)
        memory = replace(memory, gas=posed(look, memory).gas)
    return memory


def test_the_looks_teach_two_levels_of_gas() -> None:
    regime = posed(with_fee(80.0), learned()).at.gas
    assert regime is not None
    assert regime.expensive_now
    assert regime.cheap_usd == pytest.approx(800_000 * 3e-9 * 2_500, rel=1e-9)
    assert regime.expensive_usd == pytest.approx(800_000 * 81e-9 * 2_500, rel=1e-9)
    assert regime.expensive_years * YEAR_S == pytest.approx(6 * 3_600, rel=0.03)


def test_the_levels_in_money_do_not_depend_on_the_look_that_asks() -> None:
    # Several blocks may share a second: only the first of them is folded in.
    memory = learned()
    assert memory.gas is not None
    same_second = with_fee(20.0, memory.gas.at_s)
    problem = posed(same_second, memory)
    assert problem.gas is memory.gas
    assert problem.at.gas is not None
    assert problem.at.gas.cheap_usd == pytest.approx(800_000 * 3e-9 * 2_500, rel=1e-9)


def test_before_dear_gas_was_seen_to_end_there_is_no_regime() -> None:
    assert posed().at.gas is None


def test_free_gas_is_a_price_too() -> None:
    free = replace(TERMS, tip_wei=0)
    problem = pose(with_fee(0.0), free, QUIET)
    assert problem.at.fixed_usd == 0.0
    assert problem.gas == gas_regime.fold(None, 1, NOW_S)


# what is refused


@pytest.mark.parametrize("name", ["quote", "native_quote"])
@pytest.mark.parametrize(
    "bad",
    [
        replace(QUOTE, updated_at_s=NOW_S - 3_700),
        replace(QUOTE, updated_at_s=NOW_S + 3_700),
        replace(QUOTE, price=0.0),
    ],
)
def test_a_price_that_cannot_be_trusted_is_no_problem_to_solve(name: str, bad: Quote) -> None:
    with pytest.raises(BadData):
        posed(replace(SNAPSHOT, **{name: bad}))
