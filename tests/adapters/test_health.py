"""`/metrics` and `/healthz` over a real socket."""

import time
from collections.abc import Iterator
from http import HTTPStatus
from urllib.error import HTTPError
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
