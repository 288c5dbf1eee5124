from math import exp

import numpy as np
import pytest
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import ArrayLike

from keeper.core.arrays import Floats
from keeper.core.band import optimal_band
from keeper.model.errors import BadData
from keeper.model.strategies import Always, Never, Optimal, WhalleyWilmott
from keeper.sim.frontier import Following, Table
from keeper.sim.optimum import Lattice, Problem, cost_of, solve
from tests.sim.problems import RANGE


class Bent(Struct, frozen=True):
    """A claim of constant gamma."""

    bend: float
    middle: float

    def delta(self, years_left: ArrayLike, prices: Floats) -> Floats:
        return self.bend * (prices - self.middle) + 0.0 * np.asarray(years_left)

    def gamma(self, years_left: ArrayLike, prices: Floats) -> Floats:
        return np.full_like(prices, self.bend) + 0.0 * np.asarray(years_left)


def by_brute_force(problem: Problem, lattice: Lattice, grid: Floats, per_sd: int) -> float:
    """Every trade from every state, in plain loops."""
    reach = 5 * per_sd
    weights = [exp(-0.5 * (j / per_sd) ** 2) for j in range(-reach, reach + 1)]
    total = sum(weights)
    value = np.zeros((lattice.nodes, len(grid)))
    for check in reversed(range(problem.checks)):
        prices = lattice.prices(check)
        delta = problem.claim.delta(problem.years_left(check), prices)
        before, value = value, np.empty_like(value)
        for i, price in enumerate(prices):
            wait = []
            for k, hedge in enumerate(grid):
                expected = sum(
                    weight * before[min(max(i + j, 0), lattice.nodes - 1), k] / total
                    for weight, j in zip(weights, range(-reach, reach + 1), strict=True)
                )
                risk = problem.risk_aversion * (problem.sigma * price) ** 2 * problem.step_years
                wait.append(expected + 0.5 * risk * (hedge + delta[i]) ** 2)
            for k, hedge in enumerate(grid):
                fee = problem.fee_rate * price
                trades = [
                    wait[m] + problem.fixed_usd + fee * abs(to - hedge)
                    for m, to in enumerate(grid)
                    if m != k
                ]
                value[i, k] = min(wait[k], *trades)
    start = -problem.claim.delta(problem.years, np.array([problem.spot]))[0]
    return float(np.interp(start, grid, value[lattice.nodes // 2]))


@pytest.mark.parametrize("fixed_usd", [0.0, 5.0, 500.0])
def test_it_is_the_least_over_every_trade_from_every_state(fixed_usd: float) -> None:
    problem = replace(RANGE, checks=3, fixed_usd=fixed_usd, risk_aversion=1e-4)
    found = solve(problem, hedges=17, per_sd=1)
    delta = problem.claim.delta(0.0, found.lattice.prices(0))
    grid = np.linspace(-delta.max(), -delta.min(), 17)
    expected = by_brute_force(problem, found.lattice, grid, 1)
    assert found.cost_usd == pytest.approx(expected, rel=1e-9)


def steady(fixed_usd: float, fee_rate: float, checks: int) -> Problem:
    """An error that drifts by one unit from check to check, for many times what a band lasts."""
    return Problem(
        # The price hardly moves, so that nothing but the error does.
        claim=Bent(bend=1.0, middle=10_000.0),
        spot=10_000.0,
        sigma=0.002,
        years=checks / 400,
        checks=checks,
        risk_aversion=0.0125,
        fixed_usd=fixed_usd,
        fee_rate=fee_rate,
    )


@pytest.mark.parametrize(("fixed_usd", "fee_rate"), [(2.0, 2e-4), (0.0, 4e-4), (4.0, 0.0)])
def test_far_from_the_end_its_band_and_cost_are_those_of_the_closed_form(
    fixed_usd: float, fee_rate: float
) -> None:
    exact = optimal_band(
        sigma_x=20.0, risk_weight=5.0, fixed_cost=fixed_usd, prop_cost=1e4 * fee_rate
    )
    half, whole = (
        solve(steady(fixed_usd, fee_rate, checks), hedges=401, per_sd=1) for checks in (200, 400)
    )
    # Looks are apart, and an error is beyond the edge by then: by about 0.6 of one check's move.
    sides = [rows[:150, whole.lattice.nodes // 2].mean() for rows in whole.region]
    low_outer, low_inner, high_inner, high_outer = sides
    assert high_outer == pytest.approx(exact.outer - 0.6, abs=0.15)
    assert low_outer == pytest.approx(-exact.outer + 0.6, abs=0.15)
    jumped = 0.6 if exact.inner == exact.outer else 0.0
    assert high_inner == pytest.approx(exact.inner - jumped, abs=0.15)
    assert low_inner == pytest.approx(-exact.inner + jumped, abs=0.15)
    # J leaves out the risk that arises between two checks: half of ½·q·σx²·δt, all the time.
    between = 0.25 * 5.0 * 20.0**2 / 400
    rate = (whole.cost_usd - half.cost_usd) / 0.5 + between
    assert exact.cost_rate_usd < rate < 1.015 * exact.cost_rate_usd


def test_the_cost_of_its_own_region_is_its_cost() -> None:
    found = solve(RANGE, per_sd=4)
    again = cost_of(RANGE, found.lattice, Table(found.region))
    assert again == pytest.approx(found.cost_usd, rel=1e-4)


@pytest.mark.parametrize("strategy", [Optimal(), WhalleyWilmott(), Always(), Never()], ids=str)
def test_no_policy_costs_less(strategy: Optimal | WhalleyWilmott | Always | Never) -> None:
    found = solve(RANGE, per_sd=4)
    cost = cost_of(RANGE, found.lattice, Following(RANGE, strategy))
    assert cost > found.cost_usd
    assert (cost < 1.02 * found.cost_usd) == isinstance(strategy, Optimal)


def test_a_finer_grid_hardly_changes_it() -> None:
    coarse, fine = solve(RANGE, hedges=301, per_sd=4), solve(RANGE, hedges=901, per_sd=6)
    assert coarse.cost_usd == pytest.approx(fine.cost_usd, rel=2e-3)


def test_what_costs_nothing_is_hedged_at_every_look() -> None:
    free = replace(RANGE, fixed_usd=0.0, fee_rate=0.0)
    assert solve(free).cost_usd < 1e-2 * solve(RANGE).cost_usd


def test_what_costs_a_fortune_is_not_hedged() -> None:
    dear = replace(RANGE, fixed_usd=1e9)
    found = solve(dear)
    never = cost_of(dear, found.lattice, Following(dear, Never()))
    assert found.cost_usd == pytest.approx(never, rel=1e-9)


@pytest.mark.parametrize(
    "change", [{"sigma": 0.0}, {"risk_aversion": -1.0}, {"fixed_usd": -1.0}, {"checks": 0}], ids=str
)
def test_a_problem_that_is_none_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadData, match="the optimum needs"):
        solve(replace(RANGE, **change))


def test_a_claim_that_does_not_move_needs_no_hedge() -> None:
    with pytest.raises(BadData, match="nothing to hedge"):
        solve(replace(RANGE, claim=Bent(bend=0.0, middle=0.0)))
