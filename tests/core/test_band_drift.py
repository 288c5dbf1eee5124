"""The band under drift and carry: vectors, the driftless and the one-sided limit, optimality."""

from itertools import pairwise
from math import cbrt, inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.band import optimal_band
from keeper.core.band_drift import DriftBand, Drifting, optimal_band_drift
from keeper.model.errors import BadData
from tests.core.draws import powers
from tests.core.vectors import rows

EDGES = ("b_minus", "a_minus", "a_plus", "b_plus", "cost_rate_rho")


PROBLEMS = st.builds(
    Drifting,
    sigma_x=powers(-1, 3),
    risk_weight=powers(-3, 3),
    fixed_cost=st.just(0.0) | powers(-3, 2),
    prop_cost=powers(-2, 2),
    drift=st.just(0.0),
)
PULLS = st.floats(0.01, 2.0)
"""|μ|·b/σx², b the driftless outer edge."""


FEW = settings(max_examples=25, deadline=None)


def still_outer(problem: Drifting) -> float:
    return optimal_band(
        sigma_x=problem.sigma_x,
        risk_weight=problem.risk_weight,
        fixed_cost=problem.fixed_cost,
        prop_cost=problem.prop_cost,
    ).outer


def pulled(problem: Drifting, pull: float) -> Drifting:
    return problem._replace(drift=pull * problem.sigma_x**2 / still_outer(problem))


def width(band: DriftBand) -> float:
    return band.upper_outer - band.lower_outer


@pytest.mark.parametrize(
    "row", rows("qvi_bands_drift.csv"), ids=lambda row: "-".join(map(str, list(row.values())[2:6]))
)
def test_the_band_agrees_with_the_reference(row: dict[str, float]) -> None:
    problem = Drifting(
        row["sigma_x"], row["risk_weight_q"], row["fixed_cost"], row["prop_cost"], row["drift_mu"]
    )
    found = optimal_band_drift(problem, carry=row["linear_carry"])
    assert found == pytest.approx([row[name] for name in EDGES], rel=1e-10, abs=0)


@given(PROBLEMS)
def test_without_drift_it_is_the_symmetric_band(problem: Drifting) -> None:
    still = optimal_band(
        sigma_x=problem.sigma_x,
        risk_weight=problem.risk_weight,
        fixed_cost=problem.fixed_cost,
        prop_cost=problem.prop_cost,
    )
    assert optimal_band_drift(problem) == DriftBand(
        -still.outer, -still.inner, still.inner, still.outer, still.cost_rate_usd
    )


@FEW
@given(PROBLEMS)
def test_a_little_drift_moves_the_band_a_little(problem: Drifting) -> None:
    still = optimal_band_drift(problem)
    found = optimal_band_drift(pulled(problem, 1e-7))
    assert found[:4] == pytest.approx(still[:4], abs=1e-5 * still.upper_outer)
    assert found.cost_rate_usd == pytest.approx(still.cost_rate_usd, rel=1e-6)


@FEW
@given(PROBLEMS, PULLS)
def test_a_drift_the_other_way_is_a_mirror(problem: Drifting, pull: float) -> None:
    right = pulled(problem, pull)
    left = optimal_band_drift(right._replace(drift=-right.drift))
    found = optimal_band_drift(right)
    assert left[:4] == tuple(-edge for edge in found[3::-1])
    assert left.cost_rate_usd == found.cost_rate_usd


@FEW
@given(PROBLEMS, PULLS, powers(-3, 3), powers(-3, 3))
def test_units_do_not_matter(problem: Drifting, pull: float, unit: float, money: float) -> None:
    here = pulled(problem, pull)
    there = Drifting(
        here.sigma_x * unit,
        here.risk_weight * money / unit**2,
        here.fixed_cost * money,
        here.prop_cost * money / unit,
        here.drift * unit,
    )
    found, other = optimal_band_drift(here), optimal_band_drift(there)
    scale = 1e-7 * still_outer(here)
    assert [edge / unit for edge in other[:4]] == pytest.approx(list(found[:4]), abs=scale)
    assert other.cost_rate_usd / money == pytest.approx(found.cost_rate_usd, rel=1e-7)


