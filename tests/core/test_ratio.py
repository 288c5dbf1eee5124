import re
import runpy
from math import inf, nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core import estimators, ratio
from keeper.core.alignment import Feed, align
from keeper.core.arrays import Floats
from keeper.core.ratio import Estimate, HedgeRatio, Reason, Trust, trusted
from keeper.model.errors import BadData
from tests.core.vectors import matrix, quantities

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "proxy-hedges.md"
LST, ETH, BTC, SOL = range(4)


def split(covariance: Floats, target: int, instruments: list[int]) -> list[float]:
    one = np.eye(len(covariance))[target]
    return [-usd for usd in ratio.least_variance(covariance, one, instruments).usd]


def test_every_row_of_the_vectors_is_reproduced() -> None:
    table = matrix("returns_synth.csv")
    lst, eth = table[:, LST], table[:, ETH]
    pair = ratio.error_correction(np.cumsum(lst), np.cumsum(eth))
    sample = split(estimators.sample_covariance(table), SOL, [ETH, BTC])
    shrunk = estimators.ledoit_wolf_identity(table)
    two = split(shrunk.covariance, SOL, [ETH, BTC])
    # The weights of `ewma_variance` are those of the ratio, but for their sum.
    weights = 0.94 ** np.arange(len(eth) - 1.0, -1.0, -1.0)
    assert {
        "ols_lst_on_eth": ratio.ols(lst, eth).ratio,
        "minvar_alt:  sol on (eth,btc) eth": sample[0],
        "minvar sol on (eth,btc) btc": sample[1],
        "ewma94_zero_mean_normalised lst on eth": ratio.ewma(lst, eth, decay=0.94).ratio,
        "ewma94 vol eth per-period": sqrt(weights @ eth**2 / weights.sum()),
        "ledoit_wolf_shrinkage_intensity": shrunk.intensity,
        "ledoit_wolf lst on eth": split(shrunk.covariance, LST, [ETH])[0],
        "ledoit_wolf sol on (eth,btc) eth": two[0],
        "ledoit_wolf sol on (eth,btc) btc": two[1],
        "ecm step1 cointegrating slope": pair.slope,
        "ecm step2 hedge ratio": pair.estimate.ratio,
        "ecm error-correction coef": pair.correction,
    } == pytest.approx(quantities("minvar_ratios.csv"), rel=1e-10)


def test_shrunk_correlations_keep_the_ratio_that_identity_shrinkage_biases() -> None:
    shrunk = estimators.shrunk_correlation(matrix("returns_synth.csv")).covariance
    assert split(shrunk, LST, [ETH])[0] == pytest.approx(
        quantities("minvar_ratios.csv")["ols_lst_on_eth"], abs=0.0015
    )


def test_ols_worked_by_hand() -> None:
    # Σxy = 10 and Σx² = 10 about the means; residuals 1, −1, −1, 1, 0 after y = x.
    found = ratio.ols([-1, -2, -1, 2, 2], [-2, -1, 0, 1, 2], error_lags=0)
    assert found.ratio == pytest.approx(1.0)
    # White: Σx²u² = 4 + 1 + 0 + 1 + 0, times 5/(5 − 2), over Σx² squared.
    assert found.standard_error == pytest.approx(sqrt(6 * 5 / 3) / 10)
    assert found.r_squared == pytest.approx(1 - 4 / 14)
    assert found.effective_n == 5.0


def test_autocorrelated_errors_widen_the_standard_error_worked_by_hand() -> None:
    # Scores x·u: −2, 1, 0, 1, 0 with lag-1 products −2 + 0 + 0 + 0, Bartlett weight ½, twice.
    found = ratio.ols([-1, -2, -1, 2, 2], [-2, -1, 0, 1, 2], error_lags=1)
    assert found.standard_error == pytest.approx(sqrt((6 - 2) * 5 / 3) / 10)
    assert found.effective_n == 5.0
    rng = np.random.default_rng(1)
    x, noise = (np.convolve(rng.normal(size=1020), np.ones(20), "valid") for _ in range(2))
    one, more = (ratio.ols(x + noise, x, error_lags=lags) for lags in (0, 30))
    assert one.standard_error is not None
    assert more.standard_error is not None
    assert more.standard_error > 2 * one.standard_error
    assert more.effective_n < 250


