from math import exp, inf, log, nan, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core import estimators
from keeper.core.arrays import Floats
from keeper.core.estimators import Bars, bars, bars_of, bipower, ewma_variance, yang_zhang
from keeper.model.errors import BadData
from tests.core.vectors import matrix, quantities

DAY_S = 86_400.0


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-12)


MOVES = st.lists(st.floats(-0.2, 0.2), min_size=12, max_size=60)


def path(moves: list[float]) -> Floats:
    return np.asarray(100.0 * np.exp(np.cumsum(moves)))


def test_every_row_of_the_vectors_is_reproduced() -> None:
    rows = quantities("vol_estimators.csv")
    ohlc = bars(*matrix("ohlc_synth.csv").T)
    returns = np.diff(np.log(ohlc.close))
    yz, split = yang_zhang(ohlc), bipower(returns)
    later = Bars(*(each[1:] for each in ohlc))
    assert {
        "close_to_close_sd_ddof1_daily": sqrt(estimators.close_to_close(ohlc.close)),
        # The vectors leave out the first bar here, as Yang and Zhang must.
        "rogers_satchell_var_daily": estimators.rogers_satchell(later),
        "yang_zhang_k": yz.weight,
        "yang_zhang_vol_daily": sqrt(yz.variance),
        "yang_zhang_vol_annual_365": estimators.per_year(yz.variance, step_s=DAY_S),
        "parkinson_var_daily": estimators.parkinson(ohlc),
        "garman_klass_var_daily": estimators.garman_klass(ohlc),
        "realised_variance_sum": split.realised,
        "bipower_variation_sum_n/(n-1)": split.continuous,
        "ewma94_recursive_seed_first_sq_vol": sqrt(ewma_variance(returns, decay=0.94)),
    } == pytest.approx(rows, rel=1e-12)


def test_range_estimators_worked_by_hand() -> None:
    # In logs every bar opens at 0, reaches 2 and −1, and closes at 1.
    ohlc = bars([1.0] * 3, [exp(2)] * 3, [exp(-1)] * 3, [exp(1)] * 3)
    assert estimators.parkinson(ohlc) == close(9 / (4 * log(2)))
    assert estimators.garman_klass(ohlc) == close(4.5 - (2 * log(2) - 1))
    assert estimators.rogers_satchell(ohlc) == close(1 * 2 + -2 * -1)


def test_yang_zhang_worked_by_hand() -> None:
    # Two returns: overnight 0 and −2 in logs, open to close 1 and −1, and no more range than that.
    opens, closes = np.exp([0.0, 0.0, -1.0]), np.exp([0.0, 1.0, -2.0])
    ohlc = bars(opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)
    yz = yang_zhang(ohlc)
    assert yz.weight == close(0.34 / (1.34 + 3))
    assert (yz.overnight, yz.open_to_close, yz.rogers_satchell) == pytest.approx((2.0, 2.0, 0.0))
    assert yz.variance == close(2 + yz.weight * 2)


@given(moves=MOVES, drift=st.floats(-0.05, 0.05))
def test_rogers_and_satchell_see_no_variance_in_a_straight_line(
    moves: list[float], drift: float
) -> None:
    line = path([drift] * len(moves))
    assert estimators.rogers_satchell(bars_of(line, per_bar=4)) == pytest.approx(0.0, abs=1e-12)


@given(moves=MOVES, unit=st.floats(1e-6, 1e6))
def test_the_unit_of_a_price_does_not_matter(moves: list[float], unit: float) -> None:
    ours, other = bars_of(path(moves), per_bar=4), bars_of(path(moves) * unit, per_bar=4)
    for estimate in (
        estimators.parkinson,
        estimators.garman_klass,
        estimators.rogers_satchell,
        lambda ohlc: yang_zhang(ohlc).variance,
        lambda ohlc: estimators.close_to_close(ohlc.close),
    ):
        assert estimate(other) == pytest.approx(estimate(ours), rel=1e-9, abs=1e-12)


