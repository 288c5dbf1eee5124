import http.client
import json
from typing import Any

import pytest
from eth_account import Account

from keeper.devnet.accounts import published_accounts
from keeper.testing.faultproxy import FaultProxy, NullResult
from tests.testing.faultproxy.conftest import Client, Listener, Stub, block


class Desk:
    def __init__(self, proxy: FaultProxy) -> None:
        self.host = proxy.control.url.removeprefix("http://")
        self.headers = proxy.control.headers

    def __call__(self, verb: str, path: str, body: Any = None) -> Any:
        status, said = self.ask(verb, path, body)
        assert status == 200, said
        return said

    def ask(self, verb: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.host, timeout=20)
        text = None if body is None else json.dumps(body)
        connection.request(verb, path, text, {**self.headers, "Connection": "close", **headers})
        response = connection.getresponse()
        return response.status, json.loads(response.read())


@pytest.fixture
def desk(proxy: FaultProxy) -> Desk:
    return Desk(proxy)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer 0000", "Basic abc", "Bearer \xe9"])
def test_nobody_without_the_token_gets_in(proxy: FaultProxy, desk: Desk, given: str) -> None:
    status, said = desk.ask("PUT", "/rules", [{"fault": "drop"}], Authorization=given)
    assert status == 401
    assert "Bearer" in said["error"]
    assert proxy.tallies() == ()


def test_each_proxy_has_a_token_of_its_own(proxy: FaultProxy, stub: Stub) -> None:
    with FaultProxy(stub.url) as other:
        assert other.control.token != proxy.control.token
        assert len(other.control.token) == 32


def test_rules_are_put_added_read_and_cleared(desk: Desk, client: Client) -> None:
    desk("PUT", "/rules", [{"fault": "null_result", "method": "a"}])
    desk("POST", "/rules", [{"fault": "null_result", "method": "b"}])
    client.ask("a")
    assert desk("GET", "/rules") == [
        {"rule": {"fault": "null_result", "method": "a"}, "seen": 1, "struck": 1},
        {"rule": {"fault": "null_result", "method": "b"}, "seen": 0, "struck": 0},
    ]
    assert desk("DELETE", "/rules") == []
    assert client.result("a") == []


@pytest.mark.parametrize(
    ("verb", "path", "body", "words"),
    [
        ("PUT", "/rules", [{"fault": "earthquake"}], "known faults"),
        ("PUT", "/rules", [{"fault": "removed"}], "cannot strike there"),
        ("PUT", "/pool", {"mode": "reth"}, "Invalid enum value"),
        ("PUT", "/upstream", {}, "missing required field"),
        ("POST", "/ws", {"action": "sleep"}, "blackhole"),
    ],
)
def test_what_it_does_not_understand_it_says(
    desk: Desk, verb: str, path: str, body: Any, words: str
) -> None:
    status, said = desk.ask(verb, path, body)
    assert status == 400
    assert words in said["error"]


def test_the_log_is_read_by_method_and_emptied(desk: Desk, client: Client) -> None:
    client.ask("eth_call", {"to": "0x1"})
    client.ask("eth_chainId")
    (entry,) = desk("GET", "/log?method=eth_c*l*")
    assert (entry["method"], entry["params"]) == ("eth_call", [{"to": "0x1"}])
    assert entry["ended_s"] >= entry["started_s"]
    desk("DELETE", "/log")
    assert desk("GET", "/log") == []


def test_sends_are_read_with_their_numbers_whole(desk: Desk, client: Client) -> None:
    fields = {
        "nonce": 0, "gasPrice": 20 * 10**9, "gas": 21_000, "value": 10**30,
        "to": "0x000000000000000000000000000000000000dEaD", "data": b"", "chainId": 5,
    }  # fmt: skip
    key = published_accounts(31_337).bob.test_key
    raw = "0x" + Account.sign_transaction(fields, key).raw_transaction.hex()
    client.ask("eth_sendRawTransaction", raw)
    (send,) = desk("GET", "/sends")
    assert send["accepted"] is True
    assert send["transaction"]["value_wei"] == 10**30
    assert send["transaction"]["max_fee_wei"] == 20 * 10**9


def test_the_node_can_be_another(desk: Desk, client: Client) -> None:
    other = Stub()
    other.results["eth_chainId"] = "0x1"
    said = desk("PUT", "/upstream", {"url": other.url, "ws_url": other.ws_url})
    assert said == {"url": other.url, "ws_url": other.ws_url}
    assert client.result("eth_chainId") == "0x1"
    other.close()


def test_websockets_are_told_how_to_behave(desk: Desk, listen: Any) -> None:
    listener: Listener = listen()
    assert desk("POST", "/ws", {"action": "silent"}) == {"connections": 1}
    assert listener.answers_pings()
    assert desk("POST", "/ws", {"action": "normal", "new": True}) == {"connections": 1}
    assert listener.ask("eth_chainId")["result"] == "0x7a69"


def test_the_pool_is_set_and_shown(desk: Desk, stub: Stub) -> None:
    stub.results["eth_getBlockByNumber"] = block(1)
    shown = desk("PUT", "/pool", {"hold_all": True})
    assert shown["held"] == []
    assert shown["settings"]["hold_all"] is True
    assert desk("GET", "/pool") == shown


def test_a_rule_of_python_reads_in_json(proxy: FaultProxy, desk: Desk) -> None:
    proxy.add(NullResult(times=2))
    assert desk("GET", "/rules")[0]["rule"] == {"fault": "null_result", "times": 2}
