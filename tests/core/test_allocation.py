from collections.abc import Iterator
from itertools import product
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core import allocation
from keeper.core.allocation import Allocation, Route, allocate, band_weight
from keeper.core.arrays import Floats
from keeper.core.band import optimal_band
from keeper.model.errors import BadData
from keeper.model.flow import Band

Problem = tuple[list[float], list[list[float]], list[Route]]

LOW, SOLD, NONE, BOUGHT, HIGH = range(5)
"""Where the best trade of a route can be: at a cap, between zero and a cap, or at zero."""
CHUNK = 20_000


def route(**changes: Any) -> Route:
    usual: dict[str, Any] = {"loadings": (1.0,), "lower": -10.0, "upper": 10.0, "prop_cost": 1.0}
    return Route(**(usual | changes))


def random_problem(rng: np.random.Generator, routes: int, kind: int) -> Problem:
    """Return one of four kinds: mixed, twins on one factor, a singular weight, all with impact."""
    k = 1 if kind == 1 else int(rng.integers(1, 4))
    root = rng.normal(size=(k, k - 1 if kind == 2 and k > 1 else k))
    weight = root @ root.T * 10 ** rng.uniform(-2, 0)
    made = [
        Route(
            loadings=(1.0,) if kind == 1 else tuple(rng.normal(size=k) * (rng.random(k) < 0.8)),
            lower=-rng.uniform(0, 8),
            upper=rng.uniform(0, 8),
            prop_cost=rng.uniform(0, 0.2),
            impact=rng.uniform(0, 0.02) * (kind == 3 or rng.random() < 0.5),
            fixed_cost=rng.uniform(0, 0.6) * (rng.random() < 0.9),
            carry=rng.normal() * 0.02,
        )
        for _ in range(routes)
    ]
    return (rng.normal(size=k) * 5).tolist(), weight.tolist(), made


def value(problem: Problem, trades: Floats) -> Floats:
    """Return what is minimised, of trades of shape (…, routes), straight from its definition."""
    exposures, weight, routes = problem
    left = np.array(exposures) + trades @ np.array([r.loadings for r in routes])
    risk = 0.5 * np.einsum("...i,ij,...j->...", left, np.array(weight), left)
    costs = [
        r.carry * d + r.prop_cost * abs(d) + r.impact * d * d + r.fixed_cost * (d != 0)
        for r, d in zip(routes, np.moveaxis(trades, -1, 0), strict=True)
    ]
    return np.asarray(risk + sum(costs))


def candidates(problem: Problem) -> Iterator[Floats]:
    """Yield every trade at which the derivative can vanish, for all 5ⁿ states of the routes."""
    exposures, weight, routes = problem
    n = len(routes)
    loadings = np.array([r.loadings for r in routes]).T
    pull = np.array(weight) @ loadings
    curvature = loadings.T @ pull + np.diag([2 * r.impact for r in routes])
    slope = np.array([r.carry for r in routes]) + np.array(exposures) @ pull
    lower, upper = np.array([r.lower for r in routes]), np.array([r.upper for r in routes])
    states = np.array(list(product(range(5), repeat=n)))
    for start in range(0, len(states), CHUNK):
        state = states[start : start + CHUNK]
        free, side = (state == SOLD) | (state == BOUGHT), np.sign(state - NONE)
        fixed = np.where(state == LOW, lower, 0.0) + np.where(state == HIGH, upper, 0.0)
        matrix = np.where(free[:, :, None] & free[:, None, :], curvature, 0.0)
        matrix += np.where(free, 0.0, 1.0)[:, :, None] * np.eye(n)
        # A best trade exists whose free routes are independent, so singular states add nothing.
        regular = np.linalg.cond(matrix) < 1e11
        state, free, side, fixed = state[regular], free[regular], side[regular], fixed[regular]
        prop = np.array([r.prop_cost for r in routes])
        wanted = np.where(free, -(slope + side * prop) - fixed @ curvature, fixed)
        trades = np.linalg.solve(matrix[regular], wanted[:, :, None])[:, :, 0]
        inside = (trades * side >= -1e-12) & (trades >= lower) & (trades <= upper)
        yield trades[np.all(~free | inside, axis=1)]


