"""Who agrees with whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.chain.quorum import majority, weigh
from keeper.model.errors import CallReverted

answers = st.integers(min_value=0, max_value=2)


def said(value: int) -> list[Any]:
    return [(value,), CallReverted(f"words of client {value}", data=b"\x01")]


@pytest.mark.parametrize(
    ("others", "needed", "result"),
    [
        ({}, 1, "confirmed"),
        ({}, 2, "unconfirmed"),
        ({"b": 1}, 2, "confirmed"),
        ({"b": 2}, 2, "unconfirmed"),
        ({"b": 2, "c": 1}, 2, "confirmed"),
        ({"b": 2, "c": 2}, 2, "refuted"),
        ({"b": 2, "c": 3}, 2, "unconfirmed"),
        ({"b": 1, "c": 2}, 3, "unconfirmed"),
    ],
)
def test_r18_values_count_only_when_enough_say_the_same(
    others: dict[str, int], needed: int, result: str
) -> None:
    heard = {name: said(value) for name, value in others.items()}
    assert weigh("a", said(1), heard, needed).result == result


def test_it_says_who_agrees_and_who_does_not() -> None:
    verdict = weigh("a", said(1), {"b": said(1), "c": said(2)}, 3)
    assert (verdict.agree, verdict.differ) == (("a", "b"), ("c",))


def test_reverts_are_compared_by_their_data_and_not_by_a_clients_words() -> None:
    own = [CallReverted("execution reverted", data=b"\x01")]
    same, other = ([CallReverted("VM error", data=data)] for data in (b"\x01", b"\x02"))
    assert weigh("a", own, {"b": same}, 2).result == "confirmed"
    assert weigh("a", own, {"b": other}, 2).result == "unconfirmed"


@given(own=answers, others=st.lists(answers, max_size=6), needed=st.integers(1, 5))
def test_it_is_never_confirmed_with_fewer_voices_than_needed(
    own: int, others: list[int], needed: int
) -> None:
    heard = {str(place): said(value) for place, value in enumerate(others)}
    verdict = weigh("own", said(own), heard, needed)
    assert (verdict.result == "confirmed") == (1 + others.count(own) >= needed)
    assert set(verdict.agree) | set(verdict.differ) == {"own", *heard}


@pytest.mark.parametrize(
    ("votes", "winner"),
    [
        ("", None),
        ("x", "x"),
        ("xx", "x"),
        ("xy", None),
        ("xxy", "x"),
        ("xyz", None),
        ("xxyy", None),
    ],
)
def test_a_majority_is_more_than_half(votes: str, winner: str | None) -> None:
    assert majority({str(place): vote for place, vote in enumerate(votes)}) == winner
