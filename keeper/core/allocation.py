"""Where a hedge is traded: one trade split over several venues or instruments.

Trade Δ(i) on route i moves the exposures e to e + B·Δ. The cheapest split is the least of

    ½·(e + BΔ)'·W·(e + BΔ) + Σ c(i)·Δ(i) + λ(i)·|Δ(i)| + η(i)·Δ(i)² + F(i)·[Δ(i) ≠ 0]

with lower ≤ Δ ≤ upper. W values the exposure that is left. The band decides *whether* to trade;
this decides *where*: with W = λ/inner in one dimension, as `band_weight` makes it, a trade stops
exactly at the band's inner edge.

Without F the problem is convex, and `_solve` is exact. F makes it combinatorial: which routes to
use at all. Reweighted ℓ1, λ(i) + F(i)/(|Δ(i)| + ε), proposes some (Lobo, Fazel and Boyd, Annals of
Operations Research 152 (2007)), the convex problem gives their amounts, and routes are put in, left
out or swapped one at a time for as long as that helps. Branch and bound then proves that no other
choice is better, or finds it.

Pure Python on purpose: a few routes are solved faster than arrays are made for them.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from math import copysign, fsum, inf, isfinite, sqrt
from operator import mul
from typing import NamedTuple

from keeper.model.errors import BadData
from keeper.model.flow import Band

TOLERANCE = 1e-12
"""Relative to the terms that a difference is made of."""
SLIVER = 1e-13
"""The least pivot, relative: above what rounding leaves of a zero."""
BESIDE_ZERO = 1e-100
"""The scale of a factor without weight."""
MOST_NODES = 500
"""Of the proof, some 0.2 s. Up to 13 random routes need 5 in the mean; a dozen twins need more."""
REWEIGHTINGS = 8
"""They settle after three or four, and the search goes on from there."""
SOFTENING = 1e-3
"""ε, as a share of the largest trade of the problem without fixed costs."""

Vector = tuple[float, ...]


class Route(NamedTuple):
    """One way to trade: a venue, or an instrument on it."""

    loadings: Vector
    """A column of B: exposure to each factor that a unit bought adds."""
    lower: float
    """The largest sale, as a number not above zero: a cap on size, on margin or on the position."""
    upper: float
    """The largest purchase, not below zero."""
    prop_cost: float = 0.0
    """λ, USD per unit traded: fee and half spread."""
    impact: float = 0.0
    """η, USD per unit²."""
    fixed_cost: float = 0.0
    """F, USD if used at all: gas."""
    carry: float = 0.0
    """c, USD that a unit bought costs while it is held, as funding; negative earns."""


class Allocation(NamedTuple):
    """A split and what it is worth."""

    trades: Vector
    """Units bought on each route, in their order; negative is sold."""
    exposures_left: Vector
    value_usd: float
    """Risk left plus all costs: what is minimised."""
    saving_usd: float
    """Over not trading at all; never negative."""
    proven: bool
    """No split is better. False only if that took more than `MOST_NODES` steps to show."""


def band_weight(band: Band, *, prop_cost: float, fixed_cost: float) -> float:
    """Return W for one factor: USD per unit² that make the split stop where *band* would.

    That is λ/inner, since the last unit is worth its cost at the inner edge. A band that trades
    to zero has no cost per unit, and is worth its fixed cost at the outer edge: 2·F/outer².

    Raises:
        BadData: The band has no width: trading is free, and no weight is heavy enough.

    """
    if prop_cost > 0.0 and band.inner > 0.0:
        return prop_cost / band.inner
    if fixed_cost > 0.0 and band.outer > 0.0:
        return 2.0 * fixed_cost / band.outer**2
    raise BadData(
        "a band without width has no weight",
        remedy="trade the whole exposure on the cheapest route",
        outer=band.outer,
        inner=band.inner,
    )


def allocate(
    exposures: Sequence[float], weight: Sequence[Sequence[float]], routes: Sequence[Route]
) -> Allocation:
    """Return the cheapest split of a hedge over *routes*; no trade if none pays.

    Args:
        exposures: e, of each of the k factors, before the trade.
        weight: W, USD per exposure², k × k, symmetric and positive semidefinite.
        routes: The n ways to trade.

    Raises:
        BadData: Shapes that do not fit, a number that is not finite, a negative cost, a cap on
            the wrong side of zero, or a weight that is not symmetric and positive semidefinite.

    """
    _refuse_routes(routes, len(exposures))
    _refuse_weight(weight, exposures)
    problem = _pose(exposures, weight, routes)
    best, proven = _search(problem)
    return Allocation(
        trades=best.trades,
        exposures_left=tuple(
            e + fsum(route.loadings[f] * d for route, d in zip(routes, best.trades, strict=True))
            for f, e in enumerate(exposures)
        ),
        value_usd=problem.idle + best.change,
        saving_usd=max(0.0, -best.change),
        proven=proven,
    )


class _Problem(NamedTuple):
    """The change of value by a trade: slope·Δ + ½·Δ'·curvature·Δ + costs."""

    routes: tuple[Route, ...]
    prop_costs: Vector
    slope: Vector
    curvature: tuple[Vector, ...]
    idle: float
    """Value without a trade."""
    charged: tuple[int, ...]
    """The routes with a fixed cost: only they can be a mistake to use at all."""


