from typing import Any

import pytest

from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.rpc import NodeTransport
from keeper.adapters.chain.transports import Rotating, open_any, open_transport
from keeper.model.errors import ConfigError, Transient

NOBODY = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://localhost:8545", "http://localhost:8545"),
        ("https://node.example/v3/0123456789abcdef", "https://node.example:443/…"),
        ("ipc:///run/geth.ipc", "ipc:///run/geth.ipc"),
        ("/run/geth.ipc", "ipc:///run/geth.ipc"),
    ],
)
def test_the_address_chooses_the_transport_and_nothing_is_dialled(url: str, shown: str) -> None:
    transport = open_transport(url)
    assert repr(transport) == f"NodeTransport({shown})"
    assert transport.dials == 0


def test_a_websocket_is_for_the_feed() -> None:
    with pytest.raises(ConfigError, match="WebSocket is for the feed"):
        open_transport("ws://localhost:8546")


def test_one_address_is_one_transport_and_nothing_around_it() -> None:
    assert isinstance(open_any(["http://localhost:8545"]), NodeTransport)


def test_after_a_silence_the_next_node_is_asked(http_node: Any) -> None:
    rotating = open_any([NOBODY, http_node.url])
    with pytest.raises(Transient):
        rotating.request("eth_chainId", (), 5.0)
    assert bytes(rotating.request("eth_chainId", (), 5.0)) == b'"0x1"'
    assert [bytes(raw) for raw in rotating.stream("eth_chainId", [(), ()], 5.0)] == [b'"0x1"'] * 2
    assert [bytes(raw) for raw in rotating.batch([("eth_chainId", ())] * 2, 5.0)] == [b'"0x1"'] * 2  # type: ignore[arg-type]  # no errors
    assert rotating.dials == 1
    assert rotating.waited_ns > 0
    http_node.hangs_up()
    for _ in range(2):
        with pytest.raises(Transient):
            rotating.request("eth_chainId", (), 5.0)
    assert bytes(rotating.request("eth_chainId", (), 5.0)) == b'"0x1"'
    assert isinstance(rotating, Rotating)
    rotating.close()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-32005, "daily request count exceeded, request rate limited"),
        (-32601, "the method eth_getLogs does not exist"),
        (-32000, "header not found"),
        (-32600, "Must be authenticated!"),
    ],
)
def test_a_refusal_that_is_the_nodes_own_is_no_reason_to_stay_with_it(
    http_node: Any, code: int, text: str
) -> None:
    rotating = open_any([http_node.url, NOBODY])
    http_node.fails(code, text)
    with pytest.raises(RpcError):
        rotating.request("eth_getLogs", (), 5.0)
    with pytest.raises(Transient):
        rotating.request("eth_getLogs", (), 5.0)
    http_node.says_to_batch(lambda said: [refusal(one, code, text) for one in said])
    rotating.batch([("eth_chainId", ())] * 2, 5.0)
    with pytest.raises(Transient):
        rotating.request("eth_chainId", (), 5.0)
    rotating.close()


def refusal(answer: dict[str, Any], code: int, text: str) -> dict[str, Any]:
    return {"id": answer["id"], "error": {"code": code, "message": text}}


def test_an_error_of_the_question_would_be_the_same_at_any_node(http_node: Any) -> None:
    rotating = open_any([http_node.url, NOBODY])
    http_node.fails(-32005, "query returned more than 10000 results")
    with pytest.raises(RpcError):
        rotating.request("eth_getLogs", (), 5.0)
    assert bytes(rotating.request("eth_chainId", (), 5.0)) == b'"0x1"'
    rotating.close()
