import numpy as np
import pytest

from keeper.core.decide import Terms
from keeper.model.strategies import Optimal
from keeper.sim.accounting import Account, cvar, entropic
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import Range
from keeper.sim.pooled import pool
from keeper.sim.processes import Invention
from keeper.sim.rivals import Rival
from keeper.sim.sweep import Place, Task, accounts


@pytest.fixture
def found(terms: Terms) -> list[Account]:
    rival = Rival("optimal", Optimal(), 1e-5)
    law = Invention(steps=48)
    return [
        accounts(Task(
            Place(invention=law, holding=Range(), venue=VenueTerms(), seed=1, scenario=number),
            terms, (rival,),
        ))[0]
        for number in range(24)
    ]  # fmt: skip


def test_means_have_their_standard_errors(found: list[Account]) -> None:
    costs = np.array([each.cost_usd for each in found])
    pooled = pool(found, risk_aversion_per_usd=1e-5)
    assert pooled.scenarios == 24
    assert pooled.cost_usd.value == pytest.approx(costs.mean())
    assert pooled.cost_usd.se == pytest.approx(costs.std(ddof=1) / np.sqrt(24))


def test_risk_is_that_of_the_totals(found: list[Account]) -> None:
    pnl = np.array([each.pnl_usd for each in found])
    pooled = pool(found, risk_aversion_per_usd=1e-5)
    assert pooled.cvar95_usd == pytest.approx(cvar(-pnl))
    assert pooled.entropic_ce_usd == pytest.approx(entropic(pnl, 1e-5))
    assert pooled.mean_variance_ce_usd == pytest.approx(pnl.mean() - 0.5e-5 * pnl.var())
    assert pooled.worst_drawdown_usd == max(each.max_drawdown_usd for each in found)
    mean_variance = np.mean([each.residual_variance_usd2 for each in found])
    assert pooled.risk_usd == pytest.approx(np.sqrt(mean_variance))


def test_one_scenario_has_no_error_and_no_tail(found: list[Account]) -> None:
    pooled = pool(found[:1], risk_aversion_per_usd=1e-5)
    assert pooled.cost_usd.se is None
    assert pooled.cvar95_usd is None
