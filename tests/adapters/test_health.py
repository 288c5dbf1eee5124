"""`/metrics` and `/healthz` over a real socket."""

import socket
import time
from collections.abc import Iterator
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from keeper.adapters.health import Server, loopback
from keeper.model.errors import ConfigError


@pytest.fixture
def server() -> Iterator[Server]:
    pages = {
        "/metrics": lambda: (HTTPStatus.OK, "text/plain", b"ticks 1\n"),
        "/healthz": lambda: (HTTPStatus.SERVICE_UNAVAILABLE, "application/json", b"{}"),
    }
    server = Server("127.0.0.1:0", pages)
    yield server
    server.close()


def get(url: str) -> tuple[int, bytes]:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310  # http, by construction
            return answer.status, answer.read()
    except HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_a_page_is_made_when_it_is_asked_for(server: Server) -> None:
    assert get(f"{server.url}/metrics?x=1") == (200, b"ticks 1\n")


def test_a_page_chooses_its_status(server: Server) -> None:
    assert get(f"{server.url}/healthz") == (503, b"{}")


def test_an_unknown_page_lists_the_known_ones(server: Server) -> None:
    assert get(f"{server.url}/") == (404, b"/healthz\n/metrics\n")


def test_a_taken_port_is_a_configuration_error(server: Server) -> None:
    with pytest.raises(ConfigError, match="cannot listen"):
        Server(server.url.removeprefix("http://"), {})


def test_closing_is_quick() -> None:
    server = Server("localhost:0", {})
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:9464", "192.168.1.2:9464", "example.org:80", "9464", "127.0.0.1:x", ""]
)
def test_only_this_machine_is_answered(listen: str) -> None:
    with pytest.raises(ConfigError, match="loopback"):
        loopback(listen)


def test_localhost_is_the_loopback_address() -> None:
    assert loopback("localhost:9464") == ("127.0.0.1", 9464)


def answer_to(server: Server, request: bytes) -> bytes:
    """Return what comes back until the server hangs up."""
    where = urlsplit(server.url)
    with socket.create_connection((str(where.hostname), where.port or 0), timeout=5) as line:
        line.sendall(request)
        return b"".join(iter(lambda: line.recv(65_536), b""))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:9464", "10.0.0.1", "", "[::1"])
def test_d3_a_name_that_was_made_to_lead_here_is_not_answered(server: Server, host: str) -> None:
    got = answer_to(server, f"GET /metrics HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    assert b" 421 " in got.splitlines()[0]
    assert b"ticks" not in got


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "localhost:9464"])
def test_d3_this_machine_is_answered_by_its_names(server: Server, host: str) -> None:
    got = answer_to(server, f"GET /metrics HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
    assert b" 200 " in got.splitlines()[0]


@pytest.mark.parametrize(
    "line",
    [
        "GET /../../etc/passwd HTTP/1.0",
        "GET //etc/passwd HTTP/1.0",
        "GET /metrics/%2e%2e/secrets HTTP/1.0",
        "POST /metrics HTTP/1.0",
        f"GET /{'a' * 70_000} HTTP/1.0",
    ],
)
def test_d5_what_is_not_a_page_is_refused(server: Server, line: str) -> None:
    got = answer_to(server, f"{line}\r\nHost: localhost\r\n\r\n".encode())
    status = int(got.split()[1])
    assert 400 <= status < 600
    assert b"root:" not in got
    assert get(f"{server.url}/metrics") == (200, b"ticks 1\n")


def test_d5_somebody_who_never_ends_a_request_keeps_nobody_else_waiting(server: Server) -> None:
    where = urlsplit(server.url)
    with socket.create_connection((str(where.hostname), where.port or 0)) as slow:
        slow.sendall(b"GET /metrics HTTP/1.0\r\nX: ")
        assert get(f"{server.url}/metrics") == (200, b"ticks 1\n")
