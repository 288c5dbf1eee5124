"""A node three blocks behind one whose head is 100."""

import asyncio
from typing import Any

import pytest

from keeper.devnet.anvil import Node
from keeper.devnet.rpc import Rpc
from keeper.model.errors import Rejected
from keeper.testing.faultproxy import FaultProxy, Stale
from keeper.testing.faultproxy.jsonrpc import Answer, Call, failure, result
from keeper.testing.faultproxy.stale import BLOCK_PARAM, StaleNode
from keeper.testing.faultproxy.upstream import NodeUnreachable

HEAD = 97
ABOVE = hex(HEAD + 1)
HEADER = False
"""A block without its transactions."""


def ask(method: str, *params: Any, found: Any = None) -> Any:
    """Return what a stale node says; the fresh one echoes, or has *found* it."""

    async def fresh(call: Call) -> Answer:
        if call.method == "eth_blockNumber":
            return result(call.id, hex(100))
        if call.method == "eth_getBlockByHash" and method != "eth_getBlockByHash":
            number = call.params[0]
            return result(call.id, None if number == "0xunknown" else {"number": number})
        return result(call.id, call.params if found is None else found)

    answer = asyncio.run(StaleNode(fresh, 3).ask(Call(method, list(params), 1)))
    return answer.get("result", answer.get("error"))


def test_the_head_is_behind() -> None:
    assert ask("eth_blockNumber") == hex(HEAD)


@pytest.mark.parametrize("method", BLOCK_PARAM)
@pytest.mark.parametrize("tag", ["latest", "pending", None])
def test_the_newest_block_is_an_older_one(method: str, tag: str | None) -> None:
    index = BLOCK_PARAM[method]
    params = ["x"] * index + ([] if tag is None else [tag])
    assert ask(method, *params) == ["x"] * index + [hex(HEAD)]


def test_a_block_parameter_that_is_left_out_is_put_in_its_place() -> None:
    assert ask("eth_getStorageAt", "0xa", "0x0") == ["0xa", "0x0", hex(HEAD)]
    assert ask("eth_getBlockByNumber", "latest", HEADER) == [hex(HEAD), HEADER]


@pytest.mark.parametrize("block", ["safe", "finalized", "earliest", "0x1", hex(HEAD)])
def test_an_old_block_is_what_it_is(block: str) -> None:
    assert ask("eth_call", {}, block) == [{}, block]


@pytest.mark.parametrize("block", [ABOVE, {"blockNumber": ABOVE}, {"blockHash": ABOVE}])
def test_state_of_a_block_that_is_too_new_is_an_error(block: Any) -> None:
    assert ask("eth_call", {}, block) == {"code": -32000, "message": "header not found"}


@pytest.mark.parametrize("block", [{"blockHash": hex(HEAD)}, {"blockHash": "0xunknown"}])
def test_state_by_the_hash_of_an_old_or_unknown_block_is_for_the_node_to_say(block: Any) -> None:
    assert ask("eth_call", {}, block) == [{}, block]


def test_a_block_that_is_too_new_is_not_there() -> None:
    assert ask("eth_getBlockByNumber", ABOVE, HEADER) is None
    assert ask("eth_getBlockByHash", "0x", HEADER, found={"number": ABOVE}) is None
    assert ask("eth_getBlockByHash", "0x", HEADER, found={"number": "0x1"}) == {"number": "0x1"}