def test_a_lagging_feed_is_found_again_worked_by_hand() -> None:
    # The target repeats the hedge one step later: nothing at once, everything around.
    x = [0, 0, 1, 0, 0, -1, 0, 0]
    y = [0, 0, 0, 1, 0, 0, -1, 0]
    assert ratio.ols(y, x).ratio == 0.0
    around = ratio.ols(y, x, lead_lag=1)
    assert around.ratio == pytest.approx(1.0)


def test_feeds_refreshed_at_different_moments_need_the_lags() -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    x = rng.normal(0, 0.001, n)
    y = 0.9 * x + rng.normal(0, 0.0005, n)
    seen = [np.sort(rng.choice(n, n // every, replace=False)) for every in (6, 3)]
    feeds = [
        Feed(10.0 * k, np.exp(np.cumsum(moves))[k]) for k, moves in zip(seen, (y, x), strict=True)
    ]
    pair = align(*feeds, step_s=60)
    naive = ratio.ols(*pair.returns())
    aligned = ratio.ols(*pair.returns(), lead_lag=pair.lead_lag)
    assert naive.ratio is not None
    assert naive.ratio < 0.5
    assert aligned.ratio == pytest.approx(0.9, abs=0.06)


SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), lag=st.integers(0, 2))
def test_a_ratio_scales_with_the_target_and_ignores_drift(
    seed: int, scale: float, shift: float, lag: int
) -> None:
    x, noise = np.random.default_rng(seed).normal(size=(2, 40))
    ours = ratio.ols(x + noise, x, lead_lag=lag)
    other = ratio.ols((x + noise) * scale + shift, x, lead_lag=lag)
    if ours.ratio is None or ours.standard_error is None:
        assert other.ratio is None
        return
    assert other.ratio == pytest.approx(ours.ratio * scale, rel=1e-6, abs=1e-9)
    assert other.standard_error == pytest.approx(ours.standard_error * scale, rel=1e-6)
    assert other.r_squared == pytest.approx(ours.r_squared, abs=1e-9)


@given(seed=SEEDS, slope=st.floats(-3, 3), decay=st.floats(0.5, 0.99))
def test_a_target_that_is_a_multiple_of_the_hedge_is_found_exactly(
    seed: int, slope: float, decay: float
) -> None:
    x = np.random.default_rng(seed).normal(size=30)
    for found in (ratio.ols(slope * x, x), ratio.ewma(slope * x, x, decay=decay)):
        assert found.ratio == pytest.approx(slope, abs=1e-12)
        assert found.standard_error == pytest.approx(0.0, abs=1e-12)


def test_standard_errors_are_as_wide_as_the_estimates_scatter() -> None:
    rng = np.random.default_rng(4)
    ols, ewma = [], []
    for _ in range(500):
        # Volatile days are volatile for both: the textbook standard error would be too small.
        calm = np.exp(rng.normal(0, 0.5, 300))
        x = rng.normal(size=300) * calm
        y = 0.95 * x + 0.3 * rng.normal(size=300) * calm
        ols.append(ratio.ols(y, x)[:2])
        ewma.append(ratio.ewma(y, x, decay=0.98)[:2])
    for found in (np.array(ols, dtype=float), np.array(ewma, dtype=float)):
        assert found[:, 0].mean() == pytest.approx(0.95, abs=0.01)
        assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.2)


def test_ewma_worked_by_hand() -> None:
    # Weights 1, 2, 4, 8 over 15: Σw·xy = 1 − 2 + 8 + 8 = 15, Σw·x² = 1 + 2 + 4 + 8 = 15.
    found = ratio.ewma([1, 1, 2, 1], [1, -1, 1, 1], decay=0.5)
    assert found.ratio == pytest.approx(1.0)
    # Left: 0, 2, 1, 0. (Σ(w·x·u)²)^½ over 1, with w·x·u = −4/15 and 4/15.
    assert found.standard_error == pytest.approx(sqrt(32) / 15)
    assert found.effective_n == pytest.approx(225 / 85)
    assert found.r_squared == pytest.approx(1 - 12 / 27)


