"""What the keeper learns of cheap and dear gas, look by look."""

from math import inf, log, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.gas_regime import (
    HALF_LIFE_S,
    LONGEST_GAP_S,
    GasRegime,
    estimate,
    fold,
    regime,
)
from keeper.model.errors import BadData
from keeper.model.flow import Costs, GasState
from keeper.model.units import YEAR_S

HOUR_S = 3_600
CHEAP, DEAR = 2e9, 50e9
HISTORIES = st.lists(
    st.tuples(st.integers(1, 10 * HOUR_S), st.floats(1e6, 1e12)), min_size=1, max_size=60
).map(lambda steps: [(sum(s for s, _ in steps[: i + 1]), p) for i, (_, p) in enumerate(steps)])


def costs(fixed_usd: float, gas_price_wei: int) -> Costs:
    return Costs(100_000, gas_price_wei, fixed_usd, proportional_rate=0.0, impact_per_base=0.0)


def seen(*spells: tuple[float, int], start_s: int = 0) -> GasState:
    """Return the state after looks every hour: (price, hours) each."""
    prices = [price for price, hours in spells for _ in range(hours)]
    state = estimate((start_s + i * HOUR_S, price) for i, price in enumerate(prices))
    assert state is not None
    return state


def known(state: GasState) -> GasRegime:
    found = regime(state, costs(2.0, int(CHEAP)))
    assert found is not None
    return found


def test_without_a_look_nothing_is_known() -> None:
    assert estimate([]) is None


def test_one_level_alone_is_no_regime() -> None:
    state = seen((CHEAP, 48))
    assert not state.dear
    assert state.cheap_log == pytest.approx(log(CHEAP))
    assert regime(state, costs(2.0, int(CHEAP))) is None


def test_dear_gas_that_was_never_seen_to_end_is_no_regime() -> None:
    state = seen((CHEAP, 18), (DEAR, 6))
    assert state.dear
    assert regime(state, costs(50.0, int(DEAR))) is None


def test_a_regime_worked_by_hand() -> None:
    # 18 h cheap, 6 h dear, cheap again. Spells are minutes long beside the half-life of a week, so
    # the dear time is 6 h less what the decay took, and it ended once.
    found = known(seen((CHEAP, 18), (DEAR, 6), (CHEAP, 1)))
    assert found.cheap_usd == pytest.approx(2.0, rel=1e-12)
    assert found.expensive_usd == pytest.approx(50.0, rel=1e-12)
    assert not found.expensive_now
    kept = sum(0.5 ** (hours * HOUR_S / HALF_LIFE_S) for hours in range(6))
    assert found.expensive_years == pytest.approx(kept * HOUR_S / YEAR_S, rel=1e-12)


def test_a_keeper_that_starts_in_dear_gas_learns_so_at_its_end() -> None:
    state = seen((DEAR, 6), (CHEAP, 2))
    found = known(state)
    assert (state.dear, state.falls > 0.99) == (False, True)
    assert found.expensive_usd == pytest.approx(50.0, rel=1e-12)
    assert found.expensive_years == pytest.approx(6 * HOUR_S / YEAR_S, rel=0.03)


def test_the_mean_time_of_dear_gas_is_its_time_over_its_ends() -> None:
    state = seen(*[(CHEAP, 18), (DEAR, 6)] * 30, (CHEAP, 1))
    assert known(state).expensive_years * YEAR_S == pytest.approx(6 * HOUR_S, rel=0.02)


def test_money_is_counted_at_the_price_of_the_trade() -> None:
    # The trade was priced at 10 gwei, the state's own look at 2: the levels do not move by that.
    state = seen((CHEAP, 18), (DEAR, 6), (CHEAP, 1))
    found = regime(state, costs(10.0, 10 * 10**9))
    assert found is not None
    assert (found.cheap_usd, found.expensive_usd) == pytest.approx((2.0, 50.0))


def test_free_gas_is_free_at_both_levels() -> None:
    found = regime(seen((CHEAP, 18), (DEAR, 6), (CHEAP, 1)), costs(0.0, 0))
    assert found is not None
    assert (found.cheap_usd, found.expensive_usd) == (0.0, 0.0)


def test_noise_around_the_middle_changes_nothing() -> None:
    middle = (CHEAP * DEAR) ** 0.5
    cheap = seen((CHEAP, 18), (DEAR, 6), (CHEAP, 1), (middle * 1.2, 1))
    dear = seen((CHEAP, 18), (DEAR, 6), (CHEAP, 1), (DEAR, 1), (middle / 1.2, 1))
    assert not cheap.dear
    assert dear.dear
    # The zone is ±⅛ of the way from one level to the other: a factor of 1.5 here.
    assert seen((CHEAP, 18), (DEAR, 6), (CHEAP, 1), (middle * 1.6, 1)).dear
    assert not seen((CHEAP, 18), (DEAR, 6), (CHEAP, 1), (DEAR, 1), (middle / 1.6, 1)).dear


