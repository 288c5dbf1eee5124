"""The bands in arrays are those of the scalar code, element by element."""

from collections.abc import Callable
from itertools import product
from math import inf, nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core import band as scalar
from keeper.core import band_corrections as corrections
from keeper.core.arrays import Floats
from keeper.core.band_vectors import (
    BLOCK,
    Bands,
    GasRegimes,
    Situations,
    check_shifts,
    corrected_bands,
    least_of,
    optimal_bands,
    pace_years,
    paces,
    remaining_lives,
)
from keeper.core.gas_regime import GasRegime
from keeper.core.policies import Situation, optimal
from keeper.model.errors import BadData
from keeper.model.flow import Band
from keeper.model.strategies import Optimal

COUNT = 40
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=25, deadline=None)
SWITCHES = [
    Optimal(smooth_gamma=smooth, horizon_guard=guard, check_shift=shift, gas_regimes=gas)
    for smooth, guard, shift, gas in product((True, False), repeat=4)
]


def powers(rng: np.random.Generator, low: float, high: float) -> Floats:
    return 10.0 ** rng.uniform(low, high, COUNT)


def some(rng: np.random.Generator, values: Floats) -> Floats:
    """Return *values* with a quarter of them zero."""
    return np.where(rng.random(COUNT) < 0.25, 0.0, values)


def same(ours: Floats, theirs: list[float], scale: Floats | float = 0.0) -> None:
    """1e-12 relative; or of *scale*, the size of what cancels."""
    allowed = 1e-12 * np.maximum(np.abs(theirs), scale) + 1e-300
    assert np.all(np.abs(ours - theirs) <= allowed)


def costs(rng: np.random.Generator, *, impact: bool) -> dict[str, Floats]:
    return {
        "sigma_x": some(rng, powers(rng, -3, 4)),
        "risk_weight": powers(rng, -5, 4),
        "fixed_cost": some(rng, powers(rng, -4, 3)),
        "prop_cost": some(rng, powers(rng, -4, 2)),
        "impact": some(rng, powers(rng, -5, 1)) if impact else np.zeros(COUNT),
    }


# the stationary band


@pytest.mark.parametrize("impact", [False, True])
@FEW
@given(seed=SEEDS)
def test_each_band_is_that_of_the_scalar_code(seed: int, *, impact: bool) -> None:
    given = costs(np.random.default_rng(seed), impact=impact)
    ours = optimal_bands(**given)
    for i in range(COUNT):
        one = scalar.optimal_band(**{name: float(part[i]) for name, part in given.items()})
        for name in Bands._fields:
            assert getattr(ours, name)[i] == pytest.approx(getattr(one, name), rel=1e-12, abs=0)


def test_a_band_worked_by_hand() -> None:
    # κ = 12: Whalley and Wilmott's 1.5^⅓, and the quartic root of 12 without a fee.
    ours = optimal_bands(1.0, 1.0, [0.0, 1.0, 1.0], [1.0, 0.0, 1.0])
    assert ours.outer == pytest.approx([1.5 ** (1 / 3), 12**0.25, 2.1647215717171507], rel=1e-14)
    assert ours.inner == pytest.approx([1.5 ** (1 / 3), 0.0, 0.51681537440127614], rel=1e-14)
    assert ours.cost_rate_usd[2] == pytest.approx(1.0119798339728, rel=1e-12)


def test_numbers_and_arrays_broadcast() -> None:
    one = optimal_bands(1.0, 1.0, 1.0, 1.0)
    assert one.outer.shape == ()
    table = optimal_bands([[1.0], [2.0]], 1.0, [1.0, 2.0, 3.0], 1.0, [[0.1], [0.0]])
    assert all(part.shape == (2, 3) for part in table)
    assert table.outer[1, 2] == pytest.approx(
        scalar.optimal_band(sigma_x=2, risk_weight=1, fixed_cost=3, prop_cost=1).outer, rel=1e-12
    )
    assert optimal_bands(np.array([]), 1.0, 1.0, 1.0).outer.shape == (0,)


@pytest.mark.parametrize("impact", [0.0, 0.3])
def test_blocks_leave_no_seam(impact: float) -> None:
    fixed = np.linspace(0.1, 9.0, 2 * BLOCK + 7)
    ours = optimal_bands(1.0, 1.0, fixed, 1.0, impact)
    assert np.all(np.diff(ours.outer) > 0)
    for index in (0, BLOCK - 1, BLOCK, 2 * BLOCK, -1):
        one = optimal_bands(1.0, 1.0, fixed[index], 1.0, impact)
        assert ours.outer[index] == pytest.approx(float(one.outer), rel=1e-14)


