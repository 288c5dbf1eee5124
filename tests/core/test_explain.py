"""The record of a decision: its numbers add up, and its what-ifs are what the policy would say."""

from math import log, sqrt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keeper.core.explain import TIMES, Sensitivity, reasoning, sensitivity, what_ifs
from keeper.core.gas_regime import GasRegime
from keeper.core.policies import FAR, Plan, Policy, Situation, policy_of
from keeper.core.problem import Problem, pose
from keeper.core.terms import Memory
from keeper.model.chain import ChainId
from keeper.model.flow import GasState, Gate, Reasoning, Snapshot
from keeper.model.position import Linear, VaultState
from keeper.model.strategies import (
    Always,
    FixedBand,
    Interval,
    Never,
    Optimal,
    Strategy,
    WhalleyWilmott,
    Zakamouline,
)
from keeper.model.units import YEAR_S
from keeper.sim.world import ASSET
from tests.core.books import BARE, BLOCK, POLICY, QUIET, QUOTE, RANGE, TERMS, VENUE

HERE = Situation(
    price=3_000.0,
    sigma=0.8,
    net=0.0,
    delta=0.0,
    gamma=-0.12,
    risk_weight=57.6,
    fixed_usd=5.0,
    prop_usd=1.8,
    impact_usd=0.0,
    remaining_years=30 / 365,
    check_years=3_600 / YEAR_S,
)
GAS = GasRegime(cheap_usd=2.0, expensive_usd=50.0, expensive_now=True, expensive_years=7e-4)


def wrong(at: Situation, plan: Plan, policy: Policy) -> tuple[Sensitivity, ...]:
    return what_ifs(at, plan.band, plan.sigma_x, policy)


def asked(strategy: Strategy, at: Situation = HERE) -> dict[tuple[str, float], Sensitivity]:
    policy = policy_of(strategy)
    return {(one.of, one.times): one for one in wrong(at, policy(at), policy)}


# sensitivity


def test_each_number_is_halved_and_doubled() -> None:
    assert list(asked(Optimal())) == [
        (of, times) for of in ("sigma", "gas", "fee", "risk aversion") for times in TIMES
    ]
    assert TIMES == (0.5, 2.0)


@pytest.mark.parametrize("times", TIMES)
def test_what_if_worked_by_hand(times: float) -> None:
    # Without gas the band is (3·λ·Γ²/2γ)^⅓: σ cancels, the cube root of fee and of risk aversion.
    edge = asked(BARE, replace(HERE, fixed_usd=0.0))
    band = policy_of(BARE)(replace(HERE, fixed_usd=0.0)).band
    for of, factor in (
        ("sigma", 1.0),
        ("gas", 1.0),
        ("fee", times ** (1 / 3)),
        ("risk aversion", times ** (-1 / 3)),
    ):
        assert edge[of, times].outer == pytest.approx(band.outer * factor, rel=1e-12)
        assert edge[of, times].inner == pytest.approx(band.inner * factor, rel=1e-12)
    # Without a fee it is (12·F·Γ²/γ)^¼, traded to zero.
    zero = asked(BARE, replace(HERE, prop_usd=0.0))
    band = policy_of(BARE)(replace(HERE, prop_usd=0.0)).band
    for of, factor in (("sigma", 1.0), ("gas", times**0.25), ("risk aversion", times**-0.25)):
        assert zero[of, times].outer == pytest.approx(band.outer * factor, rel=1e-12)
        assert zero[of, times].inner == 0.0


@pytest.mark.parametrize("strategy", [Optimal(), BARE, WhalleyWilmott(), Zakamouline()], ids=str)
@pytest.mark.parametrize("times", TIMES)
def test_without_a_curve_it_is_what_the_policy_would_say(strategy: Strategy, times: float) -> None:
    at = replace(HERE, gas=GAS, fixed_usd=50.0)
    q, gas = (
        at.risk_weight,
        replace(GAS, cheap_usd=GAS.cheap_usd * times, expensive_usd=GAS.expensive_usd * times),
    )
    others = {
        "sigma": replace(at, sigma=at.sigma * times, risk_weight=q * times**2),
        "gas": replace(at, fixed_usd=at.fixed_usd * times, gas=gas),
        "fee": replace(at, prop_usd=at.prop_usd * times),
        "risk aversion": replace(at, risk_weight=q * times),
    }
    found = asked(strategy, at)
    for of, other in others.items():
        band = policy_of(strategy)(other).band
        assert found[of, times].outer == pytest.approx(band.outer, rel=1e-9)
        assert found[of, times].inner == pytest.approx(band.inner, rel=1e-9)


def range_delta(price: float, _years: float) -> float:
    return 40_000.0 * (1 / sqrt(min(max(price, 2_800.0), 3_200.0)) - 1 / sqrt(3_200.0))


