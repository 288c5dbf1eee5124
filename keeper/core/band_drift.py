"""The cost-optimal band when the error has a direction: an inflow, or a carry that pays for error.

    dx = μ dt + σx dW,   an error of x costs ½·q·x² + f·x a year,   a trade of d costs F + λ·d

The band is then not symmetric. With V the value and g = V′, as in `core/band`,

    ½·σx²·g′ + μ·g + ½·q·x² + f·x − ρ = 0    while lower_outer < x < upper_outer
    g = λ   at upper_inner and upper_outer,  ∫ (g − λ) dx = F    between them
    g = −λ  at lower_inner and lower_outer,  ∫ (g + λ) dx = −F   between them

are six equations for four edges, ρ and one constant of g. The carry only moves the middle, to
−f/q, since ½·q·x² + f·x is ½·q·(x + f/q)² − f²/2q. The rest is solved in units of the driftless
outer edge by damped Newton steps, while the drift grows from nothing to its size.

Under a strong drift the error only ever reaches one edge. What is left is the economic order
quantity, in closed form: trades of (12·μ·F/q)^⅓ around σx²/2μ.
"""

from collections.abc import Callable
from math import cbrt, exp, expm1, factorial, sqrt
from typing import Final, NamedTuple

import numpy as np

from keeper.core.arrays import Floats
from keeper.core.band import optimal_band
from keeper.model.errors import BadData
from keeper.model.flow import Band

ONE_SIDED: Final = 5.0
"""From this |μ|·b/σx² on, b the driftless outer edge, the other edge is out of reach."""
STRIDE: Final = 0.25
LEAST_STRIDE: Final = 1e-3
"""Newton fails at such strides only where ρ of the one-sided form is right to six digits."""
NEWTON_STEPS: Final = 60
HALVINGS: Final = 30
EXACT: Final = 1e-12
"""In units; below it a miss is a rounding."""
FARTHEST: Final = 16.0
"""No edge is looked for beyond so many driftless bands."""
SERIES_BELOW: Final = 2.0
SERIES_TERMS: Final = 30


class DriftBand(NamedTuple):
    """Four edges from left to right, base, and what following them costs, USD per year.

    At or beyond an outer edge trade to the inner edge of the same side.
    """

    lower_outer: float
    lower_inner: float
    upper_inner: float
    upper_outer: float
    cost_rate_usd: float


class Drifting(NamedTuple):
    """The problem, in units of base and USD, or in those of the driftless band."""

    sigma_x: float
    risk_weight: float
    fixed_cost: float
    prop_cost: float
    drift: float


def optimal_band_drift(
    problem: Drifting, *, carry: float = 0.0, max_shift: float | None = None
) -> DriftBand:
    """Return the band with the least long-run cost, and that cost.

    Args:
        problem: σx, q, F and λ as for `band.optimal_band`, and μ = `drift`, base per year.
        carry: f, what a unit of error costs a year: funding paid, say. Negative if it earns.
        max_shift: The carry moves the middle of the band no further than this, base. With little
            risk aversion the optimum is otherwise a carry trade rather than a hedge. When it
            binds, the cost rate leaves out what the carry makes of the mean error under drift.

    Raises:
        BadData: A number is not finite, or a cost or *max_shift* is negative.

    """
    if not (abs(problem.drift) < np.inf and abs(carry) < np.inf):
        raise BadData("drift and carry must be finite", drift=problem.drift, carry=carry)
    if max_shift is not None and not max_shift >= 0.0:
        raise BadData("the furthest shift must not be below zero", max_shift=max_shift)
    still = optimal_band(
        sigma_x=problem.sigma_x,
        risk_weight=problem.risk_weight,
        fixed_cost=problem.fixed_cost,
        prop_cost=problem.prop_cost,
    )
    band = _mirrored(_rightward(problem._replace(drift=abs(problem.drift)), still), problem.drift)
    shift = -carry / problem.risk_weight
    if max_shift is not None:
        shift = min(max(shift, -max_shift), max_shift)
    paid = shift * (carry + 0.5 * problem.risk_weight * shift)
    return DriftBand._make([*(edge + shift for edge in band[:4]), band.cost_rate_usd + paid])


def _mirrored(band: DriftBand, drift: float) -> DriftBand:
    if drift >= 0.0:
        return band
    return DriftBand._make([*(-edge for edge in band[3::-1]), band.cost_rate_usd])


