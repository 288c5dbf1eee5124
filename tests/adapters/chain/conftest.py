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
from keeper.adapters.chain.endpoint_health import HealthPolicy
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.member import Line, Member
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.rpc import NodeTransport
from keeper.adapters.chain.transport_http import HttpFraming
from keeper.adapters.chain.transport_ipc import IpcFraming
from keeper.model.chain import ChainId
from keeper.ports.acting import Work, nothing

KEY = "a-very-secret-api-key"
LARGEST = 1 << 20

Kind = Literal["http", "https", "ipc"]
Step = Callable[[socket.socket, dict[str, Any]], bool]
"""Answers one request on the connection; returns whether the connection stays open."""


class FakeNode:
    """Answers each request with the next step of its script; afterwards with its default."""

    def __init__(self, kind: Kind, directory: Path) -> None:
        self.kind = kind
        self.requests: list[Any] = []
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
    def methods(self) -> list[Any]:
        """What was asked; a batch is a list in it."""
        return [
            [call["method"] for call in request] if isinstance(request, list) else request["method"]
            for request in self.requests
        ]

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

    def _by_default(self, connection: socket.socket, request: Any) -> bool:
        said = self.answers_to(request) if isinstance(request, list) else self._answer(request)
        return self.write(connection, json.dumps(said).encode())

    def answers_to(self, batch: list[Any]) -> list[dict[str, Any]]:
        """Return what a node without faults says."""
        return [self._answer(request) for request in batch]

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        result = self.default(request["method"], request["params"])
        return {"jsonrpc": "2.0", "id": request["id"], "result": result}

    def says_to_batch(self, spoil: Callable[[list[dict[str, Any]]], Any]) -> None:
        """Answer the next request, a batch, with what *spoil* makes of the right answers."""

        def step(connection: socket.socket, request: Any) -> bool:
            spoilt = spoil(self.answers_to(request))
            return self.write(connection, json.dumps(spoilt).encode())

        self.then(step)

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
        self.answers: dict[str, Any] = {"eth_chainId": "0x1", "eth_getBlockByNumber": None}
        self.asked: list[tuple[str, Any]] = []
        self.batches: list[list[str]] = []
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

    def batch(
        self, questions: Any, deadline_s: float, meanwhile: Work = nothing
    ) -> list[Raw | RpcError]:
        meanwhile()
        self.batches.append([method for method, _ in questions])
        return [single(self, method, params, deadline_s) for method, params in questions]

    def close(self) -> None:
        self.dials += 1


def single(transport: Any, method: str, params: Any, deadline_s: float) -> Raw | RpcError:
    """Ask one question of a batch."""
    try:
        raw: Raw = transport.request(method, params, deadline_s)
    except RpcError as error:
        return error
    return raw


@pytest.fixture
def telephone() -> Telephone:
    return Telephone()


class StubClock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


class StubNode:
    """A node with a chain of its own, which any number of transports lead to."""

    def __init__(self, clock: StubClock, number: int = 100) -> None:
        self._clock = clock
        self.number = number
        self.chain_id = 1
        self.forks: dict[int, str] = {0: "a"}
        """The branch of the blocks from each height on."""
        self.oldest = 0
        """It has dropped what came before."""
        self.takes_s = 0.01
        self.trouble: Exception | None = None
        self.value = 7
        self.nonces: dict[str, int] = {}
        """By block hash; 5 where nothing else is said."""
        self.says_to_send: Any = "0xtaken"
        self.asked: list[tuple[str, Any]] = []

    def fork(self, since: int, branch: str) -> None:
        self.forks[since] = branch

    def hash_at(self, number: int) -> str:
        branch = self.forks[max(since for since in self.forks if since <= number)]
        return f"0x{branch}{number:063x}"

    def count(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.asked)

    def answer(self, method: str, params: Any) -> Any:
        self.asked.append((method, params))
        self._clock.now_s += self.takes_s
        if self.trouble is not None:
            raise self.trouble
        answers: dict[str, Callable[[], Any]] = {
            "eth_chainId": lambda: hex(self.chain_id),
            "eth_getBlockByNumber": lambda: self.block(self._height(params[0])),
            "eth_call": lambda: f"0x{self.value:064x}",
            "eth_getCode": lambda: "0x",
            "eth_getTransactionCount": lambda: hex(self.nonces.get(_pin(params[1]), 5)),
            "eth_sendRawTransaction": lambda: self.says_to_send,
        }
        said = answers.get(method, lambda: None)()
        if isinstance(said, Exception):
            raise said
        return said

    def _height(self, number: str) -> int:
        return self.number if number == "latest" else int(number, 16)

    def block(self, number: int) -> dict[str, Any] | None:
        if not self.oldest <= number <= self.number:
            return None
        return {
            "number": hex(number),
            "hash": self.hash_at(number),
            "parentHash": self.hash_at(max(number - 1, 0)),
            "timestamp": hex(12 * number),
            "baseFeePerGas": "0x7",
        }


def _pin(block: Any) -> str:
    return str(block["blockHash"]) if isinstance(block, dict) else str(block)


class StubTransport:
    """A `Transport` to a `StubNode`."""

    def __init__(self, node: StubNode) -> None:
        self.node = node
        self.dials = 1
        self.waited_ns = 0

    def request(self, method: str, params: Any, deadline_s: float) -> Raw:
        assert deadline_s > 0
        return Raw(json.dumps(self.node.answer(method, params)).encode())

    def stream(self, method: str, params: Any, deadline_s: float) -> Generator[Raw, None, None]:
        for one in params:
            yield self.request(method, one, deadline_s)

    def batch(
        self, questions: Any, deadline_s: float, meanwhile: Work = nothing
    ) -> list[Raw | RpcError]:
        meanwhile()
        return [single(self, method, params, deadline_s) for method, params in questions]

    def close(self) -> None:
        self.dials += 1


@pytest.fixture
def clock() -> StubClock:
    return StubClock()


@pytest.fixture
def nodes(clock: StubClock) -> list[StubNode]:
    """Three nodes of one chain."""
    return [StubNode(clock) for _ in range(3)]


@pytest.fixture
def members(nodes: list[StubNode], clock: StubClock) -> list[Member]:
    return [member_of(f"node-{place}", node, clock) for place, node in enumerate(nodes)]


def member_of(name: str, node: StubNode, clock: StubClock) -> Member:
    config = EvmConfig(chain_id=ChainId(1))
    lines = [Metered(StubTransport(node)) for _ in range(2)]
    reading, sending = (Line(line, Evm(line, config)) for line in lines)
    return Member(name, (reading, sending), HealthPolicy(), clock)
