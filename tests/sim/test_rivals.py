import numpy as np
import pytest

from keeper.core.decide import Terms
from keeper.model.strategies import FixedBand, Interval, Optimal
from keeper.sim.backtest import Scene
from keeper.sim.edges import edges, looks_along
from keeper.sim.rivals import FAMILIES, families, rivals, typical_width


def test_the_keepers_own_policy_comes_first(scene: Scene, terms: Terms) -> None:
    found = rivals(terms, looks_along(scene, terms))
    assert found[0].strategy == Optimal()
    assert len({rival.name for rival in found}) == len(found)


def test_a_fixed_band_is_as_wide_as_the_best_one_is_mostly(scene: Scene, terms: Terms) -> None:
    looks = looks_along(scene, terms)
    width = typical_width(looks)
    assert width == pytest.approx(np.median(edges(Optimal(), looks).outer))
    widths = [r.strategy.width_base for r in rivals(terms, looks)
              if isinstance(r.strategy, FixedBand)]  # fmt: skip
    assert widths == [width, width]


def test_families_go_from_loose_to_tight(scene: Scene, terms: Terms) -> None:
    found = families(terms, looks_along(scene, terms), step_s=3_600)
    assert tuple(found) == FAMILIES
    aversions = [rival.risk_aversion_per_usd for rival in found["optimal"]]
    assert aversions == sorted(aversions)
    assert aversions[len(aversions) // 2] == terms.policy.risk_aversion_per_usd
    periods = [r.strategy.every_s for r in found["interval"] if isinstance(r.strategy, Interval)]
    assert periods == sorted(periods, reverse=True)
    assert all(period % 3_600 == 0 for period in periods)
