from collections import Counter
from typing import get_args

from benchmarks.crash_points import POINTS, SCENARIOS, WEATHER, cells
from keeper.model.events import Event, Resumed

SEEDS = 2


def test_every_kind_of_event_that_the_engine_writes_is_died_before_and_after() -> None:
    names = {point.name for point in POINTS}
    commits = {name.partition(":")[0].partition("-")[0] for name in names if ":before" in name}
    kinds = {kind.__name__.lower() for kind in get_args(Event)} - {Resumed.__name__.lower()}
    # A decision to trade is written with its intent and its first bytes, one to hold alone.
    assert kinds - {"decided", "intended"} <= commits
    assert "held" in commits
    for name in names:
        if name.endswith(":before") and not name.startswith("send-"):
            assert name.replace(":before", ":after") in names


def test_the_whole_matrix_has_every_place_in_every_network() -> None:
    all_ = cells(SEEDS, seed=1)
    assert len(all_) == SEEDS * len(POINTS) * len(SCENARIOS) >= 1_500
    assert len(SCENARIOS) >= 11
    assert set(WEATHER) <= set(SCENARIOS)
    pairs = Counter((cell.point, cell.scenario) for cell in all_)
    assert set(pairs.values()) == {SEEDS}
    assert all(cell.at < cell.wants for cell in all_)


def test_the_same_seed_plays_the_same_cells_and_another_one_others() -> None:
    assert cells(1, seed=1) == cells(1, seed=1)
    assert cells(1, seed=1) != cells(1, seed=2)