def test_ewma_with_little_decay_is_the_slope_through_zero() -> None:
    x, y = np.random.default_rng(5).normal(size=(2, 50))
    assert ratio.ewma(y, x, decay=1 - 1e-12).ratio == pytest.approx(float(x @ y / (x @ x)))


def gaps(speed: float, n: int = 400) -> tuple[Floats, Floats]:
    """Return a target and a hedge in logs whose gap loses `speed` of itself a step."""
    rng = np.random.default_rng(6)
    hedge = np.cumsum(rng.normal(0, 0.03, n))
    gap = np.zeros(n)
    for t in range(1, n):
        gap[t] = gap[t - 1] * (1 - speed) + rng.normal(0, 0.004)
    return hedge + 0.15 + gap, hedge


def test_a_pair_that_belongs_together_is_recognised_and_its_speed_measured() -> None:
    pair = ratio.error_correction(*gaps(0.2))
    assert pair.slope == pytest.approx(1.0, abs=0.02)
    assert pair.intercept == pytest.approx(0.15, abs=0.01)
    assert pair.correction == pytest.approx(-0.2, abs=0.07)
    assert pair.half_life_steps == pytest.approx(3.1, abs=1.0)
    assert pair.estimate.ratio == pytest.approx(1.0, abs=0.02)
    assert pair.unit_root_t < pair.critical_t == pytest.approx(-3.35, abs=0.01)


def test_two_random_walks_rarely_pass_for_a_pair() -> None:
    rng = np.random.default_rng(7)
    pairs = [ratio.error_correction(*np.cumsum(rng.normal(size=(2, 200)), 1)) for _ in range(300)]
    passed = sum(pair.unit_root_t < pair.critical_t for pair in pairs)
    assert 5 <= passed <= 27  # 5 % of 300, and three standard errors around


def test_error_correction_worked_by_hand() -> None:
    # Gaps of ±1 in turn about y = x + ½: each step is Δx − 2·gap, without noise.
    x = np.array([1.0, 1.0, -1.0, -1.0] * 4)
    pair = ratio.error_correction(x + 0.5 + np.tile([1.0, -1.0], 8), x)
    assert (pair.slope, pair.intercept, pair.gap) == pytest.approx((1.0, 0.5, -1.0))
    assert pair.correction == pytest.approx(-2.0)
    assert pair.estimate.ratio == pytest.approx(1.0)
    assert pair.half_life_steps == 0.0
    assert pair.unit_root_t == -inf


def test_a_half_life_worked_by_hand() -> None:
    assert ratio._half_life(-0.5) == pytest.approx(1.0)
    assert ratio._half_life(-0.25) == pytest.approx(2.409, abs=1e-3)
    grows = ratio.error_correction(1.5 ** np.arange(9.0), np.tile([0.0, 1.0, 0.0], 3))
    assert grows.half_life_steps == inf


def test_several_instruments_worked_by_hand() -> None:
    # Uncorrelated instruments: each takes its own slope. Variance 9 − 2²/4 − 1²/1 = 7.
    covariance = [[9, 2, 1], [2, 4, 0], [1, 0, 1]]
    found = ratio.least_variance(covariance, [1, 0, 0], [1, 2])
    assert found.usd.tolist() == [-0.5, -1.0]
    assert found.variance_before == 9.0
    assert found.variance_after == pytest.approx(7.0)


def test_a_target_that_can_be_traded_itself_is_closed() -> None:
    covariance = estimators.sample_covariance(matrix("returns_synth.csv"))
    found = ratio.least_variance(covariance, [0, 5, 0, 2], [ETH, SOL])
    assert found.usd == pytest.approx([-5, -2])
    assert found.variance_after == pytest.approx(0.0, abs=1e-15)


@given(seed=SEEDS)
def test_no_other_hedge_leaves_less_variance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, 6))
    covariance, held = root @ root.T, rng.normal(size=4)
    found = ratio.least_variance(covariance, held, [1, 3])
    assert found.variance_after <= found.variance_before + 1e-12
    other = held.copy()
    other[[1, 3]] += found.usd + rng.normal(size=2)
    assert found.variance_after <= other @ covariance @ other + 1e-9


