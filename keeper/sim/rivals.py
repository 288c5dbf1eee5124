"""The policies that stand against each other, each with its one number to turn."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from keeper.core.decide import Terms
from keeper.model.strategies import (
    Always,
    FixedBand,
    Interval,
    Never,
    Optimal,
    Strategy,
    WhalleyWilmott,
    Zakamouline,
)
from keeper.model.units import DAY_S, HOUR_S
from keeper.sim.edges import Looks, edges

TIGHTNESS: Final = tuple(4.0**power for power in (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2))
"""A family is seen at these multiples of its middle risk aversion."""
FAMILIES: Final = (
    "optimal",
    "Whalley-Wilmott",
    "Zakamouline",
    "fixed band to zero",
    "fixed band to edge",
    "interval",
)
LEAST_WIDTH_BASE: Final = 1e-6


class Rival(Struct, frozen=True):
    """One policy as it takes part."""

    name: str
    strategy: Strategy
    risk_aversion_per_usd: float
    """What it is run with, and what its certainty equivalents are reckoned with."""


def setting(rival: Rival) -> str:
    """Return the one number of *rival* with its unit, for people."""
    match rival.strategy:
        case FixedBand(width_base=width):
            return f"{width:.3g} units"
        case Interval(every_s=every_s):
            return f"every {every_s / HOUR_S:.3g} h"
        case _:
            return f"{rival.risk_aversion_per_usd:.3g} /USD"


def rivals(terms: Terms, looks: Looks) -> tuple[Rival, ...]:
    """Return the default line-up: a fixed band is as wide as the best one is at the median bar."""
    aversion = terms.policy.risk_aversion_per_usd
    width = typical_width(looks)
    chosen: dict[str, Strategy] = {
        "optimal": Optimal(),
        "Whalley-Wilmott": WhalleyWilmott(),
        "Zakamouline": Zakamouline(),
        "fixed band to zero": FixedBand(width_base=width, to="zero"),
        "fixed band to edge": FixedBand(width_base=width, to="edge"),
        "every day": Interval(every_s=DAY_S),
        "every bar": Always(),
        "never": Never(),
    }
    return tuple(Rival(name, strategy, aversion) for name, strategy in chosen.items())


def families(terms: Terms, looks: Looks, step_s: int) -> Mapping[str, tuple[Rival, ...]]:
    """Return each policy at many settings, from loose to tight: the curves of the frontier."""
    aversion = terms.policy.risk_aversion_per_usd
    by_aversion: dict[str, Strategy] = {
        "optimal": Optimal(),
        "Whalley-Wilmott": WhalleyWilmott(),
        "Zakamouline": Zakamouline(),
    }
    found: dict[str, tuple[Rival, ...]] = {
        name: tuple(Rival(name, strategy, aversion * times) for times in TIGHTNESS)
        for name, strategy in by_aversion.items()
    }
    widths = [typical_width(looks) / times**0.5 for times in TIGHTNESS]
    found["fixed band to zero"] = tuple(
        Rival("fixed band to zero", FixedBand(width_base=width, to="zero"), aversion)
        for width in widths
    )
    found["fixed band to edge"] = tuple(
        Rival("fixed band to edge", FixedBand(width_base=width, to="edge"), aversion)
        for width in widths
    )
    found["interval"] = tuple(
        Rival("interval", Interval(every_s=every_s), aversion) for every_s in _periods(step_s)
    )
    return found


def _periods(step_s: int) -> list[int]:
    """Return periods from eight days down to one bar, halving."""
    halves = (8 * DAY_S / 2**power for power in range(12))
    return [round(period / step_s) * step_s for period in halves if period >= step_s]


def typical_width(looks: Looks) -> float:
    """Return the median outer edge of the default band, base."""
    return max(float(np.median(edges(Optimal(), looks).outer)), LEAST_WIDTH_BASE)
