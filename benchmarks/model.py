"""Plays rehearsed disasters against the real engine and counts the invariants that break.

    scripts/bench model [--steps 200000] [--seed 0] [--journal memory|sqlite|both] [--anvil 0]
                        [--json]

Each seed is one ordeal (`keeper/sim/ordeal.py`): sixty actions of the world, then faults stop and
everything must end. Every other one is on the SQLite journal in memory, with all its constraints,
and its tables are rebuilt from its log at the end. A violation names its seed; the same seed plays
the same ordeal again, shortened to the fewest actions that still break it.

With --anvil, so many seeds are played on a real node too (`benchmarks/anvil_model.py`).
`just nightly` lets hypothesis choose the actions instead of a seed, in as many steps.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from benchmarks.anvil_model import replay_all
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.sim.audit import Violation
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.ordeal import Action, Ordeal, Tally, confirmations_of, script
from keeper.sim.world import CHAIN

SCRIPT_STEPS: Final = 60
PROGRESS_STEPS: Final = 20_000

Kind = Literal["memory", "sqlite"]


@contextmanager
def ordeal_of(seed: int, kind: Kind) -> Iterator[Ordeal]:
    """Make the ordeal of a seed on a journal of its own."""
    confirmations = confirmations_of(seed)
    if kind == "memory":
        yield Ordeal(MemoryJournal(), confirmations=confirmations)
        return
    with SqliteJournal.in_memory(CHAIN) as journal:
        yield Ordeal(journal, journal.verify, confirmations=confirmations)


def play(ordeal: Ordeal, actions: tuple[Action, ...]) -> str | None:
    """Let it all happen; return which invariant broke."""
    try:
        for action in actions:
            ordeal.act(action)
        ordeal.heal()
    except Violation as violation:
        return str(violation)
    return None


def shortened(seed: int, kind: Kind, actions: tuple[Action, ...]) -> tuple[Action, ...]:
    """Return fewer actions that still break something, leaving out one after the other."""
    at = 0
    while at < len(actions):
        fewer = actions[:at] + actions[at + 1 :]
        with ordeal_of(seed, kind) as ordeal:
            if play(ordeal, fewer) is None:
                at += 1
            else:
                actions = fewer
    return actions


class Count:
    """What was played so far, and what broke."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.ordeals = 0
        self.statuses: Counter[str] = Counter()
        self.violations: list[str] = []

    def add(self, ordeal: Ordeal, broken: str | None) -> None:
        """Count one ordeal."""
        self.ordeals += 1
        for name in Tally.__struct_fields__:
            setattr(self.tally, name, getattr(self.tally, name) + getattr(ordeal.tally, name))
        for file in ordeal.auditor.files.values():
            self.statuses[file.outcome.status if file.outcome else "open"] += 1
        if broken is not None:
            self.violations.append(broken)


def measure(steps: int, first: int, kinds: tuple[Kind, ...]) -> Count:
    """Play seeds from *first* on until *steps* actions have happened."""
    count = Count()
    seed = first
    told = PROGRESS_STEPS
    while count.tally.steps < steps:
        kind = kinds[seed % len(kinds)]
        actions = script(seed, SCRIPT_STEPS)
        with ordeal_of(seed, kind) as ordeal:
            broken = play(ordeal, actions)
            count.add(ordeal, broken)
        if broken is not None:
            print(f"seed {seed} ({kind}): {broken}", file=sys.stderr)
            for action in shortened(seed, kind, actions):
                print(f"    {action}", file=sys.stderr)
        if count.tally.steps >= told:
            print(f"{count.tally.steps} steps, {len(count.violations)} broken", file=sys.stderr)
            told += PROGRESS_STEPS
        seed += 1
    return count


def on_anvil(first: int, seeds: int, count: Count) -> dict[str, int]:
    """Play seeds on a real node; return sums, and put what broke into *count*."""
    sums: Counter[str] = Counter(ordeals=0)
    for seed, outcome in replay_all(range(first, first + seeds), SCRIPT_STEPS):
        sums["ordeals"] += 1
        for name in ("steps", "intents", "effects", "crashes", "reorgs"):
            sums[name] += getattr(outcome, name)
        for broken in outcome.violations:
            print(f"seed {seed} (anvil): {broken}", file=sys.stderr)
            count.violations.append(broken)
    return dict(sums)


def main(arguments: list[str] | None = None) -> int:
    """Print what was played; return 1 if anything broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--journal", choices=("memory", "sqlite", "both"), default="both")
    parser.add_argument("--anvil", type=int, default=0, help="seeds to play on a real node, too")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args(arguments)
    kinds: tuple[Kind, ...] = (
        ("memory", "sqlite") if chosen.journal == "both" else (chosen.journal,)
    )
    began = time.monotonic()
    count = measure(chosen.steps, chosen.seed, kinds)
    report: dict[str, object] = {
        "steps": count.tally.steps,
        "violations": len(count.violations),
        "intents": sum(count.statuses.values()),
        "crashes": count.tally.crashes,
        "reorgs": count.tally.reorgs,
        "ordeals": count.ordeals,
        "turns": count.tally.turns,
        "interruptions": count.tally.interruptions,
        "halts_by_hand": count.tally.halts,
        "outcomes": dict(sorted(count.statuses.items())),
        "seconds": round(time.monotonic() - began, 1),
    }
    if chosen.anvil:
        report["anvil"] = on_anvil(chosen.seed, chosen.anvil, count)
        report["violations"] = len(count.violations)
    print(json.dumps(report) if chosen.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    return 1 if count.violations else 0


if __name__ == "__main__":
    sys.exit(main())