@pytest.mark.parametrize(
    ("covariance", "exposures", "instruments", "message"),
    [
        ([[1.0]], [1.0, 1.0], [0], "shapes"),
        ([[1.0]], [[1.0]], [0], "shapes"),
        ([[nan]], [1.0], [0], "shapes"),
        ([[1.0]], [inf], [0], "shapes"),
        ([[1.0]], [1.0], [], "once"),
        ([[1.0]], [1.0], [1], "once"),
        ([[1.0]], [1.0], [0, 0], "once"),
        ([[0.0]], [1.0], [0], "told apart"),
        ([[-1.0]], [1.0], [0], "told apart"),
        ([[1.0, 2.0], [2.0, 4.0]], [1.0, 1.0], [0, 1], "told apart"),
    ],
)
def test_a_portfolio_that_cannot_be_is_refused(
    covariance: list[list[float]], exposures: Any, instruments: list[int], message: str
) -> None:
    with pytest.raises(BadData, match=message):
        ratio.least_variance(covariance, exposures, instruments)


GOOD = Estimate(ratio=1.05, standard_error=0.02, effective_n=200.0, r_squared=0.9)


def test_a_good_estimate_is_used_as_it_is() -> None:
    assert trusted(GOOD) == HedgeRatio(1.05, None, clipped=False)


@pytest.mark.parametrize(("estimate", "used"), [(0.2, 0.5), (0.5, 0.5), (1.5, 1.5), (2.7, 1.5)])
def test_an_extreme_estimate_is_clipped(estimate: float, used: float) -> None:
    found = trusted(GOOD._replace(ratio=estimate))
    assert found == HedgeRatio(used, None, clipped=estimate != used)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"effective_n": 59.0}, Reason.TOO_FEW),
        ({"ratio": None, "standard_error": None, "r_squared": None}, Reason.NO_VARIANCE),
        ({"standard_error": 0.11}, Reason.WIDE_ERROR),
        ({"r_squared": 0.49}, Reason.WEAK_FIT),
        ({"r_squared": None}, Reason.WEAK_FIT),
        ({"ratio": 0.0}, Reason.WRONG_SIGN),
        ({"ratio": -0.9}, Reason.WRONG_SIGN),
        ({"ratio": -0.9, "effective_n": 3.0}, Reason.TOO_FEW),
    ],
)
def test_a_doubtful_estimate_falls_back_to_one_and_says_why(
    changes: dict[str, float | None], reason: Reason
) -> None:
    assert trusted(GOOD._replace(**changes)) == HedgeRatio(1.0, reason, clipped=False)  # type: ignore[arg-type]  # fields by name


def test_a_stale_feed_is_a_doubt() -> None:
    assert trusted(GOOD, stale_share=0.51).reason is Reason.STALE_FEED
    assert trusted(GOOD, Trust(most_stale_share=0.6), stale_share=0.51).reason is None


def test_a_pair_that_may_drift_apart_is_a_doubt() -> None:
    together, apart = (ratio.error_correction(*gaps(speed)) for speed in (0.2, 0.002))
    assert trusted(together.estimate, cointegration=together).reason is None
    assert trusted(apart.estimate, cointegration=apart).reason is Reason.NOT_COINTEGRATED
    weak = GOOD._replace(effective_n=1.0)
    assert trusted(weak, cointegration=together).reason is Reason.TOO_FEW


@given(
    found=st.builds(
        Estimate,
        st.none() | st.floats(-5, 5),
        st.none() | st.floats(0, 1),
        st.floats(0, 1e4),
        st.none() | st.floats(-1, 1),
    )
)
def test_what_is_used_is_always_within_the_bounds(found: Estimate) -> None:
    used = trusted(found)
    assert 0.5 <= used.ratio <= 1.5
    assert used.reason is None or used.ratio == ratio.FALLBACK


