"""Price and five Greeks per second, one thread, beside the libraries that have them.

Every library is given the same million options on one underlying, as arrays; those that take one at
a time get the first twenty thousand in a loop. Ours computes vanna and volga as well. Errors are
the greatest against forty-digit reference values, relative to the reference or to 1.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks.figures import Machine, machine
from benchmarks.pricing import (
    Columns,
    Rival,
    book,
    race,
    rivals,
    run,
    speed,
    tried,
    vectors,
    worst,
)  # fmt: skip
from benchmarks.turns import Rate, Ratio, seconds
from keeper.core.arrays import Floats
from keeper.core.greeks import Greeks, Vanilla, black_scholes

LIBRARIES: Final = ("fast_vollib", "py_vollib_vectorized", "quantlib", "vollib")
QUANTITIES: Final = ("price", "delta", "gamma", "vega", "theta", "rho")
NOTES: Final = {
    "py_vollib_vectorized": "Greeks by finite differences; rho of its model with a dividend yield, "
    "of which the errors are taken, holds the forward fixed",
}
TARGETS: Final = {"fast_vollib": 3.0, "quantlib": 100.0}


class Competitor(Struct, frozen=True, kw_only=True):
    """One library beside ours."""

    version: str
    options_per_s: Rate
    times_faster: Ratio
    """How many times faster ours is."""
    errors: dict[str, float] | None


class Report(Struct, frozen=True, kw_only=True):
    """The last line of stdout."""

    benchmark: str = "greeks"
    options: int
    rounds: int
    numpy: str
    ours_per_s: Rate
    our_errors: dict[str, float]
    peers: dict[str, Competitor | None]
    """None: it is not installed, and nothing is known."""
    notes: dict[str, str]
    targets: dict[str, float]
    targets_met: bool | None
    """None: a library with a target is missing."""
    machine: Machine


def ours(c: Columns) -> Greeks:
    """Return price and Greeks of all of *c*."""
    return black_scholes(
        Vanilla(c["sign"], c["strike"], c["years"]),
        c["spot"],
        c["sigma"],
        rate=c["rate"],
        carry_yield=c["carry_yield"] if c["carry_yield"].any() else 0.0,
    )


def reference() -> tuple[Columns, Floats]:
    """Return options and their exact price and Greeks in rows."""
    rows = vectors("black_scholes")
    years, rate, carry_yield = rows["T"], rows["r"], rows["q"]
    columns = {
        "sign": rows["cp"], "spot": rows["S"], "strike": rows["K"], "years": years,
        "sigma": rows["sigma"], "rate": rate, "carry_yield": carry_yield,
        "forward": rows["S"] * np.exp((rate - carry_yield) * years), "price": rows["price"],
    }  # fmt: skip
    names = ("price", "delta", "gamma", "vega", "theta_per_year", "rho")
    return columns, np.array([rows[name] for name in names])


def errors(found: Floats, exact: Floats) -> dict[str, float]:
    """Return the greatest error of each quantity."""
    return {
        name: worst(row, true) for name, row, true in zip(QUANTITIES, found, exact, strict=True)
    }


def measure(options: int, rounds: int, *, install: bool) -> Report:
    """Let ours and the others take turns, and hold all of them against the reference values."""
    columns, (given, exact) = book(options), reference()
    here = machine("not used")
    with rivals(LIBRARIES, install=install) as found:
        rates = race("greeks", lambda: seconds(lambda: ours(columns)), columns, found, rounds)
        peers = {
            name: _competitor(found[name], rates, (given, exact)) if name in found else None
            for name in LIBRARIES
        }
    our_rows = np.array([getattr(ours(given), name) for name in QUANTITIES])
    return Report(
        options=options, rounds=rounds, numpy=np.__version__, ours_per_s=rates["ours"],
        our_errors=errors(our_rows, exact), peers=peers, notes=NOTES, targets=TARGETS,
        targets_met=met(peers), machine=here,
    )  # fmt: skip


def _competitor(
    rival: Rival, rates: dict[str, Rate], reference: tuple[Columns, Floats]
) -> Competitor:
    given, exact = reference
    results = tried(lambda: rival.results("greeks", given), rival.library)
    return Competitor(
        version=rival.version,
        options_per_s=rates[rival.library],
        times_faster=rates["ours"].over(rates[rival.library]),
        errors=None if results is None else errors(results, exact),
    )


def met(peers: dict[str, Competitor | None]) -> bool | None:
    """Return whether every target is met, by the shortest turns; None where that is not known."""
    held = [(peers[name], target) for name, target in TARGETS.items()]
    if any(peer is None for peer, _ in held):
        return None
    return all(peer.times_faster.of_best >= target for peer, target in held if peer)


def show(report: Report) -> None:
    """Print a table for people."""
    print(f"{'':<29}{'M/s best':>9}{'median':>9}{'ours is':>10}  worst error", file=sys.stderr)
    _row("ours", report.ours_per_s, None, report.our_errors)
    for name, peer in report.peers.items():
        if peer is None:
            print(f"{name:<29}  not installed", file=sys.stderr)
        else:
            _row(f"{name} {peer.version}", peer.options_per_s, peer.times_faster, peer.errors)

    for name, note in report.notes.items():
        print(f"{name}: {note}", file=sys.stderr)


def _row(name: str, rate: Rate, ratio: Ratio | None, errs: dict[str, float] | None) -> None:
    at = max(errs, key=lambda name: errs[name]) if errs else ""
    error = f"{errs[at]:.1e} ({at})" if errs else "unknown"
    print(speed(name, rate, ratio), f" {error}", file=sys.stderr)


def main(arguments: list[str] | None = None) -> int:
    """Run, tell people on stderr, and print one JSON object."""
    return run(Path(__file__).stem, measure, show, arguments)


if __name__ == "__main__":
    sys.exit(main())
