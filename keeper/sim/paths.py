"""Invented price paths, repeatable from their seed."""

import csv
from collections.abc import Iterable
from math import exp, log, sqrt

import numpy as np
from msgspec import Struct

from keeper.model.errors import ConfigError
from keeper.model.units import YEAR_S


class Point(Struct, frozen=True):
    """One price at one time."""

    at_s: int
    price: float


class Crash(Struct, frozen=True):
    """A fall and its recovery, as fractions of the path's length."""

    depth: float = 0.15
    falls_from: float = 0.35
    lowest_at: float = 0.5
    recovered_at: float = 0.75


def crash_path(
    *, seed: int, steps: int, step_s: int, start: float, sigma: float, crash: Crash | None = None
) -> tuple[Point, ...]:
    """Return *steps* + 1 points of driftless GBM laid over a crash and its recovery.

    *sigma* is per year. The noise is a bridge: the path ends where its crash ends, so that a
    demonstration does not depend on where chance would have left the price.
    """
    shape = crash or Crash()
    noise = np.random.default_rng(seed).standard_normal(steps) * sigma * sqrt(step_s / YEAR_S)
    walk = np.concatenate(([0.0], np.cumsum(noise)))
    bridge = walk - np.linspace(0.0, 1.0, steps + 1) * walk[-1]
    return tuple(
        Point(i * step_s, start * exp(float(bridge[i]) + _fallen(i / steps, shape)))
        for i in range(steps + 1)
    )


def read_csv(lines: Iterable[str]) -> tuple[Point, ...]:
    """Return the points of a CSV with the columns `ts` (unix seconds) and `price`.

    Raises:
        ConfigError: A column is missing, a price is not above zero, or time goes back.

    """
    points: list[Point] = []
    for number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            point = Point(int(float(row["ts"])), float(row["price"]))
        except (KeyError, TypeError, ValueError) as bad:
            raise ConfigError(
                "a row of the price file is not `ts,price`", line=number, row=dict(row)
            ) from bad
        if not point.price > 0 or (points and point.at_s <= points[-1].at_s):
            raise ConfigError("prices must be above zero, in rising order of time", line=number)
        points.append(point)
    if not points:
        raise ConfigError("the price file has no rows", remedy="it needs a header `ts,price`")
    return tuple(points)


def _fallen(t: float, crash: Crash) -> float:
    """Return the log of the crash's factor at *t* of the path."""
    bottom = log(1 - crash.depth)
    if t <= crash.falls_from or t >= crash.recovered_at:
        return 0.0
    if t <= crash.lowest_at:
        return bottom * (t - crash.falls_from) / (crash.lowest_at - crash.falls_from)
    return bottom * (crash.recovered_at - t) / (crash.recovered_at - crash.lowest_at)