@pytest.mark.parametrize("impact", [0.0, 0.3])
def test_no_costs_are_no_band_even_beside_others(impact: float) -> None:
    ours = optimal_bands([1.0, 0.0, 1.0], 1.0, [0.0, 1.0, 1.0], [0.0, 1.0, 1.0], impact)
    assert ours.outer[:2].tolist() == ours.inner[:2].tolist() == [0.0, 0.0]
    assert ours.outer[2] > 1.0


@pytest.mark.parametrize("bad", [-1.0, nan, inf])
@pytest.mark.parametrize("place", range(5))
def test_one_bad_number_among_many_is_bad_data(place: int, bad: float) -> None:
    parts: list[Any] = [[1.0, 1.0]] * 5
    parts[place] = [1.0, bad]
    with pytest.raises(BadData, match="finite numbers") as caught:
        optimal_bands(*parts)
    assert caught.value.remedy


def test_a_weightless_risk_is_bad_data() -> None:
    with pytest.raises(BadData, match="risk weights above zero"):
        optimal_bands(1.0, [1.0, 0.0], 1.0, 1.0)


@pytest.mark.parametrize("impact", [0.0, 1e-3])
@pytest.mark.parametrize(("sigma_x", "weight"), [(1e200, 1e-200), (1e160, 1.0)])
def test_a_band_beyond_all_numbers_is_bad_data(
    sigma_x: float, weight: float, impact: float
) -> None:
    with pytest.raises(BadData, match="band is not finite"):
        optimal_bands([1.0, sigma_x], [1.0, weight], 1.0, 1.0, impact)
    with pytest.raises(BadData, match="band is not finite"):
        scalar.optimal_band(
            sigma_x=sigma_x, risk_weight=weight, fixed_cost=1.0, prop_cost=1.0, impact=impact
        )


# the corrections


def bands(rng: np.random.Generator) -> tuple[Bands, list[Band]]:
    outer, rate = some(rng, powers(rng, -6, 6)), powers(rng, -3, 6)
    inner = outer * np.where(rng.random(COUNT) < 0.2, 1.0, rng.random(COUNT))
    apart = [Band(float(o), float(i), float(r)) for o, i, r in zip(outer, inner, rate, strict=True)]
    return Bands(outer, inner, rate), apart


def assert_same(ours: Bands, theirs: list[Band], scale: Floats | float = 0.0) -> None:
    for name in Bands._fields:
        same(getattr(ours, name), [getattr(one, name) for one in theirs], scale)


@FEW
@given(SEEDS)
def test_remaining_lives_are_those_of_the_scalar_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    together, apart = bands(rng)
    given = {
        "prop_cost": some(rng, powers(rng, -4, 2)),
        "fixed_cost": some(rng, powers(rng, -4, 3)),
        "risk_weight": powers(rng, -5, 4),
        "horizon_years": powers(rng, -5, 1),
        "impact": some(rng, powers(rng, -5, 1)),
    }
    theirs = []
    for i, band in enumerate(apart):
        one = {name: float(part[i]) for name, part in given.items()}
        if not one["fixed_cost"]:
            one["impact"] = 0.0
        least = scalar.horizon_guard(Band(0.0, 0.0), **one)
        theirs.append(corrections.remaining_life(band, least))
    # outer − inner, which both are cut into, cancels.
    assert_same(remaining_lives(together, least_of(**given)), theirs, 10 * together.outer)


@pytest.mark.parametrize("bad", [0.0, -1.0, nan])
def test_no_horizon_is_bad_data(bad: float) -> None:
    with pytest.raises(BadData, match="horizons"):
        least_of(prop_cost=1.0, fixed_cost=1.0, risk_weight=1.0, horizon_years=[1.0, bad])


@FEW
@given(SEEDS)
def test_check_shifts_are_those_of_the_scalar_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    together, apart = bands(rng)
    sigma_x, check_years = some(rng, powers(rng, -3, 4)), some(rng, powers(rng, -7, -2))
    theirs = [
        corrections.check_shift(band, sigma_x=float(sigma_x[i]), check_years=float(check_years[i]))
        for i, band in enumerate(apart)
    ]
    ours = check_shifts(together, sigma_x=sigma_x, check_years=check_years)
    assert_same(ours, theirs, together.outer)


