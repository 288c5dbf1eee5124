import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from keeper.core.band import optimal_band
from keeper.model.errors import BadData
from keeper.model.flow import Band
from keeper.sim.optimum_regimes import Regimes, cost_rate, solve

HOUR_YEARS = 1 / 8_760
GAS = Regimes(
    sigma_x=900.0,
    risk_weight=57.6,
    prop_usd=1.8,
    cheap_usd=5.0,
    dear_usd=50.0,
    cheap_years=18 * HOUR_YEARS,
    dear_years=6 * HOUR_YEARS,
)
GRIDS = (40, 80, 160, 320)


def closed_form(regimes: Regimes, fixed_usd: float) -> Band:
    return optimal_band(
        sigma_x=regimes.sigma_x,
        risk_weight=regimes.risk_weight,
        fixed_cost=fixed_usd,
        prop_cost=regimes.prop_usd,
    )


def wider(band: Band, by: float) -> Band:
    return Band(outer=by * band.outer, inner=band.inner)


@pytest.mark.parametrize(("fixed_usd", "prop_usd"), [(5.0, 1.8), (50.0, 0.0), (0.5, 9.0)])
def test_gas_that_does_not_change_has_the_band_of_the_closed_form(
    fixed_usd: float, prop_usd: float
) -> None:
    same = replace(GAS, cheap_usd=fixed_usd, dear_usd=fixed_usd, prop_usd=prop_usd)
    found, exact = solve(same), closed_form(same, fixed_usd)
    assert found.cost_rate_usd == pytest.approx(exact.cost_rate_usd, rel=1e-4)
    cell = 1.5 * exact.outer / 640
    for band in (found.cheap, found.dear):
        assert band.outer == pytest.approx(exact.outer, abs=2 * cell)
        assert band.inner == pytest.approx(exact.inner, abs=2 * cell)


@settings(max_examples=30, deadline=None)
@given(outer=st.floats(5.0, 400.0), share=st.floats(0.0, 0.95), hours=st.floats(1.0, 500.0))
def test_a_band_that_is_not_the_best_costs_what_the_closed_form_says(
    outer: float, share: float, hours: float
) -> None:
    same = replace(GAS, dear_usd=GAS.cheap_usd, dear_years=hours * HOUR_YEARS)
    inner = share * outer
    trades_per_year = same.sigma_x**2 / (outer**2 - inner**2)
    trade_usd = same.cheap_usd + same.prop_usd * (outer - inner)
    risk_usd = same.risk_weight * (outer**2 + inner**2) / 12.0
    band = Band(outer=outer, inner=inner)
    assert cost_rate(same, band, wider(band, 1.0 + 1e-9)) == pytest.approx(
        risk_usd + trades_per_year * trade_usd, rel=1e-6
    )


@pytest.mark.parametrize("dear_usd", [5.5, 50.0, 500.0])
@pytest.mark.parametrize("hours", [(2.0, 2.0), (18.0, 6.0), (2.0, 48.0)])
def test_the_grid_and_the_formula_agree_on_the_cost(
    dear_usd: float, hours: tuple[float, float]
) -> None:
    cheap_years, dear_years = (each * HOUR_YEARS for each in hours)
    regimes = replace(GAS, dear_usd=dear_usd, cheap_years=cheap_years, dear_years=dear_years)
    found = solve(regimes, GRIDS)
    assert cost_rate(regimes, found.cheap, found.dear) == pytest.approx(
        found.cost_rate_usd, rel=3e-4
    )


def test_no_other_bands_cost_less() -> None:
    found = solve(GAS)
    least = cost_rate(GAS, found.cheap, found.dear)
    for by in (0.9, 1.1):
        assert cost_rate(GAS, wider(found.cheap, by), found.dear) > least
        assert cost_rate(GAS, found.cheap, wider(found.dear, by)) > least
        moved = Band(outer=found.cheap.outer, inner=by * found.cheap.inner)
        assert cost_rate(GAS, moved, found.dear) > least
        moved = Band(outer=found.dear.outer, inner=by * found.dear.inner)
        assert cost_rate(GAS, found.cheap, moved) > least


def test_dear_gas_is_waited_out_and_cheap_gas_is_used() -> None:
    found = solve(GAS, GRIDS)
    assert found.dear.outer > closed_form(GAS, GAS.dear_usd).outer
    assert found.cheap.outer < closed_form(GAS, GAS.cheap_usd).outer
    assert found.dear.inner < found.cheap.outer < found.dear.outer


def test_regimes_that_hardly_ever_change_are_paid_for_one_by_one() -> None:
    slow = replace(GAS, cheap_years=60.0, dear_years=20.0)
    alone = [closed_form(slow, fixed).cost_rate_usd for fixed in (slow.cheap_usd, slow.dear_usd)]
    expected = 0.75 * alone[0] + 0.25 * alone[1]
    assert solve(slow, GRIDS).cost_rate_usd == pytest.approx(expected, rel=1e-3)


def test_dear_gas_that_is_over_at_once_costs_nothing() -> None:
    brief = replace(GAS, dear_years=0.05 * HOUR_YEARS)
    alone = closed_form(brief, brief.cheap_usd).cost_rate_usd
    assert solve(brief).cost_rate_usd == pytest.approx(alone, rel=2e-3)


def test_gas_that_changes_many_times_a_second_costs_its_mean() -> None:
    moment = HOUR_YEARS / 3_600 / 20
    quick = replace(GAS, cheap_years=moment, dear_years=moment, dear_usd=1.01 * GAS.cheap_usd)
    band = closed_form(quick, quick.cheap_usd)
    beyond = wider(band, 1.0 + 1e-9)
    alone = cost_rate(replace(quick, dear_usd=quick.cheap_usd), band, beyond)
    trades_per_year = quick.sigma_x**2 / (band.outer**2 - band.inner**2)
    dearer = cost_rate(quick, band, beyond) - alone
    assert dearer == pytest.approx(0.5 * trades_per_year * 0.05, rel=0.05)


@pytest.mark.parametrize(
    "change",
    [{"sigma_x": 0.0}, {"risk_weight": -1.0}, {"dear_usd": 1.0}, {"cheap_years": 0.0},
     {"cheap_usd": 0.0, "prop_usd": 0.0}],
    ids=str,
)  # fmt: skip
def test_regimes_that_are_none_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(BadData, match="numbers above zero"):
        solve(replace(GAS, **change))


@pytest.mark.parametrize(
    ("cheap", "dear"),
    [
        (Band(outer=20.0, inner=5.0), Band(outer=10.0, inner=5.0)),
        (Band(outer=20.0, inner=5.0), Band(outer=40.0, inner=30.0)),
        (Band(outer=20.0, inner=25.0), Band(outer=40.0, inner=5.0)),
    ],
)
def test_bands_that_are_not_nested_are_refused(cheap: Band, dear: Band) -> None:
    with pytest.raises(BadData, match="not nested"):
        cost_rate(GAS, cheap, dear)
