"""JSON-RPC over HTTP/1.1 with keep-alive, on a bare socket.

Only what a JSON-RPC answer needs: a status, a length or chunks, whether the connection stays.
Redirects are not followed: a transaction goes where the owner said.
"""

import ssl
from email.utils import parsedate_to_datetime
from typing import Any, Final

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.rpc import OK, TOO_MANY_REQUESTS, Malformed, Reply
from keeper.adapters.chain.wire import Wire, dial_tcp

_LARGEST_HEAD_BYTES: Final = 1 << 16
_INTERIM: Final = range(100, 200)
_REDIRECT: Final = range(300, 400)
_DENIED: Final = frozenset({401, 403})
_SERVER_FAULT: Final = 500


class HttpFraming:
    """POST to one URL, again and again, over one connection."""

    def __init__(
        self,
        endpoint: Endpoint,
        largest_answer_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._largest = largest_answer_bytes
        # Reading the system's certificates takes tens of milliseconds: not for plain HTTP.
        self._tls = tls or (ssl.create_default_context() if endpoint.encrypted else None)
        self._head = _head(endpoint)

    def dial(self, deadline: float) -> Wire:
        """Connect, with TLS for `https`."""
        return dial_tcp(self.endpoint, self._tls, deadline)

    def frame(self, question: bytes) -> bytes:
        """Return head and body as one message, so that they leave in one packet."""
        return self._head % len(question) + question

    def read(self, wire: Wire, deadline: float) -> Reply:
        """Read one response; a status that only a gateway sends is `Malformed`, with its facts."""
        stream = _Stream(wire, deadline, self._largest)
        status = 100
        while status in _INTERIM:
            status, fields = _parse_head(stream.through(b"\r\n\r\n", _LARGEST_HEAD_BYTES))
        keeps = fields.get(b"connection", b"").lower() != b"close"
        if status != OK:
            _refuse(status, fields)
        if fields.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Malformed("the answer is compressed, which was not asked for")
        length = fields.get(b"content-length")
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            body = stream.chunks()
        elif length is not None:
            body = stream.exactly(_natural(length, 10))
        else:
            body, keeps = stream.rest(), False
        return Reply(body, keeps and stream.used_up(), status)


class _Stream:
    """What has been read of one response, and not yet used."""

    __slots__ = ("_buffer", "_deadline", "_largest", "_wire")

    def __init__(self, wire: Wire, deadline: float, largest: int) -> None:
        self._wire = wire
        self._deadline = deadline
        self._largest = largest
        self._buffer = bytearray()

    def through(self, mark: bytes, limit: int) -> bytes:
        """Return everything before *mark* and step over it."""
        buffer = self._buffer
        searched = 0
        while (at := buffer.find(mark, searched)) < 0:
            searched = max(0, len(buffer) - len(mark) + 1)
            if len(buffer) > limit:
                raise Malformed("no HTTP answer: an endless line", limit_bytes=limit)
            self._more()
        found = bytes(buffer[:at])
        del buffer[: at + len(mark)]
        return found

    def exactly(self, length: int) -> bytearray:
        """Return the next *length* bytes."""
        if length > self._largest:
            raise Malformed("the answer is too large", limit_bytes=self._largest)
        while len(self._buffer) < length:
            self._more()
        if len(self._buffer) == length:  # as a rule; a large answer is then not copied
            found, self._buffer = self._buffer, bytearray()
            return found
        found = self._buffer[:length]
        del self._buffer[:length]
        return found

    def chunks(self) -> bytearray:
        """Return a body that comes in chunks, and step over the trailers."""
        body = bytearray()
        while size := _natural(self._line().partition(b";")[0].strip(), 16):
            if len(body) + size > self._largest:
                raise Malformed("the answer is too large", limit_bytes=self._largest)
            body += self.exactly(size)
            if self._line():
                raise Malformed("no HTTP answer: a chunk of the wrong length")
        while self._line():
            pass
        return body

    def rest(self) -> bytearray:
        """Return everything up to the end of the connection."""
        while chunk := self._wire.receive(self._deadline):
            self._buffer += chunk
            if len(self._buffer) > self._largest:
                raise Malformed("the answer is too large", limit_bytes=self._largest)
        return self._buffer

    def used_up(self) -> bool:
        """Return whether nothing is left over, as it should be after one response."""
        return not self._buffer

    def _line(self) -> bytes:
        return self.through(b"\r\n", _LARGEST_HEAD_BYTES)

    def _more(self) -> None:
        chunk = self._wire.receive(self._deadline)
        if not chunk:
            raise Malformed("the connection was closed before the answer's end")
        self._buffer += chunk


def _head(endpoint: Endpoint) -> bytes:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    lines = [
        f"POST {endpoint.target} HTTP/1.1",
        f"Host: {host}:{endpoint.port}",
        "User-Agent: hedge-keeper",
        "Accept: application/json",
        "Content-Type: application/json",
    ]
    if endpoint.authorization:
        lines.append(f"Authorization: {endpoint.authorization}")
    fixed = "\r\n".join(lines).encode("ascii").replace(b"%", b"%%")
    return fixed + b"\r\nContent-Length: %d\r\n\r\n"


def _parse_head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    version, _, status = first.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise Malformed("no HTTP answer")
    fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    if version == b"HTTP/1.0":
        fields.setdefault(b"connection", b"close")
    return _natural(status[:3], 10), fields


def _natural(digits: bytes, base: int) -> int:
    """Return a number made of digits only: `int` alone also takes signs, blanks and underscores."""
    if not digits.isalnum():
        raise Malformed("no HTTP answer: not a number")
    try:
        return int(digits, base)
    except ValueError:
        raise Malformed("no HTTP answer: not a number") from None


def _refuse(status: int, fields: dict[bytes, bytes]) -> None:
    """Raise for a status whose body is not the node's; others may carry a JSON-RPC error."""
    facts: dict[str, Any] = {"status": status}
    wait_s = _retry_after_s(fields)
    if wait_s is not None:
        facts["retry_after_s"] = wait_s
    if status == TOO_MANY_REQUESTS:
        raise Malformed("too many requests", **facts)
    if status >= _SERVER_FAULT:
        raise Malformed("the gateway or the node failed", **facts)
    if status in _DENIED:
        raise Malformed("the node refuses our credentials", **facts)
    if status in _REDIRECT:
        raise Malformed("the node redirects, which is not followed", **facts)


def _retry_after_s(fields: dict[bytes, bytes]) -> float | None:
    """Return the seconds the server asks us to wait; a date counts from the server's own clock."""
    text = fields.get(b"retry-after", b"").decode("latin-1")
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(fields.get(b"date", b"").decode("latin-1"))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one with a zone and one without
        return None