class _Split(NamedTuple):
    change: float
    trades: Vector
    used: int
    """Bit i is set if route charged[i] trades."""


def _pose(
    exposures: Sequence[float], weight: Sequence[Sequence[float]], routes: Sequence[Route]
) -> _Problem:
    factors = range(len(exposures))
    pulls = [fsum(weight[f][g] * exposures[g] for g in factors) for f in factors]
    weighed = [
        [fsum(weight[f][g] * r.loadings[g] for g in factors) for f in factors] for r in routes
    ]
    return _Problem(
        routes=tuple(routes),
        prop_costs=tuple(route.prop_cost for route in routes),
        slope=tuple(r.carry + fsum(r.loadings[f] * pulls[f] for f in factors) for r in routes),
        curvature=tuple(
            tuple(
                fsum(r.loadings[f] * weighed[j][f] for f in factors)
                + (2.0 * r.impact if i == j else 0.0)
                for j in range(len(routes))
            )
            for i, r in enumerate(routes)
        ),
        idle=0.5 * fsum(exposures[f] * pulls[f] for f in factors),
        charged=tuple(i for i, r in enumerate(routes) if r.fixed_cost > 0.0),
    )


def _search(problem: _Problem) -> tuple[_Split, bool]:
    """Return the best split found, and whether it is proven that there is none better.

    Branch and bound over the routes with a fixed cost. An undecided route is charged F/cap a unit,
    which is never more than F, so a convex problem bounds all splits below a node.
    """
    best = _climbed(problem, _proposed(problem))
    undecided = (1 << len(problem.charged)) - 1
    nodes, steps = [(0, undecided)], 0
    while nodes and steps < MOST_NODES:
        steps += 1
        taken, undecided = nodes.pop()
        bound, trades = _relaxed(problem, taken, undecided)
        if bound >= best.change - TOLERANCE * abs(best.change):
            continue
        best = min(best, _split(problem, _used(problem, trades)))
        if branch := _branch(problem, trades, undecided):
            nodes += [(taken, undecided ^ branch), (taken | branch, undecided ^ branch)]
    return best, not nodes


def _relaxed(problem: _Problem, taken: int, undecided: int) -> tuple[float, list[float]]:
    push = list(problem.prop_costs)
    shut, sunk = set(), 0.0
    for bit, i in enumerate(problem.charged):
        route = problem.routes[i]
        if undecided >> bit & 1:
            push[i] += route.fixed_cost / (max(route.upper, -route.lower) or 1.0)
        elif taken >> bit & 1:
            sunk += route.fixed_cost
        else:
            shut.add(i)
    trades = _solve(problem, push, shut)
    return _change(problem, push, trades) + sunk, trades


def _branch(problem: _Problem, trades: Sequence[float], undecided: int) -> int:
    """Return the bit of the undecided route that was charged too little by most, or 0."""
    most, branch = 0.0, 0
    for bit, i in enumerate(problem.charged):
        route = problem.routes[i]
        if trades[i] and undecided >> bit & 1:
            short = route.fixed_cost * (1.0 - abs(trades[i]) / max(route.upper, -route.lower))
            most, branch = max((most, branch), (short, 1 << bit))
    return branch