def test_all_of_them_find_the_volatility_of_a_random_walk() -> None:
    rng = np.random.default_rng(1)
    per_bar, sigma = 500, 0.03
    prices = path(list(rng.normal(0, sigma / sqrt(per_bar), 400 * per_bar)))
    ohlc = bars_of(prices, per_bar=per_bar)
    for variance in (
        estimators.parkinson(ohlc),
        estimators.garman_klass(ohlc),
        estimators.rogers_satchell(ohlc),
        yang_zhang(ohlc).variance,
        estimators.close_to_close(ohlc.close),
    ):
        assert sqrt(variance) == pytest.approx(sigma, rel=0.06)


def test_bars_are_cut_from_prices_without_an_incomplete_last_one() -> None:
    made = bars_of([3, 5, 4, 6, 2, 2, 1, 1, 9, 7], per_bar=3)
    assert [each.tolist() for each in made] == [[3, 6, 1], [5, 6, 9], [3, 2, 1], [4, 2, 9]]


@pytest.mark.parametrize(
    ("ohlc", "message"),
    [
        (([1, 1], [1, 1], [1, 1], [1, 1]), "too few"),
        (([1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1]), "one length"),
        ((1, 1, 1, 1), "one length"),
        (([1, 1, 1], [1, 1, inf], [1, 1, 1], [1, 1, 1]), "above zero and finite"),
        (([1, 1, 1], [1, 1, 1], [0, 1, 1], [1, 1, 1]), "above zero and finite"),
        (([1, 1, 2], [1, 1, 1], [1, 1, 1], [1, 1, 1]), "enclose"),
        (([1, 1, 1], [1, 1, 1], [1, 1, 1.1], [1, 1, 1.1]), "enclose"),
    ],
)
def test_bars_that_cannot_be_are_refused(ohlc: tuple[list[float], ...], message: str) -> None:
    with pytest.raises(BadData, match=message):
        bars(*ohlc)


def test_the_usual_decay_is_a_half_life_of_eleven_steps() -> None:
    assert estimators.decay_of(half_life_s=11.2 * DAY_S, step_s=DAY_S) == pytest.approx(0.94, 1e-4)
    assert estimators.decay_of(half_life_s=1.0, step_s=1.0) == 0.5


def test_ewma_worked_by_hand() -> None:
    # Squares 1, 4, 9 at ½: start 1, then 2.5, then 5.75.
    assert ewma_variance([1, -2, 3], decay=0.5) == close(5.75)


@given(moves=MOVES, decay=st.floats(0.01, 0.99))
def test_ewma_is_its_recursion(moves: list[float], decay: float) -> None:
    variance = moves[0] ** 2
    for move in moves[1:]:
        variance = decay * variance + (1 - decay) * move**2
    assert ewma_variance(moves, decay=decay) == pytest.approx(variance, rel=1e-9, abs=1e-15)


def test_bipower_worked_by_hand() -> None:
    # Σr² = 1 + 4 + 1 = 6, neighbours 2 + 2 = 4, so (π/2)·4·3/2 = 9.42 is cut to 6.
    assert bipower([1, -2, 1])[:3] == (6.0, 6.0, 0.0)
    # A jump of 10 among ones: Σr² = 103, neighbours 10 + 10 + 1 = 21, times (π/2)·4/3.
    split = bipower([1, 10, 1, 1])
    assert split.continuous == close(14 * pi)
    assert split.jump == close(103 - 14 * pi)


def test_the_span_of_a_return_counts_worked_by_hand() -> None:
    # Rates 1, 2, 1 per √s over 1, 4 and 1 s; pairs weigh 2.5 s each, and 5 s stand for 6 s.
    split = bipower([1, 4, 1, 1, 10], [1, 4, 1, 1, 1])
    pairs = 2.5 * 2 + 2.5 * 2 + 1 + 10
    assert split.continuous == close(pi / 2 * pairs * 8 / 7)


@given(moves=MOVES)
def test_the_parts_add_up_and_none_is_negative(moves: list[float]) -> None:
    split = bipower(moves)
    assert split.continuous + split.jump == pytest.approx(split.realised)
    assert min(split.continuous, split.jump) >= 0.0


@given(moves=MOVES, span=st.floats(1e-3, 1e6))
def test_equal_spans_are_as_good_as_none(moves: list[float], span: float) -> None:
    assert bipower(moves, [span] * len(moves)) == pytest.approx(bipower(moves), rel=1e-9)


def test_a_path_that_does_not_move_has_no_jumps() -> None:
    assert bipower([0.0] * 5) == (0.0, 0.0, 0.0, 0.0)