def test_with_a_curve_no_other_price_is_asked_for() -> None:
    at = replace(HERE, delta_at=range_delta)
    plan = policy_of(Optimal())(at)

    def unwilling(_price: float, _years: float) -> float:
        raise AssertionError

    found = wrong(replace(at, delta_at=unwilling), plan, policy_of(Optimal()))
    assert len(found) == 8
    # And it comes near what the policy would say if it were asked.
    for one in found:
        if one.of == "fee":
            true = policy_of(Optimal())(replace(at, prop_usd=at.prop_usd * one.times)).band
            assert one.outer == pytest.approx(true.outer, rel=0.1)
            assert one.inner == pytest.approx(true.inner, rel=0.2)


@given(st.floats(0.5, 30.0), st.floats(0.0, 200.0), st.floats(0.0, 5.0))
def test_no_what_if_lies_beyond_the_hard_limit(
    max_net: float, fixed_usd: float, prop_usd: float
) -> None:
    at = replace(HERE, delta_at=range_delta, max_net=max_net, fixed_usd=fixed_usd)
    at = replace(at, prop_usd=prop_usd)
    plan = policy_of(Optimal())(at)
    for one in wrong(at, plan, policy_of(Optimal())):
        assert 0.0 <= one.inner <= one.outer <= max_net


@pytest.mark.parametrize("strategy", [Optimal(), FixedBand(width_base=3.0), Zakamouline()], ids=str)
@given(net=st.floats(-1e3, 1e3))
def test_no_band_and_no_what_if_depends_on_the_error_of_now(strategy: Strategy, net: float) -> None:
    policy = policy_of(strategy)
    assert policy(replace(HERE, net=net)).band == policy(HERE).band
    assert asked(strategy, replace(HERE, net=net)) == asked(strategy)


@pytest.mark.parametrize("strategy", [Always(), Never(), Interval(every_s=60)], ids=str)
def test_where_no_number_decides_nothing_is_asked(strategy: Strategy) -> None:
    for since_trade_years in (0.0, 1.0):
        assert asked(strategy, replace(HERE, since_trade_years=since_trade_years)) == {}


def test_a_fixed_band_is_the_same_whatever_it_costs() -> None:
    found = asked(FixedBand(width_base=3.0))
    assert {(one.outer, one.inner) for one in found.values()} == {(3.0, 3.0)}


def test_from_a_band_that_looks_alone_make_the_new_one_is_taken_as_it_is() -> None:
    # Looks so rare that the edges shift to nothing; only the mean move of the delta is left.
    at = replace(HERE, delta_at=range_delta, check_years=0.05, remaining_years=0.1)
    plan = policy_of(Optimal(horizon_guard=False))(at)
    policy = policy_of(Optimal(horizon_guard=False))
    simple = replace(at, delta_at=None, gamma=plan.sigma_x / (at.price * at.sigma))
    assert policy(simple).band.outer == 0.0 < plan.band.outer
    for one in wrong(at, plan, policy):
        assert 0.0 <= one.inner <= one.outer


# the record

DEAR = GasState(
    at_s=BLOCK.timestamp_s - 12, price_wei=5e10, dear=True, cheap_log=log(1e10), dear_log=log(5e10),
    cheap_s=1e6, dear_s=1e5, falls=10.0,
)  # fmt: skip
"""Gas has been dear since a moment ago, as it was before."""
GATES = (Gate("band", True, 1.0, 2.0, "base"),)  # noqa: FBT003  # a row of a table


def solved(
    net: float, strategy: Strategy | None = None, *, gamma: bool = True, units: float = 0.0,
    memory: Memory = QUIET, **policy: object,
) -> tuple[Problem, Plan, Reasoning]:  # fmt: skip
    """Return the problem of a book with that *net* delta, its plan, and the record of *units*."""
    terms = replace(TERMS, policy=replace(POLICY, strategy=strategy or BARE, **policy))
    legs = (Linear(ASSET, 10.0), RANGE) if gamma else (Linear(ASSET, 10.0),)
    seen = Snapshot(
        ChainId(31337), BLOCK, {"v": VaultState(legs, {"pool": 2_000.0})}, QUOTE, QUOTE, VENUE
    )
    delta = pose(seen, terms, memory).at.delta
    seen = replace(seen, venue=replace(VENUE, size_base=net - delta))
    problem = pose(seen, terms, memory)
    plan = policy_of(terms.policy.strategy)(problem.at)
    return problem, plan, reasoning(seen, terms, problem, plan, units, GATES)


def levels(why: Reasoning) -> list[float]:
    _, _, prices = why.would_trade_if.partition("price near ")
    return [float(word.replace(",", "")) for word in prices.split(" or ")]


