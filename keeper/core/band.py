"""How far a hedge may drift: outer edge and inner target of the cost-optimal no-trade band.

The net delta x drifts by itself, dx = σx dW (base per √year), and an error costs ½·q·x² USD a year
in risk, q = γ·(S·σ)². A trade of d units costs F + λ·d + η·d². Which trades pay? The long-run
average cost ρ and the value V of standing at x satisfy

    ½·σx²·V″ + ½·q·x² − ρ = 0                                  while |x| < outer
    V(x) = min over y of  V(y) + F + λ·|x − y| + η·(x − y)²     beyond

so that inside V′ = g(x) = (2/σx²)(ρ·x − q·x³/6). With V and V′ continuous at both ends of the jump,
a cubic with the roots inner, outer and −(inner + outer) is left. In s = outer + inner,
d = outer − inner and κ = 12·σx²/q:

    s³ − s·d² = κ·(λ + 2·η·d)        s·d³ = κ·(F − η·d²)        ρ = q·(3·s² + d²)/24

F = 0 gives the band of Whalley and Wilmott, Mathematical Finance 7 (1997): trade to the edge,
outer = inner = (3·σx²·λ/2q)^⅓. λ = η = 0 gives pure fixed cost: trade to zero, outer = (κ·F)^¼.
If the error comes from gamma, σx = |Γ|·S·σ, then κ = 12·Γ²/γ and volatility cancels.

Units: x, s, d in base; q in USD/base²/year; F in USD; λ in USD/base; η in USD/base².
"""

from math import cbrt, copysign, inf, sqrt
from typing import NamedTuple

from keeper.model.errors import BadData
from keeper.model.flow import Band

TOLERANCE = 1e-9
"""A Newton step this small, relative, leaves an error of its square: below a rounding."""

LEAST_RATIO = 1e-290
"""A fixed cost so far below the others is none: its reciprocal would overflow."""


def optimal_band(
    *,
    sigma_x: float,
    risk_weight: float,
    fixed_cost: float,
    prop_cost: float,
    impact: float = 0.0,
) -> Band:
    """Return the band with the least long-run cost, and that cost.

    Args:
        sigma_x: σx, how fast the error drifts by itself, base per √year.
        risk_weight: q, USD per base² and year; above zero.
        fixed_cost: F, USD per trade.
        prop_cost: λ, USD per base traded.
        impact: η, USD per base²: what a trade of d costs beyond F + λ·d, over d².
            It does not matter when F is 0, since a trade may then be cut into crumbs.

    Raises:
        BadData: A number is negative or not finite.

    """
    _refuse_nonsense(sigma_x, risk_weight, fixed_cost, prop_cost, impact)
    kappa = 12.0 * sigma_x * sigma_x / risk_weight
    fixed, prop = kappa * fixed_cost, kappa * prop_cost
    impact = kappa * impact if fixed_cost else 0.0
    # The largest of the three lengths is the unit: s is then between 1 and 1.7, whatever the scale.
    fourth, third = sqrt(sqrt(fixed)), cbrt(prop)
    unit = max(fourth, third, cbrt(sqrt(fixed) * sqrt(impact)))
    if unit == 0.0:
        return Band(outer=0.0, inner=0.0, cost_rate_usd=0.0)
    scale_usd = risk_weight * unit * unit
    if not scale_usd < inf:
        raise BadData("the band is not finite", sigma_x=sigma_x, risk_weight=risk_weight)
    fixed = (fourth / unit) ** 4
    prop = (third / unit) ** 3
    impact = impact / unit / unit
    s, d = _sum_and_gap(fixed, prop, impact)
    outer = 0.5 * (s + d)
    # Not ½(s − d), which cancels when inner ≪ outer.
    inner = min(outer, (prop + 2.0 * impact * d) / (2.0 * s * (s + d)))
    return Band(
        outer=outer * unit,
        inner=inner * unit,
        cost_rate_usd=scale_usd * (3.0 * s * s + d * d) / 24.0,
    )


