"""Estimators of variance and covariance from prices, for owners and for the simulator.

Everything is a variance per bar (or per step) of log prices; `per_year` makes a volatility of it.
Only `numpy` is used, and the live decision does not import this file: it has `core/volatility`.

Sources: Parkinson (1980) and Garman and Klass (1980), both Journal of Business 53; Rogers and
Satchell, Annals of Applied Probability 1 (1991); Yang and Zhang, Journal of Business 73 (2000);
Barndorff-Nielsen and Shephard, Journal of Financial Econometrics 2 (2004) and 4 (2006), with the
ratio form of the test by Huang and Tauchen, same journal 3 (2005); Ledoit and Wolf, Journal of
Multivariate Analysis 88 (2004); Schäfer and Strimmer, Statistical Applications in Genetics and
Molecular Biology 4 (2005).
"""

from math import gamma, log, pi, sqrt
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from keeper.core.arrays import Floats
from keeper.model.errors import BadData
from keeper.model.units import YEAR_S

LEAST_BARS: Final = 3
"""Yang and Zhang's weight divides by the number of returns less one."""

FOUR_THIRDS_MOMENT: Final = 2.0 ** (2.0 / 3.0) * gamma(7.0 / 6.0) / gamma(0.5)
"""E|Z|^(4/3) of a standard normal."""
RATIO_VARIANCE: Final = (pi / 2.0) ** 2 + pi - 5.0
"""Asymptotic variance of 1 − BV/RV, in units of quarticity over BV² and per return."""


