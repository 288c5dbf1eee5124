"""The differential tests are in test_codec.py; here is what a layout refuses, and how it tells."""

import pytest
from eth_utils.address import is_checksum_address, to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.chain.codec import decode, decode_all
from keeper.adapters.words import checksum
from keeper.model.errors import BadData


@given(st.binary(min_size=20, max_size=20))
def test_addresses_are_checksummed(raw: bytes) -> None:
    assert str(checksum(raw)) == str(to_checksum_address(raw))
    assert is_checksum_address(checksum(raw))


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("uint8", 1 << 8),
        ("uint64", 1 << 64),
        ("uint128", 1 << 128),
        ("bool", 2),
        ("address", 1 << 160),
        ("int24", 1 << 23),
        ("int24", (1 << 256) - (1 << 23) - 1),
        ("bytes4", 1),
    ],
)
def test_a_value_outside_its_type_is_bad_data(name: str, word: int) -> None:
    good = bytes(32)
    with pytest.raises(BadData, match="outside its type"):
        decode((name,), word.to_bytes(32))
    with pytest.raises(BadData, match="outside its type"):
        decode_all((name,), [good, word.to_bytes(32), good])


@pytest.mark.parametrize("value", [-(1 << 23), -1, 0, (1 << 23) - 1])
def test_signed_numbers_have_their_whole_range(value: int) -> None:
    word = value.to_bytes(32, signed=True)
    assert decode(("int24",), word) == (value,)
    assert decode_all(("int24",), [word, word]) == [(value,), (value,)]


def test_too_few_bytes_are_bad_data() -> None:
    with pytest.raises(BadData, match="too short") as caught:
        decode(("uint256", "bool"), bytes(63))
    assert caught.value.facts["expected"] == 64


def test_one_short_record_among_many_is_bad_data() -> None:
    with pytest.raises(BadData, match="too short"):
        decode_all(("uint256",), [bytes(32), bytes(31)])


def test_records_of_different_lengths_are_read_each_for_itself() -> None:
    assert decode_all(("uint8",), [bytes(32), bytes(31) + b"\x07more"]) == [(0,), (7,)]
