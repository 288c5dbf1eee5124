"""The least that a hedge can cost on average while gas is now cheap, now dear.

The error drifts by itself, dx = σx dW, and costs ½·q·x² a year in risk; a trade of d costs
F of the day's regime and λ·|d|. Regimes change without memory at the rates of leaving each. With V
of each regime and the average cost ρ, the error's own motion on x ≥ 0 and by symmetry below,

    ½·σx²·V″ + ½·q·x² − ρ + (rate of leaving)·(V other − V) = 0    while no trade is made
    V(x) = min over y of  V(y) + F + λ·|x − y|                       where one is

`solve` does this on a grid by policy iteration. Each round can only widen a band by a node, which
looks like convergence far from it; so it starts from never trading, on a coarse grid, and each grid
hands its bands to one twice as fine. `cost_rate` needs no grid: for given bands the pieces of V are
polynomials and exponentials.
"""

from collections.abc import Sequence
from math import exp, inf, sqrt
from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from keeper.core.arrays import Floats
from keeper.core.band import optimal_band
from keeper.model.errors import BadData
from keeper.model.flow import Band

CELLS: Final = (40, 80, 160, 320, 640)
"""Of each grid in turn; one more node than cells."""
MOST_ROUNDS: Final = 200
ROOM: Final = 1.5
"""The grid ends so much beyond the widest band that is expected."""


class Regimes(Struct, frozen=True, kw_only=True):
    """The problem. Base units, USD, years."""

    sigma_x: float
    risk_weight: float
    prop_usd: float
    cheap_usd: float
    """F of one trade while gas is cheap."""
    dear_usd: float
    """F while it is dear; not below."""
    cheap_years: float
    """Mean time that it stays cheap."""
    dear_years: float


class RegimeOptimum(NamedTuple):
    """The least average cost, USD per year, and the bands that have it."""

    cost_rate_usd: float
    cheap: Band
    dear: Band


class _Policy(NamedTuple):
    """What to do at regime × node: trade, and to which node."""

    trades: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    target: np.ndarray[tuple[int, int], np.dtype[np.intp]]


class _Grid(NamedTuple):
    regimes: Regimes
    x: Floats
    """Nodes from 0 on."""

    @property
    def step(self) -> float:
        return float(self.x[1])


def solve(regimes: Regimes, cells: Sequence[int] = CELLS) -> RegimeOptimum:
    """Return the optimum on the last of the grids in *cells*, each twice the one before.

    Raises:
        BadData: A number is not above zero, dear gas is below cheap, or the iteration is lost.

    """
    _refuse_nonsense(regimes)
    end = ROOM * _widest(regimes)
    policy = _never(cells[0] + 1)
    for count in cells:
        grid = _Grid(regimes, np.linspace(0.0, end, count + 1))
        policy = _refined(policy, count + 1)
        cost_rate, policy = _iterated(grid, policy)
    cheap, dear = (_band(grid, policy, regime, cost_rate) for regime in range(2))
    return RegimeOptimum(cost_rate, cheap, dear)


def _refuse_nonsense(regimes: Regimes) -> None:
    above = (
        regimes.sigma_x,
        regimes.risk_weight,
        regimes.prop_usd + regimes.cheap_usd,
        regimes.cheap_years,
        regimes.dear_years,
    )
    if all(0.0 < each < inf for each in above) and 0 <= regimes.cheap_usd <= regimes.dear_usd < inf:
        return
    raise BadData("the regimes need numbers above zero, and dear gas not below", regimes=regimes)


def _widest(regimes: Regimes) -> float:
    dear = optimal_band(
        sigma_x=regimes.sigma_x,
        risk_weight=regimes.risk_weight,
        fixed_cost=regimes.dear_usd,
        prop_cost=regimes.prop_usd,
    )
    saving = regimes.dear_usd - regimes.cheap_usd
    return sqrt(dear.outer**2 + 2.0 * saving / (regimes.risk_weight * regimes.dear_years))


def _never(nodes: int) -> _Policy:
    """Return the policy that trades only at the end of the grid, where it must."""
    trades = np.zeros((2, nodes), dtype=np.bool_)
    trades[:, -1] = True
    return _Policy(trades, np.zeros((2, nodes), dtype=np.intp))


def _refined(policy: _Policy, nodes: int) -> _Policy:
    before = policy.trades.shape[1]
    if before == nodes:
        return policy
    nearest = np.arange(nodes) * (before - 1) // (nodes - 1)
    return _Policy(policy.trades[:, nearest], 2 * policy.target[:, nearest])