def assert_best(found: Allocation, problem: Problem, least: float) -> None:
    idle = float(value(problem, np.zeros(len(problem[2]))))
    assert found.value_usd == pytest.approx(least, rel=1e-9, abs=1e-9)
    assert found.value_usd == pytest.approx(float(value(problem, np.array(found.trades))), abs=1e-9)
    assert found.saving_usd == pytest.approx(idle - least, rel=1e-9, abs=1e-9)
    assert all(r.lower <= d <= r.upper for r, d in zip(problem[2], found.trades, strict=True))
    assert found.proven


@pytest.mark.parametrize("kind", range(4))
def test_it_is_exact_against_every_state_of_every_route(kind: int) -> None:
    rng = np.random.default_rng(kind)
    for routes in [1, 2, 3] * 6 + [4] * 16 + [5] * 8 + [6] * 3:
        problem = random_problem(rng, routes, kind)
        least = min(float(value(problem, trades).min()) for trades in candidates(problem))
        assert_best(allocate(*problem), problem, least)


@pytest.mark.parametrize("kind", range(4))
def test_it_is_exact_against_every_choice_of_nine_routes(kind: int) -> None:
    rng = np.random.default_rng(100 + kind)
    for routes in [7, 8, 9]:
        problem = random_problem(rng, routes, kind)
        exposures, weight, made = problem
        posed = allocation._pose(exposures, weight, made)
        least = min(
            allocation._split(posed, used).change for used in range(2 ** len(posed.charged))
        )
        assert_best(allocate(*problem), problem, posed.idle + least)


def test_the_proof_finds_what_the_climb_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocation, "_climbed", lambda posed, _: allocation._split(posed, 0))
    rng = np.random.default_rng(7)
    for _ in range(20):
        problem = random_problem(rng, 4, kind=0)
        least = min(float(value(problem, trades).min()) for trades in candidates(problem))
        assert_best(allocate(*problem), problem, least)


def test_one_route_worked_by_hand() -> None:
    # ½·2·(5 + Δ)² + |Δ| + ½Δ² + 3: 2·(5 + Δ) − 1 + Δ = 0 at Δ = −3; 4 + 3 + 4.5 + 3 = 14.5.
    found = allocate([5.0], [[2.0]], [route(impact=0.5, fixed_cost=3.0)])
    assert found.trades == pytest.approx((-3.0,))
    assert found.exposures_left == pytest.approx((2.0,))
    assert found.value_usd == pytest.approx(14.5)
    assert found.saving_usd == pytest.approx(10.5)


def test_equal_pools_share_a_trade_so_that_their_last_units_cost_the_same() -> None:
    # λ + 2·η·d is alike on both, and W·(left) equals it: d₁ = 2·d₂, 8 − 3·d₂ = 1 + 2·d₂.
    pools = [route(impact=0.5), route(impact=1.0)]
    found = allocate([8.0], [[1.0]], pools)
    assert found.trades == pytest.approx((-2.8, -1.4))


def test_the_cheapest_goes_first_and_the_next_takes_what_its_cap_leaves() -> None:
    routes = [route(prop_cost=1.001), route(lower=-3.0)]
    found = allocate([8.0], [[1.0]], routes)
    assert found.trades == pytest.approx((-3.999, -3.0))


def test_twins_without_impact_are_told_apart_by_the_smallest_difference_in_cost() -> None:
    routes = [route(lower=-1e3, prop_cost=1.0 + 1e-9), route(lower=-1e3)]
    assert allocate([100.0], [[1.0]], routes).trades == pytest.approx((0.0, -99.0))


def test_gas_is_paid_twice_when_a_second_pool_saves_more() -> None:
    # One pool trades 4/1.2 and leaves a value of 5.8333 + F, two 4/1.1 and 5.2273 + 2·F.
    for fixed_cost, used in [(0.61, 1), (0.60, 2)]:
        pools = [route(impact=0.1, fixed_cost=fixed_cost)] * 2
        assert sum(map(bool, allocate([5.0], [[1.0]], pools).trades)) == used