def _refuse_nonsense(
    sigma_x: float, risk_weight: float, fixed_cost: float, prop_cost: float, impact: float
) -> None:
    if (
        0.0 <= sigma_x < inf
        and 0.0 < risk_weight < inf
        and 0.0 <= fixed_cost < inf
        and 0.0 <= prop_cost < inf
        and 0.0 <= impact < inf
    ):
        return
    raise BadData(
        "the band needs finite numbers: risk weight above zero, drift and costs not below",
        remedy="check the venue's fee and impact, the gas price, volatility and risk aversion",
        sigma_x=sigma_x,
        risk_weight=risk_weight,
        fixed_cost=fixed_cost,
        prop_cost=prop_cost,
        impact=impact,
    )


def _sum_and_gap(fixed: float, prop: float, impact: float) -> tuple[float, float]:
    """Return the root (s, d) of s³ − s·d² = prop + 2·impact·d, s·d³ + impact·d² = fixed.

    With d taken from the second, the first is increasing and convex in s where s ≥ d, so from
    s = 1 on in these units: Newton overshoots the root at most once and then descends on it.
    """
    s = cbrt(prop + cbrt(fixed) ** 2 + 2.0 * sqrt(fixed) * sqrt(impact))
    d = cbrt(fixed / s)
    if impact > 0.0:
        d = min(d, sqrt(fixed / impact))
    while True:
        d = _gap(s, fixed, impact, d)
        stiffness = 3.0 * s * d + 2.0 * impact
        slope = 3.0 * s * s - d * d
        if stiffness:
            slope += d * d * (2.0 * s * d + 2.0 * impact) / stiffness
        step = (s * (s * s - d * d) - prop - 2.0 * impact * d) / slope
        s -= step
        if abs(step) <= TOLERANCE * s:
            return s, _gap(s, fixed, impact, d)


def _gap(s: float, fixed: float, impact: float, d: float) -> float:
    """Return the root d of s·d³ + impact·d² = fixed, from a guess *d* above zero.

    The left side is convex and increasing: Newton passes the root at most once, then descends.
    """
    if impact == 0.0:
        return cbrt(fixed / s)
    while True:
        step = (d * d * (s * d + impact) - fixed) / (d * (3.0 * s * d + 2.0 * impact))
        d -= step
        if abs(step) <= TOLERANCE * d:
            return d


def trades_per_year(band: Band, sigma_x: float) -> float:
    """Return how often the error reaches the outer edge; infinite when trading to the edge."""
    gap = (band.outer - band.inner) * (band.outer + band.inner)
    return sigma_x * sigma_x / gap if gap else inf


def horizon_guard(
    band: Band,
    *,
    prop_cost: float,
    fixed_cost: float,
    risk_weight: float,
    horizon_years: float,
    impact: float = 0.0,
) -> Band:
    """Widen *band* where the error's remaining life is too short to earn a trade back.

    Without noise, an error of x left alone costs ½·q·x²·τ until the horizon τ. Trading it to y
    pays while q·τ·y > λ + 2·η·d, and pays for itself from a gap d on:

        inner ≥ (λ + 2·η·d)/(q·τ)        outer − inner ≥ √(2·F/(q·τ + 2·η))

    The larger of each pair counts. This is also the whole band of an error that does not drift
    (σx = 0). `cost_rate_usd` stays that of the stationary band.
    """
    if not horizon_years > 0.0:
        raise BadData("the horizon must be above zero", horizon_years=horizon_years)
    urgency = risk_weight * horizon_years
    least_gap = sqrt(2.0 * fixed_cost / (urgency + 2.0 * impact))
    least_inner = (prop_cost + 2.0 * impact * least_gap) / urgency
    gap = band.outer - band.inner
    if least_gap <= gap and least_inner <= band.inner:
        return band
    inner = max(band.inner, least_inner)
    return Band(outer=inner + max(gap, least_gap), inner=inner, cost_rate_usd=band.cost_rate_usd)


