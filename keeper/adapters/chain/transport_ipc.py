"""JSON-RPC over a Unix socket: the shortest way to a node on the same machine."""

from typing import Final

import msgspec

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.rpc import Malformed, Reply
from keeper.adapters.chain.wire import Wire, dial_unix

_SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)
_ENDS: Final = {b"{": (b"}", b"}\n", b"}\r\n"), b"[": (b"]", b"]\n", b"]\r\n")}


class IpcFraming:
    """Objects, or arrays of them for a batch. Some nodes end each with a newline; none must."""

    def __init__(self, endpoint: Endpoint, largest_answer_bytes: int) -> None:
        self.endpoint = endpoint
        self._largest = largest_answer_bytes

    def dial(self, deadline: float) -> Wire:
        """Connect to the socket."""
        return dial_unix(self.endpoint.path, deadline)

    def frame(self, question: bytes) -> bytes:
        """End the question with a newline, which some nodes wait for."""
        return question + b"\n"

    def read(self, wire: Wire, deadline: float) -> Reply:
        """Read up to the brace that closes the object, or the bracket of a batch."""
        chunk = wire.receive(deadline)
        if _whole(chunk, chunk):
            return Reply(chunk)
        buffer = bytearray(chunk)
        while chunk:
            chunk = wire.receive(deadline)
            buffer += chunk
            if len(buffer) > self._largest:
                raise Malformed("the answer is too large", limit_bytes=self._largest)
            if _whole(buffer, chunk):
                return Reply(buffer)
        raise Malformed("the connection was closed before the answer's end")


def _whole(buffer: bytes | bytearray, last: bytes) -> bool:
    """Return whether *buffer* is one complete message, of which *last* is the end."""
    ends = _ENDS.get(bytes(buffer[:1]))
    if buffer and ends is None:
        raise Malformed(f"no JSON-RPC answer: it starts with {bytes(buffer[:1])!r}")
    if ends is None or not last.endswith(ends):
        return False
    try:
        _SYNTAX.decode(buffer)  # checks at some GB/s, and only where an answer may end
    except msgspec.DecodeError as error:
        if "truncated" in str(error):
            return False
        raise Malformed(f"no JSON-RPC answer: {error}") from None
    return True