def _iterated(grid: _Grid, policy: _Policy) -> tuple[float, _Policy]:
    for _ in range(MOST_ROUNDS):
        cost_rate, value = _evaluated(grid, policy)
        better = _improved(grid, policy, cost_rate, value)
        if np.array_equal(better.trades, policy.trades) and np.array_equal(
            better.target[better.trades], policy.target[policy.trades]
        ):
            return cost_rate, policy
        policy = better
    raise BadData("the policy iteration does not end", regimes=grid.regimes, nodes=len(grid.x))


def _evaluated(grid: _Grid, policy: _Policy) -> tuple[float, Floats]:
    """Return ρ and V (regimes × nodes) of *policy*; V is 0 at no error and cheap gas."""
    nodes = len(grid.x)
    unknowns = 2 * nodes + 1
    own = np.arange(2 * nodes).reshape(2, nodes)
    rows, columns, entries = [], [], []
    right = np.zeros(unknowns)

    def put(row: np.ndarray, column: np.ndarray | int, entry: Floats | float) -> None:
        rows.append(row)
        columns.append(np.broadcast_to(column, row.shape))
        entries.append(np.broadcast_to(entry, row.shape))

    for regime, (fixed, leaving) in enumerate(_levels(grid.regimes)):
        trades, mine, other = policy.trades[regime], own[regime], own[1 - regime]
        to = policy.target[regime][trades]
        put(mine[trades], mine[trades], 1.0)
        put(mine[trades], mine[to], -1.0)
        right[mine[trades]] = fixed + grid.regimes.prop_usd * np.abs(grid.x[trades] - grid.x[to])
        waits = np.flatnonzero(~trades)
        speed = 0.5 * (grid.regimes.sigma_x / grid.step) ** 2
        put(mine[waits], mine[waits], 2.0 * speed + leaving)
        put(mine[waits], mine[waits + 1], -speed)
        put(mine[waits], mine[np.abs(waits - 1)], -speed)
        put(mine[waits], other[waits], -leaving)
        put(mine[waits], 2 * nodes, 1.0)
        right[mine[waits]] = 0.5 * grid.regimes.risk_weight * grid.x[waits] ** 2
    put(np.array([2 * nodes]), 0, 1.0)
    matrix = csc_array(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(unknowns, unknowns),
    )
    solution = splu(matrix).solve(right)
    return float(solution[-1]), solution[:-1].reshape(2, nodes)


