"""One scene, several policies: what each did, and the frontier of cost and risk they lie on."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import exp, log
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from keeper.core.decide import Terms
from keeper.model.strategies import Interval, Never
from keeper.sim.accounting import Account, Course, account, course
from keeper.sim.backtest import Run, Scene, run
from keeper.sim.edges import edges, looks_along
from keeper.sim.fast import scout_of
from keeper.sim.rivals import Rival, families
from keeper.sim.skipping import Edges
from keeper.sim.sweep import Executor, Here, Task, scene_of, sweep, terms_of


class Entry(Struct, frozen=True, eq=False):
    """What one policy did."""

    rival: Rival
    run: Run
    course: Course
    account: Account
    band: Edges | None
    """None for a policy that goes by the clock."""


class Spot(NamedTuple):
    """One setting of a family on the plane of risk and cost, USD a year."""

    risk_usd: float
    cost_usd: float
    rival: Rival


def plane(spot: Spot) -> tuple[float, float]:
    """Return where *spot* is: what curves are put in order by."""
    return spot.risk_usd, spot.cost_usd


Frontier = Mapping[str, tuple[Spot, ...]]


class Comparison(Struct, frozen=True, eq=False):
    """Everything the report shows of one scene."""

    scene: Scene
    terms: Terms
    entries: tuple[Entry, ...]
    frontier: Frontier


def decided(scene: Scene, terms: Terms, rival: Rival) -> Run:
    """Return what the keeper's own decision does for *rival*: limits, margin, worst prices and all.

    It looks as often as there are bars, so that is its check interval. Bars at which its band says
    that nothing happens are passed over.
    """
    own = _own(scene, terms, rival)
    return _followed(scene, own, _band(scene, own))


def _own(scene: Scene, terms: Terms, rival: Rival) -> Terms:
    own = terms_of(terms, rival)
    policy = replace(own.policy, strategy=rival.strategy, check_interval_s=scene.market.step_s)
    return replace(own, policy=policy)


def _band(scene: Scene, own: Terms) -> Edges | None:
    """Return the band; under a limit on the net delta its inner edge is where it would be without.

    Unless that is beyond the limit: then it is the limit.
    """
    strategy, limit = own.policy.strategy, own.policy.max_net_base
    if isinstance(strategy, Interval):
        return None
    band = edges(strategy, looks_along(scene, own))
    if limit is None or isinstance(strategy, Never):
        return band
    return Edges(band.bare, np.minimum(band.outer, limit), np.minimum(band.inner, limit))


def _followed(scene: Scene, own: Terms, band: Edges | None) -> Run:
    return run(scene, own, scout=None if band is None else scout_of(band))


def entry(scene: Scene, terms: Terms, rival: Rival) -> Entry:
    """Return what *rival* does in *scene*, judged with its own risk aversion."""
    own = _own(scene, terms, rival)
    band = _band(scene, own)
    made = _followed(scene, own, band)
    seen = course(scene, made)
    return Entry(
        rival=rival,
        run=made,
        course=seen,
        account=account(scene, made, risk_aversion_per_usd=rival.risk_aversion_per_usd, seen=seen),
        band=band,
    )


def scenarios(
    tasks: Sequence[Task], executor: Executor | None = None
) -> Iterator[tuple[Account, ...]]:
    """Yield the accounts of each task's rivals as the keeper decides, in order, as they come."""
    yield from (executor or Here()).map(_decided_accounts, tasks)


def _decided_accounts(task: Task) -> tuple[Account, ...]:
    scene, aversion = scene_of(task.scene), task.terms.policy.risk_aversion_per_usd
    return tuple(
        account(scene, decided(scene, task.terms, rival), risk_aversion_per_usd=aversion)
        for rival in task.rivals
    )


def frontier(
    scene: Scene, terms: Terms, step_s: int, executor: Executor | None = None
) -> Iterator[tuple[str, tuple[Spot, ...]]]:
    """Yield each family's curve, from loose to tight; all without limits."""
    members = families(terms, looks_along(scene, terms), step_s)
    tasks = [Task(scene, terms, rivals) for rivals in members.values()]
    for (name, rivals), found in zip(members.items(), sweep(tasks, executor), strict=True):
        yield name, tuple(_spot(one, rival) for one, rival in zip(found, rivals, strict=True))


def _spot(found: Account, rival: Rival) -> Spot:
    return Spot(found.risk_usd, found.cost_usd / found.years, rival)


def cost_at(curve: Sequence[Spot], risk_usd: float) -> float | None:
    """Return what a family pays for *risk_usd*, between its settings; None beyond them.

    Settings that another one beats in both are left out: nobody would choose them.
    """
    kept: list[Spot] = []
    for spot in sorted(curve, key=plane):
        if (
            spot.risk_usd > 0
            and spot.cost_usd > 0
            and (not kept or spot.cost_usd < kept[-1].cost_usd)
        ):
            kept.append(spot)
    for left, right in pairwise(kept):
        if left.risk_usd <= risk_usd <= right.risk_usd:
            share = log(risk_usd / left.risk_usd) / log(right.risk_usd / left.risk_usd)
            return left.cost_usd * exp(share * log(right.cost_usd / left.cost_usd))
    return None
