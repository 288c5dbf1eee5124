"""Implied volatilities per second, one thread, beside the libraries that find them.

Every library is given the same million prices on one forward curve, as arrays; those that take one
at a time get the first twenty thousand in a loop. Two errors are shown for each:

    vectors      against the volatility, to forty digits, that gives each price of the vectors, less
                 what half a rounding of that price is worth, which nobody can do better
    conditioned  against the volatility that the prices of the race were made from, where four
                 roundings of the price are worth less than 1e-10 of volatility

A failure is a NaN where there is a volatility; it counts apart and is in neither error.
"""

import sys
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct

from benchmarks.figures import Machine, machine
from benchmarks.pricing import (
    LOOPED,
    Columns,
    Rival,
    book,
    race,
    rivals,
    run,
    speed,
    tried,
    vectors,
)  # fmt: skip
from benchmarks.turns import Rate, Ratio, seconds
from keeper.core.arrays import Bits, Floats
from keeper.core.greeks import Vanilla, black76, implied_vol

LIBRARIES: Final = ("py_vollib_vectorized", "fast_vollib", "quantlib", "quantlib_1e_12", "vollib")
TARGETS: Final = {"py_vollib_vectorized": 1.5, "quantlib": 4.0}
CONDITIONED: Final = 1e-10
ROUNDINGS: Final = 4.0
SAME: Final = 1.01
"""Errors within a hundredth are the same: they are roundings of the prices that all are given."""


class Errors(Struct, frozen=True):
    """The greatest of each kind, in volatility; None if there is no number at all."""

    vectors: float | None
    conditioned: float | None
    failures: int
    """Of the vectors and of the conditioned prices together."""


class Competitor(Struct, frozen=True, kw_only=True):
    """One library beside ours."""

    version: str
    options_per_s: Rate
    times_faster: Ratio
    """How many times faster ours is."""
    errors: Errors | None


class Report(Struct, frozen=True, kw_only=True):
    """The last line of stdout."""

    benchmark: str = "iv"
    options: int
    rounds: int
    numpy: str
    conditioned_share: float
    """Of the first twenty thousand prices, which are those that errors are taken of."""
    ours_per_s: Rate
    our_errors: Errors
    peers: dict[str, Competitor | None]
    """None: it is not installed, and nothing is known."""
    targets: dict[str, float]
    """It is enough to meet one of them, with no larger error than that library's."""
    targets_met: bool | None
    """None: no library with a target is here."""
    machine: Machine


class Exam(Struct, frozen=True):
    """Prices whose volatilities are known."""

    vectors: Columns
    uncertainty: Floats
    """Of each vector's volatility, by half a rounding of its price."""
    sample: Columns
    conditioned: Bits


def ours(c: Columns) -> Floats:
    """Return the implied volatilities of all of *c*."""
    option = Vanilla(c["sign"], c["strike"], c["years"])
    return implied_vol(option, c["price"], c["forward"], rate=c["rate"])


def exam(columns: Columns) -> Exam:
    """Return the reference values, and the first prices of the race."""
    rows = vectors("implied_vol")
    given = {
        "sign": rows["cp"], "strike": rows["K"], "years": rows["T"], "rate": rows["r"],
        "forward": rows["F"], "price": rows["price_double"], "sigma": rows["iv_of_that_double"],
        "spot": rows["F"], "carry_yield": rows["r"],
    }  # fmt: skip
    sample = {name: column[:LOOPED] for name, column in columns.items()}
    return Exam(given, rows["iv_uncertainty_half_ulp"], sample, well_conditioned(sample))


def well_conditioned(c: Columns) -> Bits:
    """Tell which prices hold their volatility to 1e-10, whoever reads it out of them."""
    option = Vanilla(c["sign"], c["strike"], c["years"])
    vega = black76(option, c["forward"], c["sigma"], rate=c["rate"]).vega
    return np.asarray(ROUNDINGS * np.spacing(c["price"]) < CONDITIONED * vega)


