"""Many runs, on one machine or on many: the same result, byte for byte, wherever they run.

A task says everything that its result depends on, and results come back in the order of the tasks.
So any executor will do that has `map`: none, a pool of this machine's processes, or the executor of
a Dask client (`distributed.Client.get_executor()`), whose workers need this package.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from keeper.core.decide import Terms
from keeper.sim.accounting import Account, account
from keeper.sim.backtest import Scene
from keeper.sim.edges import looks_along
from keeper.sim.fast import booked, trades_of
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import Holding, hold
from keeper.sim.processes import Invention, invent
from keeper.sim.rivals import Rival

Given = TypeVar("Given")
Made = TypeVar("Made")

BATCH: Final = 8
"""Tasks of one message to a worker."""


class Executor(Protocol):
    """What runs the tasks."""

    def map(self, work: Callable[[Given], Made], tasks: Iterable[Given], /) -> Iterable[Made]:
        """Return the results in the order of *tasks*."""
        ...


class Here:
    """One task after the other, in this process."""

    def map(self, work: Callable[[Given], Made], tasks: Iterable[Given], /) -> Iterator[Made]:
        return map(work, tasks)


class Place(Struct, frozen=True, kw_only=True):
    """An invented scene: small to send, and the same wherever it is invented."""

    invention: Invention
    holding: Holding
    venue: VenueTerms
    seed: int
    scenario: int
    latency_bars: int = 0


class Task(Struct, frozen=True, eq=False):
    """Some rivals in one scene."""

    scene: Scene | Place
    terms: Terms
    rivals: tuple[Rival, ...]


def scene_of(place: Scene | Place) -> Scene:
    """Return the scene that *place* is or names."""
    if isinstance(place, Scene):
        return place
    market = invent(place.invention, place.seed, place.scenario)
    held = hold(place.holding, market)
    return Scene(market, held, place.venue, place.latency_bars)


def accounts(task: Task) -> tuple[Account, ...]:
    """Return the account of every rival of *task*, in order, as no limit bound it.

    All are judged with the risk aversion of the task's terms, whatever each one acts on.
    """
    scene, aversion = scene_of(task.scene), task.terms.policy.risk_aversion_per_usd
    looks = looks_along(scene, task.terms)
    found: list[Account] = []
    for rival in task.rivals:
        shown = replace(looks, aversion=rival.risk_aversion_per_usd)
        trades = trades_of(scene, shown, rival.strategy, task.terms)
        made = booked(scene, trades, looks.fixed_usd)
        found.append(account(scene, made, risk_aversion_per_usd=aversion))
    return tuple(found)


def terms_of(terms: Terms, rival: Rival) -> Terms:
    """Return *terms* with the risk aversion of *rival*."""
    policy = replace(terms.policy, risk_aversion_per_usd=rival.risk_aversion_per_usd)
    return replace(terms, policy=policy)


def sweep(tasks: Sequence[Task], executor: Executor | None = None) -> Iterator[tuple[Account, ...]]:
    """Yield `accounts` of each task, in order, as they come."""
    batches = [tuple(tasks[start : start + BATCH]) for start in range(0, len(tasks), BATCH)]
    for results in (executor or Here()).map(_all_accounts, batches):
        yield from results


def _all_accounts(batch: tuple[Task, ...]) -> tuple[tuple[Account, ...], ...]:
    return tuple(accounts(task) for task in batch)
