import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from select import POLLOUT
from threading import Thread
from typing import ClassVar, cast

import pytest

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.wire import Wire, _shake_hands, dial_tcp, dial_unix

Pair = tuple[Wire, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    yield wire, theirs
    wire.close()
    theirs.close()


def soon(seconds: float = 1.0) -> float:
    return time.monotonic() + seconds


def test_bytes_go_both_ways(pair: Pair) -> None:
    wire, peer = pair
    wire.send(b"ask", soon())
    assert (peer.recv(9), wire.accepted) == (b"ask", 3)
    peer.send(b"answer")
    assert wire.receive(soon()) == b"answer"


def test_a_closed_peer_reads_as_nothing(pair: Pair) -> None:
    wire, peer = pair
    peer.close()
    assert wire.receive(soon()) == b""
    assert not wire.idle()


def test_a_wire_is_idle_until_something_comes(pair: Pair) -> None:
    wire, peer = pair
    assert wire.idle()
    peer.send(b"x")
    assert not wire.idle()


def test_a_reader_that_never_reads_meets_the_deadline(pair: Pair) -> None:
    wire, _ = pair
    with pytest.raises(TimeoutError):
        wire.send(b"x" * (8 << 20), soon(0.1))
    assert 0 < wire.accepted < 8 << 20


def test_nothing_is_accepted_by_a_broken_wire(pair: Pair) -> None:
    wire, peer = pair
    peer.close()
    with pytest.raises(OSError, match="Broken pipe"):
        wire.send(b"x", soon())
    assert wire.accepted == 0


def test_waiting_is_counted(pair: Pair) -> None:
    wire, _ = pair
    with pytest.raises(TimeoutError):
        wire.receive(soon(0.05))
    assert 0.04e9 < wire.waited_ns < 0.5e9


def test_a_past_deadline_is_not_waited_for(pair: Pair) -> None:
    wire, peer = pair
    peer.send(b"there")
    with pytest.raises(TimeoutError):
        wire.receive(soon(-1))


def test_large_answers_are_read_in_large_pieces(pair: Pair) -> None:
    wire, peer = pair
    writer = Thread(target=peer.sendall, args=(b"x" * (2 << 20),))
    writer.start()
    pieces: list[int] = []
    while sum(pieces) < 2 << 20:
        pieces.append(len(wire.receive(soon())))
    writer.join()
    assert sum(pieces) == 2 << 20


def test_every_address_of_a_host_is_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # localhost may be ::1 first
        port = server.getsockname()[1]
        wire = dial_tcp(Endpoint(f"http://localhost:{port}"), None, soon())
        wire.close()


def test_a_silent_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where IPv6 goes nowhere, or one of a host's machines is gone."""
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as silent,
        socket.create_server(("127.0.0.1", 0)) as server,
    ):
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:  # the queue is full: whoever else knocks gets no answer
            caller.settimeout(0.0)
            caller.connect_ex(silent.getsockname())
        addresses = [silent.getsockname(), silent.getsockname(), server.getsockname()]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
        deadline = soon()
        wire = dial_tcp(Endpoint("http://node.example"), None, deadline)
        wire.wait(POLLOUT, deadline)
        wire.close()
        for caller in callers:
            caller.close()


def test_a_refused_connection_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        dial_tcp(Endpoint(f"http://127.0.0.1:{port}"), None, soon())


def test_a_resolver_that_hangs_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_args: object, **_kwargs: object) -> list[object]:
        time.sleep(0.5)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="not resolved in time"):
        dial_tcp(Endpoint("http://node.example"), None, soon(0.1))
    assert time.monotonic() - started < 0.4


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70 + ".example"])
def test_a_name_that_nobody_has_is_an_os_error(host: str) -> None:
    with pytest.raises(OSError, match=r"not known|not a host name|resolution|No address"):
        dial_tcp(Endpoint(f"http://{host}"), None, soon())


def test_a_missing_socket_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        dial_unix(str(tmp_path / "none.ipc"), soon())


def test_a_server_that_does_not_speak_tls_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 no\r\n\r\n")

        thread = Thread(target=answer)
        thread.start()
        with pytest.raises(OSError, match=r"SSL|reset"):
            dial_tcp(Endpoint(f"https://localhost:{port}"), ssl.create_default_context(), soon())
        thread.join()


class Fickle(socket.socket):
    """A socket that first asks for something else, as TLS does when it renegotiates."""

    moods: list[Exception]

    def recv(self, size: int, flags: int = 0) -> bytes:
        if self.moods:
            raise self.moods.pop()
        return super().recv(size, flags)

    def send(self, data: object, flags: int = 0) -> int:
        if self.moods:
            raise self.moods.pop()
        return super().send(data, flags)  # type: ignore[arg-type]  # whatever the wire gives


@pytest.fixture
def fickle() -> Iterator[tuple[Fickle, socket.socket]]:
    ours, theirs = socket.socketpair()
    made = Fickle(fileno=ours.detach())
    made.moods = []
    yield made, theirs
    made.close()
    theirs.close()


def test_tls_may_want_to_read_in_order_to_write(fickle: tuple[Fickle, socket.socket]) -> None:
    ours, theirs = fickle
    wire = Wire(ours, encrypted=True)
    ours.moods = [ssl.SSLWantReadError(), ssl.SSLWantWriteError()]
    theirs.send(b"readable")
    wire.send(b"ask", soon())
    assert theirs.recv(9) == b"ask"


def test_tls_may_want_to_write_in_order_to_read(fickle: tuple[Fickle, socket.socket]) -> None:
    ours, theirs = fickle
    wire = Wire(ours, encrypted=True)
    ours.moods = [ssl.SSLWantReadError(), ssl.SSLWantWriteError()]
    theirs.send(b"answer")
    assert wire.receive(soon()) == b"answer"


def test_a_wire_woken_for_nothing_waits_on(fickle: tuple[Fickle, socket.socket]) -> None:
    ours, theirs = fickle
    wire = Wire(ours)
    ours.moods = [BlockingIOError()]
    theirs.send(b"answer")
    assert wire.receive(soon()) == b"answer"


@pytest.mark.parametrize(
    ("mood", "idle"),
    [(ssl.SSLWantReadError(), True), (ssl.SSLError(), False), (None, False)],
    ids=["a session ticket", "an alert", "data"],
)
def test_what_an_encrypted_wire_holds_only_reading_tells(
    fickle: tuple[Fickle, socket.socket], mood: Exception | None, *, idle: bool
) -> None:
    ours, theirs = fickle
    wire = Wire(ours, encrypted=True)
    ours.moods = [mood] if mood else []
    theirs.send(b"something")
    assert wire.idle() is idle


def test_a_handshake_may_want_to_write(pair: Pair) -> None:
    class Hand:
        moods: ClassVar[list[Exception]] = [ssl.SSLWantWriteError()]

        def do_handshake(self) -> None:
            if self.moods:
                raise self.moods.pop()

    wire, _ = pair
    _shake_hands(cast("ssl.SSLSocket", Hand()), wire, soon())
    assert not Hand.moods
