"""Numbers as people write them: a value and its unit, in one string.

A configuration field's suffix says which unit the code counts in; its key in keeper.toml is the
name without the suffix, and its value names the unit: `cooldown_s` is `cooldown = "5 min"`.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Final

from msgspec import Struct

from keeper.model.units import DAY_S, GWEI, HOUR_S, MS_PER_S, YEAR_S


class Kind(Struct, frozen=True):
    """What a suffix stands for: how much each unit is worth in the code's own, and what is odd."""

    what: str
    units: Mapping[str, Fraction]
    most: Fraction
    """In the code's unit; above it a slip of the unit is likelier than the meaning."""
    example: str


_ONE: Final = Fraction(1)
_DURATIONS_S: Final = {
    "ms": Fraction(1, MS_PER_S),
    "s": _ONE,
    "min": Fraction(60),
    "h": Fraction(HOUR_S),
    "d": Fraction(DAY_S),
}

KINDS: Final[Mapping[str, Kind]] = {
    # Longer suffixes first: `_per_usd` ends in `_usd`, too.
    "_per_usd": Kind("an amount per USD", {"/USD": _ONE}, Fraction(10**6), "1e-5 /USD"),
    "_fraction": Kind(
        "a share",
        {"bps": Fraction(1, 10_000), "%": Fraction(1, 100)},
        _ONE,
        "50 bps",
    ),
    "_base": Kind("an amount of the book's asset", {}, Fraction(10**15), "12.5 ETH"),
    "_wei": Kind(
        "a price of gas",
        {"wei": _ONE, "gwei": Fraction(GWEI)},
        Fraction(10**6 * GWEI),
        "25 gwei",
    ),
    "_usd": Kind("an amount of money", {"USD": _ONE}, Fraction(10**12), "500 USD"),
    "_ms": Kind(
        "a duration",
        {unit: worth * MS_PER_S for unit, worth in _DURATIONS_S.items()},
        Fraction(10 * YEAR_S * MS_PER_S),
        "500 ms",
    ),
    "_s": Kind("a duration", _DURATIONS_S, Fraction(10 * YEAR_S), "30 s"),
    "_x": Kind("a multiple", {"x": _ONE}, Fraction(1_000), "3 x"),
}

_QUANTITY: Final = re.compile(
    r"(?P<number>[+-]?[0-9]+(_[0-9]+)*(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?)\s*(?P<unit>[A-Za-z%/].*)?"
)


def suffix_of(field: str) -> str | None:
    """Return the suffix that gives *field* its unit; None if it has none."""
    return next((s for s in KINDS if field.endswith(s) and field != s), None)


def key_of(field: str) -> str:
    """Return the key in keeper.toml of a Struct's *field*: its name without the unit."""
    return field.removesuffix(suffix_of(field) or "")


def kind_of(suffix: str, symbol: str | None) -> Kind:
    """Return the kind of *suffix*; amounts of the asset are written in the book's *symbol*.

    Raises:
        ValueError: An amount of an asset, and no book says of which.

    """
    kind = KINDS[suffix]
    if suffix != "_base":
        return kind
    if symbol is None:
        raise ValueError("an amount of the asset belongs into [[books]], which says its symbol")
    return Kind(kind.what, {symbol: _ONE}, kind.most, f"12.5 {symbol}")


def parse(text: str, kind: Kind) -> Fraction:
    """Return exactly what *text* says, in the code's unit.

    Raises:
        ValueError: It is no number with one of the kind's units. The message says what is wrong.

    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError("this is not a number with its unit")
    number, unit = match["number"], match["unit"]
    if unit is None:
        raise ValueError("value without unit")
    if unit not in kind.units:
        raise ValueError(f"unit {unit!r} is not known here{_meant(unit, kind)}")
    return Fraction(number.replace("_", "")) * kind.units[unit]


def spell_units(kind: Kind) -> str:
    """Return the units of *kind* and an example, for an error's remedy."""
    return f'write {kind.what} in {", ".join(kind.units)}, as in "{kind.example}"'


def _meant(unit: str, kind: Kind) -> str:
    folded = {known.casefold(): known for known in kind.units}
    near = get_close_matches(unit.casefold(), folded, n=1)
    return f"; did you mean {folded[near[0]]}?" if near else ""
