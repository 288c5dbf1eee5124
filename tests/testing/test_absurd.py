"""What is invented is absurd but of its type: the decoder would have let it through."""

import pytest
from eth_abi.abi import encode
from hypothesis import find, given
from hypothesis import strategies as st

from keeper.adapters.abi import function
from keeper.adapters.chain.codec import decode
from keeper.model.chain import Address
from keeper.model.errors import CallReverted
from keeper.testing.absurd import Absurd, answers, values
from keeper.testing.replay import BLOCK

TOKEN = Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
DECIMALS = function("erc20", "decimals")(TOKEN)
SUPPLY = function("erc20", "totalSupply")(TOKEN)

TYPES = (
    "address",
    "bool",
    "uint8",
    "uint256",
    "int24",
    "bytes4",
    "bytes",
    "string",
    "uint8[]",
    "(address,int8)[2]",
)


@given(st.data())
def test_every_value_is_one_a_decoder_gives(data: st.DataObject) -> None:
    drawn = data.draw(answers(TYPES))
    assert decode(TYPES, encode(TYPES, drawn)) == drawn


@pytest.mark.parametrize(("abi_type", "limit"), [("uint8", 255), ("int24", -(2**23))])
def test_limits_are_liked(abi_type: str, limit: int) -> None:
    assert find(values(abi_type), lambda value: bool(value == limit)) == limit


def test_the_recording_stands_unless_something_is_invented() -> None:
    chain = Absurd({DECIMALS: (6,)}, lambda call: (77,) if call == SUPPLY else None)
    assert chain.answer((DECIMALS, SUPPLY), BLOCK) == ((6,), (77,))


def test_a_call_nobody_recorded_reverts() -> None:
    (answer,) = Absurd({}, lambda _call: None).answer((DECIMALS,), BLOCK)
    assert isinstance(answer, CallReverted)


def test_it_has_no_head() -> None:
    with pytest.raises(NotImplementedError):
        Absurd({}, lambda _call: None).head()
