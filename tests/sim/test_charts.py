from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.sim.charts import (
    Bars,
    Frame,
    Scale,
    area,
    chart,
    dot,
    line,
    scale,
    short,
    stacked,
)

FRAME = Frame(x=Scale(0, 10), y=Scale(0, 100), x_name="days & nights", y_name="USD")


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9))
def test_ticks_are_few_and_within_the_scale(low: float, size: float) -> None:
    on = Scale(low, low + size)
    ticks = on.ticks()
    assert 2 <= len(ticks) <= 7
    assert all(-1e-6 <= on.at(tick) <= 1 + 1e-6 for tick in ticks)


@given(st.floats(1e-6, 1e6), st.floats(1.6, 1e9))
def test_logarithmic_ticks_are_enough_and_within_the_scale(low: float, factor: float) -> None:
    on = Scale(low, low * factor, logarithmic=True)
    ticks = on.ticks()
    assert len(ticks) >= 2
    assert all(-1e-6 <= on.at(tick) <= 1 + 1e-6 for tick in ticks)


def test_a_scale_has_room_for_all_values_and_for_zero_when_asked() -> None:
    assert scale([5.0, 9.0], zero=True).low == 0.0
    assert 0 < scale([5.0, 9.0]).at(5.0) < scale([5.0, 9.0]).at(9.0) < 1
    wide = scale([0.0, 10.0, 1_000.0, float("inf")], logarithmic=True)
    assert 0 < wide.at(10.0) < wide.at(1_000.0) < 1
    assert scale([]).at(5.0)
    assert scale([3.0, 3.0]).at(3.0) == pytest.approx(0.5)


def test_numbers_on_axes_are_short() -> None:
    assert [short(x) for x in (0.0, 1_500.0, 25_000.0, -2.5e6, 3e9, 0.002)] == [
        "0", "1.5k", "25k", "−2.5M", "3bn", "0.002"
    ]  # fmt: skip


def test_a_chart_is_well_formed_and_escapes_words() -> None:
    points = [(0.0, 0.0), (5.0, 50.0), (10.0, 100.0)]
    text = chart(
        FRAME,
        'cost "<all>"',
        line(FRAME, points, "a"),
        line(FRAME, points, "b", steps=True, title="b < c"),
        line(FRAME, [], "c"),
        area(FRAME, points, [(0.0, 0.0), (10.0, 0.0)], "d"),
        dot(FRAME, 5, 50, "e", "a < b"),
    )
    root = ET.fromstring(text)  # noqa: S314  # made here
    assert root.attrib["aria-label"] == 'cost "<all>"'
    assert "days & nights" in "".join(root.itertext())
    assert [each.text for each in root.iter("title")] == ["b < c", "a < b"]


def test_the_corners_of_the_scales_are_the_corners_of_the_frame() -> None:
    assert FRAME.place(0, 0) == (FRAME.left, FRAME.floor)
    assert FRAME.place(10, 100) == (FRAME.width - FRAME.right, FRAME.top)


def test_stacked_bars_go_left_below_zero_and_mark_their_total() -> None:
    rows = [Bars("one", {"gain": 30.0, "fee": -10.0, "gas": -5.0}, 15.0)]
    root = ET.fromstring(  # noqa: S314  # made here
        stacked(rows, {"gain": "g", "fee": "f", "gas": "s"}, "USD", "what came from where")
    )
    bars = {rect.attrib["class"]: rect.attrib for rect in root.iter() if rect.tag == "rect"}
    left = {name: float(rect["x"]) for name, rect in bars.items()}
    right = {name: left[name] + float(rect["width"]) for name, rect in bars.items()}
    assert left["bar g"] == pytest.approx(right["bar f"], abs=0.11)
    assert left["bar f"] == pytest.approx(right["bar s"], abs=0.11)


def test_the_total_of_a_row_is_written_out() -> None:
    rows = [Bars("one", {"loss": -12_345.6}, -12_345.6)]
    text = stacked(rows, {"loss": "l"}, "USD", "what came from where")
    assert ">−12,346</text>" in text
    assert "<title>one: loss −12,346</title>" in text
