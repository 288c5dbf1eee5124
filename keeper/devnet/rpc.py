"""A thin JSON-RPC client for the local chain's own use: one connection per thread, no retries."""

import http.client
import threading
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from keeper.model.errors import Rejected, Transient

_TIMEOUT_S: Final = 60.0
_HEADERS: Final = {"Content-Type": "application/json"}


class Rpc:
    """Talks to one node over one kept-alive HTTP connection. Not shared between threads."""

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S) -> None:
        self.url = url
        parts = urlsplit(url)
        self._path = parts.path or "/"
        self._connection = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s
        )
        self._last_id = 0

    def call(self, method: str, *params: object) -> Any:
        """Return the result of one request.

        Raises:
            Rejected: The node answered with an error; `data` is its data, if any.
            Transient: The node did not answer.

        """
        return self._result(method, self._post(self._request(method, params)))

    def batch(self, *requests: tuple[str, tuple[object, ...]]) -> list[Any]:
        """Return the results of many requests in one round trip, in their order.

        Raises:
            Rejected: The node answered one of them with an error.
            Transient: The node did not answer.

        """
        if not requests:
            return []
        asked = [self._request(method, params) for method, params in requests]
        answers = {answer["id"]: answer for answer in self._post(asked)}
        return [
            self._result(method, answers[body["id"]])
            for (method, _), body in zip(requests, asked, strict=True)
        ]

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def __del__(self) -> None:
        """A thread that ends leaves no open socket behind."""
        self.close()

    def _request(self, method: str, params: tuple[object, ...]) -> dict[str, object]:
        self._last_id += 1
        return {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}

    def _post(self, body: object) -> Any:
        try:
            self._connection.request("POST", self._path, msgspec.json.encode(body), _HEADERS)
            return msgspec.json.decode(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Transient("the local chain did not answer", url=self.url) from error

    @staticmethod
    def _result(method: str, answer: dict[str, Any]) -> Any:
        if "error" in answer:
            error = answer["error"]
            raise Rejected(
                "the local chain refused a request",
                method=method,
                said=error.get("message"),
                data=error.get("data"),
            )
        return answer["result"]


_open = threading.local()


def rpc(url: str) -> Rpc:
    """Return this thread's client for *url*."""
    clients: dict[str, Rpc] = _open.__dict__.setdefault("clients", {})
    if url not in clients:
        clients[url] = Rpc(url)
    return clients[url]


def forget(url: str) -> None:
    """Close this thread's client for a node that is gone."""
    clients: dict[str, Rpc] = _open.__dict__.get("clients", {})
    if url in clients:
        clients.pop(url).close()
