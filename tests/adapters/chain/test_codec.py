"""Our codec against eth-abi: the same values, and the same refusals."""

from typing import Any

import pytest
from eth_abi.abi import decode as their_decode
from eth_abi.abi import encode as their_encode
from eth_abi.exceptions import DecodingError
from eth_abi.grammar import parse
from eth_utils.address import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.chain.codec import (
    decode,
    decode_aggregate3,
    decode_all,
    decoder,
    encode_aggregate3,
)
from keeper.adapters.words import checksum
from keeper.model.errors import BadData

BITS = st.integers(1, 32).map(lambda n: 8 * n)
WORD_TYPES = st.one_of(
    BITS.map(lambda bits: f"uint{bits}"),
    BITS.map(lambda bits: f"int{bits}"),
    st.integers(1, 32).map(lambda size: f"bytes{size}"),
    st.sampled_from(["address", "bool"]),
)
FIXED_TYPES = st.recursive(
    WORD_TYPES,
    lambda inner: st.one_of(
        st.tuples(inner, st.integers(1, 3)).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({','.join(parts)})"),
    ),
    max_leaves=5,
)
ANY_TYPES = st.recursive(
    st.one_of(WORD_TYPES, st.sampled_from(["bytes", "string"])),
    lambda inner: st.one_of(
        inner.map(lambda part: f"{part}[]"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"({','.join(parts)})"),
    ),
    max_leaves=5,
)


