import asyncio
from typing import Any

import pytest

from keeper.testing.faultproxy import FaultProxy, LoseResponse
from keeper.testing.faultproxy.journal import LONGEST, Journal, verdict
from keeper.testing.faultproxy.jsonrpc import Call, failure, result
from tests.testing.faultproxy.conftest import Client, Stub

RAW = "0x02f8"


def journal() -> tuple[Journal, list[float]]:
    now = [10.0]
    return Journal(lambda: now[0]), now


def test_times_count_from_the_beginning() -> None:
    kept, now = journal()
    now[0] = 12.0
    entry = kept.open(Call("eth_call"), "http", [], in_batch=False)
    assert (entry.started_s, entry.ended_s, entry.told) == (2.0, None, None)
    now[0] = 12.5
    asyncio.run(kept.close(entry, "result"))
    assert (entry.ended_s, entry.told) == (2.5, "result")


def test_entries_are_found_by_a_glob_in_their_order() -> None:
    kept, _ = journal()
    for method in ("eth_call", "eth_getLogs", "net_version"):
        kept.open(Call(method), "ws", [], in_batch=True)
    assert [entry.method for entry in kept.entries("eth_*")] == ["eth_call", "eth_getLogs"]
    assert [entry.number for entry in kept.entries()] == [1, 2, 3]


def test_what_the_node_said_is_kept_for_sends_alone() -> None:
    kept, _ = journal()
    call = kept.open(Call("eth_call"), "http", [], in_batch=False)
    send = kept.open(Call("eth_sendRawTransaction", [RAW]), "http", [], in_batch=False)
    for entry in (call, send):
        kept.heard(entry, result(1, "0x"))
    assert (call.reached_node, call.node_said) == (1, None)
    assert send.node_said == result(1, "0x")


@pytest.mark.parametrize("params", [[], [RAW], ["0xzz"], {}, None])
def test_a_send_of_nonsense_is_a_send_without_a_transaction(params: Any) -> None:
    kept, _ = journal()
    kept.open(Call("eth_sendRawTransaction", params), "http", [], in_batch=False)
    (send,) = kept.sends()
    assert (send.transaction, send.accepted) == (None, False)


def test_a_refused_send_is_not_an_accepted_one() -> None:
    kept, _ = journal()
    entry = kept.open(Call("eth_sendRawTransaction", [RAW]), "http", [], in_batch=False)
    kept.heard(entry, failure(1, -32000, "nonce too low"))
    assert not kept.sends()[0].accepted


def test_a_long_soak_forgets_its_beginning() -> None:
    kept, _ = journal()
    for _ in range(LONGEST + 1):
        kept.open(Call("x"), "http", [], in_batch=False)
    entries = kept.entries()
    assert (len(entries), entries[0].number) == (LONGEST, 2)
    kept.clear()
    assert kept.entries() == []


def test_of_long_params_the_beginning_is_kept_and_all_of_a_send() -> None:
    kept, _ = journal()
    bulk = [{"to": "0xaa", "data": "0x" + "ab" * 50_000}, "latest", ["0x01"] * 5_000]
    entry = kept.open(Call("eth_call", bulk), "http", [], in_batch=False)
    assert entry.params[0]["to"] == "0xaa"
    assert entry.params[0]["data"] == "0x" + "ab" * 127 + "…"
    assert entry.params[1:] == ["latest", [*["0x01"] * 16, "…"]]
    assert len(bulk[2]) == 5_000, "what the node is asked is another matter"
    send = kept.open(Call("eth_sendRawTransaction", bulk), "http", [], in_batch=False)
    assert send.params == bulk


def test_a_verdict_says_what_the_client_was_told() -> None:
    assert verdict(result(1, None)) == "result"
    assert verdict(failure(1, -32005, "limit")) == "error -32005 limit"


def test_a_lost_send_is_accepted_by_the_node_and_nothing_was_told(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    stub.results["eth_sendRawTransaction"] = "0xhash"
    proxy.add(LoseResponse())
    with pytest.raises(ConnectionResetError):
        client.ask("eth_sendRawTransaction", RAW)
    (send,) = proxy.sends()
    assert send.accepted
    assert (send.entry.told, send.entry.faults) == ("nothing", ["lose_response"])
