import pytest
from eth_abi.exceptions import ValueOutOfBounds
from web3 import Web3

from keeper.devnet.artifacts import abi
from keeper.devnet.calldata import decode, encode, encode_types, topic

ALICE = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"


def test_calldata_equals_web3s() -> None:
    contract = Web3().eth.contract(abi=abi("ClearingHouse"))
    order = (ALICE, True, False, 5, 6, 7, 8, bytes(32))
    signature = "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))"
    assert "0x" + encode(signature, order).hex() == contract.encode_abi("openPosition", [order])


def test_types_are_split_outside_parentheses_only() -> None:
    data = encode_types("uint8, (uint8,(bool, string))[],int256", 1, [(2, (True, "a,b"))], -3)
    assert decode("uint8,(uint8,(bool,string))[],int256", data) == (1, ((2, (True, "a,b")),), -3)


def test_a_call_without_arguments_is_its_selector() -> None:
    assert encode("totalSupply()").hex() == "18160ddd"


def test_the_topic_of_an_erc20_transfer() -> None:
    assert topic("Transfer(address,address,uint256)").startswith("0xddf252ad1be2c89b")


@pytest.mark.parametrize("value", [-1, 2**256])
def test_a_value_out_of_range_is_refused(value: int) -> None:
    with pytest.raises(ValueOutOfBounds):
        encode_types("uint256", value)