@FEW
@given(SEEDS)
def test_the_times_of_paces_are_those_of_the_scalar_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    together, apart = bands(rng)
    sigma_x = some(rng, powers(rng, -3, 4))
    check_years, remaining_years = some(rng, powers(rng, -7, -2)), powers(rng, -5, 1)
    theirs = [
        corrections.pace_years(
            band,
            sigma_x=float(sigma_x[i]),
            check_years=float(check_years[i]),
            remaining_years=float(remaining_years[i]),
        )
        for i, band in enumerate(apart)
    ]
    ours = pace_years(
        together, sigma_x=sigma_x, check_years=check_years, remaining_years=remaining_years
    )
    same(ours, theirs)


@FEW
@given(SEEDS)
def test_paces_are_those_of_the_scalar_code(seed: int) -> None:
    rng = np.random.default_rng(seed)
    price, sigma, years = powers(rng, -2, 5), rng.uniform(0.1, 3.0, COUNT), powers(rng, -5, 0)
    ours = paces(lambda p, t: 1e3 / np.sqrt(p) - t, price=price, sigma=sigma, years=years)
    for i in range(COUNT):
        one = corrections.pace(
            lambda p, t: 1e3 / sqrt(p) - t,
            price=float(price[i]),
            sigma=float(sigma[i]),
            years=float(years[i]),
        )
        # A move is the difference of two deltas: their roundings stay.
        rounding = 1e-15 * (1e3 / sqrt(price[i]) + years[i])
        assert ours.sigma_x[i] == pytest.approx(
            one.sigma_x, rel=1e-12, abs=rounding / sqrt(years[i])
        )
        assert ours.mean_move[i] == pytest.approx(one.mean_move, rel=1e-12, abs=10 * rounding)


def test_deltas_are_asked_for_in_one_shape() -> None:
    shapes = set()

    def deltas_at(prices: Floats, years: Floats) -> Floats:
        shapes.add((prices.shape, years.shape))
        return prices - prices * years

    paces(deltas_at, price=[1.0, 2.0, 3.0], sigma=0.8, years=[[0.1], [0.2]])
    assert shapes == {((2, 3), (2, 3))}


# all of it


