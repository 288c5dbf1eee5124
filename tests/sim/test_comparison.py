import pytest
from msgspec.structs import replace

from keeper.core.decide import Terms
from keeper.model.strategies import Always, FixedBand, Interval, Never, Optimal, Strategy
from keeper.sim import backtest
from keeper.sim.backtest import Scene
from keeper.sim.comparison import Spot, cost_at, decided, entry, frontier, scenarios
from keeper.sim.fast import run_fast
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.rivals import FAMILIES, Rival
from keeper.sim.sweep import Here, Task
from tests.sim.conftest import SceneOf

NOBODY = Rival("", Optimal(), 1.0)


def curve(*points: tuple[float, float]) -> list[Spot]:
    return [Spot(risk, cost, NOBODY) for risk, cost in points]


def test_an_entry_holds_what_the_charts_need(scene: Scene, terms: Terms) -> None:
    found = entry(scene, terms, Rival("band", FixedBand(width_base=5.0, to="zero"), 1e-5))
    assert found.account.trades == found.run.trades > 0
    assert found.band is not None
    assert set(found.band.outer.tolist()) == {5.0}
    clock = entry(scene, terms, Rival("clock", Interval(every_s=86_400), 1e-5))
    assert clock.band is None
    assert clock.account.trades >= 9


def on_step(terms: Terms, strategy: Strategy, aversion: float = 1e-5, **limits: float) -> Terms:
    """Terms as `decided` sets them for a rival: its strategy, and a check at every bar."""
    policy = replace(
        terms.policy, strategy=strategy, check_interval_s=3_600, risk_aversion_per_usd=aversion
    )
    return replace(terms, policy=policy, limits=replace(terms.limits, **limits))


@pytest.mark.parametrize(
    "strategy", [Optimal(), FixedBand(width_base=5.0), Interval(every_s=7_200), Always(), Never()],
    ids=str,
)  # fmt: skip
def test_a_rival_is_the_live_decision_at_every_bar(
    scene: Scene, terms: Terms, strategy: Strategy
) -> None:
    tight = replace(terms, limits=replace(terms.limits, max_gas_price_wei=50 * 10**9))
    found = decided(scene, tight, Rival("it", strategy, 1e-4))
    own = on_step(terms, strategy, 1e-4, max_gas_price_wei=50 * 10**9)
    every = backtest.run(scene, own)
    assert found.bar.tolist() == every.bar.tolist()
    assert found.units.tolist() == every.units.tolist()
    assert found.refusals == every.refusals


def test_an_account_without_margin_is_liquidated_in_a_comparison(
    spot_scene: SceneOf, terms: Terms
) -> None:
    poor = VenueTerms(collateral_usd=5_000.0)
    scene = spot_scene(2_000.0, 2_300.0, 2_600.0, 2_300.0, venue=poor)
    found = entry(scene, terms, Rival("it", FixedBand(width_base=1.0, to="zero"), 1e-5))
    assert found.account.liquidations == 1
    assert found.account.attribution.liquidation_usd < 0


@pytest.mark.parametrize("strategy", [Optimal(), Never()], ids=str)
def test_a_limit_on_the_net_delta_is_kept_though_calm_bars_are_passed_over(
    scene: Scene, terms: Terms, strategy: Strategy
) -> None:
    limited = replace(terms, policy=replace(terms.policy, max_net_base=8.0))
    found = entry(scene, limited, Rival("it", strategy, 1e-6))
    own = on_step(limited, strategy, 1e-6)
    assert found.run.bar.tolist() == backtest.run(scene, own).bar.tolist()
    assert found.band is not None
    assert (found.band.outer.max() == 8.0) == (strategy == Optimal())


def test_without_a_limit_that_binds_the_decision_trades_as_the_sweeps_do(
    scene: Scene, terms: Terms
) -> None:
    rival = Rival("it", Optimal(), 1e-5)
    assert decided(scene, terms, rival).bar.tolist() == (
        run_fast(scene, terms, rival.strategy).bar.tolist()
    )


def test_scenarios_are_judged_by_the_aversion_of_the_terms(scene: Scene, terms: Terms) -> None:
    rivals = (Rival("loose", Optimal(), 1e-6), Rival("tight", Optimal(), 1e-4))
    ((loose, tight),) = scenarios([Task(scene, terms, rivals)])
    assert loose.trades == entry(scene, terms, rivals[0]).account.trades < tight.trades
    squared = loose.residual_variance_usd2 * loose.years
    assert loose.objective_usd == pytest.approx(loose.cost_usd + 0.5e-5 * squared)


def test_the_frontier_has_every_family_and_looser_is_cheaper(scene: Scene, terms: Terms) -> None:
    found = dict(frontier(scene, terms, 3_600, Here()))
    assert tuple(found) == FAMILIES
    ours = found["optimal"]
    assert ours[0].cost_usd < ours[-1].cost_usd
    assert ours[0].risk_usd > ours[-1].risk_usd


def test_between_two_settings_the_cost_is_on_a_straight_line_of_logarithms() -> None:
    assert cost_at(curve((10, 100), (40, 25)), 20) == pytest.approx(50)
    assert cost_at(curve((40, 25), (10, 100)), 10) == pytest.approx(100)


def test_beyond_its_settings_the_cost_is_unknown() -> None:
    assert cost_at(curve((10, 100), (40, 25)), 9) is None
    assert cost_at(curve((10, 100), (40, 25)), 41) is None
    assert cost_at([], 10) is None


def test_a_setting_that_nobody_would_choose_is_left_out() -> None:
    assert cost_at(curve((10, 100), (20, 500), (40, 25)), 20) == pytest.approx(50)


def test_a_setting_without_cost_or_risk_has_no_place() -> None:
    assert cost_at(curve((0, 100), (10, 100), (40, 25), (50, 0)), 20) == pytest.approx(50)
