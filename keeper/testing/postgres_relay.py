"""A relay in front of a PostgreSQL server that cuts, swallows and delays what passes.

It stands for the network between keeper and database. It understands just enough of the protocol
to know when a client says COMMIT.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = ".s.PGSQL.5432"
CHUNK_BYTES: Final = 65_536
LOOK_S: Final = 0.05
"""Between two looks whether to go on listening."""
COMMIT: Final = b"COMMIT\x00"
"""How psycopg ends a transaction: one simple query of one word."""


class Line:
    """One client's connection, and the two ends of it.

    Attributes:
        loses_answers: The next thing that the server says is lost, and the line with it.
        is_orphaned: The client is gone, and what it said last is still on its way.

    """

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client: Final = client
        self.server: Final = server
        self.loses_answers = False
        self.is_orphaned = False

    def cut(self) -> None:
        """End both halves, as a reset does."""
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class Relay:
    """Serves a Unix socket in *folder*; tests change its behaviour while it runs.

    Attributes:
        swallow: Nothing passes in either direction; connections stay open, as in a partition.
        at_commit: What happens to a line in place of passing its next COMMIT on.

    """

    def __init__(self, folder: Path, server_folder: Path) -> None:
        self.folder: Final = folder
        self._server_path: Final = server_folder / SOCKET_NAME
        self._listener: Final = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET_NAME))
        self._listener.listen()
        self._listener.settimeout(LOOK_S)
        self._is_closed = False
        self._lines: list[Line] = []
        self._passing: Final = threading.Event()
        self._passing.set()
        self.at_commit: Callable[[Line, bytes], None] | None = None
        self.commits = 0
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def swallow(self) -> bool:
        """Whether nothing passes."""
        return not self._passing.is_set()

    @swallow.setter
    def swallow(self, on: bool) -> None:
        if on:
            self._passing.clear()
        else:
            self._passing.set()

    def cut_all(self) -> None:
        """End every connection that is open now."""
        for line in self._lines:
            line.cut()

    def close(self) -> None:
        """Stop serving and end every connection."""
        self._is_closed = True
        self._passing.set()
        self.cut_all()
        for thread in self._threads:
            thread.join(LOOK_S * 10)
        for line in self._lines:
            line.client.close()
            line.server.close()
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_closed:
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server_path))
                line = Line(client, server)
                self._lines.append(line)
                self._start(self._forward, line)
                self._start(self._return, line)

    def _start(self, work: Callable[..., None], *line: Line) -> None:
        thread = threading.Thread(target=work, args=line, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _forward(self, line: Line) -> None:
        for data in self._chunks(line.client):
            if COMMIT in data:
                self.commits += 1
                if (fault := self.at_commit) is not None:
                    self.at_commit = None
                    fault(line, data)
                    continue
            with contextlib.suppress(OSError):
                line.server.sendall(data)
        if not line.is_orphaned:
            line.cut()

    def _return(self, line: Line) -> None:
        for data in self._chunks(line.server):
            if line.loses_answers:
                break
            with contextlib.suppress(OSError):
                line.client.sendall(data)
        line.cut()

    def _chunks(self, end: socket.socket) -> Iterator[bytes]:
        with contextlib.suppress(OSError):
            while data := end.recv(CHUNK_BYTES):
                self._passing.wait()
                yield data