def _levels(regimes: Regimes) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return (fixed cost, rate of leaving) of cheap and of dear gas."""
    return (
        (regimes.cheap_usd, 1.0 / regimes.cheap_years),
        (regimes.dear_usd, 1.0 / regimes.dear_years),
    )


def _improved(grid: _Grid, policy: _Policy, cost_rate: float, value: Floats) -> _Policy:
    trades, target = policy.trades.copy(), policy.target.copy()
    ramp = grid.regimes.prop_usd * grid.x
    speed = 0.5 * (grid.regimes.sigma_x / grid.step) ** 2
    for regime, (fixed, leaving) in enumerate(_levels(grid.regimes)):
        mine, other = value[regime], value[1 - regime]
        # Only towards zero: away from it nobody trades.
        to = _running_argmin(mine - ramp)
        traded = mine[to] + ramp - ramp[to] + fixed
        inside = np.append(mine[1], mine[:-2])
        drift = speed * (inside - 2.0 * mine[:-1] + mine[1:])
        drift += 0.5 * grid.regimes.risk_weight * grid.x[:-1] ** 2 - cost_rate
        drift += leaving * (other - mine)[:-1]
        slack = 1e-11 * float(np.max(np.abs(mine)))
        now = trades[regime, :-1]
        starts = ~now & (traded[:-1] < mine[:-1] - slack)
        ends = now & (drift < -1e-11 * cost_rate)
        trades[regime, :-1] = (now | starts) & ~ends
        target[regime] = np.where(trades[regime], to, target[regime])
    return _Policy(trades, target)


def _running_argmin(costs: Floats) -> np.ndarray:
    least = np.minimum.accumulate(costs)
    return np.maximum.accumulate(np.where(costs <= least, np.arange(len(costs)), 0))


def _band(grid: _Grid, policy: _Policy, regime: int, cost_rate: float) -> Band:
    first = int(np.argmax(policy.trades[regime]))
    inner = float(grid.x[policy.target[regime, first]])
    return Band(outer=float(grid.x[first]), inner=inner, cost_rate_usd=cost_rate)


def cost_rate(regimes: Regimes, cheap: Band, dear: Band) -> float:
    """Return the average cost of following the two bands, USD per year, exactly.

    Inside both bands the values' mean over the long run has the slope (2/σx²)(ρ·x − q·x³/6), and
    their difference is C·cosh(k·x), k² = 2·(sum of both rates)/σx², since risk costs the same in
    both. Between the outer edges only dear gas lets the error drift; there V of cheap gas is linear
    and that of dear gas is pulled towards it. Four conditions at the edges give ρ, C and the two
    constants of that piece.

    Raises:
        BadData: The edges are not in the order cheap inner, cheap outer, dear outer, or the dear
            inner edge is beyond the cheap outer one.

    """
    if not (0.0 <= cheap.inner <= cheap.outer < dear.outer and 0.0 <= dear.inner <= cheap.outer):
        raise BadData("these bands are not nested", cheap=cheap, dear=dear)
    pieces = _Pieces(regimes, cheap, dear)
    edge = cheap.outer
    conditions = np.array(
        [
            pieces.cheap(edge) - pieces.cheap_traded(edge),
            pieces.dear_inside(edge) - pieces.dear_outside(edge),
            pieces.dear_slope_inside(edge) - pieces.dear_slope_outside(edge),
            pieces.dear_outside(dear.outer)
            - pieces.dear_inside(dear.inner)
            - pieces.cost_of_dear_trade(),
        ]
    )
    # Of size one, whatever the units.
    conditions /= np.max(np.abs(conditions), axis=1)[:, None]
    return float(np.linalg.solve(conditions[:, 1:], -conditions[:, 0])[0])


class _Pieces:
    """V of both regimes and its slope, as coefficients of (1, ρ, C, and two of the outer piece)."""

    def __init__(self, regimes: Regimes, cheap: Band, dear: Band) -> None:
        (_, self._leave_cheap), (_, self._leave_dear) = _levels(regimes)
        self._regimes, self._cheap, self._dear = regimes, cheap, dear
        both = self._leave_cheap + self._leave_dear
        self._cheap_share = self._leave_dear / both
        self._variance = regimes.sigma_x**2
        self._decay_inside = sqrt(2.0 * both / self._variance)
        self._decay_outside = sqrt(2.0 * self._leave_dear / self._variance)

    def _mean(self, x: float) -> Floats:
        bent = -self._regimes.risk_weight * x**4 / (12.0 * self._variance)
        return np.array((bent, x * x / self._variance, 0.0, 0.0, 0.0))

    def _gap(self, x: float) -> Floats:
        rising, falling = self._halves(x)
        return np.array((0.0, 0.0, rising + falling, 0.0, 0.0))

    def _halves(self, x: float) -> tuple[float, float]:
        """Return both halves of cosh(k·x), over about its value at the edge: alone it overflows."""
        k, edge = self._decay_inside, self._cheap.outer
        return exp(k * (x - edge)), exp(-k * (x + edge))

    def cheap(self, x: float) -> Floats:
        """Return V of cheap gas inside its band."""
        value: Floats = self._mean(x) - (1.0 - self._cheap_share) * self._gap(x)
        return value

    def cheap_traded(self, x: float) -> Floats:
        """Return V of cheap gas beyond its band."""
        regimes, inner = self._regimes, self._cheap.inner
        value = self.cheap(inner)
        value[0] += regimes.cheap_usd + regimes.prop_usd * (x - inner)
        return value

    def dear_inside(self, x: float) -> Floats:
        """Return V of dear gas inside the band of cheap gas."""
        value: Floats = self._mean(x) + self._cheap_share * self._gap(x)
        return value

    def dear_slope_inside(self, x: float) -> Floats:
        """Return V′ of dear gas there."""
        bent = -self._regimes.risk_weight * x**3 / (3.0 * self._variance)
        rising, falling = self._halves(x)
        gap = self._cheap_share * self._decay_inside * (rising - falling)
        return np.array((bent, 2.0 * x / self._variance, gap, 0.0, 0.0))

    def dear_outside(self, x: float) -> Floats:
        """Return V of dear gas between the outer edges."""
        q, rate, k = self._regimes.risk_weight, self._leave_dear, self._decay_outside
        value = self.cheap_traded(x)
        value[0] += q * x * x / (2.0 * rate) + self._variance * q / (2.0 * rate * rate)
        value[1] -= 1.0 / rate
        value[3] += exp(k * (x - self._dear.outer))
        value[4] += exp(-k * (x - self._cheap.outer))
        return value

    def dear_slope_outside(self, x: float) -> Floats:
        """Return V′ of dear gas there."""
        q, rate, k = self._regimes.risk_weight, self._leave_dear, self._decay_outside
        rising = k * exp(k * (x - self._dear.outer))
        falling = -k * exp(-k * (x - self._cheap.outer))
        return np.array((self._regimes.prop_usd + q * x / rate, 0.0, 0.0, rising, falling))

    def cost_of_dear_trade(self) -> Floats:
        """Return what a trade from the outer to the inner edge costs in dear gas."""
        regimes, dear = self._regimes, self._dear
        cost = regimes.dear_usd + regimes.prop_usd * (dear.outer - dear.inner)
        return np.array((cost, 0.0, 0.0, 0.0, 0.0))
