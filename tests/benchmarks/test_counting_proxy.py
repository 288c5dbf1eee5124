import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from benchmarks.counting_proxy import CountingProxy, Counts


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
        assert proxy.counts() == Counts(1, Counter(eth_call=1))
        client.sendall(second)
        assert client.recv(1 << 16) == second
        assert proxy.counts() == Counts(3, Counter(eth_call=2, eth_sendRawTransaction=1))


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
        assert proxy.counts() == Counts(1, Counter(eth_blockNumber=1))


def test_a_batch_is_one_request_and_its_calls_are_counted(echo: str, tmp_path: Path) -> None:
    listening = str(tmp_path / "proxy.ipc")
    asked = (
        b'[{"id":1,"method":"eth_call","params":[{"to":"0x"},{"blockHash":"0x"}]},'
        b'{"id":2,"method":"eth_getCode","params":["0x",{"blockHash":"0x"}]}]\n'
    )
    with CountingProxy(echo, listening) as proxy, socket.socket(socket.AF_UNIX) as client:
        client.connect(listening)
        for times in (1, 2):
            client.sendall(asked)
            assert client.recv(1 << 16) == asked
            assert proxy.counts() == Counts(times, Counter(eth_call=times, eth_getCode=times))


def test_what_was_asked_since_and_the_most_of_two() -> None:
    earlier, later = Counts(1, Counter(a=1)), Counts(3, Counter(a=2, b=4))
    assert later.since(earlier) == Counts(2, Counter(a=1, b=4))
    assert earlier.most(Counts(0, Counter(b=2))) == Counts(1, Counter(a=1, b=2))


def test_it_can_stand_at_a_port(echo: str) -> None:
    with CountingProxy(echo, ("127.0.0.1", 0)) as proxy, socket.socket() as client:
        client.connect(("127.0.0.1", proxy.port))
        client.sendall(b"hello")
        assert client.recv(9) == b"hello"
        assert proxy.counts() == Counts()
