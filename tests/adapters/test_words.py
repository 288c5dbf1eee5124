"""Our encoding is eth_abi's, byte for byte; only faster."""

from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.words import checksum_address, encoder, split_types
from keeper.testing.absurd import answers

WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"

words = st.one_of(
    st.sampled_from(["address", "bool"]),
    st.integers(1, 32).map(lambda n: f"uint{8 * n}"),
    st.integers(1, 32).map(lambda n: f"int{8 * n}"),
    st.integers(1, 32).map(lambda n: f"bytes{n}"),
)
static = st.recursive(
    words, lambda inner: st.lists(inner, min_size=1, max_size=4).map(lambda t: f"({','.join(t)})")
)
anything = st.recursive(
    words | st.sampled_from(["bytes", "string"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda t: f"({','.join(t)})"),
        st.tuples(inner, st.sampled_from(["[]", "[2]"])).map("".join),
    ),
    max_leaves=6,
)


@given(st.lists(static, max_size=6).map(tuple), st.data())
def test_words_and_tuples_of_words_are_encoded_as_by_eth_abi(
    types: tuple[str, ...], data: st.DataObject
) -> None:
    values = data.draw(answers(types))
    assert encoder(types)(values) == encode(types, values)


@given(st.lists(anything, min_size=1, max_size=3).map(tuple), st.data())
def test_every_other_type_is_encoded_as_by_eth_abi(
    types: tuple[str, ...], data: st.DataObject
) -> None:
    values = data.draw(answers(types))
    assert encoder(types)(values) == encode(types, values)


@pytest.mark.parametrize(
    ("abi_type", "value"),
    [
        ("uint8", 256),
        ("uint8", -1),
        ("uint256", 2**256),
        ("uint256", 1.0),
        ("uint256", True),
        ("uint256", "1"),
        ("uint256", None),
        ("int24", 2**23),
        ("int24", -(2**23) - 1),
        ("int24", False),
        ("bool", 1),
        ("bool", "yes"),
        ("bytes4", b"\1\2\3"),
        ("bytes4", b"\1\2\3\4\5"),
        ("bytes4", 7),
        ("address", WETH[:-1]),
        ("address", "00" + WETH[2:]),
        ("address", "0x" + "z" * 40),
        ("address", "0x" + " " * 40),
        ("address", None),
        ("(uint8,bool)", (1,)),
        ("(uint8,bool)", (1, True, 3)),
        ("(uint8,bool)", 1),
        ("string", 5),
        ("uint8[]", [256]),
    ],
)
def test_a_value_of_another_type_is_refused(abi_type: str, value: Any) -> None:
    with pytest.raises(ValueError, match="fit"):
        encoder((abi_type,))((value,))
    with pytest.raises(ValueError, match="fit"):
        encoder(("bool", abi_type))((True, value))


@pytest.mark.parametrize("values", [(), (1, 2)])
def test_the_number_of_values_must_be_right(values: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="fit"):
        encoder(("uint256",))(values)
    with pytest.raises(ValueError, match="fit"):
        encoder(("uint256",) * 3)(values)


@pytest.mark.parametrize(
    ("inner", "parts"),
    [
        ("", ()),
        ("bool", ("bool",)),
        ("bool,(uint8,(int8,bytes))[],string", ("bool", "(uint8,(int8,bytes))[]", "string")),
    ],
)
def test_types_are_split_between_tuples(inner: str, parts: tuple[str, ...]) -> None:
    assert split_types(inner) == parts


@given(st.binary(min_size=20, max_size=20))
def test_addresses_are_spelled_as_eip_55_says(raw: bytes) -> None:
    spelled = checksum_address(raw)
    assert spelled == str(to_checksum_address(raw))
    assert checksum_address(spelled) == spelled
    assert checksum_address("0x" + raw.hex()) == spelled
    assert checksum_address("0x" + raw.hex().upper()) == spelled


@pytest.mark.parametrize(
    "bad", ["", "0x", WETH[:-1], WETH + "0", WETH[2:], "0x" + WETH[2:].swapcase(), b"\1" * 19]
)
def test_what_is_not_an_address_is_refused(bad: str | bytes) -> None:
    with pytest.raises(ValueError, match="address"):
        checksum_address(bad)


def test_the_cache_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keeper.adapters.words._MAX_CHECKSUMS", 10)
    for n in range(100):
        raw = n.to_bytes(20, "big")
        assert checksum_address(raw) == str(to_checksum_address(raw))