def test_moves_too_small_to_square_do_no_harm() -> None:
    assert bipower([1e-90, 1e-170, 1e-90, 1e-170]).jump_z > 0.0
    assert bipower([1e-170] * 4) == (0.0, 0.0, 0.0, 0.0)


def test_without_jumps_the_statistic_is_standard_normal() -> None:
    rng = np.random.default_rng(1)
    z = [bipower(rng.normal(0, 0.01, 288)).jump_z for _ in range(1000)]
    assert np.mean(z) == pytest.approx(0.0, abs=0.15)
    assert np.std(z) == pytest.approx(1.0, abs=0.1)


def test_a_jump_is_found_and_kept_out_of_the_continuous_part() -> None:
    moves = np.random.default_rng(2).normal(0, 0.01, 1000)
    calm = bipower(moves)
    moves[500] += 0.15
    split = bipower(moves)
    assert split.jump == pytest.approx(0.15**2, rel=0.25)
    assert split.continuous == pytest.approx(calm.continuous, rel=0.05)
    assert split.jump_z > 4.0
    assert calm.jump_z < 3.0


def test_a_lone_jump_in_silence_is_all_jump() -> None:
    split = bipower([0.0] * 9 + [1.0])
    assert (split.continuous, split.jump) == (0.0, 1.0)
    assert split.jump_z > 3.0


def test_a_stale_source_fakes_jumps_until_its_repetitions_are_left_out() -> None:
    rng = np.random.default_rng(3)
    moves = rng.normal(0, 0.01, 4000)
    fresh = rng.random(4000) < 0.5
    fresh[0] = True
    prices = path(list(moves))[np.maximum.accumulate(np.where(fresh, np.arange(4000), 0))]
    assert bipower(np.diff(np.log(prices))).jump_z > 10.0
    returns, spans = estimators.without_stale(np.arange(4000.0), prices)
    split = bipower(returns, spans)
    assert abs(split.jump_z) < 3.0
    assert split.continuous == pytest.approx(4000 * 0.01**2, rel=0.1)


def test_repetitions_are_left_out_worked_by_hand() -> None:
    returns, spans = estimators.without_stale([0, 10, 20, 30, 45], [1, 1, 2, 2, 1])
    assert returns.tolist() == pytest.approx([log(2), -log(2)])
    assert spans.tolist() == [20.0, 25.0]


def test_covariance_worked_by_hand() -> None:
    table = [[1, 2], [2, 4], [3, 0]]
    assert estimators.sample_covariance(table).tolist() == [[1, -1], [-1, 4]]


def test_identity_shrinkage_worked_by_hand() -> None:
    # Rows ±(1, 0) and ±(0, 2): S = diag(½, 2), μ = 1.25, ‖S − μI‖² = 1.125 and
    # noise (Σ‖x‖⁴ − 4·‖S‖²)/16 = (1 + 1 + 16 + 16 − 17)/16 = 1.0625.
    shrunk = estimators.ledoit_wolf_identity([[1, 0], [-1, 0], [0, 2], [0, -2]])
    assert shrunk.intensity == close(1.0625 / 1.125)
    assert np.diag(shrunk.covariance) == pytest.approx(
        [1.25 - 0.75 * 0.0625 / 1.125, 1.25 + 0.75 * 0.0625 / 1.125]
    )


def test_identity_shrinkage_reproduces_the_vectors() -> None:
    rows = quantities("minvar_ratios.csv")
    shrunk = estimators.ledoit_wolf_identity(matrix("returns_synth.csv"))
    assert shrunk.intensity == close(rows["ledoit_wolf_shrinkage_intensity"])


def test_correlation_shrinkage_worked_by_hand() -> None:
    # Correlation ½ from z = (−1, −1, …): products and squares of each row give the influence.
    table = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    # Σz² = 5 with 5 below, so z² = 5/6 and r = (4 − 2)/6 = 1/3; the influence is 5/6·(±1 − 1/3):
    # (5/6)²·(4·4/9 + 2·16/9)/(6·5) = 1/8.1, over r² = 1/9.
    shrunk = estimators.shrunk_correlation(table)
    assert shrunk.intensity == 1.0
    assert shrunk.covariance == pytest.approx(np.diag([1.2, 1.2]))
    longer = estimators.shrunk_correlation(np.tile(table, (10, 1)))
    scale = 59 / 60
    assert longer.intensity == close(scale**2 * 10 * (16 + 32) / 9 / (60 * 59) * 9)


