"""Numbers as people read them: units attached, no false precision, never in scientific haste."""

from datetime import UTC, datetime

from keeper.model.units import DAY_S, HOUR_S, MS_PER_S

LARGE = 100_000
CENT_USD = 0.01
DUST = 1e-9
MINUTE_S = 60


def plain(value: float) -> str:
    """Return up to six significant digits, thousands separated."""
    if abs(value) >= LARGE:
        return f"{value:,.0f}"
    return f"{value:,.6g}"


def signed(value: float) -> str:
    """Return *value* with its sign always shown, so that long and short cannot be mistaken."""
    text = plain(0.0 if abs(value) < DUST else value)
    return text if text.startswith("-") else f"+{text}"


def usd(value: float) -> str:
    """Return dollars and cents; below a cent two significant digits."""
    if value != 0 and abs(value) < CENT_USD:
        return f"{value:.2g} USD"
    return f"{value:,.2f} USD"


def percent(fraction: float) -> str:
    """Return a fraction as percent with three significant digits; float dust is zero."""
    if abs(fraction) < DUST:
        return "0 %"
    return f"{plain(float(f'{100 * fraction:.3g}'))} %"


def duration(seconds: float) -> str:
    """Return the two largest units that say it."""
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else f"{seconds:.1g} s"
    whole = int(seconds)
    for size, name, small, small_name in (
        (DAY_S, "d", HOUR_S, "h"),
        (HOUR_S, "h", MINUTE_S, "min"),
        (MINUTE_S, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


def moment(at_ms: int) -> str:
    """Return a time in UTC to the second."""
    return datetime.fromtimestamp(at_ms / MS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(at_ms: int, now_ms: int) -> str:
    """Return how long ago; a clock that went back says `just now`."""
    seconds = (now_ms - at_ms) / MS_PER_S
    return f"{duration(seconds)} ago" if seconds >= 1 else "just now"


def quantity(value: float, unit: str, symbol: str = "base") -> str:
    """Return *value* with its unit; `fraction` is shown as percent, `base` as *symbol*."""
    match unit:
        case "fraction":
            return percent(value)
        case "USD":
            return usd(value)
        case "s":
            return f"{value:,.0f} s"
        case "base":
            return f"{plain(value)} {symbol}"
        case _:
            return f"{plain(value)} {unit}"
