import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from distributed import Client, LocalCluster
from msgspec import json

from keeper.core.decide import Terms
from keeper.model.strategies import FixedBand, Interval, Optimal
from keeper.sim.accounting import account
from keeper.sim.backtest import Scene
from keeper.sim.fast import run_fast
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import Range
from keeper.sim.processes import Heston, Invention, RegimeGas
from keeper.sim.rivals import Rival
from keeper.sim.sweep import BATCH, Here, Place, Task, accounts, scene_of, sweep, terms_of

RIVALS = (
    Rival("optimal", Optimal(), 1e-5),
    Rival("tight", Optimal(), 1e-4),
    Rival("band", FixedBand(width_base=5.0, to="zero"), 1e-5),
    Rival("daily", Interval(every_s=86_400), 1e-5),
)


def places(count: int) -> list[Place]:
    law = Invention(prices=Heston(), gas=RegimeGas(), steps=60)
    return [
        Place(invention=law, holding=Range(), venue=VenueTerms(), seed=3, scenario=scenario)
        for scenario in range(count)
    ]


def tasks(terms: Terms, count: int = 2 * BATCH + 3) -> list[Task]:
    return [Task(place, terms, RIVALS) for place in places(count)]


def as_bytes(results: Sequence[object]) -> bytes:
    return json.encode(results)


def test_the_result_is_the_same_byte_for_byte_wherever_it_runs(terms: Terms) -> None:
    here = as_bytes(list(sweep(tasks(terms))))
    with ThreadPoolExecutor(3) as threads:
        assert as_bytes(list(sweep(tasks(terms), threads))) == here
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        assert as_bytes(list(sweep(tasks(terms), processes))) == here


def test_the_result_does_not_depend_on_what_runs_beside_it(terms: Terms) -> None:
    alone = [next(iter(sweep([task]))) for task in tasks(terms, 3)]
    assert alone == list(sweep(tasks(terms, 3), Here()))


def test_so_it_is_on_a_dask_cluster_of_two_worker_processes(terms: Terms, tmp_path: Path) -> None:
    here = as_bytes(list(sweep(tasks(terms))))
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as cluster,
        Client(cluster) as client,
    ):
        ours = set(client.run(os.getpid).values())
        assert len(ours) == 2
        assert os.getpid() not in ours
        assert as_bytes(list(sweep(tasks(terms), client.get_executor()))) == here


def test_a_rival_is_run_as_it_would_run_alone(scene: Scene, terms: Terms) -> None:
    found = accounts(Task(scene, terms, RIVALS))
    for rival, one in zip(RIVALS, found, strict=True):
        made = run_fast(scene, terms_of(terms, rival), rival.strategy)
        assert one == account(scene, made, risk_aversion_per_usd=1e-5)


def test_a_place_is_invented_the_same_each_time(scene: Scene) -> None:
    one, same = (scene_of(places(2)[1]) for _ in range(2))
    assert one.market.price.tolist() == same.market.price.tolist()
    assert scene_of(scene) is scene