def test_a_trade_that_does_not_earn_its_gas_is_left() -> None:
    # Unhindered, ½·(5² − 1²) − 4 = 8 would be saved.
    assert allocate([5.0], [[1.0]], [route(fixed_cost=7.99)]).saving_usd == pytest.approx(0.01)
    found = allocate([5.0], [[1.0]], [route(fixed_cost=8.01)])
    assert found == Allocation((0.0,), (5.0,), 12.5, 0.0, proven=True)


def test_a_cross_hedge_trades_the_proxy_up_to_what_the_covariance_bears() -> None:
    # W = γ·Σ: with β = Σ₁₂/Σ₂₂ = 0.8 and no cost, 5 of the first are hedged by −4 of the second.
    found = allocate([5.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], [route(loadings=(0, 1), prop_cost=0)])
    assert found.trades == pytest.approx((-4.0,))


def test_a_route_that_pays_carry_is_used_to_its_cap() -> None:
    free_lunch = route(loadings=(0.0,), prop_cost=0.5, carry=-0.6)
    assert allocate([0.0], [[1.0]], [free_lunch]).trades == (10.0,)


def test_a_purchase_at_its_cap_is_taken_back_when_a_better_one_enters() -> None:
    # The first gains most per unit at the start, but the second does the same to both factors.
    routes = [
        route(loadings=(1.0, 0.0), prop_cost=0.1, lower=-4.0),
        route(loadings=(1.0, 1.0), prop_cost=0.0, lower=-9.0, impact=1e-6),
    ]
    found = allocate([5.0, 5.0], [[1.0, 0.0], [0.0, 0.6]], routes)
    assert found.trades == pytest.approx((0.0, -5.0), abs=1e-4)


@pytest.mark.parametrize("exposure", [3.0, -3.0, 0.9, 25.0])
def test_the_weight_of_a_band_stops_a_split_at_its_inner_edge(exposure: float) -> None:
    band = optimal_band(sigma_x=1.0, risk_weight=1.0, fixed_cost=1.0, prop_cost=1.0)
    weight = band_weight(band, prop_cost=1.0, fixed_cost=1.0)
    found = allocate([exposure], [[weight]], [route(lower=-50.0, upper=50.0)])
    stop = min(abs(exposure), band.inner)
    assert abs(found.exposures_left[0]) == pytest.approx(stop)


def test_the_weight_of_a_band_that_trades_to_zero_earns_its_gas_at_the_outer_edge() -> None:
    band = optimal_band(sigma_x=1.0, risk_weight=1.0, fixed_cost=1.0, prop_cost=0.0)
    weight = band_weight(band, prop_cost=0.0, fixed_cost=1.0)
    only = route(prop_cost=0.0, fixed_cost=1.0)
    assert allocate([band.outer * 0.999], [[weight]], [only]).trades == (0.0,)
    assert allocate([band.outer * 1.001], [[weight]], [only]).exposures_left == pytest.approx((0,))


def test_a_band_without_width_has_no_weight() -> None:
    with pytest.raises(BadData, match="without width"):
        band_weight(Band(outer=0.0, inner=0.0, cost_rate_usd=0.0), prop_cost=0.0, fixed_cost=0.0)