@pytest.mark.parametrize(("times", "dear"), [(1.99, False), (2.01, True)])
def test_the_first_dear_price_is_twice_a_cheap_one(times: float, *, dear: bool) -> None:
    assert seen((CHEAP, 3), (CHEAP * times, 1)).dear is dear


@pytest.mark.parametrize(("times", "ended"), [(0.51, 0.0), (0.49, 1.0)])
def test_half_the_price_says_that_it_was_dear_before(times: float, ended: float) -> None:
    assert seen((CHEAP, 3), (CHEAP * times, 1)).falls == ended


def test_levels_that_are_not_twice_apart_are_one() -> None:
    state = seen((CHEAP, 18), (CHEAP * 2.5, 1), (CHEAP * 1.1, 1))
    near = seen((CHEAP, 18), (CHEAP * 2.5, 1), (CHEAP * 1.9, 40), (CHEAP * 1.1, 1))
    assert regime(state, costs(2.0, int(CHEAP))) is not None
    assert near.falls > 0.5
    assert regime(near, costs(2.0, int(CHEAP))) is None


def test_what_happened_between_two_far_looks_is_not_made_up() -> None:
    before = seen((CHEAP, 18), (DEAR, 6))
    after = fold(before, CHEAP, before.at_s + LONGEST_GAP_S + 1)
    assert not after.dear
    assert (after.dear_s, after.falls) == (before.dear_s, before.falls)
    # One second less, and it is counted.
    counted = fold(before, CHEAP, before.at_s + LONGEST_GAP_S)
    assert counted.dear_s > before.dear_s
    assert counted.falls == pytest.approx(1.0)


def test_dear_gas_that_lasted_no_time_is_never_waited_out() -> None:
    # A first look, a long night, half the price, and a jump: that dear gas ends, nobody has seen.
    state = estimate([(0, 100e9), (LONGEST_GAP_S + 1, 10e9), (LONGEST_GAP_S + 13, 30e9)])
    assert state is not None
    assert (state.dear, state.dear_s, state.falls) == (True, 0.0, 0.0)
    assert regime(state, costs(30.0, 30 * 10**9)) is None
    # Not even from a state that claims an end without a time.
    claimed = GasState(0, 30e9, True, log(10e9), log(30e9), 12.0, 0.0, 1.0)  # noqa: FBT003  # the state's own order
    assert regime(claimed, costs(30.0, 30 * 10**9)) is None


def test_old_times_fade_by_half_in_a_half_life() -> None:
    # Looks six hours apart, so that a week without dear gas is 28 of them.
    state = seen((CHEAP, 2), (DEAR, 2), (CHEAP, 1))
    later = state
    for step in range(1, 29):
        later = fold(later, CHEAP, state.at_s + step * LONGEST_GAP_S)
    assert later.dear_s == pytest.approx(0.5 * state.dear_s, rel=1e-9)
    assert later.falls == pytest.approx(0.5 * state.falls, rel=1e-9)
    assert later.dear_log == state.dear_log


@given(HISTORIES, st.integers(0, 10**6), st.floats(1e6, 1e12))
def test_a_look_that_is_not_later_changes_nothing(
    history: list[tuple[int, float]], back_s: int, price_wei: float
) -> None:
    state = estimate(history)
    assert state is not None
    assert fold(state, price_wei, state.at_s - back_s) is state


@given(HISTORIES)
def test_whatever_is_seen_a_regime_is_two_levels_and_a_time(
    history: list[tuple[int, float]],
) -> None:
    state = estimate(history)
    assert state is not None
    lowest, highest = (pick(price for _, price in history) for pick in (min, max))
    for level in (state.cheap_log, state.dear_log):
        assert log(lowest) - 1e-9 <= level <= log(highest) + 1e-9
    found = regime(state, costs(3.0, 10**9))
    if found is not None:
        assert 0.0 < 1.999 * found.cheap_usd <= found.expensive_usd
        assert 0.0 < found.expensive_years < inf


@pytest.mark.parametrize("unit", [1e-3, 7.0, 1e6])
def test_only_the_ratio_of_prices_counts(unit: float) -> None:
    spells = ((CHEAP, 18), (DEAR, 6), (CHEAP * 1.3, 4), (DEAR * 0.7, 2), (CHEAP, 1))
    here = known(seen(*spells))
    there = regime(
        seen(*((price * unit, hours) for price, hours in spells)), costs(2.0, int(CHEAP * unit))
    )
    assert there is not None
    assert there.expensive_now == here.expensive_now
    for name in ("cheap_usd", "expensive_usd", "expensive_years"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), rel=1e-12)


@pytest.mark.parametrize("bad", [0.0, -1.0, nan, inf])
def test_a_price_of_gas_that_is_none_is_bad_data(bad: float) -> None:
    with pytest.raises(BadData, match="price of gas"):
        fold(None, bad, 0)
    with pytest.raises(BadData, match="price of gas"):
        fold(seen((CHEAP, 2)), bad, 10**6)
