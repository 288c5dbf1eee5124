"""A TCP relay in front of a node that can go dark: the plainest of all faults.

It carries HTTP and WebSocket alike, byte for byte. `cut` closes every connection and refuses new
ones until `mend`; `drop` closes what is open once and lets it come back.
"""

import contextlib
import socket
from threading import Lock, Thread
from types import TracebackType
from typing import Self

CHUNK_BYTES = 65_536


class Relay:
    """Listens on a free loopback port and relays to *upstream* while it is whole."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._dark = False
        self.accepted = 0
        Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """The port to connect to instead of the upstream's."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """Go dark."""
        self._dark = True
        self.drop()

    def mend(self) -> None:
        """Relay again."""
        self._dark = False

    def drop(self) -> None:
        """Close every open connection; new ones are welcome."""
        with self._lock:
            victims, self._open = self._open, set()
        for victim in victims:
            _close(victim)

    def close(self) -> None:
        """End for good."""
        self.cut()
        _close(self._listener)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self._dark:
                _close(client)
            else:
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._upstream, timeout=5)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {client, server}
        for source, sink in ((client, server), (server, client)):
            Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(CHUNK_BYTES):
                sink.sendall(chunk)
        with self._lock:
            self._open -= {source, sink}
        _close(source)
        _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        end.close()
