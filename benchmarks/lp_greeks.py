"""Value, delta and gamma of a million liquidity positions, one thread, in milliseconds.

A million ranges of different widths and liquidity at one price, as a vault of one pool has them,
and each at a price of its own. A loop over the same formulas, one position at a time, stands beside
it; errors are against the reference values.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.figures import Machine, machine
from benchmarks.pricing import vectors, worst
from benchmarks.turns import Ratio, Timed, seconds, take_turns
from keeper.core import amm
from keeper.core.amm_vectors import range_greeks
from keeper.core.arrays import Floats
from keeper.model.chain import Address
from keeper.model.position import Concentrated
from keeper.model.units import MS_PER_S

POSITIONS: Final = 1_000_000
LOOPED: Final = 10_000
ROUNDS: Final = 15
PRICE: Final = 3_000.0
TARGET_MS: Final = 15.0


class Milliseconds(Struct, frozen=True):
    """Of all positions."""

    best: float
    median: float


class Report(Struct, frozen=True, kw_only=True):
    """The last line of stdout."""

    benchmark: str = "lp_greeks"
    positions: int
    rounds: int
    numpy: str
    one_price_ms: Milliseconds
    own_prices_ms: Milliseconds
    positions_per_s: float
    """At one price, in the best turn."""
    times_faster_than_a_loop: Ratio
    """Over the scalar functions of `core/amm` on the first ten thousand."""
    errors: dict[str, float]
    target_ms: float
    """For a million positions at one price, in the best turn."""
    targets_met: bool
    machine: Machine


def ranges(count: int, seed: int = 1) -> tuple[Floats, Floats, Floats]:
    """Return liquidity and both edges of *count* ranges, of which most hold the price."""
    chance = np.random.default_rng(seed)
    middle = PRICE * np.exp(chance.normal(0.0, 0.2, count))
    width = np.exp(chance.uniform(0.01, 0.8, count))
    return chance.uniform(1.0, 1e5, count), middle / width, middle * width


def measure(positions: int, rounds: int) -> Report:
    """Time both, and the loop, in turns."""
    here = machine("not used")
    liquidity, lower, upper = ranges(positions)
    own = PRICE * np.exp(np.random.default_rng(2).normal(0.0, 0.2, positions))
    looped = min(LOOPED, positions)
    timed = take_turns(
        {
            "one": lambda: seconds(lambda: range_greeks(liquidity, lower, upper, PRICE)),
            "own": lambda: seconds(lambda: range_greeks(liquidity, lower, upper, own)),
            "loop": lambda: seconds(one_by_one(liquidity[:looped], lower, upper)),
        },
        rounds,
    )
    one, loop = timed["one"].per_s(positions), timed["loop"].per_s(looped)
    best_ms = timed["one"].best_s * MS_PER_S * POSITIONS / positions
    return Report(
        positions=positions, rounds=rounds, numpy=np.__version__,
        one_price_ms=_ms(timed["one"]), own_prices_ms=_ms(timed["own"]),
        positions_per_s=one.best_per_s, times_faster_than_a_loop=one.over(loop),
        errors=errors(), target_ms=TARGET_MS, targets_met=best_ms <= TARGET_MS, machine=here,
    )  # fmt: skip


def one_by_one(liquidity: Floats, lower: Floats, upper: Floats) -> Callable[[], object]:
    """Return the loop over the scalar functions, with its positions already made."""
    base, quote = Address("0xBase"), Address("0xQuote")
    legs = [
        Concentrated(base=base, quote=quote, liquidity=size, price_lower=low, price_upper=high)
        for size, low, high in zip(liquidity.tolist(), lower.tolist(), upper.tolist(), strict=False)
    ]
    return lambda: [
        (amm.value(leg, PRICE), amm.delta(leg, PRICE), amm.gamma(leg, PRICE)) for leg in legs
    ]


def errors() -> dict[str, float]:
    """Return the greatest error against the reference values, relative to them or to 1."""
    rows = vectors("univ3_lp")
    found = range_greeks(rows["L"], rows["pa"], rows["pb"], rows["S"])
    exact = (rows["value_quote"], rows["delta"], rows["gamma"])
    return {
        name: worst(ours, true)
        for name, ours, true in zip(found._fields, found, exact, strict=True)
    }


def _ms(timed: Timed) -> Milliseconds:
    return Milliseconds(best=timed.best_s * MS_PER_S, median=timed.median_s * MS_PER_S)


def main(arguments: list[str] | None = None) -> int:
    """Run, tell people on stderr, and print one JSON object."""
    parser = argparse.ArgumentParser(prog=f"scripts/bench {Path(__file__).stem}")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: always printed")
    parser.add_argument("--positions", type=int, default=POSITIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args(arguments)
    report = measure(asked.positions, asked.rounds)
    print(f"{report.positions:,} positions: value, delta, gamma", file=sys.stderr)
    for name, spent in (("one price", report.one_price_ms), ("own prices", report.own_prices_ms)):
        print(f"{name:<12}{spent.best:8.2f} ms best {spent.median:8.2f} median", file=sys.stderr)
    ratio = report.times_faster_than_a_loop
    print(f"a loop of scalars takes {ratio.of_best:.0f} times as long", file=sys.stderr)
    print(msgspec.json.encode(report).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
