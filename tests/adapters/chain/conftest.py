"""Nodes that misbehave on request, over HTTP, TLS and Unix sockets. Nothing here is a mock."""

import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Raw

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.rpc import NodeTransport
from keeper.adapters.chain.transport_http import HttpFraming
from keeper.adapters.chain.transport_ipc import IpcFraming

KEY = "a-very-secret-api-key"
LARGEST = 1 << 20

Kind = Literal["http", "https", "ipc"]
Step = Callable[[socket.socket, dict[str, Any]], bool]
"""Answers one request on the connection; returns whether the connection stays open."""


class FakeNode:
    """Answers each request with the next step of its script; afterwards with its default."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        self.kind = kind
        self.requests: list[dict[str, Any]] = []
        self.heads: list[bytes] = []
        self.connections = 0
        self.default: Callable[[str, list[Any]], Any] = lambda _method, _params: "0x1"
        self._script: deque[Step] = deque()
        self._path = directory / "node.ipc"
        self._server = self._listen()
        self._open: list[socket.socket] = []
        self._transports: list[NodeTransport] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        if self.kind == "ipc":
            return str(self._path)
        return (
            f"{self.kind}://user:{KEY}@127.0.0.1:{self._server.getsockname()[1]}/v3/{KEY}?k={KEY}"
        )

    @property
    def methods(self) -> list[str]:
        return [request["method"] for request in self.requests]

    def transport(self) -> NodeTransport:
        endpoint = Endpoint(self.url)
        tls = anonymous(ssl.PROTOCOL_TLS_CLIENT) if self.kind == "https" else None
        framing = (
            IpcFraming(endpoint, LARGEST)
            if self.kind == "ipc"
            else HttpFraming(endpoint, LARGEST, tls)
        )
        self._transports.append(NodeTransport(framing))
        return self._transports[-1]

    def then(self, *steps: Step) -> None:
        self._script.extend(steps)

    def says(self, result: Any, **changes: Any) -> None:
        """Answer the next request; *changes* spoil the envelope, None removes a field."""

        def step(connection: socket.socket, request: dict[str, Any]) -> bool:
            envelope = {"jsonrpc": "2.0", "id": request["id"], "result": result} | changes
            kept = {name: value for name, value in envelope.items() if value is not ...}
            return self.write(connection, json.dumps(kept).encode())

        self.then(step)

    def fails(self, code: int, message: str, data: Any = None) -> None:
        self.says(..., error={"code": code, "message": message, "data": data})

    def sends(self, raw: bytes, *, keeps: bool = True) -> None:
        """Answer the next request with these very bytes."""

        def step(connection: socket.socket, _request: dict[str, Any]) -> bool:
            connection.sendall(raw)
            return keeps

        self.then(step)

    def hangs_up(self) -> None:
        self.then(lambda _connection, _request: False)

    def falls_silent(self) -> None:
        self.then(lambda _connection, _request: True)

    def drips(self, raw: bytes, every_s: float) -> None:
        def step(connection: socket.socket, _request: dict[str, Any]) -> bool:
            for byte in raw:
                connection.sendall(bytes([byte]))
                time.sleep(every_s)
            return True

        self.then(step)

    def closes_when_idle(self, result: Any = "0x1") -> None:
        """Answer the next request and then close, as a server tired of waiting does."""

        def step(connection: socket.socket, request: dict[str, Any]) -> bool:
            envelope = {"jsonrpc": "2.0", "id": request["id"], "result": result}
            self.write(connection, json.dumps(envelope).encode())
            return False

        self.then(step)

    def write(self, connection: socket.socket, body: bytes) -> bool:
        head = b""
        if self.kind != "ipc":
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body + (b"\n" if self.kind == "ipc" else b""))
        return True

    def stop(self) -> None:
        for transport in self._transports:
            transport.close()
        for opened in (*self._open, self._server):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        for thread in self._threads:
            thread.join(5)

    def _listen(self) -> socket.socket:
        if self.kind == "ipc":
            server = socket.socket(socket.AF_UNIX)
            server.bind(str(self._path))
            server.listen()
            return server
        return socket.create_server(("127.0.0.1", 0))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.kind == "https":
                connection = anonymous(ssl.PROTOCOL_TLS_SERVER).wrap_socket(
                    connection, server_side=True
                )
            with connection, connection.makefile("rb") as stream:
                while request := self._read(stream):
                    self.requests.append(request)
                    if not self._next_step()(connection, request):
                        return
        except (OSError, ValueError):  # the client has gone, or the test is over
            connection.close()

    def _next_step(self) -> Step:
        return self._script.popleft() if self._script else self._by_default

    def _by_default(self, connection: socket.socket, request: dict[str, Any]) -> bool:
        result = self.default(request["method"], request["params"])
        envelope = {"jsonrpc": "2.0", "id": request["id"], "result": result}
        return self.write(connection, json.dumps(envelope).encode())

    def _read(self, stream: Any) -> dict[str, Any] | None:
        if self.kind == "ipc":
            line = stream.readline()
            return json.loads(line) if line else None
        head, length = b"", 0
        while (line := stream.readline()).strip():
            head += line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        self.heads.append(head)
        return json.loads(stream.read(length)) if length else None


def anonymous(protocol: Any) -> ssl.SSLContext:
    """Encryption without certificates: the bytes travel under TLS and no key lies about."""
    context = ssl.SSLContext(protocol)
    if protocol == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("aNULL:@SECLEVEL=0")
    return context


def started(kind: Kind, directory: Path) -> Iterator[FakeNode]:
    node = FakeNode(kind, directory)
    yield node
    node.stop()


@pytest.fixture(params=["http", "https", "ipc"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeNode]:
    """A node over every kind of connection in turn."""
    yield from started(request.param, tmp_path)


@pytest.fixture
def http_node(tmp_path: Path) -> Iterator[FakeNode]:
    yield from started("http", tmp_path)


@pytest.fixture
def https_node(tmp_path: Path) -> Iterator[FakeNode]:
    yield from started("https", tmp_path)


@pytest.fixture
def ipc_node(tmp_path: Path) -> Iterator[FakeNode]:
    yield from started("ipc", tmp_path)


class Telephone:
    """A `Transport` whose answers are set by hand: a value, a function of params, or an error."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {"eth_chainId": "0x1"}
        self.asked: list[tuple[str, Any]] = []
        self.dials = 1
        self.waited_ns = 0

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]

    def request(self, method: str, params: Any, deadline_s: float) -> Raw:
        assert deadline_s > 0
        self.asked.append((method, params))
        answer = self.answers[method]
        if callable(answer):
            answer = answer(*params)
        if isinstance(answer, Exception):
            raise answer
        return Raw(json.dumps(answer).encode())

    def stream(self, method: str, params: Any, deadline_s: float) -> Generator[Raw, None, None]:
        for one in params:
            yield self.request(method, one, deadline_s)

    def close(self) -> None:
        self.dials += 1


@pytest.fixture
def telephone() -> Telephone:
    return Telephone()