def limit_band(  # noqa: PLR0913  # a band, its limit, and the five numbers the band came from
    band: Band,
    x_max: float,
    *,
    sigma_x: float,
    risk_weight: float,
    fixed_cost: float,
    prop_cost: float,
    impact: float = 0.0,
) -> Band:
    """Return *band* with its outer edge at most *x_max*, and the best inner edge for that.

    With the outer edge B imposed, the average cost of trading from B to a,

        ρ(a) = q·(a² + B²)/12 + σx²·(F + λ·d + η·d²)/(B² − a²),   d = B − a

    is least where  2·a·((a + B)² + κ·F/(B − a)²) = κ·(λ + 2·η·B),  whose left side only grows.
    Without drift there is nothing to weigh: the inner edge is kept, or is B if it was beyond.
    """
    if not x_max > 0.0:
        raise BadData("the limit on the net delta must be above zero", x_max=x_max)
    if x_max >= band.outer:
        return band
    _refuse_nonsense(sigma_x, risk_weight, fixed_cost, prop_cost, impact)
    if sigma_x == 0.0:
        return Band(outer=x_max, inner=min(band.inner, x_max), cost_rate_usd=band.cost_rate_usd)
    kappa = 12.0 * sigma_x * sigma_x / risk_weight
    inner = x_max * _inner_share(
        kappa * fixed_cost / x_max**4,
        kappa * (prop_cost / x_max**3 + 2.0 * impact / x_max**2),
    )
    gap = x_max - inner
    # No gap: it is lost in the rounding of the edges, or there is no fixed cost.
    per_gap = fixed_cost / gap + impact * gap if fixed_cost and gap else 0.0
    cost_rate_usd = risk_weight * (inner * inner + x_max * x_max) / 12.0 + sigma_x * sigma_x * (
        prop_cost + per_gap
    ) / (x_max + inner)
    return Band(outer=x_max, inner=inner, cost_rate_usd=cost_rate_usd)


def _inner_share(fixed: float, push: float) -> float:
    """Return inner/outer, the root α of 2·α·((1 + α)² + fixed/(1 − α)²) = push.

    The left side is convex, so Newton from above descends on the root. Both starts are above it:
    each leaves out one term of the left side.
    """
    if fixed == 0.0 or push == 0.0:
        return 1.0 if push else 0.0
    ratio = 2.0 * fixed / push
    share = push / (2.0 * (1.0 + fixed))
    if ratio > LEAST_RATIO:
        least_gap = 2.0 / (1.0 + sqrt(1.0 + 4.0 / ratio))
        share = min(share, least_gap * least_gap / ratio)
    share = min(share, 1.0)
    while share < 1.0:
        gap = 1.0 - share
        level = (1.0 + share) ** 2 + fixed / gap**2
        slope = 2.0 * level + 4.0 * share * (1.0 + share + fixed / gap**3)
        lower = share - (2.0 * share * level - push) / slope
        if not lower < share:
            break
        share = lower
    return share


def rebalance_target(
    net: float,
    band: Band,
    *,
    sigma_x: float,
    risk_weight: float,
    prop_cost: float,
    impact: float,
) -> float:
    """Return where a trade made now should leave the net delta: on its side of zero, not beyond it.

    That is the inner edge, or *net* itself if it is nearer to zero. With quadratic impact, a jump
    far beyond the band stops earlier, at the first y with g(y) = λ + 2·η·(|net| − y); if there is
    none inside the band, at the outer edge, from where the next trade goes on. Whether to trade at
    all is for the caller: the band says so when |net| ≥ outer.
    """
    size = abs(net)
    target = min(size, band.inner)
    if impact > 0.0 and sigma_x > 0.0 and size > band.outer > band.inner:
        variance = sigma_x * sigma_x
        slope = _Marginal(2.0 * band.cost_rate_usd / variance, risk_weight / (3.0 * variance))
        target = _far_target(size, band, slope, prop_cost, impact)
    return copysign(target, net)


class _Marginal(NamedTuple):
    """g(y) = linear·y − cubic·y³: what one more unit of error costs until it is traded away."""

    linear: float
    cubic: float


