"""The least that a seller of a call must charge: exponential utility and proportional cost.

The entropic price of a strategy is (1/a)·log E[exp(−a·PnL)], a the risk aversion, PnL without the
premium. No fixed cost; the seller starts without a hedge, and what is left at expiry is not traded
back. With h the hedge, c the cost as a fraction, backward from V = payoff:

    W(S, h) = (1/a)·log E[exp(a·(V next − h·(S next − S)))]
    V(S, h) = min over y of  W(S, y) + c·S·|y − h|

The prices are those of the setting, drift included; see `sim/optimum` for the lattice.
"""

from collections.abc import Sequence
from math import ceil, log, sqrt
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from keeper.core.arrays import Floats
from keeper.model.errors import BadData
from keeper.sim.claims import Call
from keeper.sim.frontier import read_off, trades
from keeper.sim.gridwork import KERNEL_SD, interpolated, kernel_matrix, lowest
from keeper.sim.optimum import Lattice, Look, Region, Rule, look_of

PER_SD: Final = 8
"""Prices to a standard deviation of one step: the payoff has a corner."""
HEDGES: Final = 561
HEDGE_MARGIN: Final = 0.06
"""Share of a full hedge below none and above full: a drift may ask for that."""


class Sale(Struct, frozen=True, kw_only=True):
    """One call sold, and how it can be hedged."""

    call: Call
    spot: float
    sigma: float
    """Of the paths."""
    steps: int
    step_years: float
    log_drift: float
    """Of the log price, per step."""
    risk_aversion: float
    """a, per unit of money."""
    fee_rate: float
    """c, a fraction of what is traded."""

    def years_left(self, step: int) -> float:
        """Return the time from a step to expiry."""
        return (self.steps - step) * self.step_years


class EntropicOptimum(NamedTuple):
    """The least price, and where to trade for it."""

    price: float
    lattice: Lattice
    region: Region
    """Arrays of (steps, nodes); outer and inner edges are the same."""


def solve(sale: Sale) -> EntropicOptimum:
    """Return the optimum over all strategies that see time, price and hedge."""
    sweep = _Sweep(sale)
    lattice = sweep.lattice
    low, high = (np.empty((sale.steps, lattice.nodes)) for _ in range(2))
    for step in reversed(range(sale.steps)):
        delta = look_at(sale, lattice, step).delta
        bought, sold = sweep.back(step)
        low[step], high[step] = bought + delta, sold + delta
    return EntropicOptimum(sweep.price(), lattice, Region(low, low, high, high))


def price_of(sale: Sale, rule: Rule) -> float:
    """Return the entropic price of *rule* on the lattice of the optimum: without chance."""
    sweep = _Sweep(sale)
    for step in reversed(range(sale.steps)):
        look = look_at(sale, sweep.lattice, step)
        region = rule.region(look)
        sweep.back_along(step, Region(*(rows - look.delta for rows in region)))
    return sweep.price()


def simulated_pnl(
    sale: Sale,
    lattice: Lattice,
    rules: Sequence[Rule],
    *,
    paths: int,
    chance: np.random.Generator,
) -> Floats:
    """Return what the seller is left with, rules × paths, without the premium."""
    step_sd = sale.sigma * sqrt(sale.step_years)
    walk = np.full(paths, log(sale.spot))
    prices = np.exp(walk)
    hedge, pnl = np.zeros((2, len(rules), paths))
    for step in range(sale.steps):
        net = hedge + sale.call.delta(sale.years_left(step), prices)
        trade = trades(net, read_off(lattice, look_at(sale, lattice, step), rules, walk))
        hedge += trade
        walk += sale.log_drift + step_sd * chance.standard_normal(paths)
        later = np.exp(walk)
        pnl += hedge * (later - prices) - sale.fee_rate * prices * np.abs(trade)
        prices = later
    pnl += sale.call.payoff(prices)
    return pnl


def lattice_of(sale: Sale) -> Lattice:
    """Return the lattice that prices are worked out on."""
    return Lattice.around(
        sale.spot,
        steps=sale.steps,
        step_sd=sale.sigma * sqrt(sale.step_years),
        step_drift=sale.log_drift,
        per_sd=PER_SD,
    )


def look_at(sale: Sale, lattice: Lattice, step: int) -> Look:
    """Return one step on the whole lattice."""
    return look_of(sale.call, step, sale.years_left(step), lattice.prices(step))


class _Sweep:
    """V on nodes × hedges, taken back step by step."""

    def __init__(self, sale: Sale) -> None:
        if not (sale.risk_aversion > 0 and sale.fee_rate >= 0 and sale.steps > 0):
            raise BadData("a sale needs steps, a risk aversion above zero and a fee not below")
        self.lattice = lattice_of(sale)
        self._sale = sale
        ends = sorted(-sale.call.units * share for share in (-HEDGE_MARGIN, 1.0 + HEDGE_MARGIN))
        self._grid = np.linspace(ends[0], ends[1], HEDGES)
        worth = -sale.call.payoff(self.lattice.prices(sale.steps))
        self._value = np.repeat(worth[:, None], len(self._grid), axis=1)
        self._reach = ceil(KERNEL_SD * PER_SD)
        self._matrix = kernel_matrix(len(worth), self._reach, PER_SD)

    def price(self) -> float:
        """Return V at the start, without a hedge."""
        return float(np.interp(0.0, self._grid, self._value[self.lattice.nodes // 2]))

    def back(self, step: int) -> tuple[Floats, Floats]:
        """Go back one step; return up to where to buy and down to where to sell, as hedges."""
        wait = self._waiting(step)
        ramp = self._sale.fee_rate * self.lattice.prices(step)[:, None] * self._grid
        bought, sold = wait + ramp, wait - ramp
        edges = lowest(self._grid, bought), lowest(self._grid, sold)
        np.minimum.accumulate(bought[:, ::-1], axis=1, out=bought[:, ::-1])
        np.minimum.accumulate(sold, axis=1, out=sold)
        self._value = np.minimum(bought - ramp, sold + ramp)
        return edges

    def back_along(self, step: int, region: Region) -> None:
        """Go back one step, trading where *region*, as hedges, says so."""
        wait = self._waiting(step)
        fee = self._sale.fee_rate * self.lattice.prices(step)[:, None]
        value = wait.copy()
        for outer, inner, side in (
            (region.low_outer, region.low_inner, 1.0),
            (region.high_outer, region.high_inner, -1.0),
        ):
            there = interpolated(self._grid, wait, inner)[:, None]
            traded = there + side * fee * (inner[:, None] - self._grid)
            np.copyto(value, traded, where=side * self._grid < side * outer[:, None])
        self._value = value

    def _waiting(self, step: int) -> Floats:
        """Return W of every node and hedge."""
        sale, spot = self._sale, self._sale.spot
        later = self.lattice.prices(step + 1)[:, None] - spot
        now = self.lattice.prices(step)[:, None] - spot
        harm = np.exp(sale.risk_aversion * (self._value - self._grid * later))
        padded = np.pad(harm, ((self._reach, self._reach), (0, 0)), mode="edge")
        wait: Floats = np.log(self._matrix @ padded) / sale.risk_aversion + self._grid * now
        return wait
