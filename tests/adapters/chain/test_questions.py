from keeper.adapters.chain.questions import NEWEST, Lookup, as_call, at_hash, where_they_stand
from keeper.model.chain import Fees, Message
from tests.adapters.chain.test_evm import ME, TARGET, at

PIN = {"blockHash": at(5).hash, "requireCanonical": True}


def test_every_question_but_that_for_the_head_is_pinned_to_one_hash() -> None:
    message = Message(to=TARGET, data=b"\xab", value_wei=5, gas_limit=21_000)
    asked = (
        at_hash(Lookup(TARGET, b"\x01"), at(5).hash),
        as_call(ME, message, Fees(max_fee_wei=30, tip_wei=2), at(5)),
        *where_they_stand(ME, TARGET, at(5)),
    )
    for _method, params in asked:
        assert isinstance(params, tuple)
        assert params[1] == PIN
    assert NEWEST == ("eth_getBlockByNumber", ("latest", False))


def test_a_simulation_is_of_the_message_as_it_will_be_signed() -> None:
    message = Message(to=TARGET, data=b"\xab\xcd", value_wei=5, gas_limit=100_000)
    method, params = as_call(ME, message, Fees(max_fee_wei=30, tip_wei=2), at(5))
    assert method == "eth_call"
    assert isinstance(params, tuple)
    assert params[0] == {
        "from": ME,
        "to": TARGET,
        "data": "0xabcd",
        "value": "0x5",
        "gas": "0x186a0",
        "maxFeePerGas": "0x1e",
        "maxPriorityFeePerGas": "0x2",
    }


def test_a_node_is_lent_state_with_the_question() -> None:
    lent = {str(TARGET): {"code": "0x00"}}
    assert at_hash(Lookup(TARGET, b"\x01", (lent,)), at(5).hash) == (
        "eth_call",
        ({"to": TARGET, "data": "0x01"}, PIN, lent),
    )
