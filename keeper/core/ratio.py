"""The minimum-variance hedge ratio: how much of one asset hedges another that has no perp.

A ratio β here is USD of the hedge per USD of the target: the slope of the target's returns on the
hedge's. `in_units` turns it into units. For a close proxy the honest prior is β = 1, and that is
what `trusted` falls back to, with its reason, when the data cannot do better.

- `alignment.align` puts two feeds on one clock, which comes first.
- `ols` is the slope on returns (Ederington, Journal of Finance 34 (1979)); with `lead_lag` = L it
  adds up the covariances with the L steps around, for feeds that lag one another (Scholes and
  Williams, Journal of Financial Economics 5 (1977); Dimson, same journal 7 (1979)).
- `ewma` forgets the past.
- `error_correction` is for pairs that cannot drift apart, such as a staked token and its asset:
  levels for the target, returns for the risk (Engle and Granger, Econometrica 55 (1987)).
- `least_variance` hedges any exposures with several instruments at once.

Standard errors hold under changing volatility (White, Econometrica 48 (1980)) and, up to a lag,
under autocorrelation (Newey and West, Econometrica 55 (1987)).
"""

from collections.abc import Sequence
from enum import StrEnum
from math import copysign, inf, log, log1p, sqrt
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from keeper.core.arrays import Floats
from keeper.model.errors import BadData

FALLBACK: Final = 1.0
"""A proxy moves like what it stands for, until data say otherwise."""

LEAST_ROWS: Final = 4
"""Two coefficients, and something left to judge them by."""
MOST_CONDITION: Final = 1e10
"""Of a correlation matrix; beyond it two instruments are one, and their split means nothing."""
UNIT_ROOT_5_PERCENT: Final = (-3.33613, -6.1101, -6.823)
"""Critical t at 5 % for residuals of a regression of two series with a constant, in powers of 1/n:
MacKinnon, "Critical values for cointegration tests", Queen's University working paper 1227 (2010).
"""


class Reason(StrEnum):
    """Why an estimate is not used. A closed set."""

    TOO_FEW = "too few independent returns"
    NO_VARIANCE = "the hedge did not move"
    STALE_FEED = "a feed was not refreshed in most steps"
    WIDE_ERROR = "the standard error is too wide"
    WEAK_FIT = "the hedge explains too little"
    WRONG_SIGN = "the hedge moves against the target"
    NOT_COINTEGRATED = "the pair can drift apart"


class Estimate(NamedTuple):
    """A ratio with what is known about it; None is unknown."""

    ratio: float | None
    standard_error: float | None
    effective_n: float
    """Independent, equally weighted returns that would tell as much."""
    r_squared: float | None
    """Share of the target's variance that the hedge takes away."""


class Cointegration(NamedTuple):
    """A pair in levels: target = intercept + slope·hedge + gap, in logs."""

    slope: float
    intercept: float
    gap: float
    """The target's last distance from where the hedge says it belongs; it decays."""
    correction: float
    """Share of a gap that the target itself makes good in a step; negative when it does."""
    half_life_steps: float
    """Infinite if gaps do not decay."""
    unit_root_t: float
    """Of the gaps; below `critical_t` the pair is taken for cointegrated."""
    critical_t: float
    estimate: Estimate
    """The ratio for the risk: of returns, with the gap held fixed."""


class Trust(NamedTuple):
    """What an estimate must satisfy; the defaults are a judgement, not a law."""

    least_effective_n: float = 60.0
    most_error: float = 0.1
    least_r_squared: float = 0.5
    most_stale_share: float = 0.5
    lower: float = 0.5
    """A ratio below is clipped to it."""
    upper: float = 1.5
    """A ratio above is clipped to it; the keeper takes none above 1.5."""


class HedgeRatio(NamedTuple):
    """The ratio to use, and why it is not the estimate, if it is not."""

    ratio: float
    reason: Reason | None
    """Set if `ratio` is the fallback."""
    clipped: bool


class Hedges(NamedTuple):
    """USD to hold of each instrument, and the variance before and after."""

    usd: Floats
    variance_before: float
    variance_after: float