def values(item: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a parsed ABI type, as eth-abi takes them."""
    if item.arrlist:
        few = item.arrlist[-1][0] if item.arrlist[-1] else None
        least, most = (few, few) if few else (0, 3)
        return st.lists(values(item.item_type), min_size=least, max_size=most).map(tuple)
    if not hasattr(item, "base"):
        return st.tuples(*map(values, item.components))
    sub = item.sub
    leaves: dict[str, st.SearchStrategy[Any]] = {
        "address": st.binary(min_size=20, max_size=20).map(to_checksum_address),
        "bool": st.booleans(),
        "string": st.text(max_size=40),
        "bytes": st.binary(min_size=sub, max_size=sub) if sub else st.binary(max_size=70),
    }
    if item.base == "uint":
        return st.integers(0, 2**sub - 1)
    if item.base == "int":
        return st.integers(-(2 ** (sub - 1)), 2 ** (sub - 1) - 1)
    return leaves[item.base]


@st.composite
def encoded(draw: st.DrawFn, kinds: st.SearchStrategy[str]) -> tuple[tuple[str, ...], Any, bytes]:
    types = tuple(draw(st.lists(kinds, min_size=1, max_size=4)))
    drawn = tuple(draw(values(parse(name))) for name in types)
    return types, drawn, their_encode(types, drawn)


@given(encoded(FIXED_TYPES))
@settings(max_examples=300, deadline=None)
def test_fixed_types_decode_as_they_were_encoded(case: tuple[Any, Any, bytes]) -> None:
    types, drawn, data = case
    assert decode(types, data) == drawn
    assert decode(types, data + b"more") == drawn


@given(encoded(FIXED_TYPES), st.integers(0, 5))
@settings(deadline=None)
def test_many_records_decode_as_each_does(case: tuple[Any, Any, bytes], count: int) -> None:
    types, drawn, data = case
    assert decode_all(types, [data] * count) == [drawn] * count


@given(encoded(ANY_TYPES), st.integers(0, 3))
@settings(deadline=None)
def test_many_records_of_variable_size_decode_too(case: tuple[Any, Any, bytes], count: int) -> None:
    types, drawn, data = case
    assert decode_all(types, [data] * count) == [drawn] * count


@given(encoded(ANY_TYPES))
@settings(max_examples=200, deadline=None)
def test_types_of_variable_size_decode_as_they_were_encoded(case: tuple[Any, Any, bytes]) -> None:
    types, drawn, data = case
    assert decode(types, data) == drawn


def lowered(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(lowered, value))
    return value.lower() if isinstance(value, str) else value


@given(st.lists(st.one_of(FIXED_TYPES, WORD_TYPES.map("{}[]".format)), min_size=1, max_size=3),
       st.data())  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_what_they_refuse_we_refuse(types: list[str], data: st.DataObject) -> None:
    word = st.one_of(
        st.binary(min_size=32, max_size=32),
        st.integers(0, 300).map(lambda n: n.to_bytes(32)),
        st.integers(1, 300).map(lambda n: (-n).to_bytes(32, signed=True)),
    )
    raw = b"".join(data.draw(st.lists(word, max_size=8)))
    try:
        theirs = their_decode(types, raw)
    except (DecodingError, OverflowError):
        with pytest.raises(BadData):
            decode(tuple(types), raw)
        with pytest.raises(BadData):
            decode_all(tuple(types), [raw, raw])
    else:
        assert lowered(decode(tuple(types), raw)) == lowered(theirs)
        assert lowered(tuple(decode_all(tuple(types), [raw, raw]))) == lowered((theirs, theirs))


def test_a_list_that_claims_more_than_there_is_is_bad_data() -> None:
    with pytest.raises(BadData, match="too short"):
        decode(("uint256[]",), (32).to_bytes(32) + (1 << 250).to_bytes(32))


def test_no_types_take_no_bytes() -> None:
    assert decode((), b"") == ()
    assert decode_all((), [b"", b""]) == [(), ()]


def test_layouts_are_compiled_once() -> None:
    assert decoder(("uint160", "int24")) is decoder(("uint160", "int24"))


@pytest.mark.parametrize("name", ["uint7", "nonsense", "uint256[", ""])
def test_what_is_no_type_is_a_mistake_in_the_program(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decoder((name,))


CALLS = st.lists(st.tuples(st.binary(min_size=20, max_size=20).map(checksum), st.binary()))


@given(CALLS)
def test_aggregate3_is_encoded_as_they_do(calls: list[tuple[Any, bytes]]) -> None:
    theirs = their_encode(["(address,bool,bytes)[]"], [[(to, True, data) for to, data in calls]])
    assert encode_aggregate3(calls) == bytes.fromhex("82ad56cb") + theirs


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100))))
def test_aggregate3_is_decoded_as_they_do(results: list[tuple[bool, bytes]]) -> None:
    data = their_encode(["(bool,bytes)[]"], [results])
    assert decode_aggregate3(data, len(results)) == results


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=70)), min_size=1), st.data())
def test_a_cut_answer_of_multicall3_is_bad_data(
    results: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    whole = their_encode(["(bool,bytes)[]"], [results])
    unpadded = len(whole) - (-len(results[-1][1]) % 32)
    cut = data.draw(st.integers(0, unpadded - 1))
    with pytest.raises(BadData, match="Multicall3"):
        decode_aggregate3(whole[:cut], len(results))


def test_an_answer_to_another_number_of_calls_is_bad_data() -> None:
    data = their_encode(["(bool,bytes)[]"], [[(True, b"")]])
    with pytest.raises(BadData, match="something else"):
        decode_aggregate3(data, 2)


def test_a_result_that_claims_more_than_there_is_is_bad_data() -> None:
    data = bytearray(their_encode(["(bool,bytes)[]"], [[(True, b"")]]))
    data[-1] = 33
    with pytest.raises(BadData, match="too short"):
        decode_aggregate3(bytes(data), 1)


@pytest.mark.parametrize("word", range(1, 6))
def test_a_spoilt_word_in_an_answer_of_multicall3_is_bad_data(word: int) -> None:
    data = bytearray(their_encode(["(bool,bytes)[]"], [[(True, b"")]]))
    data[32 * word] = 0x80
    with pytest.raises(BadData, match="Multicall3"):
        decode_aggregate3(bytes(data), 1)