def _rightward(problem: Drifting, still: Band) -> DriftBand:
    """Return the band for a drift that is not negative, without carry."""
    if problem.drift == 0.0 or not (problem.fixed_cost or problem.prop_cost):
        return DriftBand(-still.outer, -still.inner, still.inner, still.outer, still.cost_rate_usd)
    variance = problem.sigma_x * problem.sigma_x
    if problem.drift * still.outer < ONE_SIDED * variance:
        value = problem.risk_weight * still.outer**4 / variance
        unit = Drifting(
            1.0,
            1.0,
            problem.fixed_cost / value,
            problem.prop_cost * still.outer / value,
            problem.drift * still.outer / variance,
        )
        rate_unit = problem.risk_weight * still.outer * still.outer
        found = _continued(
            unit, Band(1.0, still.inner / still.outer, still.cost_rate_usd / rate_unit)
        )
        if found is not None:
            return DriftBand._make(
                [*(found[:4] * still.outer).tolist(), float(found[4]) * rate_unit]
            )
    return _one_sided(problem)


def _one_sided(problem: Drifting) -> DriftBand:
    """Return the band of a drift that never lets the error reach the lower edge."""
    _, q, fixed_cost, prop_cost, drift = problem
    layer = problem.sigma_x * problem.sigma_x / (2.0 * drift)
    width = cbrt(12.0 * drift * fixed_cost / q)
    reach = sqrt(0.25 * width * width + 4.0 * drift * prop_cost / q)
    inner, gap = _out_of_reach(reach, layer, 2.0 * drift * fixed_cost / q)
    return DriftBand(
        layer - inner - gap,
        layer - inner,
        layer - 0.5 * width,
        layer + 0.5 * width,
        drift * prop_cost + 0.5 * q * (0.25 * width * width + layer * layer),
    )


def _out_of_reach(reach: float, layer: float, fixed: float) -> tuple[float, float]:
    """Return how far left of the centre the lower inner edge lies, and the outer one beyond it.

    With y the distance from the centre, (2μ/q)·(g + λ) is reach² − y² and what decays rightwards
    from the outer edge by e per layer, σx²/2μ. It is zero at both edges, and its area between them
    is −*fixed*, 2μF/q. That gives the inner edge for any gap, and an area that grows with the gap.
    """

    def inner_at(gap: float) -> float:
        left = exp(-gap / layer) if layer else 0.0
        bent = gap * left
        lost = -expm1(-gap / layer) if layer else 1.0
        return (bent + sqrt(bent * bent + lost * (gap * bent + reach * reach * lost))) / lost

    def area(gap: float) -> float:
        inner = inner_at(gap)
        outer = inner + gap
        mean_square = (outer * outer + outer * inner + inner * inner) / 3.0
        return gap * (mean_square - reach * reach - layer * (outer + inner))

    if fixed == 0.0:
        return layer + sqrt(layer * layer + reach * reach), 0.0
    low, high = 0.0, cbrt(3.0 * fixed) + 3.0 * layer
    while low < (gap := 0.5 * (low + high)) < high:
        low, high = (gap, high) if area(gap) < fixed else (low, gap)
    return inner_at(high), high


def _continued(unit: Drifting, still: Band) -> Floats | None:
    """Return four edges and ρ, all in units, or None where Newton's steps lose their way."""
    start = np.array((-1.0, -still.inner, still.inner, 1.0, 0.0, still.cost_rate_usd))
    conditions, allowed = _six_conditions, _in_order
    if unit.fixed_cost == 0.0:
        start, conditions, allowed = start[4:], _two_conditions, _with_edges
    at, stride, point = 0.0, STRIDE, start
    while at < unit.drift:
        stride = min(stride, unit.drift - at)
        there = unit._replace(drift=at + stride)
        found = _newton(point, there, conditions, allowed)
        if found is not None:
            point, at, stride = found, at + stride, 1.5 * stride
        elif stride > LEAST_STRIDE:
            stride *= 0.5
        else:
            return None
    return _five(point, unit)


def _five(point: Floats, unit: Drifting) -> Floats:
    if unit.fixed_cost:
        return np.delete(point, 4)
    lower, upper = _edges(float(point[1]), unit)
    return np.array((lower, lower, upper, upper, point[1]))


Conditions = Callable[[Floats, Drifting], tuple[Floats, Floats]]


def _newton(
    point: Floats,
    unit: Drifting,
    conditions: Conditions,
    allowed: Callable[[Floats, Drifting], bool],
) -> Floats | None:
    if not allowed(point, unit):
        return None
    misses, slopes = conditions(point, unit)
    for _ in range(NEWTON_STEPS):
        step, size = np.linalg.solve(slopes, -misses), np.max(np.abs(misses))
        for halving in range(HALVINGS):
            there = point + 0.5**halving * step
            if not allowed(there, unit):
                continue
            misses, slopes = conditions(there, unit)
            if np.max(np.abs(misses)) < size:
                break
        else:
            # It gets no better: a rounding is left, or it is lost.
            return point if size <= EXACT else None
        point = there
    return None


