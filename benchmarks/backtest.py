"""Bars per second of our engine, beside vectorbt on the same band strategy.

Both are given the same arrays: price, the vault's delta, the edges of the band and gas, bar by bar,
with the trade to the inner edge. What each keeps books of differs, and is said in the output:

    skip      our event-skipping search: bar and size of every trade, costs of each
    account   the same, and the full account: risk, drawdown, tail, attribution
    edges     the default policy's band at every bar, which `skip` is given
    decide    the live decision itself at every bar
    vectorbt  from_order_func: order records, and a cash and position check at every bar

vectorbt is no dependency: `--peers` installs it below `.tools/peers`. The benchmark stops if the
two do not trade the same.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from benchmarks.figures import Machine, machine
from benchmarks.peers import Peer, add_option, interpreter, serving
from benchmarks.real import TERMS
from benchmarks.turns import Rate, Ratio, seconds, take_turns
from keeper.core.decide import FixedVolatility, Terms
from keeper.model.strategies import Optimal
from keeper.sim.accounting import account
from keeper.sim.backtest import Run, Scene, run
from keeper.sim.edges import Looks, edges, looks_along
from keeper.sim.fast import booked
from keeper.sim.holding import Range, hold
from keeper.sim.processes import Invention, RegimeGas, invent
from keeper.sim.skipping import Edges, band_trades

BARS: Final = 1_000_000
STEP_S: Final = 60
ROUNDS: Final = 7
DECIDED_BARS: Final = 5_000
TARGET: Final = 5.0
ROUNDING: Final = 1e-9
AVERSIONS: Final = {"loose": 1e-5, "tight": 3e-4}
"""γ, per USD: rare trades are passed over more quickly."""
SCRIPT: Final = Path(__file__).with_name("vectorbt_peer.py")


BOOKKEEPING: Final = (
    "skip: bar, size and costs of every trade. vectorbt: order records, and a check of cash and "
    "position at every bar. The edges are given to both, and are not inside either clock."
)


class Case(Struct, frozen=True, kw_only=True):
    """One band strategy along the market."""

    trades: int
    bars_per_trade: float
    skip_bars_per_s: Rate
    account_bars_per_s: Rate
    vectorbt_bars_per_s: Rate | None
    """None: it is not installed."""
    times_faster: Ratio | None
    """`skip` beside vectorbt."""
    account_times_faster: Ratio | None
    """Our whole account beside vectorbt, which keeps order records alone until it is asked."""


class Report(Struct, frozen=True, kw_only=True):
    """The last line of stdout."""

    benchmark: str = "backtest"
    bars: int
    rounds: int
    numpy: str
    vectorbt: str | None
    cases: dict[str, Case]
    edges_bars_per_s: float
    decide_bars_per_s: float
    bookkeeping: str = BOOKKEEPING
    target: float
    """For `skip` in every case, in the best turns."""
    targets_met: bool | None
    """None: vectorbt is not here."""
    machine: Machine


def stage(bars: int) -> tuple[Scene, Terms]:
    """Return an invented market of *bars* with gas in two regimes, and terms without limits."""
    market = invent(Invention(steps=bars - 1, step_s=STEP_S, gas=RegimeGas()), 1)
    policy = replace(TERMS.policy, volatility=FixedVolatility(0.8))
    return Scene(market, hold(Range(), market)), replace(TERMS, policy=policy)


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Return the shortest of *rounds* runs."""
    return min(seconds(work) for _ in range(rounds))


@contextmanager
def peer(python: Path | None, scene: Scene, looks: Looks, band: Edges) -> Iterator[Peer | None]:
    """Yield vectorbt with the scene in its hands; None where it is not installed."""
    if python is None:
        yield None
        return
    with TemporaryDirectory() as scratch:
        np.savez(
            Path(scratch) / "scene.npz",
            price=scene.market.price, bare=band.bare, outer=band.outer, inner=band.inner,
            gas_usd=looks.fixed_usd, fee=scene.venue.fee_fraction,
        )  # fmt: skip
        with serving(python, SCRIPT, scratch) as other:
            yield other