def ols(
    target: ArrayLike, hedge: ArrayLike, *, lead_lag: int = 0, error_lags: int | None = None
) -> Estimate:
    """Return the slope of *target* on *hedge*, both returns of shape (n,), with a constant.

    With x the hedge's return, y the target's, and X(t) the sum of x from t − L to t + L, the slope
    is Σy·X/Σx·X: for L = 0 the least squares one, and otherwise the sum of the leading and lagging
    covariances of y over that of x. Its R² is of moves over 2·L + 1 steps.

    Args:
        target: Returns of what is hedged.
        hedge: Returns of what it is hedged with, at the same times.
        lead_lag: L, steps by which either feed may lag.
        error_lags: Autocorrelation counted in the standard error, in steps; 4·(n/100)^(2/9)
            rounded down if left out, and at least 2·L.

    Raises:
        BadData: Not two series of one length and of finite numbers, or a lag below zero.

    """
    y, x = _returns(target, hedge)
    if lead_lag < 0 or (error_lags is not None and error_lags < 0):
        raise BadData("a lag is not below zero", lead_lag=lead_lag, error_lags=error_lags)
    n = len(y) - 2 * lead_lag
    if n < LEAST_ROWS:
        return Estimate(None, None, float(max(n, 0)), None)
    window = np.ones(2 * lead_lag + 1)
    around = _centred(np.convolve(x, window, mode="valid"))
    inner = slice(lead_lag, lead_lag + n)
    usual = max(int(4.0 * (n / 100.0) ** (2.0 / 9.0)), 2 * lead_lag)
    fit = _fit(
        _centred(y[inner]),
        _centred(x[inner])[:, None],
        around[:, None],
        usual if error_lags is None else error_lags,
    )
    if fit is None:
        return Estimate(None, None, float(n), None)
    moves = _centred(np.convolve(y, window, mode="valid"))
    return fit.estimate(_explained(moves, moves - fit.slopes[0] * around))


def ewma(target: ArrayLike, hedge: ArrayLike, *, decay: float) -> Estimate:
    """Return Σw·x·y/Σw·x² with weights that fall by *decay* a step into the past.

    Means are taken as zero: over the few returns that count they are noise. The effective sample
    is 1/Σw², about (1 + decay)/(1 − decay): 32 for 0.94, so `Trust` wants a slower decay.

    Raises:
        BadData: As `ols`, or a decay that is not between 0 and 1.

    """
    y, x = _returns(target, hedge)
    if not 0.0 < decay < 1.0:
        raise BadData("the decay must be between 0 and 1", decay=decay)
    weights = decay ** np.arange(len(y) - 1.0, -1.0, -1.0)
    weights /= weights.sum() or 1.0
    effective_n = 1.0 / float(weights @ weights) if len(y) else 0.0
    variance = float(weights @ x**2)
    if len(y) < LEAST_ROWS or variance == 0.0:
        return Estimate(None, None, effective_n, None)
    ratio = float(weights @ (x * y)) / variance
    left = y - ratio * x
    return Estimate(
        ratio=ratio,
        standard_error=sqrt(float((weights * x * left) @ (weights * x * left))) / variance,
        effective_n=effective_n,
        r_squared=_explained(np.sqrt(weights) * y, np.sqrt(weights) * left),
    )


