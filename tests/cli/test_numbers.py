"""Numbers as people read them."""

import pytest

from keeper.cli import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (12.3456789, "12.3457"),
        (12_345.678, "12,345.7"),
        (1_234_567.8, "1,234,568"),
        (-0.00012, "-0.00012"),
    ],
)
def test_plain_keeps_six_digits(value: float, text: str) -> None:
    assert numbers.plain(value) == text


def test_a_long_number_always_shows_its_sign() -> None:
    assert (numbers.signed(1.5), numbers.signed(-1.5)) == ("+1.5", "-1.5")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00 USD"), (0.00123, "0.0012 USD"), (1_234.5, "1,234.50 USD")]
)
def test_small_dollars_are_not_rounded_to_nothing(value: float, text: str) -> None:
    assert numbers.usd(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.2 s"),
        (59, "59 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7_380, "2 h 3 min"),
        (180_000, "2 d 2 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text


def test_a_clock_that_went_back_says_just_now() -> None:
    assert numbers.ago(5_000, 4_000) == "just now"


def test_a_fraction_is_shown_as_percent() -> None:
    assert numbers.quantity(0.0123456, "fraction") == "1.23 %"
