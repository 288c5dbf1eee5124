"""What the stationary band of `core/band` leaves out: a curved delta, looks apart in time, gas.

The band of `core/band` holds for an error that drifts evenly and is watched without a pause. Here
are the steps from there to a keeper, each a function from numbers to numbers:

    pace             how fast the error really moves, over a tenth of a cycle
    remaining_life   an error that does not live long need not be traded
    saturation       an error that is about to shrink by itself may wait
    check_shift      what may happen between two looks, taken off the edges
    waiting_band     gas is dear now and will be cheap again: wait
    eager_band       gas is cheap now and will be dear again: hurry

The numbers in them were chosen against a dynamic programme, `keeper/sim/optimum.py`.
Units as in `core/band`; times in years.
"""

from collections.abc import Callable
from math import exp, sqrt
from typing import Final, NamedTuple

from keeper.model.flow import Band
from keeper.model.units import YEAR_S

DeltaAt = Callable[[float, float], float]
"""(price, years from now) → hedged delta then and there."""

NODES: Final = (
    (0.0, 0.31825951825951826),
    (0.799129068324548, 0.23246229360973222),
    (1.6067100690287297, 0.0894177953998444),
    (2.432436827009758, 0.017365774492137605),
    (3.2890824243987664, 0.0015673575035499562),
    (4.1962077112690155, 5.642146405189017e-05),
    (5.190093591304781, 5.975419597920605e-07),
    (6.363947888829839, 8.58964989963327e-10),
)
"""Gauss–Hermite for a standard normal, 15 nodes: (±z, weight of each)."""

CYCLE_SHARE: Final = 0.1
"""The delta's speed is measured over this share of the time between two trades."""
LEAST_YEARS: Final = 1.0 / YEAR_S
"""And over a second at least: nobody knows the price oftener, and in less a delta's move is a
rounding."""
SATURATION: Final = 0.75
OUTER_SHIFT: Final = 0.6
INNER_SHIFT: Final = 0.55
EAGER_OUTER: Final = 0.025
EAGER_INNER: Final = 0.015


class Pace(NamedTuple):
    """How the hedged delta moves by itself."""

    sigma_x: float
    """Base per √year."""
    mean_move: float
    """E[Δ(t+τ, S′)] − Δ(t, S), base."""


def pace(delta_at: DeltaAt, *, price: float, sigma: float, years: float) -> Pace:
    """Return √(E[(Δ(t+τ, S′) − Δ(t, S))²]/τ) and the mean of that move, over τ = *years*.

    S′ is lognormal without drift. For small τ the first is |Γ|·S·σ; over longer times it stays
    bounded at a strike on expiry, and above zero beside a range that the price may enter.

    Args:
        delta_at: Hedged delta, base, at a price and so many years from now.
        price: S, above zero.
        sigma: σ per √year.
        years: τ, above zero.

    """
    spread = sigma * sqrt(years)
    middle = price * exp(-0.5 * spread * spread)
    now = delta_at(price, 0.0)
    moved = delta_at(middle, years) - now
    mean = NODES[0][1] * moved
    square = mean * moved
    for z, weight in NODES[1:]:
        factor = exp(z * spread)
        up = delta_at(middle * factor, years) - now
        down = delta_at(middle / factor, years) - now
        mean += weight * (up + down)
        square += weight * (up * up + down * down)
    return Pace(sqrt(square / years), mean)


def pace_years(band: Band, *, sigma_x: float, check_years: float, remaining_years: float) -> float:
    """Return τ, over which to measure the pace for *band*: a tenth of the time between two trades.

    That time is about (outer² − ⅔·inner²)/σx². Nothing is seen between two looks, so τ is no
    shorter than the time between them, nor than a second; and no longer than a tenth of the
    remaining life.
    """
    most = CYCLE_SHARE * remaining_years
    cycle = CYCLE_SHARE * (band.outer * band.outer - band.inner * band.inner * (2.0 / 3.0))
    variance = sigma_x * sigma_x
    if cycle >= most * variance:
        return most
    return min(max(cycle / variance, check_years, LEAST_YEARS), most)


