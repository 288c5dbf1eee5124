"""The least that a hedge can cost, by dynamic programming: what every policy is measured against.

A claim with the net delta Δ(t, S) is hedged at equal intervals δt until it ends. The price is
geometric Brownian motion without trend; x = Δ + hedge is what remains open, and a policy costs

    J = E[ Σ over trades of (F + λ·S·|trade|) ] + ½·γ·σ²·E[ Σ over checks of S²·x²·δt ]

with x as the check leaves it. Backward from the end, on prices × hedges, V being the cost to go:

    W(S, h) = ½·γ·σ²·S²·(h + Δ)²·δt + E[V next]       V(S, h) = min(W(S, h), F + min over h′ of …)

The best trade is found for all hedges at once by a running minimum from either side, since its
cost is linear in its size. Log prices sit on a lattice of half a standard deviation a check,
which drifts with the price's mean; the expectation is a sampled Gaussian, whose moments are then
exact to 1e-9. A trinomial lattice is not enough: it moves by more than a band at once, or not at
all, and its optimum is several per cent too dear.
"""

from math import ceil, log, sqrt
from typing import NamedTuple, Protocol

import numpy as np
from msgspec import Struct

from keeper.core.arrays import Floats
from keeper.model.errors import BadData
from keeper.sim.claims import Claim
from keeper.sim.gridwork import (
    BLOCK,
    KERNEL_SD,
    REACH_SD,
    first_kept,
    interpolated,
    kernel_matrix,
    lowest,
)


class Problem(Struct, frozen=True, kw_only=True):
    """One claim to hedge, and what hedging it costs."""

    claim: Claim
    spot: float
    """USD per unit at the start; the hedge starts at the negative of the claim's delta there."""
    sigma: float
    years: float
    checks: int
    risk_aversion: float
    """γ, per USD."""
    fixed_usd: float
    """F, per trade."""
    fee_rate: float
    """λ as a fraction of notional."""

    @property
    def step_years(self) -> float:
        """Return the time between checks."""
        return self.years / self.checks

    def years_left(self, check: int) -> float:
        """Return the time from a check to the end."""
        return self.years - check * self.step_years

    def risk_weight(self, prices: Floats) -> Floats:
        """Return q = γ·(S·σ)², USD per unit² and year."""
        weight: Floats = self.risk_aversion * (self.sigma * prices) ** 2
        return weight


class Region(NamedTuple):
    """Where not to trade, and where to trade to, as net delta: a band that may lie off centre.

    A net delta below `low_outer` is traded to `low_inner`, one above `high_outer` to `high_inner`.
    """

    low_outer: Floats
    low_inner: Floats
    high_inner: Floats
    high_outer: Floats


class Look(NamedTuple):
    """One check, at many prices."""

    check: int
    years_left: float
    prices: Floats
    delta: Floats
    """Of the claim, at each price."""
    gamma: Floats


class Rule(Protocol):
    """A policy, as far as it knows time and price, and compares the net delta with a band."""

    def region(self, look: Look) -> Region:
        """Return where to trade and to where, at each of the look's prices."""
        ...


class Lattice(NamedTuple):
    """Log prices of every check and of the end: `first[k] + spacing·i`, i below `nodes`."""

    first: Floats
    spacing: float
    nodes: int
    """Odd: the middle one is where the mean log price is."""

    @classmethod
    def around(
        cls, spot: float, *, steps: int, step_sd: float, step_drift: float, per_sd: int
    ) -> "Lattice":
        """Return *per_sd* prices to a standard deviation of one step, as far as paths go."""
        half, spacing = ceil(REACH_SD * sqrt(steps) * per_sd), step_sd / per_sd
        first = log(spot) - half * spacing + step_drift * np.arange(steps + 1, dtype=np.float64)
        return cls(first, spacing, 2 * half + 1)

    def prices(self, check: int) -> Floats:
        """Return the prices of one check, rising."""
        prices: Floats = np.exp(self.first[check] + self.spacing * np.arange(self.nodes))
        return prices


class Optimum(NamedTuple):
    """The least cost, and the policy that has it."""

    cost_usd: float
    """J from a hedge without error at the start."""
    lattice: Lattice
    region: Region
    """Arrays of (checks, nodes)."""


