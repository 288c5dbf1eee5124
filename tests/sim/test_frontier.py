from math import sqrt

import numpy as np
import pytest
from msgspec.structs import replace

from keeper.core.policies import Situation, policy_of
from keeper.model.strategies import Always, Never, Optimal, Strategy, WhalleyWilmott
from keeper.sim.claims import short_straddle
from keeper.sim.frontier import Clock, Following, Table, ratio, simulate, tabulated, trades
from keeper.sim.optimum import Problem, Region, Rule, cost_of, lattice_of, look_at, solve
from tests.sim.problems import RANGE

STRADDLE = replace(RANGE, claim=short_straddle(spot=3_000.0, sigma=0.8, notional_usd=1e6))


def test_a_ratio_of_means_knows_that_its_samples_come_in_pairs() -> None:
    chance = np.random.default_rng(1)
    base = chance.lognormal(size=400)
    assert ratio(1.5 * base, base).value == pytest.approx(1.5)
    assert ratio(1.5 * base, base).se == pytest.approx(0.0, abs=1e-12)


def test_the_error_of_a_ratio_is_how_far_it_scatters() -> None:
    chance = np.random.default_rng(2)
    base = chance.lognormal(size=(2_000, 200))
    other = base + 0.3 * chance.lognormal(size=base.shape)
    found = [ratio(of, to) for of, to in zip(other, base, strict=True)]
    scatter = np.std([each.value for each in found])
    assert np.mean([each.se for each in found]) == pytest.approx(scatter, rel=0.05)


def test_trades_lead_from_outside_the_region_to_its_inner_edges() -> None:
    region = Region(*(np.full(5, edge) for edge in (-3.0, -2.0, 1.0, 4.0)))
    net = np.array([-5.0, -3.0, 0.0, 4.0, 4.5])
    assert (net + trades(net, region)).tolist() == [-2.0, -3.0, 0.0, 4.0, 1.0]


@pytest.mark.parametrize("problem", [RANGE, STRADDLE], ids=["range", "straddle"])
@pytest.mark.parametrize("strategy", [Optimal(), WhalleyWilmott(), Always(), Never()], ids=str)
def test_paths_cost_in_the_mean_what_the_lattice_says(problem: Problem, strategy: Strategy) -> None:
    lattice = lattice_of(problem, 4)
    rule = Following(problem, strategy)
    (tally,) = simulate(problem, lattice, [rule], paths=4_000, seed=3)
    error = tally.j_usd.std(ddof=1) / sqrt(4_000)
    expected = cost_of(problem, lattice, rule, hedges=1_201)
    assert abs(tally.j_usd.mean() - expected) < 4.0 * error + 2e-3 * expected


def test_on_common_paths_the_optimum_is_ahead_of_every_policy() -> None:
    found = solve(RANGE, per_sd=4)
    rules: list[Rule] = [Table(found.region), Following(RANGE, Optimal()), Clock(4)]
    best, ours, clock = simulate(RANGE, found.lattice, rules, paths=2_000, seed=4)
    near, far = ratio(ours.j_usd, best.j_usd), ratio(clock.j_usd, best.j_usd)
    assert 1.0 - 4.0 * near.se < near.value < 1.02
    assert far.value > 1.2


def test_a_seed_names_the_paths_and_rules_do_not_disturb_each_other() -> None:
    lattice, rule = lattice_of(RANGE), Following(RANGE, WhalleyWilmott())
    (alone,) = simulate(RANGE, lattice, [rule], paths=50, seed=5)
    _, beside = simulate(RANGE, lattice, [Clock(3), rule], paths=50, seed=5)
    (other,) = simulate(RANGE, lattice, [rule], paths=50, seed=6)
    assert np.array_equal(alone.j_usd, beside.j_usd)
    assert not np.array_equal(alone.j_usd, other.j_usd)


def test_the_clock_trades_when_it_is_due_and_leaves_no_error() -> None:
    (tally,) = simulate(STRADDLE, lattice_of(STRADDLE), [Clock(7)], paths=40, seed=7)
    assert set(tally.trades.tolist()) == {8.0}
    assert tally.costs_usd == pytest.approx(
        8 * STRADDLE.fixed_usd + STRADDLE.fee_rate * tally.turnover_usd
    )


def test_who_never_trades_bears_risk_alone() -> None:
    (tally,) = simulate(RANGE, lattice_of(RANGE), [Following(RANGE, Never())], paths=40, seed=8)
    assert not tally.costs_usd.any()
    assert not tally.trades.any()
    assert tally.risk_usd.min() > 0.0


def test_a_table_says_what_its_rule_says() -> None:
    lattice = lattice_of(RANGE)
    rule = Following(RANGE, Optimal())
    table = tabulated(RANGE, lattice, rule)
    look = look_at(RANGE, lattice, 17)
    assert np.array_equal(table.region(look), rule.region(look))


@pytest.mark.parametrize("strategy", [Optimal(), WhalleyWilmott()], ids=str)
def test_a_policy_is_followed_as_the_live_decision_follows_it(strategy: Strategy) -> None:
    lattice = lattice_of(STRADDLE)
    look = look_at(STRADDLE, lattice, 40)
    region = Following(STRADDLE, strategy).region(look)
    claim, left = STRADDLE.claim, look.years_left
    for node in (lattice.nodes // 2, lattice.nodes // 2 + 11):
        price = float(look.prices[node])
        situation = Situation(
            price=price,
            sigma=STRADDLE.sigma,
            net=0.0,
            delta=float(claim.delta(left, np.array([price]))[0]),
            gamma=float(claim.gamma(left, np.array([price]))[0]),
            risk_weight=STRADDLE.risk_aversion * (STRADDLE.sigma * price) ** 2,
            fixed_usd=STRADDLE.fixed_usd,
            prop_usd=STRADDLE.fee_rate * price,
            impact_usd=0.0,
            remaining_years=left,
            check_years=STRADDLE.step_years,
            delta_at=lambda there, years: float(claim.delta(left - years, np.array([there]))[0]),
        )
        band = policy_of(strategy)(situation).band
        edges = [float(rows[node]) for rows in region]
        assert edges == pytest.approx([-band.outer, -band.inner, band.inner, band.outer], rel=1e-9)
