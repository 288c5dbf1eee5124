"""A transparent proxy that counts JSON-RPC requests: who really asks what, and how often.

A batch is one request, as it takes one round trip; the calls inside are counted by method.

Bytes pass unchanged. It serves the counting phase alone: it costs a thread's wake-up each way, so
nothing is timed through it.
"""

import re
import socket
from collections import Counter
from contextlib import suppress
from threading import Lock, Thread
from types import TracebackType
from typing import Final, Self

from msgspec import Struct, field

Address = str | tuple[str, int]
"""The path of a Unix socket, or host and port."""

_METHOD: Final = re.compile(rb'(,?)\s*\{[^{}]*?"method"\s*:\s*"(\w+)"')
"""A call, and the comma before it if it is one of a batch and not the first."""
_LONGEST_MATCH: Final = 128
_CHUNK: Final = 1 << 16
_BACKLOG: Final = 16


class Counts(Struct, frozen=True):
    """What was asked of a node."""

    requests: int = 0
    """Round trips: a batch is one."""
    calls: Counter[str] = field(default_factory=Counter)
    """By method."""

    def since(self, earlier: "Counts") -> "Counts":
        """Return what was asked after *earlier*."""
        return Counts(self.requests - earlier.requests, self.calls - earlier.calls)

    def most(self, other: "Counts") -> "Counts":
        """Return the greater number of each."""
        return Counts(max(self.requests, other.requests), self.calls | other.calls)


class CountingProxy:
    """Listens beside a node and hands everything on."""

    def __init__(self, node: Address, listen: Address) -> None:
        """Listen at *listen*; port 0 takes a free one."""
        self._node = node
        self._listener = _socket(listen)
        self._listener.bind(listen)
        self._listener.listen(_BACKLOG)
        self._sockets: list[socket.socket] = [self._listener]
        self._lock = Lock()
        self._requests = 0
        self._calls: Counter[str] = Counter()
        Thread(target=self._accept, name="proxy", daemon=True).start()

    @property
    def port(self) -> int:
        """The port it listens at, if it does not listen on a Unix socket."""
        port: int = self._listener.getsockname()[1]
        return port

    def counts(self) -> Counts:
        """Return what was asked so far."""
        with self._lock:
            return Counts(self._requests, self._calls.copy())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection; the threads end by it."""
        for each in self._sockets:
            with suppress(OSError):  # its other side has closed it
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                node = _socket(self._node)
                node.connect(self._node)
                self._sockets += [client, node]
                Thread(target=self._up, args=(client, node), daemon=True).start()
                Thread(target=_down, args=(node, client), daemon=True).start()

    def _up(self, client: socket.socket, node: socket.socket) -> None:
        """Hand questions on, counting them before the node can answer."""
        rest = b""
        with suppress(OSError):
            while chunk := client.recv(_CHUNK):
                rest += chunk
                end = 0
                for match in _METHOD.finditer(rest):
                    end = match.end()
                    with self._lock:
                        self._requests += not match[1]
                        self._calls[match[2].decode("ascii")] += 1
                # A method may be cut in two; none is longer than this.
                rest = rest[max(end, len(rest) - _LONGEST_MATCH) :]
                node.sendall(chunk)
            node.shutdown(socket.SHUT_WR)


def _down(node: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while chunk := node.recv(_CHUNK):
            client.sendall(chunk)
        client.shutdown(socket.SHUT_WR)


def _socket(address: Address) -> socket.socket:
    if isinstance(address, str):
        return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