def _in_order(point: Floats, unit: Drifting) -> bool:
    del unit
    lower_outer, lower_inner, upper_inner, upper_outer, _, rate = point
    edges = -FARTHEST < lower_outer < lower_inner <= upper_inner < upper_outer < FARTHEST
    return bool(edges and rate > 0.0)


def _six_conditions(point: Floats, unit: Drifting) -> tuple[Floats, Floats]:
    """Return by how much the six equations are missed, and how that changes with the unknowns.

    The unknowns are the four edges, g(0) and ρ.
    """
    edges = [float(edge) for edge in point[:4]]
    lo, li, ui, uo = (_marginal(x, float(point[4]), float(point[5]), unit) for x in edges)
    prop, fixed = unit.prop_cost, unit.fixed_cost
    lower = (lo.g + prop, li.g + prop)
    upper = (ui.g - prop, uo.g - prop)
    misses = (
        *lower,
        *upper,
        li.area - lo.area + prop * (edges[1] - edges[0]) + fixed,
        uo.area - ui.area - prop * (edges[3] - edges[2]) - fixed,
    )
    slopes = np.zeros((6, 6))
    for row, end in enumerate((lo, li, ui, uo)):
        slopes[row, row] = end.slope
        slopes[row, 4:] = end.g_by
    slopes[4] = (-lower[0], lower[1], 0.0, 0.0, *np.subtract(li.area_by, lo.area_by))
    slopes[5] = (0.0, 0.0, -upper[0], upper[1], *np.subtract(uo.area_by, ui.area_by))
    return np.array(misses), slopes


def _edges(rate: float, unit: Drifting) -> tuple[float, float]:
    """Return the two edges without a fixed cost, where g = ∓λ and g′ = 0."""
    pull = 2.0 * unit.drift * unit.prop_cost
    return -sqrt(2.0 * rate + pull), sqrt(2.0 * rate - pull)


def _with_edges(point: Floats, unit: Drifting) -> bool:
    return bool(unit.drift * unit.prop_cost < point[1] < 0.5 * FARTHEST)


def _two_conditions(point: Floats, unit: Drifting) -> tuple[Floats, Floats]:
    """Return the same for g(0) and ρ, when there is no fixed cost."""
    g_at_zero, rate = float(point[0]), float(point[1])
    lower, upper = (_marginal(x, g_at_zero, rate, unit) for x in _edges(rate, unit))
    misses = np.array((lower.g + unit.prop_cost, upper.g - unit.prop_cost))
    return misses, np.array((lower.g_by, upper.g_by))


class _Marginal(NamedTuple):
    """g at one x, its slope there, its integral from 0; and how they change with g(0) and ρ."""

    g: float
    slope: float
    area: float
    g_by: tuple[float, float]
    area_by: tuple[float, float]


def _marginal(x: float, g_at_zero: float, rate: float, unit: Drifting) -> _Marginal:
    """Return g for σx = q = 1: g(0)·e^{−2μx} + ∫ e^{−2μ(x−y)}·(2ρ − y²) dy over 0 to x.

    The integrals are xᵏ⁺¹·k!·φₖ₊₁(−2μx), so that nothing is divided by a small drift.
    """
    pull = 2.0 * unit.drift
    p0, p1, p2, p3, p4 = _phis(-pull * x)
    g_by = (p0, 2.0 * x * p1)
    area_by = (x * p1, 2.0 * x * x * p2)
    g = g_by[0] * g_at_zero + g_by[1] * rate - 2.0 * x**3 * p3
    return _Marginal(
        g,
        2.0 * rate - x * x - pull * g,
        area_by[0] * g_at_zero + area_by[1] * rate - 2.0 * x**4 * p4,
        g_by,
        area_by,
    )


def _phis(z: float) -> list[float]:
    """Return φ₀ to φ₄ of *z*, φₖ(z) = Σ zʲ/(j + k)!; φ₀ is the exponential."""
    if abs(z) > SERIES_BELOW:
        phis = [exp(z)]
        for k in range(4):
            phis.append((phis[k] - 1.0 / factorial(k)) / z)
        return phis
    term = highest = 1.0 / factorial(4)
    for j in range(5, 5 + SERIES_TERMS):
        term *= z / j
        highest += term
    phis = [highest]
    for k in (3, 2, 1, 0):
        phis.append(z * phis[-1] + 1.0 / factorial(k))
    return phis[::-1]
