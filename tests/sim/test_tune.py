import pytest
from msgspec.structs import replace

from keeper.core.decide import Terms
from keeper.model.errors import ConfigError
from keeper.model.strategies import Optimal
from keeper.sim.comparison import decided
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import Range
from keeper.sim.processes import Invention
from keeper.sim.rivals import Rival
from keeper.sim.sweep import Place, scene_of
from keeper.sim.tune import GRID, PASSES, Goal, Results, tune


@pytest.fixture
def places() -> list[Place]:
    law = Invention(steps=120)
    return [
        Place(invention=law, holding=Range(), venue=VenueTerms(), seed=1, scenario=scenario)
        for scenario in range(3)
    ]


def test_a_risk_gets_the_cheapest_policy_within_it(places: list[Place], terms: Terms) -> None:
    found = tune(places, terms, Goal(risk_usd=30_000))
    assert found.chosen.risk_usd <= 30_000
    within = [each for each in found.tried if each.risk_usd <= 30_000 and each.cost_usd > 0]
    assert found.chosen.cost_usd == min(each.cost_usd for each in within)
    assert found.days == pytest.approx(5)


def test_a_budget_gets_the_safest_policy_within_it(places: list[Place], terms: Terms) -> None:
    found = tune(places, terms, Goal(cost_usd=30_000))
    assert found.chosen.cost_usd <= 30_000
    within = [each for each in found.tried if 0 < each.cost_usd <= 30_000]
    assert found.chosen.risk_usd == min(each.risk_usd for each in within)


def test_limits_leave_room_for_what_the_runs_needed(places: list[Place], terms: Terms) -> None:
    found = tune(places, terms, Goal(risk_usd=30_000))
    needs, room = found.chosen.needs, found.room
    assert room.max_order_base > 1.4 * needs.largest_order_base > 0
    assert room.max_position_base > 1.4 * needs.largest_hedge_base
    assert room.daily_gas_budget_usd > 1.4 * needs.gas_day_usd
    assert needs.leverage_x is not None
    assert room.max_leverage_x is not None
    assert room.max_leverage_x > 1.4 * needs.leverage_x
    assert 0 < room.min_trade_base < needs.smallest_order_base


def test_limits_as_proposed_change_no_trade(places: list[Place], terms: Terms) -> None:
    found = tune(places, terms, Goal(risk_usd=30_000))
    room = found.room
    assert room.max_leverage_x is not None
    limits = replace(
        terms.limits,
        min_trade_base=room.min_trade_base,
        max_order_base=room.max_order_base,
        max_position_base=room.max_position_base,
        max_leverage_x=room.max_leverage_x,
        daily_gas_budget_usd=room.daily_gas_budget_usd,
    )
    rival = Rival("chosen", Optimal(), found.chosen.risk_aversion_per_usd)
    for scene in map(scene_of, places):
        free = decided(scene, terms, rival)
        bound = decided(scene, replace(terms, limits=limits), rival)
        assert bound.bar.tolist() == free.bar.tolist()
        assert bound.units.tolist() == free.units.tolist()


def test_what_cannot_be_had_is_refused_with_what_can(places: list[Place], terms: Terms) -> None:
    with pytest.raises(ConfigError, match="costs so little") as refused:
        tune(places, terms, Goal(cost_usd=1.0))
    assert float(str(refused.value.facts["least_usd"])) > 1.0
    late = [replace(place, latency_bars=1) for place in places]
    with pytest.raises(ConfigError, match="so little risk"):
        tune(late, terms, Goal(risk_usd=1.0))


@pytest.mark.parametrize(
    "wish", [{}, {"risk_usd": 1.0, "cost_usd": 1.0}, {"risk_usd": 0.0}, {"cost_usd": -1.0}]
)
def test_a_wish_is_one_number_above_zero(wish: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="say either"):
        Goal(**wish)


def test_the_caller_sees_every_scenario_of_every_pass(places: list[Place], terms: Terms) -> None:
    seen = 0

    def shown(results: Results) -> Results:
        nonlocal seen
        for each in results:
            seen += 1
            assert len(each) == GRID
            yield each

    tune(places, terms, Goal(risk_usd=30_000), shown=shown)
    assert seen == PASSES * len(places)
