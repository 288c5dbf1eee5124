import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.testing.faultproxy.jsonrpc import (
    Call,
    NotJsonRpc,
    Question,
    error_of,
    failure,
    parse,
    result,
)

scalars = st.none() | st.integers(-(2**53), 2**53) | st.text()
calls = st.builds(Call, st.text(min_size=1), st.lists(scalars), scalars)


@given(st.lists(calls, min_size=1))
def test_a_batch_comes_apart_as_it_was_put_together(batch: list[Call]) -> None:
    text = json.dumps([call.body() for call in batch])
    assert parse(text) == Question(tuple(batch), is_batch=True)


@given(calls)
def test_a_single_call_is_no_batch(call: Call) -> None:
    assert parse(json.dumps(call.body())) == Question((call,))


@pytest.mark.parametrize(
    ("body", "code"),
    [("{", -32700), ("[]", -32600), ("5", -32600), ('{"id":1}', -32600), ("[1]", -32600)],
)
def test_what_is_no_call_is_refused_with_its_code(body: str, code: int) -> None:
    with pytest.raises(NotJsonRpc) as refused:
        parse(body)
    assert refused.value.answer["error"]["code"] == code


def test_parameters_are_found_and_changed_by_position() -> None:
    call = Call("eth_call", [{}, "latest"])
    assert [call.param(index) for index in range(3)] == [{}, "latest", None]
    assert call.with_param(1, "0x1").params == [{}, "0x1"]
    assert Call("eth_call", [{}]).with_param(1, "0x1").params == [{}, "0x1"]
    assert Call("x", {"by": "name"}).param(0) is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (result(1, None), None),
        (failure(1, -5, "no"), (-5, "no")),
        ({"error": "odd"}, None),
        ({"error": {}}, (0, "")),
    ],
)
def test_an_error_is_told_from_a_result(answer: Any, error: object) -> None:
    assert error_of(answer) == error


def test_an_error_has_data_only_if_there_is_some() -> None:
    assert "data" not in failure(1, 3, "reverted")["error"]
    assert failure(1, 3, "reverted", None)["error"]["data"] is None
