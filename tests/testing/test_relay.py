import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from keeper.testing.relay import Relay


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve(end: socket.socket) -> None:
        with end:
            while chunk := end.recv(100):
                end.sendall(chunk)

    def accept() -> None:
        while True:
            try:
                end, _ = server.accept()
            except OSError:
                return
            Thread(target=serve, args=(end,), daemon=True).start()

    Thread(target=accept, daemon=True).start()
    yield server.getsockname()
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def says(end: socket.socket, word: bytes) -> bytes:
    end.settimeout(5)
    try:
        end.sendall(word)
        return end.recv(100)
    except OSError:
        return b""


def test_what_goes_in_comes_out(echo: tuple[str, int]) -> None:
    with Relay(echo) as relay, socket.create_connection(("127.0.0.1", relay.port)) as end:
        assert says(end, b"hello") == b"hello"


def test_a_cut_closes_what_is_open_and_refuses_what_is_new_until_it_is_mended(
    echo: tuple[str, int],
) -> None:
    with Relay(echo) as relay:
        with socket.create_connection(("127.0.0.1", relay.port)) as end:
            assert says(end, b"one") == b"one"
            relay.cut()
            assert says(end, b"two") == b""
        with socket.create_connection(("127.0.0.1", relay.port)) as end:
            assert says(end, b"three") == b""
        relay.mend()
        with socket.create_connection(("127.0.0.1", relay.port)) as end:
            assert says(end, b"four") == b"four"


def test_a_drop_happens_once(echo: tuple[str, int]) -> None:
    with Relay(echo) as relay:
        with socket.create_connection(("127.0.0.1", relay.port)) as end:
            assert says(end, b"one") == b"one"
            relay.drop()
            assert says(end, b"two") == b""
        with socket.create_connection(("127.0.0.1", relay.port)) as end:
            assert says(end, b"three") == b"three"


def test_an_upstream_that_is_down_is_a_closed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as spare:
        address = spare.getsockname()
    with Relay(address) as relay, socket.create_connection(("127.0.0.1", relay.port)) as end:
        assert says(end, b"hello") == b""