def measure(bars: int, rounds: int, *, install: bool) -> Report:
    """Return bars per second of each, ours and the peer's taking turns."""
    here, python = machine("not used"), interpreter("vectorbt", install=install)
    scene, terms = stage(bars)
    looks = looks_along(scene, terms)
    short, short_terms = stage(min(DECIDED_BARS, bars))
    cases, version = {}, None
    for name, aversion in AVERSIONS.items():
        averse = replace(looks, aversion=aversion)
        band = edges(Optimal(), averse)
        with peer(python, scene, averse, band) as other:
            version = other.versions["version"] if other else None
            cases[name] = raced((scene, averse, band), terms, other, rounds)
    return Report(
        bars=bars, rounds=rounds, numpy=np.__version__, vectorbt=version, cases=cases,
        edges_bars_per_s=bars / best(lambda: edges(Optimal(), looks), 1),
        decide_bars_per_s=short.market.bars / best(lambda: run(short, short_terms), 3),
        target=TARGET, targets_met=met(cases), machine=here,
    )  # fmt: skip


def raced(given: tuple[Scene, Looks, Edges], terms: Terms, other: Peer | None, rounds: int) -> Case:
    """Return one band strategy in our engine and in the peer's, after checking that they agree."""
    (scene, looks, band), least = given, terms.limits.min_trade_base

    def skip() -> Run:
        return booked(scene, band_trades(band, min_trade=least), looks.fixed_usd)

    def whole() -> object:
        return account(scene, skip(), risk_aversion_per_usd=looks.aversion)

    made, bars = skip(), scene.market.bars
    works = {"skip": lambda: seconds(skip), "account": lambda: seconds(whole)}
    if other is not None:
        agree(made, other.ask({}))
        works["vectorbt"] = lambda: float(other.ask({})["seconds"])
    rates = {name: each.per_s(bars) for name, each in take_turns(works, rounds).items()}
    theirs = rates.get("vectorbt")
    return Case(
        trades=made.trades,
        bars_per_trade=bars / made.trades,
        skip_bars_per_s=rates["skip"],
        account_bars_per_s=rates["account"],
        vectorbt_bars_per_s=theirs,
        times_faster=rates["skip"].over(theirs) if theirs else None,
        account_times_faster=rates["account"].over(theirs) if theirs else None,
    )


def agree(ours: Run, theirs: dict[str, Any]) -> None:
    """Refuse to compare what did not trade the same."""
    cost_usd = float(ours.fee_usd.sum() + ours.gas_usd.sum())
    if theirs["trades"] != ours.trades or abs(theirs["cost_usd"] / cost_usd - 1) > ROUNDING:
        raise ValueError(f"not the same trades: {theirs}; ours {ours.trades}, {cost_usd}")


def met(cases: dict[str, Case]) -> bool | None:
    """Return whether the target is met in every case; None where there is nobody to beat."""
    ratios = [case.times_faster for case in cases.values()]
    if None in ratios:
        return None
    return all(ratio.of_best >= TARGET for ratio in ratios if ratio)


def show(report: Report) -> None:
    """Print a table for people."""
    for name, case in report.cases.items():
        print(f"{name}: a trade every {case.bars_per_trade:.0f} bars", file=sys.stderr)
        _row("skip", case.skip_bars_per_s, case.times_faster)
        _row("account", case.account_bars_per_s, case.account_times_faster)
        if case.vectorbt_bars_per_s is None:
            print("  vectorbt is not here: --peers installs it", file=sys.stderr)
        else:
            _row(f"vectorbt {report.vectorbt}", case.vectorbt_bars_per_s, None)
    print(f"edges {report.edges_bars_per_s / 1e6:.3g} M bars/s", file=sys.stderr)
    print(f"decide {report.decide_bars_per_s:,.0f} bars/s", file=sys.stderr)
    print(report.bookkeeping, file=sys.stderr)


def _row(name: str, rate: Rate, ratio: Ratio | None) -> None:
    times = f"{ratio.of_best:8.1f} x vectorbt" if ratio else ""
    print(
        f"  {name:<16}{rate.best_per_s / 1e6:>8.4g} M bars/s best"
        f"{rate.median_per_s / 1e6:>8.4g} median{times}",
        file=sys.stderr,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run, tell people on stderr, and print one JSON object."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: always printed")
    parser.add_argument("--bars", type=int, default=BARS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    add_option(parser)
    asked = parser.parse_args(arguments)
    report = measure(asked.bars, asked.rounds, install=asked.peers)
    show(report)
    print(msgspec.json.encode(report).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