def lattice_of(problem: Problem, per_sd: int = 2) -> Lattice:
    """Return log prices *per_sd* to a standard deviation of one check, around the price's mean."""
    return Lattice.around(
        problem.spot,
        steps=problem.checks,
        step_sd=problem.sigma * sqrt(problem.step_years),
        step_drift=-0.5 * problem.sigma**2 * problem.step_years,
        per_sd=per_sd,
    )


def look_at(problem: Problem, lattice: Lattice, check: int) -> Look:
    """Return one check on the whole lattice."""
    return look_of(problem.claim, check, problem.years_left(check), lattice.prices(check))


def look_of(claim: Claim, check: int, years_left: float, prices: Floats) -> Look:
    """Return one check of *claim* at any prices."""
    delta, gamma = claim.delta(years_left, prices), claim.gamma(years_left, prices)
    return Look(check, years_left, prices, delta, gamma)


def solve(problem: Problem, *, hedges: int = 601, per_sd: int = 2) -> Optimum:
    """Return the optimum on *hedges* hedges and *per_sd* prices to a standard deviation of a check.

    Raises:
        BadData: The problem has a number that no problem has, or its claim needs no hedge.

    """
    _refuse_nonsense(problem)
    lattice = lattice_of(problem, per_sd)
    sweep = _Sweep(problem, lattice, hedges)
    region = Region(*(np.empty((problem.checks, lattice.nodes)) for _ in Region._fields))
    for check in reversed(range(problem.checks)):
        seen = sweep.within_reach(check)
        unseen = (seen.start, lattice.nodes - seen.stop)
        for rows, found in zip(region, sweep.back(check, seen), strict=True):
            rows[check] = np.pad(found, unseen, "edge")
    return Optimum(sweep.cost_usd(), lattice, region)


def cost_of(problem: Problem, lattice: Lattice, rule: Rule, *, hedges: int = 601) -> float:
    """Return J of *rule* on the same lattice as its optimum, USD: no chance, hence no error of it.

    Raises:
        BadData: As `solve`.

    """
    _refuse_nonsense(problem)
    sweep = _Sweep(problem, lattice, hedges)
    for check in reversed(range(problem.checks)):
        region = rule.region(look_at(problem, lattice, check))
        seen = sweep.within_reach(check)
        sweep.back_along(check, seen, Region(*(rows[seen] for rows in region)))
    return sweep.cost_usd()


def _refuse_nonsense(problem: Problem) -> None:
    above = (problem.spot, problem.sigma, problem.years, problem.checks, problem.risk_aversion)
    if min(above) > 0 and min(problem.fixed_usd, problem.fee_rate) >= 0:
        return
    raise BadData(
        "the optimum needs price, volatility, time, checks and risk aversion above zero, "
        "and costs not below",
        problem=problem,
    )


def _hedge_grid(problem: Problem, lattice: Lattice, hedges: int) -> Floats:
    """Return the hedges that a trade can lead to: none ever goes beyond −Δ."""
    reached = [
        problem.claim.delta(problem.years_left(check), lattice.prices(check))
        for check in range(problem.checks)
    ]
    low, high = -float(np.max(reached)), -float(np.min(reached))
    if not low < high:
        raise BadData("the claim's delta does not move: there is nothing to hedge", delta=-low)
    return np.linspace(low, high, hedges)


