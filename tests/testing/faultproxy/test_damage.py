import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.testing.faultproxy import damage
from keeper.testing.faultproxy.chooser import Strike
from keeper.testing.faultproxy.jsonrpc import failure, result
from keeper.testing.faultproxy.rules import (
    BatchAsObject,
    BatchDropOne,
    BatchShuffle,
    Fault,
    Latency,
    Malformed,
    Mutate,
    NullResult,
    Oversize,
    TruncateLogs,
    WrongId,
)


def strike(fault: Fault, seed: int = 1) -> Strike:
    return Strike(fault, Random(seed))  # noqa: S311  # the same dice every time


def struck(*faults: Fault) -> tuple[Strike, ...]:
    return tuple(strike(fault) for fault in faults)


def told(fault: Fault, value: Any) -> Any:
    return damage.answer(struck(fault), result(1, value), previous_id=None).get("result")


@pytest.mark.parametrize("fault", [NullResult(), TruncateLogs(keep=0), Mutate(value=1)])
def test_an_error_has_no_result_to_damage(fault: Fault) -> None:
    error = failure(1, -1, "no")
    assert damage.answer(struck(fault), error, None) == error


def test_what_does_not_concern_the_content_leaves_it() -> None:
    untouched = struck(Latency(seconds=1))
    assert damage.answer(untouched, result(1, 2), None) == result(1, 2)
    assert damage.batch(untouched, [result(1, 2)]) == [result(1, 2)]
    assert damage.body(untouched, result(1, 2))[0] == b'{"jsonrpc":"2.0","id":1,"result":2}'


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        (TruncateLogs(keep=2), [1, 2]),
        (TruncateLogs(drop_last=2), [1, 2, 3]),
        (TruncateLogs(drop_last=9), []),
        (TruncateLogs(drop_every=2), [1, 3, 5]),
        (TruncateLogs(drop_every=1), []),
        (TruncateLogs(), [1, 2, 3, 4, 5]),
    ],
)
def test_logs_are_missing_at_the_end_or_in_between(fault: Fault, kept: list[int]) -> None:
    assert told(fault, [1, 2, 3, 4, 5]) == kept
    assert told(fault, {"logs": [1, 2, 3, 4, 5], "status": 1}) == {"logs": kept, "status": 1}


def test_what_is_no_list_is_not_truncated() -> None:
    assert told(TruncateLogs(keep=0), "0x") == "0x"


@pytest.mark.parametrize(
    ("fault", "after"),
    [
        (Mutate(value=None), None),
        (Mutate(path="a.1.b", value=9), {"a": [{"b": 1}, {"b": 9}]}),
        (Mutate(path="a.*.b", value=9), {"a": [{"b": 9}, {"b": 9}]}),
        (Mutate(path="a.*"), {"a": []}),
        (Mutate(path="a"), {}),
        (Mutate(path="c", value=9), {"a": [{"b": 1}, {"b": 2}], "c": 9}),
    ],
)
def test_a_part_is_replaced_added_or_deleted(fault: Fault, after: object) -> None:
    before = {"a": [{"b": 1}, {"b": 2}]}
    assert told(fault, before) == after
    assert before == {"a": [{"b": 1}, {"b": 2}]}, "the node's own answer stays"


@pytest.mark.parametrize("path", ["x.y", "a.5", "a.x", "a.0.b.c", "*"])
def test_a_path_that_leads_nowhere_changes_nothing(path: str) -> None:
    before = {"a": [{"b": 1}]}
    assert told(Mutate(path=path, value=9), before) == before


def test_deleting_the_whole_result_leaves_an_answer_without_one() -> None:
    assert damage.answer(struck(Mutate()), result(1, 2), None) == {"jsonrpc": "2.0", "id": 1}


ids = st.none() | st.integers() | st.text()


@given(st.sampled_from(["offset", "null", "string", "missing", "stale"]), ids, ids)
def test_a_wrong_id_is_never_the_right_one(how: Any, asked: Any, previous: Any) -> None:
    answer = damage.answer(struck(WrongId(how=how)), result(asked, 1), previous)
    if how == "null" and asked is None:  # an id of null cannot be nulled
        return
    assert "id" not in answer or answer["id"] != asked or type(answer["id"]) is not type(asked)


@given(st.integers(2, 20), st.integers())
def test_a_shuffled_batch_has_the_same_answers_in_another_order(size: int, seed: int) -> None:
    answers = [result(number, 0) for number in range(size)]
    shuffled = damage.batch((strike(BatchShuffle(), seed),), answers)
    assert shuffled != answers
    assert sorted(str(answer) for answer in shuffled) == sorted(str(answer) for answer in answers)


def test_a_batch_of_one_or_none_can_be_shuffled_and_shortened_too() -> None:
    one = [result(1, 1)]
    assert damage.batch(struck(BatchShuffle()), one) == one
    assert damage.batch(struck(BatchDropOne()), one) == []
    assert damage.batch(struck(BatchDropOne()), []) == []


def test_a_batch_turns_into_one_error() -> None:
    said = damage.batch(struck(BatchAsObject(code=-1, message="no")), [result(1, 1)])
    assert said == failure(None, -1, "no")


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("html", "text/html"),
        ("text", "text/plain"),
        ("empty", "application/json"),
        ("truncated", "application/json"),
    ],
)
def test_a_malformed_body_has_the_type_that_a_gateway_gives_it(how: Any, kind: str) -> None:
    raw, said = damage.body(struck(Malformed(how=how)), result(1, "0x"))
    assert said == kind
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw)


def test_an_oversized_body_is_padded_and_never_cut() -> None:
    raw, _ = damage.body(struck(Oversize(n_bytes=1_000)), result(1, 2))
    assert (len(raw), json.loads(raw)) == (1_000, result(1, 2))
    assert json.loads(damage.body(struck(Oversize(n_bytes=1)), result(1, 2))[0]) == result(1, 2)
