"""Changes the heart of the keeper in every small way, and asks its tests whether they notice.

    scripts/bench mutation [--only WORDS] [--jobs 2] [--sample N] [--seed N] [--json]

The heart is the table of a transaction's fate and the journal. Each mutant (`mutants.py`) is put
into a scratch copy of the tree, and the tests named below are run against it. It is killed if they
fail or never end; one that lives is a hole in the tests, or changes nothing that matters: those
stand in `EQUIVALENT`, with the reason, and do not count.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct

from benchmarks.mutants import Mutant, of_python, of_sql
from benchmarks.sabotage import FAILED, PASSED, ROOT, copy_tree, test

STORE: Final = ("tests/adapters/stores/sqlite",)
HEART: Final[dict[str, tuple[str, ...]]] = {
    "keeper/core/tx_steps.py": ("tests/core/test_tx_steps.py", "tests/engine/test_execute.py"),
    "keeper/adapters/event_log.py": ("tests/adapters/test_event_log.py", *STORE),
    "keeper/adapters/stores/sqlite/journal.py": STORE,
    "keeper/adapters/stores/sqlite/reading.py": STORE,
    "keeper/adapters/stores/sqlite/writing.py": STORE,
    "keeper/adapters/stores/sqlite/schema.sql": STORE,
    "keeper/adapters/stores/sqlite/fate.sql": STORE,
    "keeper/adapters/stores/sqlite/lease.sql": STORE,
    "keeper/adapters/stores/sqlite/narrow.sql": STORE,
}
"""File -> the tests that hold it to its word."""

_SQLITE: Final = "keeper/adapters/stores/sqlite"
_MADE_ANEW: Final = "narrow.sql makes the table anew, with rules of its own"
EQUIVALENT: Final[dict[tuple[str, str], str]] = {
    (f"{_SQLITE}/{file}", line): _MADE_ANEW
    for file, line in (
        ("schema.sql", "id            TEXT NOT NULL ,"),
        ("schema.sql", "status        TEXT,"),
        ("schema.sql", "CHECK ((status IS NULL) = (settled_at_ms IS NULL))"),
        ("schema.sql", "CHECK ((status IS NULL) = (settled_seq IS NULL))"),
        (
            "schema.sql",
            "CREATE  INDEX one_open_intent ON intent (account) WHERE status IS NULL;",
        ),
        ("schema.sql", "hash      TEXT NOT NULL ,"),
        ("fate.sql", "id            TEXT NOT NULL ,"),
        ("fate.sql", "status        TEXT,"),
        (
            "fate.sql",
            "withdraws     TEXT,         -- the order that it takes back; NULL for a trade,",
        ),
        ("fate.sql", "CHECK ((status IS NULL) = (settled_seq IS NULL))"),
        ("fate.sql", "WHEN NOT (("),
        ("fate.sql", "CREATE  INDEX one_open_intent ON intent (account)"),
        ("fate.sql", "CREATE  INDEX one_open_withdrawal ON intent (account)"),
    )
}
"""(file, the changed line) -> why nobody could tell."""

TIMEOUT_S: Final = 120.0


class Trial(Struct, frozen=True):
    """A mutant of a file."""

    file: str
    mutant: Mutant

    def __str__(self) -> str:
        """Say where it is and what was done."""
        return f"{self.file}:{self.mutant.line} {self.mutant.what}: {self.changed_line()}"

    def changed_line(self) -> str:
        """Return the first line that differs, as it became."""
        before = (ROOT / self.file).read_text(encoding="utf-8").splitlines()
        after = self.mutant.text.splitlines()
        pairs = zip(before, after, strict=False)
        return next((new.strip() for old, new in pairs if old != new), "")


def trials(only: str = "") -> list[Trial]:
    """Return every mutant of the heart whose file has *only* in its name."""
    found: list[Trial] = []
    for file in HEART:
        if only in file:
            text = (ROOT / file).read_text(encoding="utf-8")
            mutants = of_sql(text) if file.endswith(".sql") else of_python(text)
            found += [Trial(file, mutant) for mutant in mutants]
    return [trial for trial in found if (trial.file, trial.changed_line()) not in EQUIVALENT]


def is_killed(trial: Trial, trees: SimpleQueue[Path]) -> bool:
    """Try one mutant in whichever tree is free.

    Raises:
        SystemExit: pytest itself had trouble: that says nothing about the mutant.

    """
    tree = trees.get()
    path = tree / trial.file
    before = path.read_bytes()
    try:
        path.write_text(trial.mutant.text, encoding="utf-8")
        code, said = test(tree, HEART[trial.file], TIMEOUT_S)
    finally:
        path.write_bytes(before)
        trees.put(tree)
    # A mutant that cannot even be imported ends the collection of tests: 2, and noticed.
    if code not in (PASSED, FAILED, 2, None):
        raise SystemExit(f"pytest ended with {code} at {trial}: {said}")
    print(f"{'lives' if code == PASSED else 'killed':<7} {trial}", file=sys.stderr)
    return code != PASSED


def measure(chosen: list[Trial], jobs: int) -> list[Trial]:
    """Return those that live."""
    with ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for _ in range(jobs):
            tree = Path(stack.enter_context(TemporaryDirectory(prefix="mutation-")))
            copy_tree(tree, None)
            trees.put(tree)
        tests = tuple(sorted({path for paths in HEART.values() for path in paths}))
        code, said = test(tree, tests, 10 * TIMEOUT_S)
        if code != PASSED:
            raise SystemExit(f"the tests fail without any mutant: {said}")
        killed = list(pool.map(lambda trial: is_killed(trial, trees), chosen))
    return [trial for trial, gone in zip(chosen, killed, strict=True) if not gone]


def main() -> None:
    """Print the score of each file, and the mutants that live."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="files with these words in their name")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sample", type=int, help="so many mutants, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    asked = parser.parse_args()
    began = time.monotonic()
    chosen = trials(asked.only)
    if asked.sample is not None:
        chosen = Random(asked.seed).sample(chosen, min(asked.sample, len(chosen)))  # noqa: S311  # a sample, no secret
    alive = measure(chosen, asked.jobs)
    sums = {
        "mutants": len(chosen),
        "killed": len(chosen) - len(alive),
        "score_pct": round(100 * (1 - len(alive) / max(len(chosen), 1)), 1),
        "by_file_pct": {
            file: round(100 * (1 - sum(one.file == file for one in alive) / count), 1)
            for file in HEART
            if (count := sum(one.file == file for one in chosen))
        },
        "alive": [str(one) for one in alive],
        "seconds": round(time.monotonic() - began, 1),
    }
    if asked.json:
        print(json.dumps(sums))
    else:
        print(f"{sums['killed']} of {sums['mutants']} killed", *map(str, alive), sep="\n")


if __name__ == "__main__":
    main()
