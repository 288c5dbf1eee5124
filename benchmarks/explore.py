"""Goes through every order in which a few things can happen to the real engine.

    scripts/bench explore [--scope full|suite] [--most-states N] [--json]

`keeper/sim/explorer.py` says what a state is and what can happen. The rows below are the scopes; a
search that meets more states than it may says so (`complete`): what it visited was nearest.
"""

import argparse
import json
import sys
import time
from typing import Final

from msgspec.structs import asdict, replace

from keeper.sim.explorer import Explorer, Found, Scope

SUITE: Final = (
    Scope(intents=2, blocks=4, reorgs=1, depth=1, crashes=0, takeovers=1, losses=0, waits=0),
)
FULL: Final = (
    # Three trades, two processes, two reorgs.
    Scope(intents=3, blocks=6, reorgs=2, depth=2, crashes=0, takeovers=1, losses=0, waits=0),
    # A death at any side effect, a takeover and a send that is lost or late, beside a reorg.
    Scope(intents=2, blocks=4, reorgs=1, depth=2, crashes=1, takeovers=1, losses=1, waits=0),
    # Replacements: time passes, older bytes may win, reorgs exchange them.
    Scope(intents=1, blocks=3, reorgs=2, depth=2, crashes=1, takeovers=0, losses=0, waits=2),
)
SCOPES: Final = {"suite": SUITE, "full": FULL}


def explore(scope: Scope) -> tuple[Found, float]:
    """Search one scope; return what was found and how many seconds it took."""
    began = time.monotonic()
    found = Explorer(scope).search()
    return found, round(time.monotonic() - began, 1)


def main(arguments: list[str] | None = None) -> int:
    """Print what was searched; return 1 if anything broke."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scope", choices=tuple(SCOPES), default="full")
    parser.add_argument("--most-states", type=int, default=1_000_000, help="of each scope")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args(arguments)
    rows: list[dict[str, object]] = []
    total, seconds = Found(violations=[]), 0.0
    for scope in SCOPES[chosen.scope]:
        found, took_s = explore(replace(scope, most_states=chosen.most_states))
        print(f"{scope}\n    {found} in {took_s} s", file=sys.stderr)
        rows.append(asdict(scope) | asdict(found) | {"seconds": took_s})
        total.states += found.states
        total.transitions += found.transitions
        total.depth = max(total.depth, found.depth)
        total.complete &= found.complete
        total.violations += found.violations
        seconds += took_s
    report = {
        "states": total.states,
        "transitions": total.transitions,
        "violations": len(total.violations),
        "depth": total.depth,
        "complete": total.complete,
        "seconds": round(seconds, 1),
        "scopes": rows,
    }
    print(json.dumps(report) if chosen.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    return 1 if total.violations else 0


if __name__ == "__main__":
    sys.exit(main())