def errors(of_vectors: Floats, of_sample: Floats, asked: Exam) -> Errors:
    """Return the greatest errors, and how many there is no number for."""
    off = np.abs(of_vectors.ravel() - asked.vectors["sigma"]) - asked.uncertainty
    near = np.abs(of_sample.ravel() - asked.sample["sigma"])[asked.conditioned]
    failures = int(np.sum(~np.isfinite(off)) + np.sum(~np.isfinite(near)))
    return Errors(_greatest(off), _greatest(near), failures)


def _greatest(errs: Floats) -> float | None:
    finite = errs[np.isfinite(errs)]
    return max(0.0, float(finite.max())) if finite.size else None


def measure(options: int, rounds: int, *, install: bool) -> Report:
    """Let ours and the others take turns, and hold all of them against known volatilities."""
    columns = book(options)
    asked, here = exam(columns), machine("not used")
    with rivals(LIBRARIES, install=install) as found:
        rates = race("iv", lambda: seconds(lambda: ours(columns)), columns, found, rounds)
        peers = {
            name: _competitor(found[name], rates, asked) if name in found else None
            for name in LIBRARIES
        }
    our_errors = errors(ours(asked.vectors), ours(asked.sample), asked)
    return Report(
        options=options, rounds=rounds, numpy=np.__version__,
        conditioned_share=float(asked.conditioned.mean()), ours_per_s=rates["ours"],
        our_errors=our_errors, peers=peers, targets=TARGETS,
        targets_met=met(our_errors, peers), machine=here,
    )  # fmt: skip


def _competitor(rival: Rival, rates: dict[str, Rate], asked: Exam) -> Competitor:
    def both() -> tuple[Floats, Floats]:
        return rival.results("iv", asked.vectors), rival.results("iv", asked.sample)

    results = tried(both, rival.library)
    return Competitor(
        version=rival.version,
        options_per_s=rates[rival.library],
        times_faster=rates["ours"].over(rates[rival.library]),
        errors=None if results is None else errors(*results, asked),
    )


def met(our_errors: Errors, peers: dict[str, Competitor | None]) -> bool | None:
    """Return whether a target is met at no larger error; None where nobody with one is here."""
    held = [(peer, target) for name, target in TARGETS.items() if (peer := peers[name])]
    if not held:
        return None
    return any(
        peer.times_faster.of_best >= target and _as_good(our_errors, peer.errors)
        for peer, target in held
    )


def _as_good(ours: Errors, theirs: Errors | None) -> bool:
    """Tell whether ours are no larger."""
    if theirs is None or ours.failures > theirs.failures:
        return False
    pairs = (ours.vectors, theirs.vectors), (ours.conditioned, theirs.conditioned)
    return all(
        mine is not None and (other is None or mine <= SAME * other) for mine, other in pairs
    )


def show(report: Report) -> None:
    """Print a table for people."""
    print(
        f"{'':<29}{'M/s best':>9}{'median':>9}{'ours is':>10}{'vectors':>10}{'conditioned':>13}",
        f"{'failures':>9}",
        file=sys.stderr,
    )
    _row("ours", report.ours_per_s, None, report.our_errors)
    for name, peer in report.peers.items():
        if peer is None:
            print(f"{name:<29}  not installed", file=sys.stderr)
        else:
            _row(f"{name} {peer.version}", peer.options_per_s, peer.times_faster, peer.errors)


def _row(name: str, rate: Rate, ratio: Ratio | None, errs: Errors | None) -> None:
    print(speed(name, rate, ratio), "" if errs is None else _shown(errs), file=sys.stderr)


def _shown(errs: Errors) -> str:
    vectors, conditioned = (
        "none" if each is None else f"{each:.1e}" for each in (errs.vectors, errs.conditioned)
    )
    return f"{vectors:>9}{conditioned:>13}{errs.failures:>9}"


def main(arguments: list[str] | None = None) -> int:
    """Run, tell people on stderr, and print one JSON object."""
    return run(Path(__file__).stem, measure, show, arguments)


if __name__ == "__main__":
    sys.exit(main())