def test_what_was_mined_since_is_pending_and_has_no_receipt() -> None:
    new, old = ({"hash": "0x", "blockNumber": number} for number in (ABOVE, hex(HEAD)))
    assert ask("eth_getTransactionReceipt", "0x", found=new) is None
    assert ask("eth_getTransactionReceipt", "0x", found=old) == old
    assert ask("eth_getTransactionByHash", "0x", found=new)["blockNumber"] is None
    assert ask("eth_getTransactionByHash", "0x", found=old) == old
    assert ask("other", found=new) == new


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, {"fromBlock": hex(HEAD), "toBlock": hex(HEAD)}),
        ({"fromBlock": "0x1", "toBlock": "latest"}, {"fromBlock": "0x1", "toBlock": hex(HEAD)}),
        ({"fromBlock": "0x1", "toBlock": ABOVE}, {"fromBlock": "0x1", "toBlock": hex(HEAD)}),
        (
            {"fromBlock": "earliest", "toBlock": "0x2"},
            {"fromBlock": "earliest", "toBlock": "0x2"},
        ),
    ],
)
def test_logs_end_at_the_stale_head(asked: Any, seen: Any) -> None:
    assert ask("eth_getLogs", asked) == [seen]


def test_there_are_no_logs_beyond_the_stale_head() -> None:
    assert ask("eth_getLogs", {"fromBlock": ABOVE}) == []
    assert ask("eth_getLogs", {"blockHash": ABOVE})["message"] == "header not found"
    assert ask("eth_getLogs", {"blockHash": "0x1"}) == [{"blockHash": "0x1"}]


@pytest.mark.parametrize("params", [[{}, "newest"], [{}, 5], [{}, ["0x1"]]])
def test_a_block_that_is_no_block_is_for_the_node_to_refuse(params: Any) -> None:
    assert ask("eth_call", *params) == params
    assert ask("eth_getLogs", "0x1") == ["0x1"]


def test_parameters_by_name_are_for_the_node_to_refuse() -> None:
    async def fresh(call: Call) -> Answer:
        return result(call.id, call.params)

    answer = asyncio.run(StaleNode(fresh, 3).ask(Call("eth_call", {"to": "0x"}, 1)))
    assert answer["result"] == {"to": "0x"}


def test_a_node_that_knows_no_head_cannot_lag() -> None:
    async def headless(call: Call) -> Answer:
        return failure(call.id, -1, "no")

    with pytest.raises(NodeUnreachable):
        asyncio.run(StaleNode(headless, 3).ask(Call("eth_chainId")))


@pytest.mark.anvil
def test_in_front_of_anvil_the_past_is_told_and_nothing_newer(
    anvil_node: Node, fault_proxy: FaultProxy
) -> None:
    node, bot = Rpc(anvil_node.http_url), Rpc(fault_proxy.url)
    account = node.call("eth_accounts")[0]
    send = {"from": account, "to": "0x" + "de" * 20, "value": "0x1"}
    hashes = []
    for _ in range(3):
        hashes.append(node.call("eth_sendTransaction", send))
        node.call("evm_mine")
    fault_proxy.add(Stale(lag=2))
    assert bot.call("eth_blockNumber") == "0x1"
    assert bot.call("eth_getTransactionCount", account, "latest") == "0x1"
    assert bot.call("eth_getBalance", "0x" + "de" * 20, "latest") == "0x1"
    assert [bot.call("eth_getTransactionReceipt", hash_) is None for hash_ in hashes] == [
        False, True, True,
    ]  # fmt: skip
    newest = node.call("eth_getBlockByNumber", "latest", HEADER)["hash"]
    assert bot.call("eth_getBlockByHash", newest, HEADER) is None
    with pytest.raises(Rejected, match="header not found"):
        bot.call("eth_call", {"to": account}, {"blockHash": newest})
    node.close()
    bot.close()


@pytest.mark.anvil
def test_a_balancer_flips_between_a_fresh_and_a_stale_node(
    anvil_node: Node, fault_proxy: FaultProxy
) -> None:
    node, bot = Rpc(anvil_node.http_url), Rpc(fault_proxy.url)
    node.call("anvil_mine", "0x5")
    fault_proxy.add(Stale(lag=2, probability=0.5))
    assert {bot.call("eth_blockNumber") for _ in range(40)} == {"0x3", "0x5"}
    node.close()
    bot.close()