def error_correction(target: ArrayLike, hedge: ArrayLike) -> Cointegration:
    """Return how two log prices hang together, in two steps.

    First the levels: target = intercept + slope·hedge + gap. Then the steps:
    Δtarget = constant + ratio·Δhedge + correction·gap(t − 1) + noise. Leaving the gap out biases
    the ratio, since a target that is too dear falls back whatever the hedge does.

    A slope of 1 says that the price of one in the other returns to e^intercept. The gaps are
    tested for a unit root without lagged differences (Dickey and Fuller's test).

    Raises:
        BadData: As `ols`, fewer than six prices, or a hedge or a gap that never moves.

    """
    y, x = _returns(target, hedge)
    if len(y) < LEAST_ROWS + 2:
        raise BadData("too few prices", prices=len(y), least=LEAST_ROWS + 2)
    levels = _fit(_centred(y), _centred(x)[:, None])
    if levels is None or not np.any(levels.residuals):
        raise BadData("the hedge, or its gap to the target, never moves")
    gaps, slope = levels.residuals, float(levels.slopes[0])
    before, moves = gaps[:-1], _centred(np.diff(y))
    steps = _fit(moves, np.column_stack((_centred(np.diff(x)), _centred(before))))
    if steps is None:
        raise BadData("the hedge never moves apart from the gap")
    speed, unit_root_t = _reversion(gaps)
    return Cointegration(
        slope=slope,
        intercept=float(y.mean()) - slope * float(x.mean()),
        gap=float(gaps[-1]),
        correction=float(steps.slopes[1]),
        half_life_steps=_half_life(speed),
        unit_root_t=unit_root_t,
        critical_t=sum(c / len(before) ** k for k, c in enumerate(UNIT_ROOT_5_PERCENT)),
        estimate=steps.estimate(_explained(moves, steps.residuals)),
    )


def least_variance(
    covariance: ArrayLike, exposures_usd: ArrayLike, instruments: Sequence[int]
) -> Hedges:
    """Return the holdings h of the *instruments* that leave the least variance.

    With e the exposures and i the instruments, h = −Σ(i,i)⁻¹·Σ(i,·)·e.
    Ratios for one asset are −h for an exposure of 1. Take the covariance from
    `estimators.shrunk_correlation`: a sample's overstates what can be hedged.

    Args:
        covariance: Σ of returns, shape (p, p), positive semidefinite.
        exposures_usd: What is held of each asset, shape (p,).
        instruments: Which of the assets can be traded, without repetition.

    Raises:
        BadData: Shapes that do not fit, no such asset, or instruments that are the same thing.

    """
    matrix, held = np.asarray(covariance, dtype=np.float64), np.asarray(exposures_usd, np.float64)
    chosen = list(instruments)
    p = len(held) if held.ndim == 1 else 0
    if matrix.shape != (p, p) or not np.all(np.isfinite(matrix)) or not np.all(np.isfinite(held)):
        raise BadData("shapes do not fit", covariance=matrix.shape, exposures=held.shape)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(p)):
        raise BadData("each instrument is one of the assets, once", instruments=chosen, assets=p)
    block = matrix[np.ix_(chosen, chosen)]
    scale = np.sqrt(np.maximum(np.diag(block), 0.0))
    if not np.all(scale > 0.0) or np.linalg.cond(block / np.outer(scale, scale)) > MOST_CONDITION:
        raise BadData("the instruments cannot be told apart, or do not move", instruments=chosen)
    usd = np.asarray(-np.linalg.solve(block, matrix[chosen] @ held), dtype=np.float64)
    left = held.copy()
    left[chosen] += usd
    return Hedges(usd, float(held @ matrix @ held), float(left @ matrix @ left))


def trusted(
    estimate: Estimate,
    trust: Trust | None = None,
    *,
    stale_share: float = 0.0,
    cointegration: Cointegration | None = None,
) -> HedgeRatio:
    """Return the estimate if it satisfies *trust*, clipped; otherwise 1.0 and the first reason.

    Args:
        estimate: Of `ols`, `ewma` or `Cointegration.estimate`.
        trust: What it must satisfy.
        stale_share: Of the pair it was made of.
        cointegration: Given if the ratio relies on the pair's not drifting apart.

    """
    rules = trust or Trust()
    reason = _objection(estimate, rules, stale_share)
    if reason is None and cointegration and cointegration.unit_root_t > cointegration.critical_t:
        reason = Reason.NOT_COINTEGRATED
    if reason is not None or estimate.ratio is None:
        return HedgeRatio(FALLBACK, reason, clipped=False)
    ratio = min(max(estimate.ratio, rules.lower), rules.upper)
    return HedgeRatio(ratio, None, clipped=ratio != estimate.ratio)