def test_units_worked_by_hand() -> None:
    # 1.1 USD of ETH at 3000 for 1 USD of a token at 3600: 1.32 ETH a token.
    assert ratio.in_units(1.1, target_price=3600, hedge_price=3000) == pytest.approx(1.32)
    for prices in ((0.0, 1.0), (1.0, inf), (nan, 1.0)):
        with pytest.raises(BadData, match="above zero"):
            ratio.in_units(1.0, target_price=prices[0], hedge_price=prices[1])


STILL = [0.1] * 8
UNKNOWN = [
    (ratio.ols([1, 2, 3], [1, 2, 4]), 3.0),
    (ratio.ols([1, 2, 3, 4], [1, 2, 4, 3], lead_lag=3), 0.0),
    (ratio.ols(range(8), STILL), 8.0),
    (ratio.ols(range(8), STILL, lead_lag=1), 6.0),
    # A hedge that takes back every move does not move over longer steps, or even backwards.
    (ratio.ols(range(8), [1, -1] * 4, lead_lag=1), 6.0),
    (ratio.ols(range(9), [1, -1, 0, 1, -1, 0, 1, -1, 0], lead_lag=1), 7.0),
    (ratio.ewma([], [], decay=0.5), 0.0),
    (ratio.ewma([1] * 4, [0] * 4, decay=0.5), pytest.approx(225 / 85)),
    (ratio.ewma([1] * 3, [1] * 3, decay=0.5), pytest.approx(49 / 21)),
]


@pytest.mark.parametrize(("found", "effective_n"), UNKNOWN)
def test_what_cannot_be_estimated_is_unknown(found: Estimate, effective_n: float) -> None:
    assert found == Estimate(None, None, effective_n, None)


def test_a_target_that_does_not_move_has_no_fit() -> None:
    found = ratio.ols(STILL, range(8))
    assert (found.ratio or 0.0, found.r_squared) == (0.0, None)
    assert trusted(found, Trust(least_effective_n=0)).reason is Reason.WEAK_FIT


LINE = np.arange(8.0)


@pytest.mark.parametrize(
    ("target", "hedge", "message"),
    [
        (LINE[:5], LINE[:5], "too few"),
        (LINE, np.ones(8), "never moves"),
        (np.zeros(8), LINE, "never moves"),
        ((LINE % 2) * 2, LINE, "apart"),
    ],
)
def test_a_pair_without_movement_is_refused(target: Floats, hedge: Floats, message: str) -> None:
    with pytest.raises(BadData, match=message):
        ratio.error_correction(target, hedge)


@pytest.mark.parametrize(
    ("target", "hedge"),
    [([1, 2], [1, 2, 3]), ([[1]], [[1]]), ([1, nan], [1, 2]), ([1, 2], [1, inf])],
)
def test_series_that_do_not_fit_are_refused(target: Any, hedge: Any) -> None:
    with pytest.raises(BadData, match="two series"):
        ratio.ols(target, hedge)


def test_lags_and_decays_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadData, match="lag"):
        ratio.ols(LINE, LINE, lead_lag=-1)
    with pytest.raises(BadData, match="lag"):
        ratio.ols(LINE, LINE, error_lags=-1)
    with pytest.raises(BadData, match="decay"):
        ratio.ewma(LINE, LINE, decay=1.0)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


def write_prices(path: Path, times_s: Floats, prices: Floats) -> None:
    rows = (f"{t},{p}\n" for t, p in zip(times_s, prices, strict=True))
    path.write_text("time_s,price\n" + "".join(rows))


def test_the_example_of_the_guide_prints_what_the_guide_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(9)
    hours = np.arange(4000.0)
    eth = 2500 * np.exp(np.cumsum(rng.normal(0, 0.006, 4000)))
    steth = eth * (0.999 + rng.normal(0, 0.0005, 4000))
    write_prices(tmp_path / "eth.csv", hours * 3600, eth)
    fresh = np.sort(rng.choice(4000, 3000, replace=False))  # every fourth hour it is stale
    write_prices(tmp_path / "steth.csv", hours[fresh] * 3600, steth[fresh])
    (code,), (said,) = blocks("python"), blocks("text")
    (tmp_path / "example.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("example.py")
    assert capsys.readouterr().out == said


def test_the_guide_names_every_reason() -> None:
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", GUIDE.read_text(), re.MULTILINE))
    assert rows == set(Reason.__members__)
