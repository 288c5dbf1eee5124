"""A node in this process, a client with no habits of its own, and a proxy between them."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from keeper.testing.faultproxy import Fault, FaultProxy

PATIENCE_S = 20.0
HEAD = 100

Json = Any


def block(number: int) -> Json:
    return {"number": hex(number), "hash": f"0x{number:064x}", "baseFeePerGas": "0x7"}


class Stub:
    """Answers as told; counts what it hears."""

    def __init__(self) -> None:
        self.heard: list[Json] = []
        self.results: dict[str, Json] = {"eth_chainId": "0x7a69", "eth_blockNumber": hex(HEAD)}
        self.on_call: Callable[[Json], None] = lambda _call: None
        self.status = 200
        self.sockets: list[ServerConnection] = []
        self.greeted = Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = json.dumps(stub.answer(asked)).encode()
                self.send_response(stub.status)
                self.send_header("Retry-After", "3")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # the proxy has gone
                    self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._ws: Server = serve(self._converse, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.ws_url = f"ws://127.0.0.1:{self._ws.socket.getsockname()[1]}"
        Thread(target=self._http.serve_forever, args=(0.005,), daemon=True).start()
        Thread(target=self._ws.serve_forever, daemon=True).start()

    def methods(self) -> list[str]:
        return [call["method"] for call in self.heard]

    def answer(self, asked: Json) -> Json:
        self.heard.append(asked)
        self.on_call(asked)
        method, params = asked["method"], asked["params"]
        if method == "eth_getBlockByHash":
            result: Json = block(int(params[0], 16))
        elif method == "eth_getBlockByNumber":
            result = block(HEAD if params[0] == "latest" else int(params[0], 16))
        else:
            result = self.results.get(method, params)
        if isinstance(result, Exception):
            error = {"code": -32000, "message": str(result)}
            return {"jsonrpc": "2.0", "id": asked["id"], "error": error}
        return {"jsonrpc": "2.0", "id": asked["id"], "result": result}

    def notify(self, subscription: str, result: Json) -> None:
        """Tell every open WebSocket."""
        params = {"subscription": subscription, "result": result}
        said = json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})
        for end in self.sockets:
            with suppress(ConnectionClosed):
                end.send(said)

    def close(self) -> None:
        self._ws.shutdown()
        self._http.shutdown()
        self._http.server_close()

    def _converse(self, end: ServerConnection) -> None:
        self.sockets.append(end)
        with suppress(ConnectionClosed):
            for message in end:
                end.send(json.dumps(self.answer(json.loads(message))))


class Client:
    """Speaks HTTP to a proxy: one connection a request, no retries."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self.address = (str(where.hostname), int(where.port or 0))

    def post(self, body: Json) -> http.client.HTTPResponse:
        """Return the answer, its body still unread."""
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE_S)
        connection.request("POST", "/", json.dumps(body), {"Connection": "close"})
        return connection.getresponse()

    def raw(self, method: str, *params: Json, id_: Json = 1) -> bytes:
        return self.post(self.request(method, *params, id_=id_)).read()

    def ask(self, method: str, *params: Json, id_: Json = 1) -> Json:
        """Return the whole answer."""
        return json.loads(self.raw(method, *params, id_=id_))

    def result(self, method: str, *params: Json) -> Json:
        return self.ask(method, *params)["result"]

    def batch(self, *methods: str) -> Json:
        calls = [self.request(method, id_=number) for number, method in enumerate(methods)]
        return json.loads(self.post(calls).read())

    def wire(self, method: str) -> socket.socket:
        """Return a socket on which a call was put, and nothing read."""
        body = json.dumps(self.request(method)).encode()
        end = socket.create_connection(self.address, timeout=PATIENCE_S)
        head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        end.sendall(head.encode() + body)
        return end

    @staticmethod
    def request(method: str, *params: Json, id_: Json = 1) -> Json:
        return {"jsonrpc": "2.0", "id": id_, "method": method, "params": list(params)}


class Listener:
    """Speaks WebSocket to a proxy."""

    def __init__(self, end: ClientConnection) -> None:
        self.end = end

    def send(self, method: str, *params: Json, id_: Json = 1) -> None:
        self.end.send(json.dumps(Client.request(method, *params, id_=id_)))

    def read(self) -> Json:
        return json.loads(self.end.recv(timeout=PATIENCE_S))

    def ask(self, method: str, *params: Json, id_: Json = 1) -> Json:
        """Return the next thing said."""
        self.send(method, *params, id_=id_)
        return self.read()

    def news(self) -> Json:
        """Return what the next notification is about."""
        return self.read()["params"]["result"]

    def answers_pings(self, timeout_s: float = PATIENCE_S) -> bool:
        return self.end.ping().wait(timeout_s)


@pytest.fixture
def stub() -> Iterator[Stub]:
    node = Stub()
    yield node
    node.close()


@pytest.fixture
def proxy(stub: Stub) -> Iterator[FaultProxy]:
    with FaultProxy(stub.url, ws_upstream=stub.ws_url) as running:
        yield running


@pytest.fixture
def client(proxy: FaultProxy) -> Client:
    return Client(proxy.url)


@pytest.fixture
def listen(proxy: FaultProxy) -> Iterator[Callable[[], Listener]]:
    """Open a WebSocket, as often as it is called."""
    with ExitStack() as stack:

        def dial() -> Listener:
            return Listener(
                stack.enter_context(connect(proxy.ws_url, close_timeout=1, ping_interval=None))
            )

        yield dial


def armed(proxy: FaultProxy, *faults: Fault) -> FaultProxy:
    proxy.replace(*faults)
    return proxy