def _climbed(problem: _Problem, start: int) -> _Split:
    """Put routes in, leave them out or swap them, one at a time, for as long as that helps."""
    last, best = None, _split(problem, start)
    while best != last:
        others = _neighbours(best.used, len(problem.charged))
        last, best = best, min([best, *(_split(problem, used) for used in others)])
    return best


def _neighbours(used: int, charged: int) -> Iterator[int]:
    """Yield the supports that differ in one route, or have one for another."""
    for i in range(charged):
        yield used ^ (1 << i)
        for j in range(i):
            if (used >> i ^ used >> j) & 1:
                yield used ^ (1 << i) ^ (1 << j)


def _split(problem: _Problem, allowed: int) -> _Split:
    shut = {route for bit, route in enumerate(problem.charged) if not allowed >> bit & 1}
    trades = _solve(problem, problem.prop_costs, shut)
    fixed = fsum(problem.routes[i].fixed_cost for i in problem.charged if trades[i])
    change = fixed + _change(problem, problem.prop_costs, trades)
    return _Split(change, tuple(trades), _used(problem, trades))


def _proposed(problem: _Problem) -> int:
    """Return a support by reweighted ℓ1: what hardly trades is charged its fixed cost on it."""
    trades = _solve(problem, problem.prop_costs, set())
    softening = SOFTENING * max(map(abs, trades), default=0.0)
    for _ in range(REWEIGHTINGS if softening else 0):
        push = [
            route.prop_cost + route.fixed_cost / (abs(trade) + softening)
            for route, trade in zip(problem.routes, trades, strict=True)
        ]
        trades = _solve(problem, push, set())
    return _used(problem, trades)


def _used(problem: _Problem, trades: Sequence[float]) -> int:
    return sum(1 << bit for bit, route in enumerate(problem.charged) if trades[route])


def _solve(problem: _Problem, push: Sequence[float], shut: AbstractSet[int]) -> list[float]:
    """Return the trades that are best when each unit on route i costs push[i], and F nothing.

    A route is fixed at zero or at a cap, or free between zero and one of them. Each pass frees the
    route that gains most and moves to the best point of the free ones, fixing what runs into an
    end on the way. The value falls with every pass, so none returns.
    """
    trades = [0.0] * len(problem.routes)
    free: dict[int, float] = {}
    last, change = inf, 0.0
    while change < last and (entering := _entering(problem, push, trades, shut | free.keys())):
        route, side = entering
        free[route] = side
        _move(problem, push, trades, free)
        last, change = change, _change(problem, push, trades)
    return trades


def _entering(
    problem: _Problem, push: Sequence[float], trades: Sequence[float], barred: AbstractSet[int]
) -> tuple[int, float] | None:
    """Return the route that gains most by leaving its end, and its side of zero."""
    best, entering = TOLERANCE, None
    for i in set(range(len(trades))) - barred:
        terms = [problem.slope[i], *map(mul, problem.curvature[i], trades)]
        slope, size = fsum(terms), push[i] + fsum(map(abs, terms))
        for gain, side in _gains(problem.routes[i], trades[i], slope, push[i]):
            if gain > best * size:
                best, entering = gain / size, (i, side)
    return entering


def _gains(route: Route, trade: float, slope: float, push: float) -> Iterator[tuple[float, float]]:
    """Yield what a unit off the end gains, and on which side of zero that is."""
    if trade:
        side = copysign(1.0, trade)
        yield side * slope + push, side
        return
    if route.upper > 0.0:
        yield -slope - push, 1.0
    if route.lower < 0.0:
        yield slope - push, -1.0


