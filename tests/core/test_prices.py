from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.prices import deviation, trusted_price, worst_deviation
from keeper.model.errors import BadData
from keeper.model.market import Quote

NOW_S = 1_700_000_000


def quote(price: float = 3000.0, age_s: int = 0, max_age_s: int = 3600) -> Quote:
    return Quote(source="feed", price=price, updated_at_s=NOW_S - age_s, max_age_s=max_age_s)


def test_a_fresh_price_is_trusted() -> None:
    assert trusted_price(quote(), now_s=NOW_S, max_age_s=60) == 3000.0


def test_a_small_price_is_a_price() -> None:
    assert trusted_price(quote(1e-9), now_s=NOW_S, max_age_s=60) == 1e-9
    assert worst_deviation(1e-9, {"pool": 1.5e-9})[1] == pytest.approx(0.5)


def test_a_price_exactly_as_old_as_allowed_is_trusted() -> None:
    assert trusted_price(quote(age_s=60), now_s=NOW_S, max_age_s=60) == 3000.0
    assert trusted_price(quote(age_s=60, max_age_s=60), now_s=NOW_S, max_age_s=900) == 3000.0


@pytest.mark.parametrize(("feed_s", "book_s"), [(60, 900), (900, 60), (60, 60)])
def test_o1_the_tighter_age_limit_refuses(feed_s: int, book_s: int) -> None:
    with pytest.raises(BadData, match="stale") as caught:
        trusted_price(quote(age_s=61, max_age_s=feed_s), now_s=NOW_S, max_age_s=book_s)
    assert caught.value.facts == {"source": "feed", "age_s": 61, "limit_s": 60}
    assert caught.value.remedy


def test_o8_a_price_from_the_future_is_bad_data() -> None:
    assert trusted_price(quote(age_s=-15), now_s=NOW_S, max_age_s=60) == 3000.0
    with pytest.raises(BadData, match="future") as caught:
        trusted_price(quote(age_s=-16), now_s=NOW_S, max_age_s=60)
    assert caught.value.facts == {"source": "feed", "ahead_s": 16, "tolerance_s": 15}
    assert caught.value.remedy


def test_the_tolerance_for_the_future_can_be_none() -> None:
    assert trusted_price(quote(), now_s=NOW_S, max_age_s=60, future_tolerance_s=0) == 3000.0
    with pytest.raises(BadData, match="future"):
        trusted_price(quote(age_s=-1), now_s=NOW_S, max_age_s=60, future_tolerance_s=0)


@pytest.mark.parametrize("price", [0.0, -1.0, nan, inf])
def test_a_price_no_market_could_have_is_bad_data(price: float) -> None:
    with pytest.raises(BadData, match="above zero") as caught:
        trusted_price(quote(price), now_s=NOW_S, max_age_s=60)
    assert set(caught.value.facts) == {"source", "price"}
    assert caught.value.remedy


def test_deviation_worked_by_hand() -> None:
    assert deviation(3000.0, 3000.0) == 0.0
    assert deviation(3000.0, 2400.0) == 0.25
    assert deviation(2400.0, 3000.0) == 0.25


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_deviation_is_symmetric_and_free_of_units(a: float, b: float, unit: float) -> None:
    assert deviation(a, b) == deviation(b, a) >= 0
    assert deviation(a * unit, b * unit) == pytest.approx(deviation(a, b), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("price", "witness"), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, inf), (inf, 1.0)]
)
def test_an_unusable_price_has_no_deviation(price: float, witness: float) -> None:
    with pytest.raises(BadData, match="to compare") as caught:
        deviation(price, witness)
    assert caught.value.facts == {"price": price, "witness": witness}


@pytest.mark.parametrize(("price", "witness"), [(nan, 1.0), (1.0, nan)])
def test_a_price_that_is_no_number_has_no_deviation(price: float, witness: float) -> None:
    with pytest.raises(BadData, match="to compare"):
        deviation(price, witness)


def test_the_worst_mark_is_named() -> None:
    marks = {"pool": 2970.0, "venue": 3300.0, "index": 3001.0}
    name, apart = worst_deviation(3000.0, marks)
    assert name == "venue"
    assert apart == pytest.approx(0.1)


def test_of_equal_marks_the_first_is_named() -> None:
    assert worst_deviation(3000.0, {"pool": 3000.0, "venue": 3000.0}) == ("pool", 0.0)


def test_without_a_mark_the_deviation_is_unknown() -> None:
    with pytest.raises(BadData, match="no price to compare with"):
        worst_deviation(3000.0, {})


@pytest.mark.parametrize("mark", [0.0, -1.0, nan, inf])
def test_an_unusable_mark_is_named(mark: float) -> None:
    with pytest.raises(BadData, match="to compare") as caught:
        worst_deviation(3000.0, {"pool": 3000.0, "venue": mark})
    assert caught.value.facts["mark"] == "venue"
    assert caught.value.remedy
