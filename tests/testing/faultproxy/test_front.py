"""What a client over HTTP sees of each fault, and what the node hears of it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from threading import Thread
from typing import Any

import pytest

from keeper.testing.faultproxy import (
    BatchAsObject,
    BatchDropOne,
    BatchShuffle,
    Drip,
    Drop,
    Duplicate,
    FaultProxy,
    HttpStatus,
    LoseResponse,
    Malformed,
    Mutate,
    NullResult,
    Oversize,
    RpcError,
    Signal,
    Stale,
    TruncateLogs,
    UpstreamCall,
    WrongId,
)
from tests.testing.faultproxy.conftest import PATIENCE_S, Client, Stub

SEND = "eth_sendRawTransaction"


def test_without_rules_it_is_a_wire(stub: Stub, client: Client) -> None:
    assert client.ask("eth_call", {"to": "0x1"}, "latest", id_="mine") == {
        "jsonrpc": "2.0", "id": "mine", "result": [{"to": "0x1"}, "latest"],
    }  # fmt: skip
    assert stub.methods() == ["eth_call"]


def test_an_error_of_the_node_is_handed_on(stub: Stub, client: Client) -> None:
    stub.results[SEND] = ValueError("nonce too low")
    assert client.ask(SEND, "0x")["error"]["message"] == "nonce too low"


def test_a_batch_is_answered_as_a_batch(client: Client) -> None:
    assert [answer["id"] for answer in client.batch("a", "b", "c")] == [0, 1, 2]


def test_what_is_no_json_rpc_is_answered_as_a_node_does(client: Client, stub: Stub) -> None:
    assert json.loads(client.post("not a call").read())["error"]["code"] == -32600
    assert json.loads(client.post([]).read())["error"]["code"] == -32600
    assert stub.methods() == []


def test_only_posts_are_served(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection(proxy.url.removeprefix("http://"), timeout=PATIENCE_S)
    connection.request("GET", "/", headers={"Connection": "close"})
    assert connection.getresponse().status == 405


def test_a_node_that_is_not_there_is_a_bad_gateway(proxy: FaultProxy, client: Client) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind(("127.0.0.1", 0))
        proxy.turn_to(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert client.post(client.request("eth_chainId")).status == 502


def test_a_status_of_the_nodes_own_gateway_is_handed_on(stub: Stub, client: Client) -> None:
    stub.status = 429
    response = client.post(client.request("eth_chainId"))
    assert (response.status, response.headers["Retry-After"]) == (429, "3")
    assert json.loads(response.read())["result"] == "0x7a69"


def test_a_dropped_call_never_reaches_the_node(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    proxy.add(Drop(method=SEND, times=1))
    with pytest.raises(ConnectionResetError):
        client.ask(SEND, "0x01")
    assert stub.methods() == []
    assert client.result(SEND, "0x01") == ["0x01"]


def test_a_lost_response_leaves_the_node_with_the_call(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    proxy.add(LoseResponse(method=SEND))
    with pytest.raises(ConnectionResetError):
        client.ask(SEND, "0x01")
    assert stub.methods() == [SEND]


@pytest.mark.parametrize("how", ["502", "504"])
def test_a_response_may_be_lost_behind_a_gateway_that_gives_up(
    proxy: FaultProxy, stub: Stub, client: Client, how: Any
) -> None:
    proxy.add(LoseResponse(method=SEND, how=how))
    assert client.post(client.request(SEND, "0x01")).status == int(how)
    assert stub.methods() == [SEND]


@pytest.mark.parametrize("fault", [Drop(how="hang"), LoseResponse(how="hang")])
def test_a_call_that_hangs_is_neither_answered_nor_hung_up_on(
    proxy: FaultProxy, client: Client, fault: Drop | LoseResponse
) -> None:
    proxy.add(fault)
    with client.wire("eth_chainId") as end:
        (entry,) = proxy.wait_for("eth_chainId")
        assert entry.told == "nothing"
        end.settimeout(0)
        with pytest.raises(BlockingIOError):
            end.recv(1)
        end.settimeout(PATIENCE_S)
        proxy.close()  # only that ends it
        with pytest.raises(ConnectionResetError):
            end.recv(1)


def test_a_duplicated_call_reaches_the_node_twice_and_the_second_answer_counts(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    def forget(_call: object) -> None:
        stub.results[SEND] = ValueError("already known") if len(stub.heard) == 2 else "0xhash"

    stub.on_call = forget
    proxy.add(Duplicate(method=SEND, times=1))
    assert client.ask(SEND, "0x01")["error"]["message"] == "already known"
    assert stub.methods() == [SEND, SEND]
    (entry,) = proxy.log(SEND)
    assert entry.reached_node == 2


def test_the_first_answer_to_a_duplicated_call_may_count(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    stub.on_call = lambda _call: stub.results.update(x=len(stub.heard))
    proxy.add(Duplicate(n=3, answer="first"))
    assert client.result("x") == 1
    assert len(stub.heard) == 3


def test_a_status_comes_instead_of_an_answer_with_its_retry_after(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    proxy.add(HttpStatus(code=429, retry_after="7", body="slow down"))
    response = client.post(client.request("eth_chainId"))
    assert (response.status, response.headers["Retry-After"]) == (429, "7")
    assert response.read() == b"slow down"
    assert stub.methods() == []


def test_an_rpc_error_comes_instead_of_an_answer(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    proxy.add(RpcError(code=-32005, message="limit exceeded", data={"see": 1}))
    assert client.ask("eth_getLogs", id_=9) == {
        "jsonrpc": "2.0", "id": 9,
        "error": {"code": -32005, "message": "limit exceeded", "data": {"see": 1}},
    }  # fmt: skip
    assert stub.methods() == []


def test_an_rpc_error_may_hide_that_the_node_took_the_call(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    proxy.add(RpcError(message="internal error", reaches_node=True))
    assert "error" in client.ask(SEND, "0x01")
    assert stub.methods() == [SEND]
    assert proxy.sends()[0].accepted


@pytest.mark.parametrize("how", ["html", "truncated", "empty", "text"])
def test_a_malformed_answer_is_no_json(proxy: FaultProxy, client: Client, how: Any) -> None:
    proxy.add(Malformed(how=how))
    response = client.post(client.request("eth_chainId"))
    assert response.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(response.read())


def test_an_array_may_come_instead_of_an_object(proxy: FaultProxy, client: Client) -> None:
    proxy.add(Malformed(how="array"))
    assert client.ask("eth_chainId") == [{"jsonrpc": "2.0", "id": 1, "result": "0x7a69"}]


@pytest.mark.parametrize(
    ("how", "wrong"), [("offset", 1005), ("null", None), ("string", "5"), ("stale", 4)]
)
def test_an_answer_bears_a_wrong_id(
    proxy: FaultProxy, client: Client, how: Any, wrong: object
) -> None:
    proxy.add(WrongId(how=how, after=1))
    assert client.ask("eth_chainId", id_=4)["id"] == 4
    assert client.ask("eth_chainId", id_=5) == {"jsonrpc": "2.0", "id": wrong, "result": "0x7a69"}


def test_an_answer_bears_no_id(proxy: FaultProxy, client: Client) -> None:
    proxy.add(WrongId(how="missing"))
    assert "id" not in client.ask("eth_chainId")


def test_a_receipt_is_null_although_it_is_there(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    stub.results["eth_getTransactionReceipt"] = {"status": "0x1"}
    proxy.add(NullResult(method="eth_getTransactionReceipt", times=2))
    assert [client.result("eth_getTransactionReceipt") for _ in range(3)] == [
        None, None, {"status": "0x1"},
    ]  # fmt: skip


def test_a_stale_node_is_behind(proxy: FaultProxy, client: Client) -> None:
    proxy.add(Stale(lag=3))
    assert client.result("eth_blockNumber") == hex(97)
    assert client.result("eth_call", {}, "latest") == [{}, hex(97)]


def test_logs_have_holes(proxy: FaultProxy, stub: Stub, client: Client) -> None:
    stub.results["eth_getLogs"] = [1, 2, 3, 4]
    proxy.add(TruncateLogs(method="eth_getLogs", drop_every=2, drop_last=1))
    assert client.result("eth_getLogs", {}) == [1]


def test_a_part_of_the_result_is_another(proxy: FaultProxy, client: Client) -> None:
    proxy.add(Mutate(method="eth_chainId", value="0x1"))
    proxy.add(Mutate(method="eth_getBlockByNumber", path="baseFeePerGas"))
    assert client.result("eth_chainId") == "0x1"
    assert "baseFeePerGas" not in client.result("eth_getBlockByNumber", "latest")


def test_a_dripping_answer_has_begun_and_is_not_complete(proxy: FaultProxy, client: Client) -> None:
    proxy.add(Drip(chunk_bytes=4, pause_s=3_600))
    with client.wire("eth_chainId") as end:
        said = b""
        while not said.endswith(b'\r\n\r\n{"js'):
            said += end.recv(100)
        end.settimeout(0)
        with pytest.raises(BlockingIOError):
            end.recv(1)


def test_a_dripping_answer_is_complete_in_the_end(proxy: FaultProxy, client: Client) -> None:
    proxy.add(Drip(chunk_bytes=7, pause_s=0))
    assert client.result("eth_chainId") == "0x7a69"


def test_an_oversized_answer_is_right_and_very_long(proxy: FaultProxy, client: Client) -> None:
    proxy.add(Oversize(n_bytes=3_000_000))
    body = client.raw("eth_chainId")
    assert len(body) == 3_000_000
    assert json.loads(body)["result"] == "0x7a69"


def test_a_batch_comes_in_another_order(proxy: FaultProxy, client: Client) -> None:
    proxy.add(BatchShuffle())
    ids = [answer["id"] for answer in client.batch("a", "b", "c")]
    assert ids != [0, 1, 2]
    assert sorted(ids) == [0, 1, 2]


def test_a_batch_comes_back_short(proxy: FaultProxy, client: Client) -> None:
    proxy.add(BatchDropOne())
    assert len(client.batch("a", "b", "c")) == 2


def test_a_batch_is_answered_with_one_error(proxy: FaultProxy, client: Client) -> None:
    proxy.add(BatchAsObject())
    assert client.batch("a", "b")["error"]["code"] == -32600


def test_a_fault_of_batches_leaves_single_calls_alone_and_is_not_used_up_by_them(
    proxy: FaultProxy, client: Client
) -> None:
    proxy.add(BatchAsObject(times=1))
    assert "result" in client.ask("a")
    assert "error" in client.batch("a", "b")


def test_one_dropped_member_takes_the_whole_batch_with_it(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    proxy.add(Drop(method="b"))
    with pytest.raises(ConnectionResetError):
        client.batch("a", "b")
    assert stub.methods() == []


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


@pytest.mark.parametrize("when", ["pre", "post"])
def test_a_process_dies_just_before_or_just_after_the_node_takes_a_call(
    proxy: FaultProxy, stub: Stub, client: Client, when: Any
) -> None:
    process = sleeper()
    alive: list[bool] = []

    def look(_call: object) -> None:
        if when == "pre":
            process.wait(PATIENCE_S)
        alive.append(process.poll() is None)

    stub.on_call = look
    proxy.add(Signal(method=SEND, pid=process.pid, when=when))
    client.ask(SEND, "0x01")
    assert alive == [when == "post"]
    assert process.wait(PATIENCE_S) == -signal.SIGKILL


def test_a_process_is_stopped_and_goes_on(proxy: FaultProxy, client: Client) -> None:
    process = sleeper()
    proxy.add(Signal(method="a", pid=process.pid, signal="SIGSTOP"))
    proxy.add(Signal(method="b", pid=process.pid, signal="SIGCONT"))
    for method, stopped in (("a", True), ("b", False)):
        client.ask(method)
        _, status = os.waitpid(process.pid, os.WUNTRACED | os.WCONTINUED)
        assert os.WIFSTOPPED(status) is stopped
    process.kill()
    process.wait()


def test_a_process_that_is_gone_gets_no_signal(proxy: FaultProxy, client: Client) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    proxy.add(Signal(pid=process.pid))
    assert client.result("eth_chainId") == "0x7a69"


@pytest.mark.parametrize(
    ("when", "order"),
    [("before", ["anvil_reorg", "eth_call"]), ("after", ["eth_call", "anvil_reorg"])],
)
def test_the_node_gets_another_call_before_or_after(
    proxy: FaultProxy, stub: Stub, client: Client, when: Any, order: list[str]
) -> None:
    proxy.add(UpstreamCall(method="eth_call", call="anvil_reorg", arguments=[1, []], when=when))
    client.ask("eth_call", {}, "latest")
    assert stub.methods() == order


def test_calls_are_answered_side_by_side(proxy: FaultProxy, client: Client) -> None:
    proxy.add(Drop(method="slow", how="hang"))
    with client.wire("slow"):
        proxy.wait_for("slow")
        assert client.result("eth_chainId") == "0x7a69"


def test_many_clients_are_served_at_once(proxy: FaultProxy, client: Client) -> None:
    said: list[object] = []
    threads = [
        Thread(target=lambda n=number: said.append(client.result("echo", n)))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said, key=str) == sorted(([n] for n in range(20)), key=str)
    assert len(proxy.log("echo")) == 20
