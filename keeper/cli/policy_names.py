"""Policies as they are named on the command line."""

from collections.abc import Callable, Mapping
from typing import Final

from keeper.core.decide import Terms
from keeper.model.errors import ConfigError
from keeper.model.quantities import KINDS, parse
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
from keeper.sim.edges import Looks
from keeper.sim.rivals import Rival, rivals

PLAIN: Final[Mapping[str, Callable[[], Strategy]]] = {
    "optimal": Optimal,
    "whalley_wilmott": WhalleyWilmott,
    "zakamouline": Zakamouline,
    "always": Always,
    "never": Never,
}


def rivals_named(names: tuple[str, ...], terms: Terms, looks: Looks) -> tuple[Rival, ...]:
    """Return the policies that *names* say, in order; the whole line-up if there are none.

    Raises:
        ConfigError: A name is not one, or says too little.

    """
    if not names:
        return rivals(terms, looks)
    aversion = terms.policy.risk_aversion_per_usd
    return tuple(Rival(name, strategy(name), aversion) for name in dict.fromkeys(names))


def strategy(name: str) -> Strategy:
    """Return the policy that *name* says: a plain one, `fixed_band:20:zero` or `interval:8 h`."""
    try:
        found = _strategy(*name.split(":"))
    except ValueError as wrong:
        raise _refusal(name, str(wrong)) from None
    if found is None:
        raise _refusal(name, "there is no such policy")
    return found


def _strategy(kind: str, *rest: str) -> Strategy | None:
    match kind, rest:
        case "fixed_band", (width,) | (width, "edge"):
            return FixedBand(width_base=_width(width), to="edge")
        case "fixed_band", (width, "zero"):
            return FixedBand(width_base=_width(width), to="zero")
        case "interval", (every,):
            return Interval(every_s=_seconds(every))
        case _, ():
            return PLAIN[kind]() if kind in PLAIN else None
        case _:
            return None


def _refusal(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"--policy: {why}",
        policy=name,
        remedy=f"{', '.join(PLAIN)}, fixed_band:WIDTH[:zero] or interval:TIME, as in "
        "fixed_band:20:zero and interval:8h",
    )


def _width(text: str) -> float:
    width = float(text)
    if not 0.0 <= width < float("inf"):
        raise ValueError("a width is not below zero")
    return width


def _seconds(text: str) -> int:
    seconds = round(parse(text, KINDS["_s"]))
    if seconds < 1:
        raise ValueError("an interval is a second at least")
    return seconds
