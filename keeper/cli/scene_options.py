"""The options of `keeper backtest` and `keeper tune` that say what is simulated, and their values.

Numbers carry their units, as in keeper.toml.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from msgspec import Struct

from keeper.model.quantities import KINDS, Kind, parse, spell_units

INVENTED: Final = ("gbm", "heston", "jumps")


Callback = Callable[[click.Context, click.Parameter, str | None], Any]


class Bounds(NamedTuple):
    """What an option may be, written as it is, with units; without them it has those of its kind.

    A kind's own are wide: beyond them a slip of the unit is likelier than the meaning.
    """

    least: str | None = None
    above: str | None = None
    most: str | None = None

    def broken_by(self, number: Fraction, kind: Kind) -> str | None:
        """Return what is wrong with *number*; None if nothing is."""
        if self.least is not None and number < parse(self.least, kind):
            return f"below {self.least}"
        if self.above is not None and number <= parse(self.above, kind):
            return f"not above {self.above}"
        most = kind.most if self.most is None else parse(self.most, kind)
        if abs(number) > most:
            return f"beyond {self.most}" if self.most else "too much to be meant"
        return None


def quantity(
    suffix: str, *words: str, file: bool = False, bounds: Bounds | None = None
) -> Callback:
    """Return what turns an option's text into a number in the code's unit.

    It leaves *words* as they are, and makes a path of what names a file if *file*.
    """
    kind, within = KINDS[suffix], bounds or Bounds()

    def convert(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
        if value is None or value in words:
            return value
        if file and Path(value).is_file():
            return Path(value)
        try:
            number = parse(value, kind)
        except ValueError as wrong:
            also = f", {', '.join(words)}" if words else ""
            also += ", or name a file" if file else ""
            raise click.BadParameter(f"{wrong}: {spell_units(kind)}{also}", ctx, param) from None
        broken = within.broken_by(number, kind)
        if broken is not None:
            raise click.BadParameter(f"{value} is {broken}", ctx, param)
        return float(number)

    return convert


def finite(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
    """Return *value*; click lets a number that is none into every range."""
    if value != value:  # noqa: PLR0124  # what is no number differs from itself
        raise click.BadParameter("this is not a number")
    return value


class Chosen(Struct, frozen=True, kw_only=True):
    """What the options were set to."""

    path: str
    funding: float | str | Path
    gas: float | str | Path
    gas_shift: float
    seed: int
    days: float
    step: float
    sigma: float | None
    price: float
    holding: str
    worth: float
    width: float
    reopen: float
    fee: float
    impact: float
    gas_units: int
    collateral: float | None
    latency: int
    risk_aversion: float | None
    book: str | None
    scenarios: int
    workers: int

    @property
    def is_recorded(self) -> bool:
        """Whether the prices come from a file, and not from a law with a seed."""
        return self.path not in INVENTED


OPTIONS: Final[tuple[tuple[tuple[str, ...], dict[str, Any]], ...]] = (
    (("--path",), {
        "default": "gbm",
        "metavar": "KIND|FILE",
        "help": "gbm, heston, jumps, or a CSV of prices: ts,close of bars or ts,price.",
    }),
    (("--gas",), {
        "callback": quantity("_wei", "regimes", file=True, bounds=Bounds(least="0 wei")),
        "default": "10 gwei",
        "metavar": "GWEI|regimes|FILE",
        "help": "One base fee, two that take turns (8 and 100 gwei), or a CSV: ts,gas_gwei.",
    }),
    (("--gas-shift",), {
        "callback": quantity("_s"),
        "default": "0 s",
        "help": 'Added to the times of the gas file, as in "364 d".',
    }),
    (("--funding",), {
        "callback": quantity("_fraction", "reverting", file=True, bounds=Bounds(most="1000 %")),
        "default": "0 %",
        "metavar": "RATE|reverting|FILE",
        "help": "A rate a year that longs pay, one that reverts to 10 %, or ts,funding_rate.",
    }),
    (("--seed",), {"type": click.IntRange(0), "default": 1, "help": "Of an invented path."}),
    (("--days",), {
        "type": click.FloatRange(0, 36_525, min_open=True),
        "callback": finite,
        "default": 30.0,
        "help": "Length of an invented path.",
    }),
    (("--step",), {
        "callback": quantity("_s", bounds=Bounds(least="1 s")),
        "default": "1 h",
        "help": "Between two looks of an invented path.",
    }),
    (("--sigma",), {
        "callback": quantity("_fraction", bounds=Bounds(above="0 %", most="1000 %")),
        "default": None,
        "help": "Volatility a year of an invented path, and what the keeper believes.  "
        "[default: 80 %; of a recorded path, what its prices say]",
    }),
    (("--price",), {
        "callback": quantity("_usd", bounds=Bounds(above="0 USD")),
        "default": "3000 USD",
        "help": "Where an invented path starts.",
    }),
    (("--holding",), {
        "type": click.Choice(["range", "spot"]),
        "default": "range",
        "help": "What the vault holds: a concentrated-liquidity range, or the asset.",
    }),
    (("--worth",), {
        "callback": quantity("_usd", bounds=Bounds(above="0 USD")),
        "default": "1000000 USD",
        "help": "What it is worth at the start.",
    }),
    (("--width",), {
        "type": click.FloatRange(1, 1_000, min_open=True),
        "callback": finite,
        "default": 1.25,
        "help": "Of a range: from price/width to price×width.",
    }),
    (("--reopen",), {
        "callback": quantity("_s", bounds=Bounds(least="0 s")),
        "default": "30 d",
        "help": "A range is opened anew so often; 0 d: never.",
    }),
    (("--fee",), {
        "callback": quantity("_fraction", bounds=Bounds(least="0 %")),
        "default": "5 bps",
        "help": "Of the venue.",
    }),
    (("--impact",), {
        "callback": quantity("_fraction", bounds=Bounds(least="0 %")),
        "default": "0 bps",
        "help": "Of the price, per unit traded.",
    }),
    (("--gas-units",), {
        "type": click.IntRange(1),
        "default": 400_000,
        "help": "Gas of one hedge transaction.",
    }),
    (("--collateral",), {
        "callback": quantity("_usd", bounds=Bounds(above="0 USD")),
        "default": None,
        "help": "In the hedge account at the start.  [default: as --worth]",
    }),
    (("--latency",), {
        "type": click.IntRange(0, 1),
        "default": 0,
        "help": "Bars from a decision to its fill.",
    }),
    (("--risk-aversion",), {
        "callback": quantity("_per_usd", bounds=Bounds(above="0 /USD")),
        "default": None,
        "help": "USD of cost worth 1 USD² of variance.  [default: 1e-5 /USD, or the book's]",
    }),
    (("--book",), {
        "default": None,
        "help": "Take policy and limits of this book in keeper.toml.",
    }),
    (("--scenarios",), {
        "type": click.IntRange(1),
        "default": 1,
        "help": "Invented paths, of one seed; more than one are pooled.",
    }),
    (("--workers",), {
        "type": click.IntRange(1),
        "default": 1,
        "help": "Processes to run on.",
    }),
)  # fmt: skip


def scene_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to *command*; it is called with one `chosen` in their place."""
    for names, settings in reversed(OPTIONS):
        shown = settings.get("default") is not None
        command = click.option(*names, **settings, show_default=shown)(command)
    return command


def chosen(given: dict[str, Any]) -> Chosen:
    """Return the options out of what click hands to a command, and leave the others there."""
    return Chosen(**{name: given.pop(name) for name in Chosen.__struct_fields__})