def remaining_life(band: Band, least: Band) -> Band:
    """Return *band* widened to what a short remaining life can earn back.

    *least* is the band of an error that does not drift (`band.horizon_guard` of a band of nothing).
    Where one of the two is much the wider it counts alone; between them the edge is rounded off,
    inner edge and gap each by the fourth root of the sum of fourth powers.
    """
    inner = _fourth_root_of_sum(band.inner, least.inner)
    gap = _fourth_root_of_sum(band.outer - band.inner, least.outer - least.inner)
    return Band(outer=inner + gap, inner=inner, cost_rate_usd=band.cost_rate_usd)


def _fourth_root_of_sum(one: float, other: float) -> float:
    one, other = one * one, other * other
    return sqrt(sqrt(one * one + other * other))


def saturation(band: Band, mean_move: float) -> Band:
    """Return *band* with its outer edge moved out by ¾ of the mean move of the delta.

    A delta moves in the mean where it is about to saturate, at the end of a range say. The error
    that lies behind it is the one that is about to shrink: it may wait.
    """
    outer = band.outer + SATURATION * abs(mean_move)
    return Band(outer=outer, inner=band.inner, cost_rate_usd=band.cost_rate_usd)


def check_shift(band: Band, *, sigma_x: float, check_years: float) -> Band:
    """Return *band* for a keeper that looks only every *check_years*.

    When it looks, the error is already beyond the edge, by about 0.58·δ on average, where
    δ = σx·√(check interval) (Broadie, Glasserman and Kou, 1997). So the outer edge moves in by
    0.6·δ; and the inner one by 0.55·δ·r²/(2 + r²), r = δ/(outer − inner), because a narrow gap is
    jumped within one look.
    """
    delta = sigma_x * sqrt(check_years)
    square = delta * delta
    if square == 0.0:
        return band
    outer = max(band.outer - OUTER_SHIFT * delta, 0.0)
    gap = band.outer - band.inner
    share = square / (2.0 * gap * gap + square)
    inner = min(max(band.inner - INNER_SHIFT * delta * share, 0.0), outer)
    return Band(outer=outer, inner=inner, cost_rate_usd=band.cost_rate_usd)


def waiting_band(
    now: Band, cheap: Band, *, saving_usd: float, risk_weight: float, expensive_years: float
) -> Band:
    """Return the band while gas is dear, knowing that it will be cheap again.

    An error of x costs ½·q·x² a year while one waits for a trade that is cheaper by *saving_usd*.
    So the outer edge moves out to √(b² + 2·saving/(q·τ)), τ = *expensive_years*; and the inner edge
    goes from that of today's gas towards that of cheap gas in the same measure.

    Args:
        now: The stationary band at today's gas.
        cheap: The same at cheap gas.
        saving_usd: Gas of one trade today less gas of one trade then.
        risk_weight: q.
        expensive_years: Mean time that today's gas goes on from now.

    """
    wait = 2.0 * saving_usd / (risk_weight * expensive_years)
    outer = sqrt(now.outer * now.outer + wait)
    share = (now.outer / outer) ** 2 if outer else 1.0
    inner = cheap.inner + share * (now.inner - cheap.inner)
    return Band(outer=outer, inner=min(inner, outer), cost_rate_usd=now.cost_rate_usd)


def eager_band(now: Band, *, cheap_usd: float, expensive_usd: float) -> Band:
    """Return the band while gas is cheap, knowing that it will be dear again: a little narrower.

    By up to 2.5 % outside and 1.5 % inside: all of it when dear gas is many times as dear.
    """
    share = 1.0 - cheap_usd / expensive_usd if expensive_usd > cheap_usd else 0.0
    return Band(
        outer=now.outer * (1.0 - EAGER_OUTER * share),
        inner=min(now.inner * (1.0 - EAGER_INNER * share), now.outer * (1.0 - EAGER_OUTER * share)),
        cost_rate_usd=now.cost_rate_usd,
    )