class Bars(NamedTuple):
    """Open, high, low and close of consecutive bars, oldest first, each of shape (n,)."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats


class YangZhang(NamedTuple):
    """Variance per bar, and the parts that it is made of."""

    variance: float
    overnight: float
    """Between a close and the next open; about zero in a market that never closes."""
    open_to_close: float
    rogers_satchell: float
    weight: float
    """k, which weighs `open_to_close`; the rest of 1 weighs `rogers_satchell`."""


class Variation(NamedTuple):
    """What the squared returns add up to, split into a continuous part and jumps."""

    realised: float
    continuous: float
    """Bipower variation, never above `realised`."""
    jump: float
    jump_z: float
    """Ratio test: standard normal without jumps, so above 3 is hardly chance. Zero if unknown."""


class Shrunk(NamedTuple):
    """A covariance matrix of shape (p, p) and how far it was pulled to its target."""

    covariance: Floats
    intensity: float
    """From 0, the sample itself, to 1, the target alone."""


def per_year(variance: float, *, step_s: float) -> float:
    """Return the volatility per √year of a variance per step of *step_s* seconds."""
    if not (variance >= 0.0 and step_s > 0.0):
        raise BadData(
            "a variance is not below zero, a step is above", variance=variance, step=step_s
        )
    return sqrt(variance * YEAR_S / step_s)


def bars(opens: ArrayLike, highs: ArrayLike, lows: ArrayLike, closes: ArrayLike) -> Bars:
    """Return checked bars.

    Raises:
        BadData: A price is not above zero and finite, a high or a low does not enclose the others,
            the lengths differ, or there are fewer than three bars.

    """
    made = Bars(*(np.asarray(each, dtype=np.float64) for each in (opens, highs, lows, closes)))
    if made.open.ndim != 1 or len({each.shape for each in made}) != 1:
        raise BadData("bars are four series of one length", shapes=[each.shape for each in made])
    if len(made.open) < LEAST_BARS:
        raise BadData("too few bars", bars=len(made.open), least=LEAST_BARS)
    if not all(np.all((each > 0.0) & np.isfinite(each)) for each in made):
        raise BadData("a price of a bar is not above zero and finite")
    top, bottom = np.maximum(made.open, made.close), np.minimum(made.open, made.close)
    if np.any(made.high < top) or np.any(made.low > bottom):
        raise BadData("a bar's high and low must enclose its open and close")
    return made


def bars_of(prices: ArrayLike, *, per_bar: int) -> Bars:
    """Return bars of *per_bar* consecutive prices each; an incomplete last bar is left out.

    Highs and lows of a sample are not those of the path, so range estimators of such bars come out
    low: by about 3 % of volatility at 288 prices a bar, by more at fewer.
    """
    series = _series(prices)
    if per_bar < 1:
        raise BadData("a bar has at least one price", per_bar=per_bar)
    whole = series[: len(series) // per_bar * per_bar].reshape(-1, per_bar)
    return bars(whole[:, 0], whole.max(axis=1), whole.min(axis=1), whole[:, -1])


def close_to_close(closes: ArrayLike) -> float:
    """Return the sample variance of the log returns, with n − 1 below."""
    series = _series(closes)
    if len(series) < LEAST_BARS or not np.all(series > 0.0):
        raise BadData("needs three prices above zero", prices=len(series))
    return float(np.var(np.diff(np.log(series)), ddof=1))


def parkinson(of: Bars) -> float:
    """Return mean ln(H/L)²/(4·ln 2): no drift, and no move between bars."""
    return float(np.mean(np.log(of.high / of.low) ** 2)) / (4.0 * log(2.0))


def garman_klass(of: Bars) -> float:
    """Return mean ½·ln(H/L)² − (2·ln 2 − 1)·ln(C/O)²: no drift, and no move between bars."""
    spread, body = np.log(of.high / of.low), np.log(of.close / of.open)
    return float(np.mean(0.5 * spread**2 - (2.0 * log(2.0) - 1.0) * body**2))


def rogers_satchell(of: Bars) -> float:
    """Return mean ln(H/C)·ln(H/O) + ln(L/C)·ln(L/O), which any drift leaves as it is."""
    upper = np.log(of.high / of.close) * np.log(of.high / of.open)
    lower = np.log(of.low / of.close) * np.log(of.low / of.open)
    return float(np.mean(upper + lower))


def yang_zhang(of: Bars) -> YangZhang:
    """Return σ²(overnight) + k·σ²(open to close) + (1 − k)·Rogers-Satchell, of all bars but one.

    The first bar only gives the close that the second one's overnight return starts from, so all
    three parts cover the same n returns, and k = 0.34/(1.34 + (n + 1)/(n − 1)).
    """
    later = Bars(*(each[1:] for each in of))
    n = len(later.open)
    weight = 0.34 / (1.34 + (n + 1) / (n - 1))
    overnight = float(np.var(np.log(later.open / of.close[:-1]), ddof=1))
    body = float(np.var(np.log(later.close / later.open), ddof=1))
    range_part = rogers_satchell(later)
    return YangZhang(
        variance=overnight + weight * body + (1.0 - weight) * range_part,
        overnight=overnight,
        open_to_close=body,
        rogers_satchell=range_part,
        weight=weight,
    )


def decay_of(*, half_life_s: float, step_s: float) -> float:
    """Return the weight that a step keeps: 2^(−step/half-life).

    The customary 0.94 is a half-life of 11.2 steps: of days when steps are days, and of half a day
    when they are hours.
    """
    if not (half_life_s > 0.0 and step_s > 0.0):
        raise BadData("must be above zero", half_life_s=half_life_s, step_s=step_s)
    return float(2.0 ** (-step_s / half_life_s))


def ewma_variance(returns: ArrayLike, *, decay: float) -> float:
    """Return v of v ← decay·v + (1 − decay)·r², which starts with the first squared return.

    That start keeps the weight decay^(n − 1): use many more returns than a half-life has.
    """
    squares = _series(returns) ** 2
    _refuse_decay(decay)
    if not len(squares):
        raise BadData("needs a return")
    weights = (1.0 - decay) * decay ** np.arange(len(squares) - 1.0, -1.0, -1.0)
    weights[0] = decay ** (len(squares) - 1)
    return float(weights @ squares)


def without_stale(times_s: ArrayLike, prices: ArrayLike) -> tuple[Floats, Floats]:
    """Return returns and the seconds that each covers, with repeated prices left out.

    A source that was not refreshed repeats its price: a return of exactly zero, then one that
    covers the whole time. Both starve bipower variation, which multiplies neighbours, and a calm
    path looks as if it had jumped.

    Raises:
        BadData: The lengths differ, a price is not above zero, or a time is not after the last.

    """
    times, series = _series(times_s), _series(prices)
    if times.shape != series.shape:
        raise BadData("as many times as prices", times=len(times), prices=len(series))
    if np.any(series <= 0.0) or np.any(np.diff(times) <= 0.0):
        raise BadData("prices must be above zero, and times must grow")
    fresh = np.flatnonzero(np.diff(series, prepend=0.0))
    return np.diff(np.log(series[fresh])), np.diff(times[fresh])


def bipower(returns: ArrayLike, spans_s: ArrayLike | None = None) -> Variation:
    """Split Σr² into its continuous part and jumps.

    Neighbours i and i − 1 tell the variance rate (π/2)·|z·z'| with z = r/√span; a jump enters only
    one of them, so it drops out as the steps get fine. A pair weighs its mean span, and the sum is
    scaled up to the whole time. With equal spans that is (π/2)·Σ|r·r'|·n/(n − 1).

    Leave out stale prices first, with `without_stale`. Take prices at regular times: rounds that a
    deviation threshold triggers all have the size of the threshold, and hide every jump.

    Args:
        returns: Log returns, shape (n,), n ≥ 3.
        spans_s: Time that each covers, shape (n,); all the same if left out.

    Raises:
        BadData: Too few returns, a span not above zero, lengths that differ.

    """
    moves = _series(returns)
    spans = np.ones_like(moves) if spans_s is None else _series(spans_s)
    if len(moves) < LEAST_BARS or moves.shape != spans.shape or np.any(spans <= 0.0):
        raise BadData("needs three returns, each with its span", n=len(moves), spans=len(spans))
    realised = float(moves @ moves)
    rate = np.abs(moves) / np.sqrt(spans)
    pair_spans = 0.5 * (spans[1:] + spans[:-1])
    total_s = float(spans.sum())
    scale = total_s / float(pair_spans.sum())
    raw = (pi / 2.0) * scale * float(pair_spans @ (rate[1:] * rate[:-1]))
    continuous = min(raw, realised)
    return Variation(
        realised=realised,
        continuous=continuous,
        jump=realised - continuous,
        jump_z=_jump_z(1.0 - raw / realised, rate, spans, raw) if realised else 0.0,
    )


def _jump_z(share: float, rate: Floats, spans: Floats, continuous: float) -> float:
    """Return the jumps' *share* of the variation over its error, from tripower quarticity."""
    n, total, relative = len(rate), float(spans.sum()), 1.0
    if continuous:
        powers = (rate / sqrt(continuous / total)) ** (4.0 / 3.0)
        triples = float(spans[2:] @ (powers[2:] * powers[1:-1] * powers[:-2]))
        quarticity = triples / total * n / (n - 2) / FOUR_THIRDS_MOMENT**3
        # Over the square of variance it is never less than 1, by Jensen's inequality.
        relative = max(1.0, quarticity)
    # Unequal spans carry unequal parts of the sum: fewer of them decide it.
    unequal = float(spans @ spans) * n / total**2
    return share / sqrt(RATIO_VARIANCE * relative * unequal / n)