def test_the_record_has_what_the_decision_was_made_from() -> None:
    problem, plan, why = solved(1.0)
    assert (why.book, why.block, why.gates, why.policy) == ("eth", BLOCK, GATES, plan.why)
    assert (why.exposure, why.hedge, why.net) == (problem.exposure, problem.hedge, problem.at.net)
    assert (why.band, why.costs, why.gas) == (plan.band, problem.costs, problem.gas)
    assert (why.risk_aversion, why.sigma, why.hedge_ratio) == (1e-4, 0.8, 1.0)
    assert why.premises is not None
    assert why.premises.strategy == BARE


@pytest.mark.parametrize(
    ("strategy", "wishes"),
    [
        (BARE, {}),
        (Optimal(), {"max_net_base": 3.0, "check_interval_s": 60}),
        (WhalleyWilmott(), {"horizon_s": 3_600}),
        (FixedBand(width_base=3.0), {"hedge_ratio": 0.5}),
        (Optimal(), {"memory": replace(QUIET, gas=DEAR)}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_from_the_record_the_policy_is_asked_what_it_was_asked(
    strategy: Strategy, wishes: dict[str, Any]
) -> None:
    problem, plan, why = solved(1.0, strategy, **wishes)
    again = msgspec.json.decode(msgspec.json.encode(why), type=Reasoning)
    assert (problem.at.gas is not None) == ("memory" in wishes)
    expected = wrong(problem.at, plan, policy_of(strategy))
    assert sensitivity(again) == expected
    assert len(expected) == 8


def test_a_record_without_premises_has_no_what_ifs() -> None:
    _, _, why = solved(1.0)
    assert sensitivity(replace(why, premises=None)) == ()


def test_risk_cost_and_benefit_worked_by_hand() -> None:
    # q = 256. From 5 to 3 a trade of 2: 33.6 of gas, 2·2 of fee, 0.02·4 of impact. It saves
    # ½·256·(25 − 9) a year, while an error of the outer edge would have lived (b/σx)² years.
    _, plan, why = solved(5.0, units=-2.0, horizon_s=365 * 86_400)
    assert why.risk_now_usd_per_year == pytest.approx(3_200.0, rel=1e-9)
    assert why.trade_cost_usd == pytest.approx(33.6 + 4.0 + 0.08, rel=1e-9)
    life = (max(5.0, plan.band.outer) / plan.sigma_x) ** 2
    assert life < 1.0
    assert why.trade_benefit_usd == pytest.approx(2_048.0 * life, rel=1e-6)


def test_no_trade_costs_and_saves_nothing() -> None:
    _, _, why = solved(5.0)
    assert (why.trade_cost_usd, why.trade_benefit_usd) == (0.0, 0.0)


def test_an_error_that_does_not_move_lives_to_the_horizon() -> None:
    _, plan, why = solved(5.0, gamma=False, units=-2.0, horizon_s=86_400)
    assert plan.sigma_x == 0.0
    assert why.trade_benefit_usd == pytest.approx(2_048.0 / 365, rel=1e-9)


def test_the_way_out_is_told_in_size_and_in_price() -> None:
    problem, plan, why = solved(0.5)
    room = plan.band.outer - problem.at.net
    assert f"net delta beyond ±{plan.band.outer:.6g}: {room:.6g} more" in why.would_trade_if
    below, above = levels(why)
    # Gamma is negative: the net delta falls as the price rises.
    gamma = problem.at.gamma
    assert below == pytest.approx(2_000 + (plan.band.outer - problem.at.net) / gamma, abs=0.01)
    assert above == pytest.approx(2_000 + (-plan.band.outer - problem.at.net) / gamma, abs=0.01)
    assert below < 2_000 < above


def test_outside_the_band_only_a_gate_can_hold_it() -> None:
    _, plan, _ = solved(0.0)
    for net in (plan.band.outer * 1.001, -plan.band.outer * 1.001):
        assert "only a gate" in solved(net)[2].would_trade_if


def test_without_gamma_no_price_is_told() -> None:
    _, _, why = solved(0.1, FixedBand(width_base=3.0), gamma=False)
    assert why.would_trade_if == "net delta beyond ±3: 2.9 more to the same side"


def test_a_price_below_zero_is_not_told() -> None:
    _, _, why = solved(0.0, FixedBand(width_base=100.0))
    assert len(levels(why)) == 1


def test_a_policy_without_an_edge_says_who_or_when() -> None:
    _, _, why = solved(1.0, Never())
    assert "a person asks for it" in why.would_trade_if
    assert why.would_trade_if.endswith("never")
    assert why.band.outer == FAR
    assert sensitivity(why) == ()