def _move(
    problem: _Problem, push: Sequence[float], trades: list[float], free: dict[int, float]
) -> None:
    """Move the *free* routes to their joint best point; one that meets an end is fixed there."""
    while free:
        slopes = (fsum(map(mul, problem.curvature[i], trades)) + problem.slope[i] for i in free)
        wanted = [-slope - free[i] * push[i] for i, slope in zip(free, slopes, strict=True)]
        steps = dict(zip(free, _newton(problem.curvature, list(free), wanted), strict=True))
        ends = {i: _end(problem.routes[i], free[i], step) for i, step in steps.items() if step}
        rooms = {i: (end - trades[i]) / steps[i] for i, end in ends.items()}
        first = min(rooms, key=rooms.__getitem__, default=None)
        share = 1.0 if first is None else min(1.0, rooms[first])
        for i, step in steps.items():
            route = problem.routes[i]
            trades[i] = min(max(trades[i] + share * step, route.lower), route.upper)
        if first is None or rooms[first] > 1.0:
            return
        trades[first] = ends[first]
        del free[first]


def _end(route: Route, side: float, step: float) -> float:
    cap = route.upper if side > 0.0 else route.lower
    return cap if side * step > 0.0 else 0.0


def _newton(
    curvature: Sequence[Vector], free: Sequence[int], wanted: Sequence[float]
) -> list[float]:
    """Solve the free block by Cholesky's method.

    Routes that are alike make it singular. A sliver on the diagonal then sends the step far along
    the direction that costs nothing, to an end.
    """
    top = max(curvature[i][i] for i in free) or 1.0
    rows: list[list[float]] = []
    solution = list(wanted)
    for i, route in enumerate(free):
        row: list[float] = []
        for j in range(i):
            dot = fsum(map(mul, row, rows[j]))
            row.append((curvature[route][free[j]] - dot) / rows[j][j])
        pivot = curvature[route][route] - fsum(map(mul, row, row))
        row.append(sqrt(max(pivot, SLIVER * (curvature[route][route] or top))))
        rows.append(row)
        solution[i] = (solution[i] - fsum(map(mul, row, solution[:i]))) / row[i]
    for i in reversed(range(len(free))):
        later = fsum(rows[j][i] * solution[j] for j in range(i + 1, len(free)))
        solution[i] = (solution[i] - later) / rows[i][i]
    return solution


def _change(problem: _Problem, push: Sequence[float], trades: Sequence[float]) -> float:
    """Return the change of value by *trades*, without fixed costs."""
    return fsum(
        trade * (problem.slope[i] + 0.5 * fsum(map(mul, problem.curvature[i], trades)))
        + push[i] * abs(trade)
        for i, trade in enumerate(trades)
        if trade
    )


def _refuse_routes(routes: Sequence[Route], factors: int) -> None:
    for i, route in enumerate(routes):
        costs = (route.prop_cost, route.impact, route.fixed_cost)
        numbers = (*route.loadings, route.lower, route.upper, route.carry, *costs)
        if len(route.loadings) != factors or not all(map(isfinite, numbers)):
            raise BadData("a route needs one finite loading a factor", route=i, factors=factors)
        if min(costs) < 0.0 or not route.lower <= 0.0 <= route.upper:
            raise BadData("a cost is not below zero, and the caps enclose it", route=i)


def _refuse_weight(weight: Sequence[Sequence[float]], exposures: Sequence[float]) -> None:
    k = len(exposures)
    if [len(row) for row in weight] != [k] * k or not all(map(isfinite, chain(exposures, *weight))):
        raise BadData("as many rows and columns as exposures, all finite", factors=k)
    # Units of the factors must not matter: beside a zero, nothing is small enough.
    scale = [sqrt(max(row[i], 0.0)) or BESIDE_ZERO for i, row in enumerate(weight)]
    rows = [[w / scale[i] / scale[j] for j, w in enumerate(row)] for i, row in enumerate(weight)]
    if any(abs(rows[i][j] - rows[j][i]) > TOLERANCE for i in range(k) for j in range(i)):
        raise BadData("the weight is not symmetric")
    for i in range(k):
        # A singular weight is as good as any; rounding must not make it an impossible one.
        pivot = rows[i][i] + TOLERANCE
        if pivot <= 0.0:
            raise BadData("the weight would reward an exposure", factor=i)
        for j in range(i + 1, k):
            share = rows[j][i] / pivot
            rows[j] = [a - share * b for a, b in zip(rows[j], rows[i], strict=True)]
