"""Kills a keeper at every place of its code, in every kind of bad network, and counts what it did.

    scripts/bench crash_matrix [--cells N] [--seeds 2] [--seed 1] [--workers 2] [--json]

A cell is one keeper account with a journal of its own on a real chain: two or three hedges become
wanted one after the other while a fault proxy with a pool like geth's misbehaves, and the keeper's
process gets SIGKILL at the cell's place. It is restarted until nothing is open and vault and venue
agree. The venue's own logs are then held against what was wanted and against the journal:

doubles  orders beyond one per wanted hedge, or beyond one per intent, or that no journal explains
lost     hedges still missing when all faults have ended

`--naive` plays the same cells with a bot that takes its nonce from `pending`, sends again after an
error and remembers nothing; its doubles show that this benchmark can find some.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Final

import msgspec

from benchmarks.crash_cell import Verdict, play
from benchmarks.crash_child import Life, live
from benchmarks.crash_naive import live_naively
from benchmarks.crash_points import POINTS, SCENARIOS, Cell, Point, cells
from benchmarks.crash_stage import described, open_stage
from benchmarks.crash_zygote import Zygote
from keeper.devnet.anvil import CHAIN_ID
from keeper.model.chain import ChainId

CELLS_PER_WORLD: Final = 200
"""Then a fresh chain: an old one is slower."""
NAIVE_POINTS: Final = tuple(p for p in POINTS if p.name.startswith("send-hedge"))


def work(pipe: Connection, mine: tuple[Cell, ...], *, naive: bool) -> None:
    """Play cells in this process, and say what became of each."""
    zygote, parent = Zygote(_live), os.getppid()
    try:
        for first in range(0, len(mine), CELLS_PER_WORLD):
            with open_stage(seed=first) as stage:
                for cell in mine[first : first + CELLS_PER_WORLD]:
                    if os.getppid() != parent:
                        return  # nobody listens any more
                    pipe.send_bytes(msgspec.json.encode(play(stage, zygote, cell, naive=naive)))
    finally:
        zygote.close()
        pipe.close()


def _live(life: Life) -> None:
    (live_naively if life.naive else live)(life, ChainId(CHAIN_ID))


def verdicts(chosen: tuple[Cell, ...], workers: int, *, naive: bool) -> Iterator[Verdict]:
    """Play *chosen* in some processes; yield what became of each as it ends."""
    fork = multiprocessing.get_context("fork")
    ends: dict[Any, Any] = {}
    for number in range(workers):
        ours, theirs = fork.Pipe(duplex=False)
        args = (theirs, chosen[number::workers])
        process = fork.Process(target=work, args=args, kwargs={"naive": naive})
        process.start()
        theirs.close()
        ends[ours] = process
    while ends:
        for end in wait(list(ends)):
            try:
                yield msgspec.json.decode(end.recv_bytes(), type=Verdict)  # type: ignore[union-attr]
            except EOFError:
                process = ends.pop(end)
                process.join()
                if process.exitcode:
                    raise SystemExit(f"a worker ended with {process.exitcode}") from None


class Tally:
    """The sum of all cells."""

    def __init__(self) -> None:
        self.sums: Counter[str] = Counter()
        self.points: set[str] = set()
        self.fired: set[str] = set()
        self.missed: Counter[str] = Counter()
        self.in_scenario: dict[str, Counter[str]] = {name: Counter() for name in SCENARIOS}
        self.bad: list[Verdict] = []

    def add(self, verdict: Verdict) -> None:
        facts: dict[str, Any] = msgspec.to_builtins(verdict)
        counted = (
            "kills", "fired", "effects", "intents", "attempts", "sends", "doubles", "lost",
            "open_intents", "halts",
        )  # fmt: skip
        own = self.in_scenario[verdict.cell.scenario]
        for sums in (self.sums, own):
            sums.update({name: int(facts[name]) for name in counted})
            sums["cells"] += 1
            sums["wanted"] += verdict.cell.wants
            sums["doubled_cells"] += verdict.doubles > 0
        self.points.add(verdict.cell.point)
        if verdict.fired:
            self.fired.add(verdict.cell.point)
        else:
            self.missed[f"{verdict.cell.point} in {verdict.cell.scenario}"] += 1
        if not verdict.is_clean:
            self.bad.append(verdict)

    def figures(self, seconds: float) -> dict[str, Any]:
        """Return everything, the required figures first."""
        first = ("cells", "doubles", "lost", "kills")
        sums = {name: self.sums[name] for name in (*first, *sorted(set(self.sums) - set(first)))}
        return {
            **sums,
            "troubled": sum(bool(v.trouble) for v in self.bad),
            "seconds": round(seconds, 1),
            "cells_per_s": round(self.sums["cells"] / seconds, 3),
            "points": len(self.points),
            "points_fired": len(self.fired),
            "never_fired": sorted(self.points - self.fired),
            "missed": dict(sorted(self.missed.items())),
            "scenarios": {
                name: dict(own) for name, own in self.in_scenario.items() if own["cells"]
            },
        }


def measure(chosen: tuple[Cell, ...], workers: int, *, naive: bool = False) -> dict[str, Any]:
    """Play *chosen*; print each that is not clean, and return the sums."""
    began = time.monotonic()
    tally = Tally()
    for verdict in verdicts(chosen, workers, naive=naive):
        tally.add(verdict)
        done = tally.sums["cells"]
        if not verdict.is_clean and not naive:
            print(f"NOT CLEAN {msgspec.json.encode(verdict).decode()}", file=sys.stderr)
        if done % 50 == 0:
            seconds = time.monotonic() - began
            print(f"{done} of {len(chosen)} cells, {done / seconds:.2f} a second", file=sys.stderr)
    return tally.figures(time.monotonic() - began)


def choose(chosen: argparse.Namespace) -> tuple[Cell, ...]:
    """Return the cells that the command line asks for."""
    points: tuple[Point, ...] = NAIVE_POINTS if chosen.naive else POINTS
    if chosen.point:
        points = tuple(p for p in POINTS if chosen.point in p.name)
    found = cells(chosen.seeds, chosen.seed, points)
    if chosen.scenario:
        found = tuple(cell for cell in found if cell.scenario == chosen.scenario)
    return found[: chosen.cells or len(found)]


def main() -> None:
    """Print the figures; end with 1 if a keeper of ours has cost anything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=0, help="only so many, as chance has it")
    parser.add_argument("--seeds", type=int, default=2, help="times that each pair is played")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scenario", choices=SCENARIOS, help="only this one")
    parser.add_argument("--point", help="only places with this in their name")
    parser.add_argument("--naive", action="store_true", help="with a bot that keeps no journal")
    parser.add_argument("--list", action="store_true", help="only list the cells")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args()
    found = choose(chosen)
    if chosen.list:
        print("\n".join(described(cell) for cell in found))
        return
    figures = measure(found, chosen.workers, naive=chosen.naive)
    if chosen.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<16}{value}")
    costs = sum(figures[name] for name in ("doubles", "lost", "open_intents", "halts", "troubled"))
    sys.exit(1 if costs and not chosen.naive else 0)


if __name__ == "__main__":
    main()