def sample_covariance(returns: ArrayLike) -> Floats:
    """Return the covariance of the columns of *returns*, shape (n, p), with n − 1 below."""
    centred = _centred(returns)
    return centred.T @ centred / (len(centred) - 1)


def ledoit_wolf_identity(returns: ArrayLike) -> Shrunk:
    """Shrink the covariance to μ·I, the mean variance in every asset (Ledoit and Wolf 2004).

    Pitfall: μ·I adds the same variance to calm and to wild assets, so the ratio of two assets of
    unlike volatility is biased, and the calmer one's most. For hedge ratios `shrunk_correlation`
    is the one to use; this one is here because others use it. Moments with n below.
    """
    centred = _centred(returns)
    n, p = centred.shape
    sample = centred.T @ centred / n
    target = np.eye(p) * (np.trace(sample) / p)
    distance = float(np.sum((sample - target) ** 2))
    squares = np.sum(centred**2, axis=1)
    # Σ over t of ‖x·x' − S‖² = Σ‖x‖⁴ − n·‖S‖², without n matrices.
    noise = (float(squares @ squares) - n * float(np.sum(sample**2))) / n**2
    intensity = min(noise, distance) / distance if distance else 0.0
    return Shrunk((1.0 - intensity) * sample + intensity * target, intensity)


