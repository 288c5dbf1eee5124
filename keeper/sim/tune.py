"""Which risk aversion meets a wish, and which limits leave it room.

Nobody thinks in risk aversions. What an owner can say is how much risk may be left, or what hedging
may cost; the simulator turns that into the one number of the policy, on the scenarios it is given.
"""

from collections.abc import Callable, Iterable, Sequence
from math import log10
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from msgspec import Struct

from keeper.core.decide import Terms
from keeper.model.errors import ConfigError
from keeper.model.strategies import Optimal
from keeper.model.units import DAY_S, YEAR_S
from keeper.sim.accounting import Account, Needs
from keeper.sim.backtest import Scene
from keeper.sim.pooled import Pooled, pool
from keeper.sim.rivals import Rival
from keeper.sim.sweep import Executor, Place, Task, sweep

Results: TypeAlias = Iterable[tuple[Account, ...]]
Shown: TypeAlias = Callable[[Results], Results]

LOOSEST, TIGHTEST = 1e-9, 1.0
GRID: Final = 19
"""Risk aversions tried at once: two a decade over the whole range."""
PASSES: Final = 2
"""The second one refines between two neighbours of the first, to about 13 %."""
ROOM: Final = 1.5
"""Limits are this many times what the run needed."""


class Goal(Struct, frozen=True, kw_only=True):
    """What the owner wants; one of the two."""

    risk_usd: float | None = None
    """Standard deviation of a year's hedge error, at most."""
    cost_usd: float | None = None
    """Fees, slippage and gas a year, at most."""

    def __post_init__(self) -> None:
        """Refuse a wish that is none, or two."""
        given = [wish for wish in (self.risk_usd, self.cost_usd) if wish is not None]
        if len(given) != 1 or not given[0] > 0:
            raise ConfigError(
                "say either how much risk may be left or what it may cost, above zero",
                risk_usd=self.risk_usd,
                cost_usd=self.cost_usd,
            )


class Trial(Struct, frozen=True):
    """One risk aversion on all scenarios."""

    risk_aversion_per_usd: float
    pooled: Pooled
    years: float
    """Mean length of a scenario."""
    needs: Needs

    @property
    def cost_usd(self) -> float:
        """Return what hedging costs a year."""
        return self.pooled.cost_usd.value / self.years

    @property
    def risk_usd(self) -> float:
        """Return the standard deviation of a year's hedge error."""
        return self.pooled.risk_usd


class Room(NamedTuple):
    """Limits that would not have bound, with some room."""

    min_trade_base: float
    max_order_base: float
    max_position_base: float
    max_leverage_x: float | None
    daily_gas_budget_usd: float


class Proposal(Struct, frozen=True):
    """What to write into keeper.toml, and what to expect of it."""

    goal: Goal
    days: float
    """Length of a scenario."""
    chosen: Trial
    room: Room
    tried: tuple[Trial, ...]


def tune(
    places: Sequence[Scene | Place],
    terms: Terms,
    goal: Goal,
    executor: Executor | None = None,
    shown: Shown = lambda found: found,
) -> Proposal:
    """Return the cheapest policy within a risk, or the safest within a cost.

    *shown* is handed the scenarios of each pass as they come, and hands them on.

    Raises:
        ConfigError: No risk aversion meets the goal; says what could be had.

    """
    low, high = LOOSEST, TIGHTEST
    tried: list[Trial] = []
    chosen = None
    for _ in range(PASSES):
        grid = np.geomspace(low, high, GRID).tolist()
        trials = _tried(places, terms, grid, executor, shown)
        tried += trials
        chosen = _best(trials, goal)
        near = grid.index(chosen.risk_aversion_per_usd)
        toward = near - 1 if goal.risk_usd is not None else near + 1
        low, high = sorted((grid[near], grid[min(max(toward, 0), GRID - 1)]))
        if low == high:
            break
    if chosen is None:
        raise ValueError("nothing was tried")
    tried.sort(key=lambda trial: trial.risk_aversion_per_usd)
    return Proposal(goal, chosen.years * YEAR_S / DAY_S, chosen, _room(chosen.needs), tuple(tried))


