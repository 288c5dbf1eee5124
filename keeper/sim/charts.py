"""Small charts as SVG text: lines, bands, points and bars on linear or logarithmic scales.

They carry classes, not colours: the page that holds them says what each class looks like, by day
and by night. Nothing is loaded and nothing runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import ceil, floor, isfinite, log10
from typing import Final, NamedTuple

from msgspec import Struct

Points = Sequence[tuple[float, float]]

TICKS: Final = 5
LEAST_TICKS: Final = 3
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
LOG_STEPS: Final = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0))
"""Ticks of a decade, sparse to dense."""
THOUSAND: Final = 1_000.0


class Scale(NamedTuple):
    """From a value to a place between 0 and 1."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return where *value* is; outside it is below 0 or above 1."""
        if self.logarithmic:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Return round values within the scale."""
        return _log_ticks(self) if self.logarithmic else _ticks(self)


def scale(values: Iterable[float], *, logarithmic: bool = False, zero: bool = False) -> Scale:
    """Return a scale that has room for all finite *values*; *zero*: and for 0."""
    seen = [value for value in values if isfinite(value) and (value > 0 or not logarithmic)]
    if zero:
        seen.append(0.0)
    low, high = (min(seen), max(seen)) if seen else (1.0, 10.0)
    if logarithmic:
        return Scale(low / 1.25, high * 1.25, logarithmic=True)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return Scale(low if zero and low == 0 else low - room, high + room)


def _ticks(on: Scale) -> list[float]:
    rough = (on.high - on.low) / TICKS
    power = 10.0 ** floor(log10(rough))
    step = power * next(s for s in STEPS if s * power >= rough)
    first, last = ceil(on.low / step - 1e-9), floor(on.high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _log_ticks(on: Scale) -> list[float]:
    decades = range(floor(log10(on.low)), ceil(log10(on.high)) + 1)
    for steps in reversed(LOG_STEPS):
        found = [step * 10.0**power for power in decades for step in steps]
        found = [value for value in found if on.low <= value <= on.high]
        if len(found) <= TICKS + 1:
            break
    # Within less than a decade the steps of one may be too far apart to read a value by.
    return found if len(found) >= LEAST_TICKS else _ticks(on)


def short(value: float) -> str:
    """Return a number for an axis: 900 is 900, 1500 is 1.5k."""
    text = f"{value:.6g}"
    for size, letter in ((THOUSAND, "k"), (1e6, "M"), (1e9, "bn")):
        if abs(value) >= size:
            text = f"{value / size:.4g}{letter}"
    return text.replace("-", "−")


def whole(value: float) -> str:
    """Return a number without its fraction, thousands separated."""
    return f"{value:,.0f}".replace("-", "−")


class Frame(Struct, frozen=True, kw_only=True):
    """The space of one chart, in pixels, and its two scales."""

    x: Scale
    y: Scale
    x_name: str = ""
    y_name: str = ""
    width: int = 920
    height: int = 320
    left: int = 68
    right: int = 16
    top: int = 14
    bottom: int = 44

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a point."""
        across = self.width - self.left - self.right
        down = self.height - self.top - self.bottom
        return self.left + across * self.x.at(x), self.top + down * (1 - self.y.at(y))

    @property
    def floor(self) -> float:
        """Return the pixel of the lower edge."""
        return self.height - self.bottom


def chart(frame: Frame, title: str, *parts: str) -> str:
    """Return one SVG element; *title* is what a screen reader says."""
    return _svg(frame, title, (*_axes(frame), *parts))


def _svg(frame: Frame, title: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg>'
    )


def _axes(frame: Frame) -> Iterable[str]:
    end = frame.width - frame.right
    for value in frame.y.ticks():
        _, y = frame.place(_somewhere(frame.x), value)
        kind = "zero" if value == 0 else "grid"
        yield f'<path class="{kind}" d="M{frame.left} {y:.1f}H{end}"/>'
        yield _text(frame.left - 8, y + 4, short(value), "tick end")
    for value in frame.x.ticks():
        x, _ = frame.place(value, _somewhere(frame.y))
        yield f'<path class="grid" d="M{x:.1f} {frame.top}V{frame.floor:.0f}"/>'
        yield _text(x, frame.floor + 17, short(value), "tick middle")
    middle = (frame.left + end) / 2
    yield _text(middle, frame.height - 6, frame.x_name, "name middle")
    half = (frame.top + frame.floor) / 2
    yield (
        f'<text class="name middle" transform="translate(14 {half:.0f}) rotate(-90)">'
        f"{escape(frame.y_name)}</text>"
    )