def shrunk_correlation(returns: ArrayLike, *, target: Literal["mean", "zero"] = "zero") -> Shrunk:
    """Shrink the correlations, and leave every variance as it was measured.

    Units of the assets do not matter, and no calm asset is given another one's variance. The
    intensity is Schäfer and Strimmer's λ* = Σ(Var r − Cov(r, target)) / Σ(r − target)² over pairs,
    with the sampling errors of correlations in place of those of products: next to ±1 a
    correlation is known well, and stays.

    Args:
        returns: Shape (n, p), p ≥ 2.
        target: "zero": no correlation; it disturbs close pairs least (a ratio of 0.999 from 60
            returns of four assets comes out 0.005 low, with "mean" 0.022, with μ·I 0.071).
            "mean": all pairs alike, for baskets of similar assets; a single pair stays as it is.

    Raises:
        BadData: An asset that does not move.

    """
    centred = _centred(returns)
    n, p = centred.shape
    deviations = np.sqrt(np.sum(centred**2, axis=0) / (n - 1))
    if p < 2 or not np.all(deviations > 0.0):  # noqa: PLR2004  # a pair
        raise BadData("needs two assets that move", deviations=deviations.tolist())
    z = centred / deviations
    rows, columns = np.triu_indices(p, 1)
    products, squares = z[:, rows] * z[:, columns], z**2
    pairs = products.sum(axis=0) / (n - 1)
    influence = products - 0.5 * pairs * (squares[:, rows] + squares[:, columns])
    goal = float(pairs.mean()) if target == "mean" else 0.0
    excess = influence - influence.mean(axis=1, keepdims=True) if target == "mean" else influence
    noise = float(np.sum(influence * excess)) / (n * (n - 1))
    distance = float(np.sum((pairs - goal) ** 2))
    intensity = min(1.0, noise / distance) if distance > 0.0 else 0.0
    shrunk = np.eye(p)
    shrunk[rows, columns] = shrunk[columns, rows] = (1.0 - intensity) * pairs + intensity * goal
    return Shrunk(shrunk * np.outer(deviations, deviations), intensity)


def _series(values: ArrayLike) -> Floats:
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or not np.all(np.isfinite(series)):
        raise BadData("needs one series of finite numbers", shape=series.shape)
    return series


def _refuse_decay(decay: float) -> None:
    if not 0.0 < decay < 1.0:
        raise BadData("the decay must be between 0 and 1", decay=decay)


def _centred(returns: ArrayLike) -> Floats:
    table = np.asarray(returns, dtype=np.float64)
    if table.ndim != 2 or not np.all(np.isfinite(table)):  # noqa: PLR2004  # a matrix
        raise BadData("needs one row a time and one column an asset", shape=table.shape)
    if len(table) < LEAST_BARS:
        raise BadData("too few returns", rows=len(table), least=LEAST_BARS)
    return np.asarray(table - table.mean(axis=0))