SEEDS = st.integers(0, 2**32 - 1)
COSTS = st.sampled_from(["prop_cost", "impact", "fixed_cost"])


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, cost=COSTS, more=st.floats(0.01, 2.0))
def test_a_dearer_route_is_used_no_more_and_saves_no_more(
    seed: int, cost: str, more: float
) -> None:
    rng = np.random.default_rng(seed)
    exposures, weight, routes = random_problem(rng, int(rng.integers(1, 6)), kind=3)
    before = allocate(exposures, weight, routes)
    routes[0] = routes[0]._replace(**{cost: getattr(routes[0], cost) + more})
    after = allocate(exposures, weight, routes)
    assert after.saving_usd <= before.saving_usd + 1e-9
    assert abs(after.trades[0]) <= abs(before.trades[0]) + 1e-6


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, share=st.floats(0.0, 1.0))
def test_a_tighter_cap_is_kept_and_saves_no_more(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    exposures, weight, routes = random_problem(rng, int(rng.integers(1, 6)), kind=seed % 4)
    before = allocate(exposures, weight, routes)
    tight = [r._replace(lower=r.lower * share, upper=r.upper * share) for r in routes]
    after = allocate(exposures, weight, tight)
    assert after.saving_usd <= before.saving_usd + 1e-9
    assert all(r.lower <= d <= r.upper for r, d in zip(tight, after.trades, strict=True))


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, scale=st.sampled_from([1e-6, 1e-3, 1e4]))
def test_the_units_of_a_route_and_of_a_factor_do_not_matter(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    exposures, weight, routes = random_problem(rng, 3, kind=3)
    found = allocate(exposures, weight, routes)
    first = routes[0]
    routes[0] = Route(
        loadings=tuple(x / scale for x in first.loadings),
        lower=first.lower * scale,
        upper=first.upper * scale,
        prop_cost=first.prop_cost / scale,
        impact=first.impact / scale**2,
        fixed_cost=first.fixed_cost,
        carry=first.carry / scale,
    )
    rescaled = allocate(exposures, weight, routes)
    assert rescaled.value_usd == pytest.approx(found.value_usd, rel=1e-9, abs=1e-9)
    # A factor in other units: its exposure and loadings grow, its weights shrink.
    exposures[0] *= scale
    routes = [r._replace(loadings=(r.loadings[0] * scale, *r.loadings[1:])) for r in routes]
    shrunk = np.array(weight)
    shrunk[0] /= scale
    shrunk[:, 0] /= scale
    assert allocate(exposures, shrunk.tolist(), routes).value_usd == pytest.approx(
        found.value_usd, rel=1e-9, abs=1e-9
    )


def test_nothing_to_trade_on_is_no_trade() -> None:
    assert allocate([1.0], [[1.0]], []) == Allocation((), (1.0,), 0.5, 0.0, proven=True)
    assert allocate([], [], []) == Allocation((), (), 0.0, 0.0, proven=True)


def test_too_many_twins_are_split_well_but_without_a_proof() -> None:
    twins = [
        route(lower=-300.0, prop_cost=0.01, impact=0.01, fixed_cost=0.5 + i / 1e3)
        for i in range(12)
    ]
    found = allocate([20.0], [[0.05]], twins)
    assert not found.proven
    # Two of them carry it: the cheapest two.
    assert [i for i, d in enumerate(found.trades) if d] == [0, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loadings": (1.0, 2.0)}, "one finite loading"),
        ({"loadings": (nan,)}, "one finite loading"),
        ({"upper": inf}, "one finite loading"),
        ({"prop_cost": -1e-9}, "cost is not below zero"),
        ({"lower": 0.5}, "caps enclose"),
        ({"upper": -0.5}, "caps enclose"),
    ],
)
def test_an_impossible_route_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadData, match=message):
        allocate([1.0], [[1.0]], [route(**changes)])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([[1.0]], "as many rows"),
        ([[1.0, 0.0], [0.0]], "as many rows"),
        ([[1.0, nan], [nan, 1.0]], "all finite"),
        ([[1.0, 0.2], [0.1, 1.0]], "not symmetric"),
        ([[1.0, 0.0], [0.0, -1e-6]], "reward"),
        ([[1.0, 1.1], [1.1, 1.0]], "reward"),
        ([[0.0, 1e-9], [1e-9, 1.0]], "reward"),
    ],
)
def test_an_impossible_weight_is_refused(weight: list[list[float]], message: str) -> None:
    with pytest.raises(BadData, match=message):
        allocate([1.0, 1.0], weight, [])


def test_an_exposure_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(BadData, match="all finite"):
        allocate([nan], [[1.0]], [])