def chain(problem: Drifting, band: DriftBand, nodes: int = 601) -> float:
    """Return the long-run cost of following *band*, by a linear system on a grid, without V."""
    x = np.linspace(band.lower_outer, band.upper_outer, nodes)
    h = x[1] - x[0]
    variance = problem.sigma_x**2
    # Of V and ρ: ½σ²·V″ + μ·V′ − ρ = −½q·x² inside, V(outer) = V(inner) + F + λ·d at the ends.
    system = np.zeros((nodes + 1, nodes + 1))
    right = np.zeros(nodes + 1)
    inside = np.arange(1, nodes - 1)
    system[inside, inside - 1] = 0.5 * variance / h**2 - 0.5 * problem.drift / h
    system[inside, inside] = -variance / h**2
    system[inside, inside + 1] = 0.5 * variance / h**2 + 0.5 * problem.drift / h
    system[inside, nodes] = -1.0
    right[inside] = -0.5 * problem.risk_weight * x[inside] ** 2
    ends = ((0, band.lower_inner), (nodes - 1, band.upper_inner))
    for end, inner in ends:
        system[end, end] = 1.0
        place = (inner - x[0]) / h
        left = int(place)
        system[end, left] -= 1.0 - (place - left)
        system[end, left + 1] -= place - left
        right[end] = problem.fixed_cost + problem.prop_cost * abs(x[end] - inner)
    system[nodes, nodes // 2] = 1.0
    return float(np.linalg.solve(system, right)[nodes])


@pytest.mark.parametrize(
    "problem",
    [
        Drifting(1.0, 1.0, 1.0, 1.0, 0.5),
        Drifting(1.0, 1.0, 0.1, 0.5, 1.0),
        Drifting(2.0, 3.0, 0.5, 0.0, 1.5),
    ],
)
def test_no_other_edges_cost_less(problem: Drifting) -> None:
    band = optimal_band_drift(problem)
    least = chain(problem, band)
    assert least == pytest.approx(band.cost_rate_usd, rel=1e-4)
    for edge in range(4):
        for move in (-0.1, 0.1):
            edges = list(band[:4])
            edges[edge] += move * width(band)
            if all(left < right for left, right in pairwise(edges)):
                assert chain(problem, DriftBand._make([*edges, nan])) > least


@FEW
@given(PROBLEMS, PULLS)
def test_the_edges_are_in_order_and_drift_is_never_free(problem: Drifting, pull: float) -> None:
    found = optimal_band_drift(pulled(problem, pull))
    assert found.lower_outer <= found.lower_inner <= found.upper_inner <= found.upper_outer
    assert found.cost_rate_usd >= optimal_band_drift(problem).cost_rate_usd * (1 - 1e-12)
    # What drifts away is traded earlier, to further on its other side.
    assert abs(found.lower_outer) >= found.upper_outer
    assert found.upper_inner <= optimal_band_drift(problem).upper_inner * (1 + 1e-9)


# no fixed cost


@FEW
@given(PROBLEMS, PULLS)
def test_without_a_fixed_cost_it_trades_to_the_edge(problem: Drifting, pull: float) -> None:
    found = optimal_band_drift(pulled(problem._replace(fixed_cost=0.0), pull))
    assert found.lower_inner == found.lower_outer
    assert found.upper_inner == found.upper_outer


def test_an_edge_without_fixed_cost_worked_by_hand() -> None:
    # g = ∓λ and g′ = 0 at the edges: upper² = 2(ρ − μλ)/q, lower² = 2(ρ + μλ)/q; and the stationary
    # law, density e^(2μx/σ²) between two walls, pays λ·½σ² times its density at either of them.
    found = optimal_band_drift(Drifting(1.0, 1.0, 0.0, 1.0, 0.5))
    low, high, rate = found.lower_outer, found.upper_outer, found.cost_rate_usd
    assert high**2 == pytest.approx(2 * (rate - 0.5), rel=1e-12)
    assert low**2 == pytest.approx(2 * (rate + 0.5), rel=1e-12)
    x = np.linspace(low, high, 20_001)
    density = np.exp(x)
    density /= np.trapezoid(density, x)
    risk = 0.5 * float(np.trapezoid(density * x**2, x))
    assert rate == pytest.approx(risk + 0.5 * (density[0] + density[-1]), rel=1e-7)


def test_where_trades_are_free_there_is_no_band() -> None:
    for drift in (0.0, 1.0, -1.0):
        assert optimal_band_drift(Drifting(1.0, 1.0, 0.0, 0.0, drift)) == DriftBand(0, 0, 0, 0, 0)


# a strong drift


def one_sided(problem: Drifting) -> tuple[float, float, float]:
    """Return centre, width and cost rate of the economic order quantity."""
    layer = problem.sigma_x**2 / (2 * problem.drift)
    lot = cbrt(12 * problem.drift * problem.fixed_cost / problem.risk_weight)
    rate = problem.drift * problem.prop_cost
    return layer, lot, rate + 0.5 * problem.risk_weight * (lot**2 / 4 + layer**2)


def test_a_strong_drift_worked_by_hand() -> None:
    found = optimal_band_drift(Drifting(1.0, 1.0, 1.0, 1.0, 6.0))
    assert found.upper_outer - found.upper_inner == pytest.approx(cbrt(72.0), rel=1e-12)
    assert 0.5 * (found.upper_outer + found.upper_inner) == pytest.approx(1 / 12, rel=1e-12)
    assert found.cost_rate_usd == pytest.approx(
        6 + 0.5 * (cbrt(72.0) ** 2 / 4 + 1 / 144), rel=1e-12
    )
    # What a dynamic programme found, to its six digits.
    assert found.cost_rate_usd == pytest.approx(8.166845, rel=1e-6)


@FEW
@given(PROBLEMS, st.floats(5.0, 1e4))
def test_under_a_strong_drift_it_is_an_economic_order_quantity(
    problem: Drifting, pull: float
) -> None:
    strong = pulled(problem, pull)
    centre, lot, rate = one_sided(strong)
    found = optimal_band_drift(strong)
    assert found.upper_outer - found.upper_inner == pytest.approx(lot, rel=1e-9)
    middle = 0.5 * (found.upper_outer + found.upper_inner)
    assert middle == pytest.approx(centre, rel=1e-9, abs=1e-12 * lot)
    assert found.cost_rate_usd == pytest.approx(rate, rel=1e-12)
    assert found.lower_outer <= found.lower_inner <= found.upper_inner


@pytest.mark.parametrize(("fixed", "around"), [(1.0, 3.9), (1e-3, 2.6), (0.0, 2.6)])
def test_the_two_forms_meet_without_a_jump(fixed: float, around: float) -> None:
    # Near there the six equations give way to the one-sided form: all edges go on.
    problem = Drifting(1.0, 1.0, fixed, 1.0, 0.0)
    pulls = np.linspace(around - 0.6, around + 0.6, 9)
    found = np.array([optimal_band_drift(pulled(problem, float(pull))) for pull in pulls])
    bends = np.abs(np.diff(found, n=2, axis=0))
    assert bends.max() < 4e-3 * width(DriftBand(*found[0]))


@given(powers(-3, 3), powers(-3, 2), powers(-2, 2), powers(-2, 2))
def test_a_drift_without_noise_is_the_textbook_lot(
    risk_weight: float, fixed: float, prop: float, drift: float
) -> None:
    found = optimal_band_drift(Drifting(0.0, risk_weight, fixed, prop, drift))
    lot = cbrt(12 * drift * fixed / risk_weight)
    assert found.upper_outer == pytest.approx(lot / 2, rel=1e-12)
    assert found.upper_inner == pytest.approx(-lot / 2, rel=1e-12)
    reach = sqrt(lot**2 / 4 + 4 * drift * prop / risk_weight)
    assert found.lower_inner == pytest.approx(-reach, rel=1e-9)
    # Between the lower edges waiting costs ½q·(y² − reach²)/μ a unit more: F in all.
    outer = -found.lower_outer
    more = (outer**3 - reach**3) / 3 - reach**2 * (outer - reach)
    assert 0.5 * risk_weight / drift * more == pytest.approx(fixed, rel=1e-6)


def test_what_newton_cannot_follow_is_one_sided_and_right() -> None:
    # Pure fixed cost under a pull of 2 to 4, where the lower edge runs away.
    for pull in (2.0, 3.0, 4.0, 4.9):
        problem = pulled(Drifting(1.0, 1.0, 1.0, 0.0, 0.0), pull)
        found = optimal_band_drift(problem)
        assert found.cost_rate_usd == pytest.approx(chain(problem, found), rel=1e-3)


# carry


@FEW
@given(PROBLEMS, PULLS, st.floats(-5.0, 5.0))
def test_a_carry_moves_the_band_and_pays_for_it(
    problem: Drifting, pull: float, share: float
) -> None:
    drifting = pulled(problem, pull)
    shift = share * still_outer(problem)
    carry = -shift * problem.risk_weight
    without, found = optimal_band_drift(drifting), optimal_band_drift(drifting, carry=carry)
    scale = abs(shift) + width(without)
    expected = [edge + shift for edge in without[:4]]
    assert found[:4] == pytest.approx(expected, abs=1e-12 * scale)
    paid = without.cost_rate_usd - carry**2 / (2 * problem.risk_weight)
    slack = 1e-12 * (without.cost_rate_usd + carry**2 / problem.risk_weight)
    assert found.cost_rate_usd == pytest.approx(paid, abs=slack)


def test_a_carry_that_costs_makes_short_and_one_that_earns_makes_long() -> None:
    # −f/q = −2/4.
    problem = Drifting(1.0, 4.0, 1.0, 1.0, 0.0)
    still = optimal_band_drift(problem)
    assert optimal_band_drift(problem, carry=2.0).upper_outer == still.upper_outer - 0.5
    assert optimal_band_drift(problem, carry=-2.0).upper_outer == still.upper_outer + 0.5


def test_no_carry_makes_a_hedge_a_carry_trade() -> None:
    problem = Drifting(1.0, 4.0, 1.0, 1.0, 0.0)
    still = optimal_band_drift(problem)
    for carry, shift in ((2_000.0, -0.75), (-2_000.0, 0.75), (1.0, -0.25)):
        found = optimal_band_drift(problem, carry=carry, max_shift=0.75)
        assert found[:4] == pytest.approx([edge + shift for edge in still[:4]], rel=1e-14)
        # f·x₀ + ½q·x₀².
        paid = carry * shift + 2.0 * shift**2
        assert found.cost_rate_usd == pytest.approx(still.cost_rate_usd + paid, rel=1e-14)
    assert optimal_band_drift(problem, carry=9.0, max_shift=0.0) == still


# what is refused


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_drift_or_a_carry_that_is_no_number_is_bad_data(bad: float) -> None:
    with pytest.raises(BadData, match="drift and carry") as caught:
        optimal_band_drift(Drifting(1.0, 1.0, 1.0, 1.0, bad))
    assert "drift" in caught.value.facts
    with pytest.raises(BadData, match="drift and carry"):
        optimal_band_drift(Drifting(1.0, 1.0, 1.0, 1.0, 0.0), carry=bad)


@pytest.mark.parametrize("bad", [-0.1, nan])
def test_a_furthest_shift_below_zero_is_bad_data(bad: float) -> None:
    with pytest.raises(BadData, match="furthest shift"):
        optimal_band_drift(Drifting(1.0, 1.0, 1.0, 1.0, 0.0), carry=1.0, max_shift=bad)


@pytest.mark.parametrize(
    "bad", [{"sigma_x": -1.0}, {"risk_weight": 0.0}, {"fixed_cost": nan}, {"prop_cost": -1.0}]
)
def test_what_the_band_refuses_is_refused_here_too(bad: dict[str, float]) -> None:
    with pytest.raises(BadData, match="finite numbers"):
        optimal_band_drift(Drifting(1.0, 1.0, 1.0, 1.0, 0.5)._replace(**bad))