def _objection(estimate: Estimate, rules: Trust, stale_share: float) -> Reason | None:
    fit = -inf if estimate.r_squared is None else estimate.r_squared
    ratio = inf if estimate.ratio is None else estimate.ratio
    error = inf if estimate.standard_error is None else estimate.standard_error
    objections = {
        Reason.TOO_FEW: estimate.effective_n < rules.least_effective_n,
        Reason.NO_VARIANCE: estimate.ratio is None,
        Reason.STALE_FEED: stale_share > rules.most_stale_share,
        Reason.WIDE_ERROR: error > rules.most_error,
        Reason.WEAK_FIT: fit < rules.least_r_squared,
        Reason.WRONG_SIGN: ratio <= 0.0,
    }
    return next((reason for reason, holds in objections.items() if holds), None)


def in_units(ratio: float, *, target_price: float, hedge_price: float) -> float:
    """Return units of the hedge per unit of the target, from a *ratio* of USD to USD."""
    if not (0.0 < target_price < inf and 0.0 < hedge_price < inf):
        raise BadData("prices must be above zero", target=target_price, hedge=hedge_price)
    return ratio * target_price / hedge_price


class _Fit(NamedTuple):
    slopes: Floats
    error: float
    """Standard error of the first slope."""
    residuals: Floats
    effective_n: float

    def estimate(self, r_squared: float | None) -> Estimate:
        return Estimate(float(self.slopes[0]), self.error, self.effective_n, r_squared)


def _fit(y: Floats, x: Floats, instruments: Floats | None = None, lags: int = 0) -> _Fit | None:
    """Solve Z'(y − x·b) = 0 for b; everything is centred, x and Z have one column a slope.

    None if the columns do not move, or not apart from one another.
    """
    z = x if instruments is None else instruments
    n, slopes = x.shape
    x_size, z_size = np.linalg.norm(x, axis=0), np.linalg.norm(z, axis=0)
    if not (np.all(x_size > 0.0) and np.all(z_size > 0.0)):
        return None
    x_unit, z_unit = x / x_size, z / z_size
    gram = z_unit.T @ x_unit
    if float(np.linalg.eigvalsh(0.5 * (gram + gram.T))[0]) < 1.0 / MOST_CONDITION:
        return None
    scaled = np.linalg.solve(gram, z_unit.T @ y)
    residuals = y - x_unit @ scaled
    # The first row of the inverse turns each time's score into its pull on the first slope.
    pull = (z_unit * residuals[:, None]) @ np.linalg.inv(gram)[0]
    white = float(pull @ pull)
    variance = white + sum(
        2.0 * (1.0 - lag / (lags + 1.0)) * float(pull[lag:] @ pull[:-lag])
        for lag in range(1, min(lags, n - 1) + 1)
    )
    return _Fit(
        slopes=scaled / x_size,
        error=sqrt(max(variance, 0.0) * n / (n - slopes - 1.0)) / float(x_size[0]),
        residuals=residuals,
        effective_n=n * min(1.0, white / variance) if variance > 0.0 else float(n),
    )


def _reversion(gaps: Floats) -> tuple[float, float]:
    """Return the slope of a gap's next step on the gap, and its t; −1 is gone in a step."""
    before, steps = gaps[:-1], np.diff(gaps)
    size = float(before @ before)
    speed = float(before @ steps) / size
    left = steps - speed * before
    noise = float(left @ left) / (len(before) - 1)
    return speed, speed * sqrt(size / noise) if noise else copysign(inf, speed)


def _half_life(speed: float) -> float:
    if speed >= 0.0:
        return inf
    return log(2.0) / -log1p(speed) if speed > -1.0 else 0.0


def _explained(moves: Floats, left: Floats) -> float | None:
    total = float(moves @ moves)
    return 1.0 - float(left @ left) / total if total else None


def _centred(values: Floats) -> Floats:
    # The mean of equal numbers may be a rounding off, and would leave a variance of nothing.
    return np.asarray(values - (values.mean() if np.ptp(values) else values[0]))


def _returns(target: ArrayLike, hedge: ArrayLike) -> tuple[Floats, Floats]:
    y, x = np.asarray(target, dtype=np.float64), np.asarray(hedge, dtype=np.float64)
    if y.ndim != 1 or y.shape != x.shape or not np.all(np.isfinite(y) & np.isfinite(x)):
        raise BadData("needs two series of one length", target=y.shape, hedge=x.shape)
    return y, x
