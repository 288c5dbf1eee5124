import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.testing.postgres_relay import COMMIT, SOCKET_NAME, Line, Relay


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    with tempfile.TemporaryDirectory() as near, tempfile.TemporaryDirectory() as far:
        yield Path(near), Path(far)


@pytest.fixture
def ends(folders: tuple[Path, Path]) -> Iterator[tuple[Relay, socket.socket, socket.socket]]:
    near, far = folders
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(far / SOCKET_NAME))
        listener.listen()
        relay = Relay(near, far)
        client.connect(str(near / SOCKET_NAME))
        client.settimeout(5)
        server, _ = listener.accept()
        with server:
            server.settimeout(5)
            yield relay, client, server
            relay.close()


def test_bytes_pass_both_ways(ends: tuple[Relay, socket.socket, socket.socket]) -> None:
    _, client, server = ends
    client.sendall(b"question")
    assert server.recv(100) == b"question"
    server.sendall(b"answer")
    assert client.recv(100) == b"answer"


def test_in_a_partition_nothing_passes_until_it_heals(
    ends: tuple[Relay, socket.socket, socket.socket],
) -> None:
    relay, client, server = ends
    relay.swallow = True
    client.sendall(b"question")
    server.settimeout(0.1)
    with pytest.raises(TimeoutError):
        server.recv(100)
    server.settimeout(5)
    relay.swallow = False
    assert server.recv(100) == b"question"


def test_a_commit_can_be_stopped_on_its_way(
    ends: tuple[Relay, socket.socket, socket.socket],
) -> None:
    relay, client, server = ends
    stopped: list[bytes] = []

    def stop(_line: Line, data: bytes) -> None:
        stopped.append(data)

    relay.at_commit = stop
    client.sendall(b"Q" + COMMIT)
    while not stopped:
        time.sleep(0.01)
    client.sendall(b"Q" + COMMIT)
    assert server.recv(100) == b"Q" + COMMIT
    assert (stopped, relay.commits) == ([b"Q" + COMMIT], 2)


def test_a_cut_reaches_both_ends(ends: tuple[Relay, socket.socket, socket.socket]) -> None:
    relay, client, server = ends
    client.sendall(b"question")
    assert server.recv(100)
    relay.cut_all()
    assert client.recv(100) == b""
    assert server.recv(100) == b""
