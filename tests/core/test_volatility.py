from math import exp, inf, log, nan, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.volatility import fold, sigma
from keeper.model.errors import BadData
from keeper.model.flow import VolState
from keeper.model.market import Quote
from keeper.model.units import YEAR_S

HOUR_S = 3600
START_S = 1_700_000_000


def quote(price: float, at_s: int) -> Quote:
    return Quote(source="feed", price=price, updated_at_s=at_s, max_age_s=HOUR_S)


def folded(rounds: list[tuple[float, int]], half_life_s: float = 24 * HOUR_S) -> VolState:
    state: VolState | None = None
    for price, at_s in rounds:
        state = fold(state, quote(price, START_S + at_s), half_life_s=half_life_s)
    assert state is not None
    return state


def test_the_first_round_says_nothing_about_volatility() -> None:
    state = folded([(3000.0, 0)])
    assert state == VolState(variance_per_year=0.0, price=3000.0, updated_at_s=START_S, weight=0.0)
    assert sigma(state, 0.3) == pytest.approx(0.3)


def test_without_any_round_the_floor_is_used() -> None:
    assert sigma(None, 0.3) == 0.3


def test_the_first_return_is_the_whole_estimate() -> None:
    state = folded([(3000.0, 0), (3000.0 * exp(0.01), 12 * HOUR_S)])
    # 0.01² in half a day; a quarter-power of ½ is left of the weight of ignorance.
    assert state.variance_per_year == pytest.approx(1e-4 * 730)
    assert state.weight == pytest.approx(1 - sqrt(0.5))
    assert state.price == pytest.approx(3000.0 * exp(0.01))
    assert state.updated_at_s == START_S + 12 * HOUR_S


def test_two_returns_worked_by_hand() -> None:
    state = folded([(1.0, 0), (exp(0.02), 24 * HOUR_S), (exp(0.03), 48 * HOUR_S)])
    # Weights ¼ and ½ of the variances 0.02²·365 and 0.01²·365.
    assert state.weight == pytest.approx(0.75)
    assert state.variance_per_year == pytest.approx((0.25 * 4e-4 + 0.5 * 1e-4) / 0.75 * 365)


def test_the_floor_stands_in_for_the_missing_weight() -> None:
    state = VolState(variance_per_year=0.64, price=1.0, updated_at_s=0, weight=0.25)
    assert sigma(state, 0.4) == pytest.approx(sqrt(0.25 * 0.64 + 0.75 * 0.16))
    assert sigma(state, 0.8) == pytest.approx(0.8)
    assert sigma(state, 0.9) == 0.9


def test_a_full_weight_needs_no_floor() -> None:
    state = VolState(variance_per_year=0.64, price=1.0, updated_at_s=0)
    assert sigma(state, 0.3) == pytest.approx(0.8)


def test_a_round_that_did_not_change_changes_nothing() -> None:
    state = folded([(3000.0, 0), (3030.0, HOUR_S)])
    assert fold(state, quote(3030.0, START_S + HOUR_S), half_life_s=HOUR_S) is state
    assert fold(state, quote(9999.0, START_S), half_life_s=HOUR_S) is state


def test_a_second_round_in_the_same_second_waits_for_the_next_return() -> None:
    skipped = folded([(3000.0, 0), (3100.0, 0), (3200.0, HOUR_S)])
    assert skipped == folded([(3000.0, 0), (3200.0, HOUR_S)])


def test_a_heartbeat_without_a_move_lowers_the_estimate() -> None:
    moved = folded([(3000.0, 0), (3030.0, HOUR_S)])
    still = folded([(3000.0, 0), (3030.0, HOUR_S), (3030.0, 2 * HOUR_S)])
    assert still.variance_per_year == pytest.approx(moved.variance_per_year / 2, rel=0.02)


@given(st.lists(st.integers(1, 86_400), min_size=1, max_size=30), st.floats(0.1, 2.0))
def test_even_variance_is_found_however_uneven_the_rounds(gaps: list[int], vol: float) -> None:
    rounds, at_s, log_price = [(1.0, 0)], 0, 0.0
    for turn, gap in enumerate(gaps):
        at_s += gap
        log_price += (-1) ** turn * vol * sqrt(gap / YEAR_S)
        rounds.append((exp(log_price), at_s))
    state = folded(rounds)
    assert state.variance_per_year == pytest.approx(vol**2, rel=1e-6)
    assert state.weight == pytest.approx(1 - 0.5 ** (at_s / (24 * HOUR_S)))


def test_old_returns_fade_by_half_every_half_life() -> None:
    calm = [(1.0, hour * HOUR_S) for hour in range(1, 2000)]
    shock = [(1.0, -HOUR_S), (exp(0.05), 0), (exp(0.05), 24 * HOUR_S)]
    one = folded([(1.0, -2000 * HOUR_S), *((p, t - 2001 * HOUR_S) for p, t in calm), *shock])
    two = folded(
        [
            (1.0, -2000 * HOUR_S),
            *((p, t - 2001 * HOUR_S) for p, t in calm),
            *shock,
            (exp(0.05), 48 * HOUR_S),
        ]
    )
    assert two.variance_per_year == pytest.approx(one.variance_per_year / 2, rel=1e-9)
    assert one.weight <= 1.0


def test_a_random_walk_gives_its_volatility_back() -> None:
    random = Random(7)  # noqa: S311  # the same walk every time
    rounds, at_s, log_price = [(3000.0, 0)], 0, log(3000.0)
    for _ in range(20_000):
        gap = random.choice((12, 60, 300, 3600))
        at_s += gap
        log_price += 0.8 * sqrt(gap / YEAR_S) * random.gauss(0, 1)
        rounds.append((exp(log_price), at_s))
    state = folded(rounds, half_life_s=30 * 24 * HOUR_S)
    assert sigma(state, 0.1) == pytest.approx(0.8, rel=0.05)


@given(st.lists(st.tuples(st.floats(1.0, 1e5), st.integers(1, 10**7)), max_size=20))
def test_the_weight_stays_a_share_and_sigma_at_least_the_floor(
    moves: list[tuple[float, int]],
) -> None:
    rounds, at_s = [(100.0, 0)], 0
    for price, gap in moves:
        at_s += gap
        rounds.append((price, at_s))
    state = folded(rounds, half_life_s=HOUR_S)
    assert 0.0 <= state.weight <= 1.0
    assert sigma(state, 0.25) >= 0.25


@pytest.mark.parametrize("price", [0.0, -1.0, nan, inf])
def test_an_impossible_price_is_bad_data(price: float) -> None:
    with pytest.raises(BadData, match="price"):
        fold(None, quote(price, START_S), half_life_s=HOUR_S)


def test_small_prices_and_short_half_lives_are_possible() -> None:
    state = folded([(1e-6, 0), (1e-6 * exp(0.01), 1)], half_life_s=0.5)
    assert state.weight == pytest.approx(0.75)
    assert state.variance_per_year == pytest.approx(1e-4 * YEAR_S)


@pytest.mark.parametrize("half_life_s", [0.0, -1.0, nan, inf])
def test_an_impossible_half_life_is_bad_data(half_life_s: float) -> None:
    with pytest.raises(BadData, match="half-life"):
        fold(None, quote(1.0, START_S), half_life_s=half_life_s)
