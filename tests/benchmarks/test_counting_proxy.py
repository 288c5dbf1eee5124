import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.counting_proxy import CountingProxy


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[str]:
    """A node on a Unix socket that sends back what it gets."""
    path = str(tmp_path / "node.ipc")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                while heard := peer.recv(1 << 16):
                    peer.sendall(heard)

        Thread(target=serve, daemon=True).start()
        yield path


def test_bytes_pass_unchanged_and_requests_are_counted(echo: str, tmp_path: Path) -> None:
    listening = str(tmp_path / "proxy.ipc")
    first = b'{"id":1,"method":"eth_call","params":[]}\n'
    second = b'{"method": "eth_sendRawTransaction"}[{"method":"eth_call"}]'
    with CountingProxy(echo, listening) as proxy, socket.socket(socket.AF_UNIX) as client:
        client.connect(listening)
        client.sendall(first)
        assert client.recv(1 << 16) == first
        assert proxy.counts() == {"eth_call": 1}
        client.sendall(second)
        assert client.recv(1 << 16) == second
        assert proxy.counts() == {"eth_call": 2, "eth_sendRawTransaction": 1}


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_request_cut_in_two_is_counted_once(echo: str, tmp_path: Path, cut: int) -> None:
    listening = str(tmp_path / "proxy.ipc")
    asked = b'{"method":"eth_blockNumber"}'
    with CountingProxy(echo, listening) as proxy, socket.socket(socket.AF_UNIX) as client:
        client.connect(listening)
        heard = b""
        for part in (asked[:cut], asked[cut:]):
            if not part:
                continue
            client.sendall(part)
            before = len(heard)
            while len(heard) < before + len(part):
                heard += client.recv(1 << 16)
        assert heard == asked
        assert proxy.counts() == {"eth_blockNumber": 1}


def test_it_can_stand_at_a_port(echo: str) -> None:
    with CountingProxy(echo, ("127.0.0.1", 0)) as proxy, socket.socket() as client:
        client.connect(("127.0.0.1", proxy.port))
        client.sendall(b"hello")
        assert client.recv(9) == b"hello"
        assert not proxy.counts()
