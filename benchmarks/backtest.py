"""Bars per second of our engine, beside vectorbt on the same band strategy.

Both are given the same arrays: price, the vault's delta, the edges of the band and gas, bar by bar,
with the trade to the inner edge. What each keeps books of differs, and is said in the output:

    skip      our event-skipping search: bar and size of every trade, costs of each
    account   the same, and the full account: risk, drawdown, tail, attribution
    edges     the default policy's band at every bar, which `skip` is given
    decide    the live decision itself at every bar
    vectorbt  from_order_func: order records, and a cash and position check at every bar

vectorbt is no dependency: `--peer PYTHON` names an interpreter that has it.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from benchmarks.real import TERMS
from keeper.core.decide import FixedVolatility, Terms
from keeper.core.policies import Optimal
from keeper.sim.accounting import account
from keeper.sim.backtest import Scene, run
from keeper.sim.edges import Looks, edges, looks_along
from keeper.sim.fast import booked
from keeper.sim.holding import Range, hold
from keeper.sim.processes import Invention, RegimeGas, invent
from keeper.sim.skipping import Edges, Trades, band_trades

BARS: Final = 1_000_000
STEP_S: Final = 300
ROUNDS: Final = 7
DECIDED_BARS: Final = 5_000
TARGET: Final = 5.0
PEER: Final = Path(__file__).with_name("vectorbt_peer.py")


def stage(bars: int) -> tuple[Scene, Terms]:
    """Return an invented market of *bars* with gas in two regimes, and terms without limits."""
    market = invent(Invention(steps=bars - 1, step_s=STEP_S, gas=RegimeGas()), 1)
    policy = replace(TERMS.policy, volatility=FixedVolatility(0.8))
    return Scene(market, hold(Range(), market)), replace(TERMS, policy=policy)


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the shortest of *rounds* runs."""
    return min(seconds(work) for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    """Return how long *work* takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


class Peer:
    """vectorbt in a process of its own, asked for one run at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.version = str(self._answer()["version"])

    def once(self) -> dict[str, Any]:
        """Return seconds, trades and cost of one run."""
        if self._process.stdin is None:
            raise RuntimeError("the peer has no stdin")
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise ModuleNotFoundError("the peer did not start: vectorbt is not there")
        found: dict[str, Any] = json.loads(line)
        return found


@contextmanager
def peer(python: str, scene: Scene, looks: Looks, band: Edges) -> Iterator[Peer | None]:
    """Yield vectorbt under *python*; None where it cannot be imported."""
    with TemporaryDirectory() as scratch:
        np.savez(
            Path(scratch) / "scene.npz",
            price=scene.market.price, bare=band.bare, outer=band.outer, inner=band.inner,
            gas_usd=looks.fixed_usd, fee=scene.venue.fee_fraction,
        )  # fmt: skip
        process = subprocess.Popen(  # noqa: S603  # an interpreter that the user named
            [python, "-W", "ignore", str(PEER), scratch],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            yield Peer(process)
        except ModuleNotFoundError:
            yield None
        finally:
            process.kill()
            process.wait()


def measure(bars: int, python: str) -> dict[str, Any]:
    """Return bars per second of each, ours and the peer's taking turns."""
    scene, terms = stage(bars)
    looks = looks_along(scene, terms)
    band = edges(Optimal(), looks)
    least = terms.limits.min_trade_base

    def skip() -> Trades:
        return band_trades(band, min_trade=least)

    def whole() -> object:
        made = booked(scene, skip(), looks.fixed_usd)
        return account(scene, made, risk_aversion_per_usd=looks.aversion)

    ours, theirs = [], []
    version = None
    made = booked(scene, skip(), looks.fixed_usd)
    cost_usd = float(made.fee_usd.sum() + made.gas_usd.sum())
    with peer(python, scene, looks, band) as other:
        if other is not None:
            version = other.version
            checked = other.once()  # compiles
            same = checked["trades"] == made.trades
            if not same or abs(checked["cost_usd"] / cost_usd - 1) > 1e-9:  # noqa: PLR2004  # rounding
                raise ValueError(f"not the same trades: {checked}, ours {made.trades} {cost_usd}")
        for _ in range(ROUNDS):
            ours.append(seconds(lambda: booked(scene, skip(), looks.fixed_usd)))
            if other is not None:
                theirs.append(float(other.once()["seconds"]))
    short, short_terms = stage(DECIDED_BARS)
    return {
        "bars": bars,
        "trades": made.trades,
        "skip_bars_per_s": bars / min(ours),
        "skip_median_bars_per_s": bars / median(ours),
        "account_bars_per_s": bars / best(whole, 3),
        "edges_bars_per_s": bars / best(lambda: edges(Optimal(), looks), 1),
        "decide_bars_per_s": DECIDED_BARS / best(lambda: run(short, short_terms), 3),
        "vectorbt": version,
        "vectorbt_bars_per_s": bars / min(theirs) if theirs else None,
        "vectorbt_median_bars_per_s": bars / median(theirs) if theirs else None,
        "ratio": median(theirs) / median(ours) if theirs else None,
        "bookkeeping": "skip: trades and their costs. vectorbt: order records, and a cash and "
        "position check at every bar. Edges are given to both.",
    }


def main() -> None:
    """Measure, show, and say whether the target is met."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--json", action="store_true", help="one JSON object, last on stdout")
    parser.add_argument("--bars", type=int, default=BARS)
    parser.add_argument("--peer", default=sys.executable, metavar="PYTHON",
                        help="an interpreter that has vectorbt")  # fmt: skip
    options = parser.parse_args()
    result = measure(options.bars, options.peer)
    for name, value in result.items():
        shown = f"{value:,.4g}" if isinstance(value, float) else value
        print(f"{name:<28}{shown}", file=sys.stderr)
    if result["ratio"] is None:
        print("vectorbt is not here: --peer names an interpreter that has it", file=sys.stderr)
    if options.json:
        met = None if result["ratio"] is None else result["ratio"] >= TARGET
        print(json.dumps(result | {"targets_met": met}))


if __name__ == "__main__":
    main()