class _Sweep:
    """Costs to go on nodes × hedges, taken back check by check in arrays that are used again."""

    def __init__(self, problem: Problem, lattice: Lattice, hedges: int) -> None:
        self._problem, self._lattice = problem, lattice
        self._grid = _hedge_grid(problem, lattice, hedges)
        self._per_sd = round(problem.sigma * sqrt(problem.step_years) / lattice.spacing)
        self._reach = ceil(KERNEL_SD * self._per_sd)
        self._matrix = kernel_matrix(BLOCK, self._reach, self._per_sd)
        self._value = np.zeros((lattice.nodes + 2 * self._reach, hedges))
        self._arrays = np.empty((4, lattice.nodes, hedges))

    def cost_usd(self) -> float:
        """Return V at the start, from a hedge without error."""
        start = -self._problem.claim.delta(self._problem.years, np.array([self._problem.spot]))
        row = self._value[self._lattice.nodes // 2 + self._reach]
        return float(np.interp(start, self._grid, row)[0])

    def within_reach(self, check: int) -> slice:
        """Return the nodes that the price can be on: early, most are out of its reach."""
        middle = self._lattice.nodes // 2
        half = min(middle, ceil((REACH_SD * sqrt(check) + KERNEL_SD) * self._per_sd))
        return slice(middle - half, middle + half + 1)

    def back(self, check: int, seen: slice) -> Region:
        """Go back one check at the nodes *seen*, and return what is best there."""
        wait, bought, sold, ramp = self._arrays[:, seen]
        prices, delta = self._waiting(check, seen)
        np.multiply(self._grid, self._problem.fee_rate * prices[:, None], out=ramp)
        np.add(wait, ramp, out=bought)
        np.subtract(wait, ramp, out=sold)
        buy_to, sell_to = lowest(self._grid, bought), lowest(self._grid, sold)
        np.minimum.accumulate(bought[:, ::-1], axis=1, out=bought[:, ::-1])
        np.minimum.accumulate(sold, axis=1, out=sold)
        bought -= ramp
        sold += ramp
        bought += self._problem.fixed_usd
        sold += self._problem.fixed_usd
        buy_from = first_kept(self._grid, wait, bought)
        sell_from = first_kept(self._grid[::-1], wait[:, ::-1], sold[:, ::-1])
        np.minimum(bought, sold, out=bought)
        self._keep(seen, np.minimum(bought, wait, out=bought))
        return Region(buy_from + delta, buy_to + delta, sell_to + delta, sell_from + delta)

    def back_along(self, check: int, seen: slice, region: Region) -> None:
        """Go back one check at the nodes *seen*, trading where *region* says so."""
        wait, traded, net, value = self._arrays[:, seen]
        prices, delta = self._waiting(check, seen)
        np.add(self._grid, delta[:, None], out=net)
        value[:] = wait
        for outer, inner, side in (
            (region.low_outer, region.low_inner, 1.0),
            (region.high_outer, region.high_inner, -1.0),
        ):
            there = interpolated(self._grid, wait, inner - delta) + self._problem.fixed_usd
            np.subtract(inner[:, None], net, out=traded)
            traded *= side * self._problem.fee_rate * prices[:, None]
            traded += there[:, None]
            beyond = net * side < side * outer[:, None]
            np.copyto(value, traded, where=beyond)
        self._keep(seen, value)

    def _waiting(self, check: int, seen: slice) -> tuple[Floats, Floats]:
        """Fill the first array with the cost of waiting; return the prices and the deltas."""
        wait, spare = self._arrays[:2, seen]
        prices = self._lattice.prices(check)[seen]
        delta = self._problem.claim.delta(self._problem.years_left(check), prices)
        self._expect(seen, wait)
        self._add_risk(wait, prices, delta, spare)
        return prices, delta

    def _expect(self, seen: slice, wait: Floats) -> None:
        """Fill *wait* with E[V next]: a product with a banded matrix for each block of nodes."""
        nodes = seen.stop - seen.start
        block = min(BLOCK, nodes)
        around = block + 2 * self._reach
        for start in [*range(0, nodes - block, block), nodes - block]:
            near = self._value[seen.start + start :][:around]
            np.matmul(self._matrix[:block, :around], near, out=wait[start : start + block])

    def _add_risk(self, wait: Floats, prices: Floats, delta: Floats, spare: Floats) -> None:
        weight = 0.5 * self._problem.risk_weight(prices) * self._problem.step_years
        np.add(self._grid, delta[:, None], out=spare)
        spare *= spare
        spare *= weight[:, None]
        wait += spare

    def _keep(self, seen: slice, value: Floats) -> None:
        """Store V at *seen*; beyond, as far as the check before will look, it is as at the edge."""
        low, high = seen.start + self._reach, seen.stop + self._reach
        self._value[low:high] = value
        self._value[low - self._reach : low] = value[0]
        self._value[high : high + self._reach] = value[-1]
