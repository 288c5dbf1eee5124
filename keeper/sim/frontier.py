"""Policies on thousands of common random paths: what each pays, and what risk it leaves.

A policy becomes a `Rule`: its no-trade region at any check and price. Rules are asked on the nodes
of the optimum's own lattice and read off between them for each path, so the optimum and every
policy are treated alike. Their code is the one that the live keeper runs.
"""

from collections.abc import Sequence
from math import log, sqrt
from typing import NamedTuple

import numpy as np

from keeper.core.arrays import Floats
from keeper.core.policies import FAR
from keeper.model.strategies import Strategy
from keeper.sim.edges import Looks, edges
from keeper.sim.optimum import Lattice, Look, Problem, Region, Rule, look_at


class Tally(NamedTuple):
    """What one rule did, per path."""

    costs_usd: Floats
    risk_usd: Floats
    """½·γ·σ²·Σ S²·x²·δt."""
    trades: Floats
    turnover_usd: Floats

    @property
    def j_usd(self) -> Floats:
        """Return cost and risk together: what the optimum minimises."""
        return self.costs_usd + self.risk_usd


class Ratio(NamedTuple):
    """A mean over another mean on the same paths, and its standard error (delta method)."""

    value: float
    se: float


def ratio(of: Floats, to: Floats) -> Ratio:
    """Return mean(of)/mean(to)."""
    base = float(np.mean(to))
    value = float(np.mean(of)) / base
    return Ratio(value, float(np.std(of - value * to, ddof=1)) / (sqrt(len(of)) * base))


class Following(NamedTuple):
    """A strategy of `model/strategies` that does not go by the clock."""

    problem: Problem
    strategy: Strategy

    def region(self, look: Look) -> Region:
        band = edges(self.strategy, self._looks(look))
        return Region(-band.outer, -band.inner, band.inner, band.outer)

    def _looks(self, look: Look) -> Looks:
        problem, prices = self.problem, look.prices
        every = np.ones_like(prices)
        return Looks(
            price=prices,
            sigma=problem.sigma * every,
            bare=look.delta,
            gamma=look.gamma,
            aversion=problem.risk_aversion,
            variance_usd2=(problem.sigma * prices) ** 2,
            fixed_usd=problem.fixed_usd * every,
            prop_usd=problem.fee_rate * prices,
            impact_usd=0.0 * every,
            remaining_years=look.years_left,
            check_years=problem.step_years,
            bare_at=lambda there, years: problem.claim.delta(look.years_left - years, there),
        )


class Clock(NamedTuple):
    """To zero at every so many checks, the first after that many."""

    every: int

    def region(self, look: Look) -> Region:
        due = look.check > 0 and look.check % self.every == 0
        outer, zero = np.full_like(look.prices, 0.0 if due else FAR), np.zeros_like(look.prices)
        return Region(-outer, zero, zero, outer)


class Table(NamedTuple):
    """A rule worked out beforehand, or the optimum's own; arrays of (checks, nodes)."""

    rows: Region

    def region(self, look: Look) -> Region:
        return Region(*(row[look.check] for row in self.rows))


def tabulated(problem: Problem, lattice: Lattice, rule: Rule) -> Table:
    """Return *rule* asked once at every node of *lattice*."""
    found = [rule.region(look_at(problem, lattice, check)) for check in range(problem.checks)]
    return Table(Region(*(np.array(rows) for rows in zip(*found, strict=True))))


def simulate(
    problem: Problem, lattice: Lattice, rules: Sequence[Rule], *, paths: int, seed: int
) -> list[Tally]:
    """Return what each rule did on the same *paths* of geometric Brownian motion."""
    chance = np.random.default_rng(seed)
    step_sd = problem.sigma * sqrt(problem.step_years)
    walk = np.full(paths, log(problem.spot))
    prices = np.exp(walk)
    hedge = np.tile(-problem.claim.delta(problem.years, prices), (len(rules), 1))
    books = np.zeros((len(Tally._fields), len(rules), paths))
    for check in range(problem.checks):
        look = look_at(problem, lattice, check)
        net = hedge + problem.claim.delta(look.years_left, prices)
        trade = trades(net, read_off(lattice, look, rules, walk))
        hedge += trade
        net += trade
        size = np.abs(trade) * prices
        traded = size > 0.0
        books[0] += traded * problem.fixed_usd + size * problem.fee_rate
        books[1] += net * net * (0.5 * problem.risk_weight(prices) * problem.step_years)
        books[2] += traded
        books[3] += size
        walk += step_sd * chance.standard_normal(paths) - 0.5 * step_sd * step_sd
        prices = np.exp(walk)
    return [Tally(*books[:, number]) for number in range(len(rules))]


def read_off(lattice: Lattice, look: Look, rules: Sequence[Rule], walk: Floats) -> Region:
    """Return the regions, rules × paths, at the log prices *walk*: linear between the lattice's."""
    table = np.array([rule.region(look) for rule in rules]).swapaxes(0, 1)
    at = (walk - lattice.first[look.check]) / lattice.spacing
    node = np.clip(at.astype(np.intp), 0, lattice.nodes - 2)
    share = np.clip(at - node, 0.0, 1.0)
    low, high = table[..., node], table[..., node + 1]
    return Region(*(low + (high - low) * share))


def trades(net: Floats, region: Region) -> Floats:
    """Return what is traded from the net delta *net*, base."""
    low_outer, low_inner, high_inner, high_outer = region
    target = np.where(net < low_outer, low_inner, np.where(net > high_outer, high_inner, net))
    return target - net