def _somewhere(on: Scale) -> float:
    return on.low


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def line(frame: Frame, points: Points, kind: str, *, steps: bool = False, title: str = "") -> str:
    """Return a line through *points* that says *title* when pointed at.

    With *steps* it stays level until the next point.
    """
    placed = [frame.place(x, y) for x, y in points]
    if not placed:
        return ""
    first, *rest = placed
    draw = [f"M{first[0]:.1f} {first[1]:.1f}"]
    for x, y in rest:
        draw.append(f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}")
    named = f"<title>{escape(title)}</title>" if title else ""
    return f'<path class="line {kind}" d="{"".join(draw)}">{named}</path>'


def area(frame: Frame, upper: Points, lower: Points, kind: str) -> str:
    """Return the area between two lines."""
    around = [frame.place(x, y) for x, y in (*upper, *reversed(lower))]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in around)
    return f'<polygon class="area {kind}" points="{corners}"/>'


def dot(frame: Frame, x: float, y: float, kind: str, title: str, radius: float = 3.2) -> str:
    """Return a point that says *title* when pointed at."""
    across, down = frame.place(x, y)
    return (
        f'<circle class="dot {kind}" cx="{across:.1f}" cy="{down:.1f}" r="{radius}">'
        f"<title>{escape(title)}</title></circle>"
    )


class Bars(NamedTuple):
    """One row of stacked parts: what is below zero goes to the left."""

    name: str
    parts: Mapping[str, float]
    total: float


def stacked(rows: Sequence[Bars], kinds: Mapping[str, str], unit: str, title: str) -> str:
    """Return rows of stacked bars with a mark at each total; *kinds*: part → class."""
    ends = [
        sum(value for value in row.parts.values() if value * sign > 0)
        for row in rows
        for sign in (1, -1)
    ]
    row_height = 30
    frame = Frame(
        x=scale([*ends, *(row.total for row in rows)], zero=True),
        y=Scale(0, 1),
        left=170,
        right=110,
        height=58 + row_height * len(rows),
    )
    end = frame.width - frame.right
    parts = list(_upright(frame, unit))
    for number, row in enumerate(rows):
        top = frame.top + row_height * number
        parts += _row(frame, row, kinds, top + 5, row_height - 12)
        parts.append(_text(frame.left - 10, top + 19, row.name, "tick end"))
        parts.append(_text(end + 8, top + 19, whole(row.total), "tick"))
    return _svg(frame, title, parts)


def _upright(frame: Frame, unit: str) -> Iterable[str]:
    for value in frame.x.ticks():
        x, _ = frame.place(value, 0)
        kind = "zero" if value == 0 else "grid"
        yield f'<path class="{kind}" d="M{x:.1f} {frame.top}V{frame.floor:.0f}"/>'
        yield _text(x, frame.floor + 17, short(value), "tick middle")
    yield _text((frame.left + frame.width - frame.right) / 2, frame.height - 6, unit, "name middle")


def _row(
    frame: Frame, row: Bars, kinds: Mapping[str, str], top: float, height: float
) -> Iterable[str]:
    reached = {1: 0.0, -1: 0.0}
    for part, value in row.parts.items():
        side = 1 if value > 0 else -1
        start, reached[side] = reached[side], reached[side] + value
        left, right = sorted((frame.place(start, 0)[0], frame.place(reached[side], 0)[0]))
        yield (
            f'<rect class="bar {kinds[part]}" x="{left:.1f}" y="{top:.1f}" '
            f'width="{right - left:.1f}" height="{height}">'
            f"<title>{escape(f'{row.name}: {part} {whole(value)}')}</title></rect>"
        )
    x, _ = frame.place(row.total, 0)
    yield f'<path class="total" d="M{x:.1f} {top - 3:.1f}v{height + 6}"/>'