class Drawn:
    """Situations in arrays, and one by one."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.price, self.sigma = powers(rng, 0, 5), rng.uniform(0.1, 3.0, COUNT)
        self.liquidity = some(rng, powers(rng, 0, 4)) * np.sqrt(self.price)
        self.lower = self.price * rng.uniform(0.5, 1.05, COUNT)
        self.upper = self.lower * rng.uniform(1.01, 2.0, COUNT)
        inside = (self.price > self.lower) & (self.price < self.upper)
        self.gamma = np.where(inside, -0.5 * self.liquidity / self.price**1.5, 0.0)
        self.risk_weight = powers(rng, -7, -3) * (self.price * self.sigma) ** 2
        self.fixed_usd = some(rng, powers(rng, -2, 3))
        self.prop_usd = some(rng, powers(rng, -5, -2)) * self.price
        self.impact_usd = some(rng, powers(rng, -8, -4)) * self.price
        self.remaining_years, self.check_years = powers(rng, -3, 0), some(rng, powers(rng, -6, -3))
        self.cheap_usd = some(rng, powers(rng, -2, 2))
        self.expensive_usd = self.cheap_usd * rng.uniform(1.0, 50.0, COUNT)
        self.expensive_now = rng.random(COUNT) < 0.5
        self.expensive_years = powers(rng, -4, -1)

    def deltas_at(self, prices: Floats, years: Floats) -> Floats:
        del years
        within = np.minimum(np.maximum(prices, self.lower), self.upper)
        return self.liquidity * (1 / np.sqrt(within) - 1 / np.sqrt(self.upper))

    def delta_at(self, i: int) -> Callable[[float, float], float]:
        lower, upper = float(self.lower[i]), float(self.upper[i])
        size = float(self.liquidity[i])
        return lambda price, _: size * (1 / sqrt(min(max(price, lower), upper)) - 1 / sqrt(upper))

    def held(self, i: int) -> float:
        """Return the largest delta that the range may have."""
        return float(self.liquidity[i] / np.sqrt(self.lower[i]))

    def before(self, i: int) -> Band:
        """Return the band before edges are moved in."""
        return optimal(self.apart(i), Optimal(check_shift=False)).band

    def together(self) -> Situations:
        return Situations(
            self.price,
            self.sigma,
            self.gamma,
            self.risk_weight,
            self.fixed_usd,
            self.prop_usd,
            self.impact_usd,
            self.remaining_years,
            self.check_years,
            deltas_at=self.deltas_at,
            gas=GasRegimes(
                self.cheap_usd, self.expensive_usd, self.expensive_now, self.expensive_years
            ),
        )

    def apart(self, i: int) -> Situation:
        numbers = {name: float(getattr(self, name)[i]) for name in NUMBERS}
        return Situation(
            **numbers,
            net=0.0,
            delta=0.0,
            delta_at=self.delta_at(i),
            gas=GasRegime(
                cheap_usd=float(self.cheap_usd[i]),
                expensive_usd=float(self.expensive_usd[i]),
                expensive_now=bool(self.expensive_now[i]),
                expensive_years=float(self.expensive_years[i]),
            ),
        )


NUMBERS = (
    "price", "sigma", "gamma", "risk_weight", "fixed_usd", "prop_usd", "impact_usd",
    "remaining_years", "check_years",
)  # fmt: skip


@pytest.mark.parametrize("using", SWITCHES, ids=str)
@settings(max_examples=5, deadline=None)
@given(seed=SEEDS)
def test_each_corrected_band_is_that_of_the_policy(using: Optimal, seed: int) -> None:
    drawn = Drawn(seed)
    ours = corrected_bands(drawn.together(), using)
    for i in range(COUNT):
        one = optimal(drawn.apart(i), using).band
        # An edge that is moved in leaves the roundings of where it was; and a pace that is measured
        # leaves those of the deltas whose difference a move is.
        scale = max(one.outer, drawn.before(i).outer)
        rounding = 1e-12 * scale + 2e-14 * drawn.held(i) * using.smooth_gamma
        assert abs(ours.outer[i] - one.outer) <= rounding
        assert abs(ours.inner[i] - one.inner) <= rounding
        rate = one.cost_rate_usd
        assert (
            abs(ours.cost_rate_usd[i] - rate) <= 3 * rate * rounding / scale if scale else not rate
        )


def test_without_a_curve_or_gas_there_is_less_to_correct() -> None:
    plain = Situations(3_000.0, 0.8, -0.12, 57.6, [5.0, 50.0], 1.8, 0.0, 30 / 365, 1e-4)
    ours = corrected_bands(plain, Optimal())
    for i, fixed_usd in enumerate((5.0, 50.0)):
        at = Situation(
            price=3_000.0, sigma=0.8, net=0.0, delta=0.0, gamma=-0.12, risk_weight=57.6,
            fixed_usd=fixed_usd, prop_usd=1.8, impact_usd=0.0, remaining_years=30 / 365,
            check_years=1e-4,
        )  # fmt: skip
        assert ours.outer[i] == pytest.approx(optimal(at).band.outer, rel=1e-12)
        assert ours.inner[i] == pytest.approx(optimal(at).band.inner, rel=1e-12)


@pytest.mark.parametrize("using", SWITCHES, ids=str)
def test_any_one_part_may_be_the_array(using: Optimal) -> None:
    numbers = (3_000.0, 0.8, -0.12, 57.6, 5.0, 1.8, 0.01, 30 / 365, 1e-4)
    gas = GasRegimes(2.0, 50.0, expensive_now=True, expensive_years=1e-3)

    def deltas_at(prices: Floats, years: Floats) -> Floats:
        return 4e4 / np.sqrt(prices) - years

    alone = corrected_bands(Situations(*numbers, deltas_at, gas), using)
    for place in range(len(numbers)):
        parts: list[Any] = list(numbers)
        parts[place] = np.array([numbers[place], 1.3 * numbers[place]])
        ours = corrected_bands(Situations(*parts)._replace(deltas_at=deltas_at, gas=gas), using)
        for name in ("outer", "inner"):
            found = np.broadcast_to(getattr(ours, name), (2,))
            assert found[0] == pytest.approx(float(getattr(alone, name)), rel=1e-12)
    dear = gas._replace(expensive_now=[True, False])
    mixed = corrected_bands(Situations(*numbers, deltas_at, dear), using)
    assert np.broadcast_to(mixed.outer, (2,))[0] == pytest.approx(float(alone.outer), rel=1e-12)


def test_nonsense_is_bad_data_before_anything_is_divided_by_it() -> None:
    sound = Situations(3_000.0, 0.8, -0.12, 57.6, 5.0, 1.8, 0.0, 30 / 365, 1e-4)
    for bad in (sound._replace(risk_weight=0.0), sound._replace(fixed_usd=-1.0)):
        with pytest.raises(BadData, match="finite numbers"):
            corrected_bands(bad, Optimal())
