import ssl
import time
from typing import Any

import pytest

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.rpc import NodeTransport
from keeper.adapters.chain.transport_http import HttpFraming
from keeper.model.errors import Transient

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'


def ask(transport: Any, method: str = "eth_chainId") -> bytes:
    return bytes(transport.request(method, (), 2.0))


def test_the_question_is_a_post_with_its_credentials_on_the_wire_only(http_node: Any) -> None:
    ask(http_node.transport())
    head = http_node.heads[0].decode()
    assert head.startswith("POST /v3/a-very-secret-api-key?k=a-very-secret-api-key HTTP/1.1\r\n")
    assert "Authorization: Basic dXNlcjphLXZlcnktc2VjcmV0LWFwaS1rZXk=\r\n" in head


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 39\r\n\r\n" + BODY,
        OK + b"CONTENT-LENGTH:39\r\nX: y\r\n\r\n" + BODY,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 39\r\n\r\n" + BODY,
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + BODY[:5] + b"\r\n22;x=y\r\n" + BODY[5:]
        + b"\r\n0\r\nTrailer: 1\r\n\r\n",
    ],
)  # fmt: skip
def test_every_way_to_delimit_a_body_is_read(http_node: Any, answer: bytes) -> None:
    http_node.sends(answer)
    transport = http_node.transport()
    assert ask(transport) == b'"0x1"'
    ask(transport)
    assert http_node.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"\r\n" + BODY,
        b"HTTP/1.0 200 OK\r\nContent-Length: 39\r\n\r\n" + BODY,
        OK + b"Connection: close\r\nContent-Length: 39\r\n\r\n" + BODY,
        OK + b"Content-Length: 39\r\n\r\n" + BODY + b"more",
    ],
)
def test_a_connection_that_ends_is_not_used_again(http_node: Any, answer: bytes) -> None:
    http_node.sends(answer, keeps=False)
    transport = http_node.transport()
    assert ask(transport) == b'"0x1"'
    ask(transport)
    assert http_node.connections == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP answer"),
        (b"HTTP/1.1 abc\r\n\r\n", "not a number"),
        (b"HTTP/1.1 2_0\r\n\r\n", "not a number"),
        (OK + b"Content-Length: -1\r\n\r\n", "not a number"),
        (OK + b"Content-Length: zz\r\n\r\n", "not a number"),
        (OK + b"Content-Length: 99999999\r\n\r\n", "too large"),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "compressed"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n", "too large"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "wrong length"),
        (OK + b"X: " + b"y" * 100_000, "endless"),
        (OK + b"\r\n" + b"x" * (2 << 20), "too large"),
    ],
)
def test_what_is_not_http_is_refused(http_node: Any, answer: bytes, reason: str) -> None:
    http_node.sends(answer, keeps=False)
    with pytest.raises(Transient, match=reason):
        ask(http_node.transport())
    assert len(http_node.requests) == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (b"502 Bad Gateway", "gateway"),
        (b"503 Service Unavailable", "gateway"),
        (b"401 Unauthorized", "credentials"),
        (b"403 Forbidden", "credentials"),
        (b"302 Found", "redirects"),
        (b"404 Not Found", "no JSON-RPC answer"),
    ],
)
def test_a_gateways_page_is_not_an_answer(http_node: Any, status: bytes, reason: str) -> None:
    page = b"<html><h1>no such page: /v3/a-very-secret-api-key</h1></html>"
    http_node.sends(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(page), page))
    with pytest.raises(Transient, match=reason) as caught:
        ask(http_node.transport())
    assert caught.value.facts["status"] == int(status[:3])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "wait_s"),
    [
        (b"Retry-After: 17\r\n", 17.0),
        (b"Retry-After: Wed, 21 Oct 2026 07:28:10 GMT\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\n",
         10.0),
        (b"Retry-After: Wed, 21 Oct 2026 07:28:10 GMT\r\n", None),
        (b"Retry-After: soon\r\n", None),
        (b"Retry-After: Wed, 21 Oct 2026 07:28:10\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\n",
         None),
        (b"", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [b"429 Too Many Requests", b"503 Busy"])
def test_the_time_to_wait_is_a_fact(
    http_node: Any, status: bytes, fields: bytes, wait_s: float | None
) -> None:
    http_node.sends(b"HTTP/1.1 %s\r\n%sContent-Length: 0\r\n\r\n" % (status, fields))
    with pytest.raises(Transient) as caught:
        ask(http_node.transport())
    assert caught.value.facts.get("retry_after_s") == wait_s


def test_a_status_may_carry_the_nodes_own_error(http_node: Any) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"bad params"}}'
    http_node.sends(b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    with pytest.raises(RpcError, match="bad params"):
        ask(http_node.transport())


def test_x5_a_certificate_that_nobody_vouches_for_is_refused(https_node: Any) -> None:
    transport = NodeTransport(HttpFraming(Endpoint(https_node.url), 1 << 20))
    with pytest.raises(Transient, match="SSL") as caught:
        ask(transport, "eth_sendRawTransaction")
    assert caught.value.facts["request_left"] is False
    assert not https_node.requests


def test_a_session_ticket_that_comes_unasked_does_not_cost_the_connection(https_node: Any) -> None:
    """A readable TLS socket may hold nothing for us; only decrypting tells."""
    transport = https_node.transport()
    ask(transport)
    wire = transport._wire
    assert wire is not None
    assert wire.idle()
    https_node.closes_when_idle()
    ask(transport)
    time.sleep(0.05)
    assert not wire.idle()


def test_certificates_are_read_for_https_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "create_default_context", lambda: pytest.fail("not needed"))
    HttpFraming(Endpoint("http://localhost"), 1)


def test_a_name_that_does_not_resolve_is_transient() -> None:
    framing = HttpFraming(Endpoint("http://no-such-host.invalid"), 1)
    with pytest.raises(Transient) as caught:
        ask(NodeTransport(framing))
    assert caught.value.facts["request_left"] is False