def _tried(
    places: Sequence[Scene | Place],
    terms: Terms,
    grid: Sequence[float],
    executor: Executor | None,
    shown: Shown,
) -> list[Trial]:
    rivals = tuple(Rival(f"{aversion:.3g}", Optimal(), aversion) for aversion in grid)
    tasks = [Task(place, terms, rivals) for place in places]
    found = list(shown(sweep(tasks, executor)))
    by_aversion = zip(grid, zip(*found, strict=True), strict=True)
    return [_trial(aversion, accounts) for aversion, accounts in by_aversion]


def _trial(aversion: float, accounts: Sequence[Account]) -> Trial:
    pooled = pool(accounts, risk_aversion_per_usd=aversion)
    years = sum(each.years for each in accounts) / len(accounts)
    return Trial(aversion, pooled, years, _all_needs(accounts))


def _all_needs(accounts: Sequence[Account]) -> Needs:
    needs = [each.needs for each in accounts]
    leverages = [each.leverage_x for each in needs]
    known = [each for each in leverages if each is not None]
    smallest = [each.smallest_order_base for each in needs if each.smallest_order_base > 0]
    return Needs(
        smallest_order_base=min(smallest, default=0.0),
        largest_order_base=max(each.largest_order_base for each in needs),
        largest_hedge_base=max(each.largest_hedge_base for each in needs),
        leverage_x=max(known) if len(known) == len(leverages) else None,
        gas_day_usd=max(each.gas_day_usd for each in needs),
    )


def _best(trials: Sequence[Trial], goal: Goal) -> Trial:
    """Return the cheapest within the risk, or the safest within the cost."""
    hedged = [trial for trial in trials if trial.pooled.trades.value > 0]
    if goal.risk_usd is not None:
        return _cheapest(hedged, goal.risk_usd)
    budget = goal.cost_usd or 0.0
    within = [trial for trial in hedged if trial.cost_usd <= budget]
    if within:
        return min(within, key=lambda trial: (trial.risk_usd, -trial.risk_aversion_per_usd))
    raise ConfigError(
        "no hedge costs so little",
        wanted_usd=goal.cost_usd,
        least_usd=_rounded(min((trial.cost_usd for trial in hedged), default=0.0)),
        remedy="allow more, or do not hedge",
    )


def _cheapest(hedged: Sequence[Trial], risk_usd: float) -> Trial:
    within = [trial for trial in hedged if trial.risk_usd <= risk_usd]
    if within:
        return min(within, key=lambda trial: (trial.cost_usd, trial.risk_aversion_per_usd))
    least = min(hedged, key=lambda trial: trial.risk_usd, default=None)
    raise ConfigError(
        "no hedge leaves so little risk",
        wanted_usd=risk_usd,
        least_usd=None if least is None else _rounded(least.risk_usd),
        for_usd_a_year=None if least is None else _rounded(least.cost_usd),
        remedy="look more often with a smaller --step, or accept more risk",
    )


def _room(needs: Needs) -> Room:
    return Room(
        min_trade_base=_rounded(needs.smallest_order_base / 2),
        max_order_base=_rounded(ROOM * needs.largest_order_base),
        max_position_base=_rounded(ROOM * needs.largest_hedge_base),
        max_leverage_x=None if needs.leverage_x is None else _rounded(ROOM * needs.leverage_x),
        daily_gas_budget_usd=_rounded(ROOM * needs.gas_day_usd),
    )


def _rounded(value: float) -> float:
    """Return two digits of *value*: more would promise what a simulation cannot keep."""
    if value == 0.0:
        return 0.0
    return round(value, 1 - int(np.floor(log10(abs(value)))))