SEEDS = st.integers(0, 2**32 - 1)


@given(seed=SEEDS, units=st.floats(1e-6, 1e6), target=st.sampled_from(["zero", "mean"]))
def test_correlation_shrinkage_keeps_variances_and_ignores_units(
    seed: int, units: float, target: str
) -> None:
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(20, 3)) @ rng.normal(size=(3, 3))
    sample = estimators.sample_covariance(table)
    shrunk = estimators.shrunk_correlation(table, target=target)  # type: ignore[arg-type]  # sampled
    assert np.diag(shrunk.covariance) == pytest.approx(np.diag(sample))
    assert 0.0 <= shrunk.intensity <= 1.0
    assert np.linalg.eigvalsh(shrunk.covariance)[0] > 0.0
    other = estimators.shrunk_correlation(table * [units, 1, 1], target=target)  # type: ignore[arg-type]  # sampled
    assert other.intensity == pytest.approx(shrunk.intensity, rel=1e-6, abs=1e-9)


def test_a_close_pair_keeps_its_ratio_where_identity_shrinkage_loses_it() -> None:
    rng = np.random.default_rng(5)
    market, eth, btc, sol = rng.normal(size=(4, 60))
    eth = 0.04 * (0.9 * market + 0.4 * eth)
    btc = 0.03 * (0.9 * market + 0.4 * btc)
    sol = 0.06 * (0.8 * market + 0.6 * sol)
    table = np.column_stack((eth + rng.normal(0, 0.001, 60), eth, btc, sol))
    ratios = [
        matrix[0, 1] / matrix[1, 1]
        for matrix in (
            estimators.shrunk_correlation(table).covariance,
            estimators.ledoit_wolf_identity(table).covariance,
        )
    ]
    assert ratios[0] == pytest.approx(1.0, abs=0.02)
    assert ratios[1] < 0.95


def test_a_single_pair_has_nothing_to_be_averaged_with() -> None:
    table = np.random.default_rng(6).normal(size=(20, 2))
    shrunk = estimators.shrunk_correlation(table, target="mean")
    assert shrunk.intensity == 0.0
    assert shrunk.covariance == pytest.approx(estimators.sample_covariance(table))


def test_assets_that_never_move_have_no_shrinkage() -> None:
    still = np.ones((4, 2))
    assert estimators.ledoit_wolf_identity(still).intensity == 0.0
    with pytest.raises(BadData, match="two assets that move"):
        estimators.shrunk_correlation(still)


def test_inputs_that_cannot_be_are_refused() -> None:
    for call in (
        lambda: estimators.per_year(-1.0, step_s=1.0),
        lambda: estimators.per_year(1.0, step_s=0.0),
        lambda: bars_of([1.0, 2.0], per_bar=0),
        lambda: estimators.close_to_close([1.0, 2.0]),
        lambda: estimators.close_to_close([1.0, 2.0, -1.0]),
        lambda: estimators.decay_of(half_life_s=0.0, step_s=1.0),
        lambda: estimators.decay_of(half_life_s=1.0, step_s=nan),
        lambda: ewma_variance([1.0], decay=1.0),
        lambda: ewma_variance([], decay=0.5),
        lambda: ewma_variance([nan], decay=0.5),
        lambda: ewma_variance([[1.0]], decay=0.5),
        lambda: estimators.without_stale([1.0, 2.0], [1.0]),
        lambda: estimators.without_stale([1.0, 1.0], [1.0, 2.0]),
        lambda: estimators.without_stale([1.0, 2.0], [1.0, 0.0]),
        lambda: bipower([1.0, 2.0]),
        lambda: bipower([1.0, 2.0, 3.0], [1.0, 2.0]),
        lambda: bipower([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]),
        lambda: estimators.sample_covariance([1.0, 2.0, 3.0]),
        lambda: estimators.sample_covariance([[1.0], [2.0]]),
        lambda: estimators.sample_covariance([[1.0], [2.0], [inf]]),
        lambda: estimators.shrunk_correlation([[1.0], [2.0], [3.0]]),
    ):
        with pytest.raises(BadData):
            call()
