from math import log, sqrt

import numpy as np
import pytest
from msgspec.structs import replace

from keeper.core.greeks import Vanilla, black_scholes
from keeper.model.errors import BadData
from keeper.model.strategies import Always, Never, Optimal, Strategy
from keeper.sim import optimum_entropic
from keeper.sim.accounting import entropic
from keeper.sim.claims import Call
from keeper.sim.frontier import Following, Table
from keeper.sim.optimum import Problem, Rule
from keeper.sim.optimum_entropic import (
    EntropicOptimum,
    Sale,
    lattice_of,
    price_of,
    simulated_pnl,
    solve,
)

SIGMA, STEP_YEARS = 0.2, 1 / 365
SALE = Sale(
    call=Call(units=-1.0, strike=1.0, sigma=SIGMA),
    spot=1.0,
    sigma=SIGMA,
    steps=6,
    step_years=STEP_YEARS,
    log_drift=-0.5 * SIGMA**2 * STEP_YEARS,
    risk_aversion=30.0,
    fee_rate=1e-3,
)


@pytest.fixture(scope="module")
def optimum() -> EntropicOptimum:
    return solve(SALE)


def following(strategy: Strategy) -> Following:
    problem = Problem(
        claim=SALE.call,
        spot=SALE.spot,
        sigma=SALE.sigma,
        years=SALE.steps * SALE.step_years,
        checks=SALE.steps,
        risk_aversion=SALE.risk_aversion,
        fixed_usd=0.0,
        fee_rate=SALE.fee_rate,
    )
    return Following(problem, strategy)


def by_brute_force(sale: Sale, hedges: int) -> float:
    """Every trade from every state, in plain loops."""
    lattice, per_sd = lattice_of(sale), optimum_entropic.PER_SD
    margin = optimum_entropic.HEDGE_MARGIN
    grid = np.linspace(-margin, 1.0 + margin, hedges)
    offsets = np.arange(-5 * per_sd, 5 * per_sd + 1)
    weights = np.exp(-0.5 * (offsets / per_sd) ** 2)
    weights /= weights.sum()
    value = np.repeat(np.maximum(lattice.prices(sale.steps) - 1.0, 0.0)[:, None], hedges, axis=1)
    for step in reversed(range(sale.steps)):
        now, later = lattice.prices(step), lattice.prices(step + 1)
        before, value = value, np.empty_like(value)
        for i, price in enumerate(now):
            # Beyond the lattice, V + h·(what the price has moved) goes on as at its edge.
            to = np.clip(i + offsets, 0, lattice.nodes - 1)
            owed = before[to] - grid * (later[to] - price)[:, None]
            wait = np.log(weights @ np.exp(sale.risk_aversion * owed)) / sale.risk_aversion
            fees = sale.fee_rate * price * np.abs(grid[:, None] - grid)
            value[i] = np.min(wait + fees, axis=1)
    return float(np.interp(0.0, grid, value[lattice.nodes // 2]))


def test_it_is_the_least_over_every_trade_from_every_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimum_entropic, "HEDGES", 57)
    monkeypatch.setattr(optimum_entropic, "PER_SD", 2)
    sale = replace(SALE, steps=3)
    assert solve(sale).price == pytest.approx(by_brute_force(sale, 57), rel=1e-10)


def test_without_fee_and_fear_it_is_the_price_of_black_and_scholes() -> None:
    found = solve(replace(SALE, fee_rate=0.0, risk_aversion=1e-3)).price
    years = SALE.steps * SALE.step_years
    fair = black_scholes(Vanilla(1.0, 1.0, years), np.array([1.0]), SIGMA).price[0]
    assert found == pytest.approx(fair, rel=1e-3)


def test_who_does_not_hedge_charges_what_the_payoff_alone_asks_for() -> None:
    steps = np.linspace(-9.0, 9.0, 20_001)
    density = np.exp(-0.5 * steps * steps)
    spread = SIGMA * sqrt(SALE.steps * STEP_YEARS)
    payoff = np.maximum(np.exp(SALE.log_drift * SALE.steps + spread * steps) - 1.0, 0.0)
    harm = float(density @ np.exp(SALE.risk_aversion * payoff) / density.sum())
    found = price_of(SALE, following(Never()))
    assert found == pytest.approx(log(harm) / SALE.risk_aversion, rel=1e-5)


def test_the_price_of_its_own_region_is_its_price(optimum: EntropicOptimum) -> None:
    again = price_of(SALE, Table(optimum.region))
    assert again == pytest.approx(optimum.price, rel=1e-5)


@pytest.mark.parametrize("strategy", [Optimal(), Always(), Never()], ids=str)
def test_no_policy_may_charge_less(optimum: EntropicOptimum, strategy: Strategy) -> None:
    above = price_of(SALE, following(strategy)) - optimum.price
    assert above > 0.0
    assert (above < 2e-5) == isinstance(strategy, Optimal)


def test_paths_ask_for_the_price_of_the_lattice(optimum: EntropicOptimum) -> None:
    rules: tuple[Rule, ...] = Table(optimum.region), following(Optimal())
    chance = np.random.default_rng(9)
    pnl = simulated_pnl(SALE, optimum.lattice, rules, paths=40_000, chance=chance)
    for rule, gains in zip(rules, pnl, strict=True):
        harm = np.exp(-SALE.risk_aversion * gains)
        error = harm.std() / (harm.mean() * SALE.risk_aversion * sqrt(len(harm)))
        assert abs(-entropic(gains, SALE.risk_aversion) - price_of(SALE, rule)) < 4.0 * error


def test_more_fear_and_more_fee_ask_for_a_higher_price(optimum: EntropicOptimum) -> None:
    assert solve(replace(SALE, risk_aversion=60.0)).price > optimum.price
    assert solve(replace(SALE, fee_rate=2e-3)).price > optimum.price


@pytest.mark.parametrize("change", [{"risk_aversion": 0.0}, {"fee_rate": -1e-3}, {"steps": 0}])
def test_a_sale_that_is_none_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadData, match="a sale needs"):
        solve(replace(SALE, **change))