def _far_target(
    size: float, band: Band, marginal: _Marginal, prop_cost: float, impact: float
) -> float:
    """Return the first y from the inner edge on where λ + 2·η·(size − y) − g(y) = 0.

    That difference is convex in y and falls at the inner edge, where it is not negative for the
    band's own costs, so Newton climbs towards the root and cannot pass it.
    """
    y = band.inner
    while True:
        excess = (
            prop_cost + 2.0 * impact * (size - y) - y * (marginal.linear - marginal.cubic * y * y)
        )
        slope = 3.0 * marginal.cubic * y * y - marginal.linear - 2.0 * impact
        if excess <= 0.0:
            return y
        step = -excess / slope if slope < 0.0 else inf
        y += step
        if y >= band.outer:
            return band.outer
        if step <= TOLERANCE * y:
            return y


def risk_rate(net: float, risk_weight: float) -> float:
    """Return ½·q·net²: what the error costs in risk, USD per year."""
    return 0.5 * risk_weight * net * net


def delay_cost_rate(net: float, band: Band, risk_weight: float) -> float:
    """Return what putting off a due trade costs, USD per year: ½·q·net² − ρ, or 0 inside the band.

    Outside the band the error costs more risk than the policy costs on average; inside, waiting is
    what the policy does, and costs nothing. (With impact this leaves a small positive term out.)
    """
    if abs(net) < band.outer:
        return 0.0
    return max(0.0, risk_rate(net, risk_weight) - band.cost_rate_usd)


def trade_cost(units: float, *, fixed_cost: float, prop_cost: float, impact: float = 0.0) -> float:
    """Return F + λ·|units| + η·units², USD; no trade costs nothing."""
    size = abs(units)
    return fixed_cost + size * (prop_cost + impact * size) if size else 0.0


def value_of_trading_now(
    net: float,
    target: float,
    band: Band,
    *,
    fixed_cost: float,
    prop_cost: float,
    impact: float = 0.0,
) -> float:
    """Return V(net) − V(target) − cost of the trade, USD: what trading now is worth over waiting.

    For the trade to `rebalance_target` it is 0 or more exactly when |net| ≥ outer: waiting there
    is as dear as the trade. Inside it is below 0: the trade may still save risk, but less than it
    costs. Any other target is worth less, to zero for instance. (A trade of nothing is worth 0.)

    V needs neither σx nor q, because the band already says what they are: with the costs F, λ, η,
    only one cubic V′ makes these two edges optimal. On the side of *net*, with a the inner edge,
    d and s as above, t = x − a and w = t/d,

        V(x) − V(a) = (λ + 2·η·d)·t + (F − η·d²)·w²·(2·(2·a + b) − 4·a·w − d·w²)/s    inside
        V(x) − V(a) = F + λ·t + η·t²                                                  outside

    So it also holds, with the same signs, for a band that a horizon or a limit has moved.
    """
    costs = (fixed_cost, prop_cost, impact)
    cost = trade_cost(net - target, fixed_cost=fixed_cost, prop_cost=prop_cost, impact=impact)
    return _value(abs(net), band, costs) - _value(abs(target), band, costs) - cost


def _value(x: float, band: Band, costs: tuple[float, float, float]) -> float:
    """Return V(x) − V(inner), x ≥ 0."""
    fixed_cost, prop_cost, impact = costs
    a, b, t = band.inner, band.outer, x - band.inner
    d = b - a
    if x >= b:
        return trade_cost(t, fixed_cost=fixed_cost, prop_cost=prop_cost, impact=impact)
    if d == 0.0:
        # The same cubic when both roots meet; V′(0) = 0 then sets its size.
        return prop_cost * (t - t * t * t * (0.25 * t + a) / (2.0 * a * a * a))
    w = t / d
    excess = (fixed_cost - impact * d * d) * w * w
    excess *= (2.0 * (2.0 * a + b) - 4.0 * a * w - d * w * w) / (a + b)
    return (prop_cost + 2.0 * impact * d) * t + excess
