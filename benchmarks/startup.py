"""How long until the keeper is there: `keeper --help`, and importing the core.

Each is a process of its own, with a warm disk cache; a bare interpreter stands beside them.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = 15
CASES = {
    "python_s": ("-c", "pass"),
    "import_core_s": ("-c", "import keeper.core.decide"),
    "help_s": ("-m", "keeper", "--help"),
    "import_web3_s": ("-c", "import web3"),
}
TARGETS_S = {"import_core_s": 0.15, "help_s": 0.3}


def seconds(arguments: tuple[str, ...]) -> float:
    """Return the wall time of one interpreter that does only this."""
    began = perf_counter()
    subprocess.run(  # noqa: S603  # our own interpreter with the constants above
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL
    )
    return perf_counter() - began


def measure(rounds: int) -> dict[str, float]:
    """Return the median of each case; the cases take turns, so that a busy moment hits all."""
    taken: dict[str, list[float]] = {name: [] for name in CASES}
    for number in range(rounds + 1):
        for name, arguments in CASES.items():
            spent = seconds(arguments)
            if number:  # the first round warms the cache
                taken[name].append(spent)
    return {name: round(median(all_of), 4) for name, all_of in taken.items()}


def main() -> None:
    """Measure, show, and say which target was met."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    options = parser.parse_args()
    result = measure(options.rounds)
    for name, spent in result.items():
        target = f"  target {TARGETS_S[name]} s" if name in TARGETS_S else ""
        print(f"{name.removesuffix('_s'):<12} {spent * 1_000:7.1f} ms{target}", file=sys.stderr)
    if options.json:
        met = all(result[name] <= limit for name, limit in TARGETS_S.items())
        print(json.dumps(result | {"rounds": options.rounds, "targets_met": met}))


if __name__ == "__main__":
    main()
