"""JSON-RPC as the proxy sees it: questions taken apart, answers put together."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

Answer = dict[str, Any]
"""One response object, as decoded from JSON."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
SERVER_ERROR: Final = -32000


class Call(Struct, frozen=True):
    """One question."""

    method: str
    params: Any = []
    id: Any = None

    def body(self) -> dict[str, Any]:
        """Return the request object."""
        return {"jsonrpc": "2.0", "id": self.id, "method": self.method, "params": self.params}

    def param(self, index: int) -> Any:
        """Return a positional parameter; None if it is not there."""
        if isinstance(self.params, list) and index < len(self.params):
            return self.params[index]
        return None

    def with_param(self, index: int, value: object) -> "Call":
        """Return the call with another positional parameter, which may be the next one."""
        params = list(self.params)
        params[index : index + 1] = [value]
        return msgspec.structs.replace(self, params=params)


class Question(Struct, frozen=True):
    """What came in one HTTP body or WebSocket frame."""

    calls: tuple[Call, ...]
    is_batch: bool = False


class NotJsonRpc(ValueError):
    """What came is no JSON-RPC; `answer` is what a node says to it."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = failure(None, code, message)


def parse(body: bytes | str) -> Question:
    """Return the calls in *body*.

    Raises:
        NotJsonRpc: It is not JSON, an empty batch, or something without a method.

    """
    try:
        decoded = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NotJsonRpc(PARSE_ERROR, f"parse error: {error}") from error
    is_batch = isinstance(decoded, list)
    members = decoded if is_batch else [decoded]
    if not members:
        raise NotJsonRpc(INVALID_REQUEST, "empty batch")
    return Question(tuple(_call(member) for member in members), is_batch)


def _call(member: object) -> Call:
    if not isinstance(member, dict) or not isinstance(member.get("method"), str):
        raise NotJsonRpc(INVALID_REQUEST, "invalid request")
    return Call(member["method"], member.get("params", []), member.get("id"))


def result(id_: object, value: object) -> Answer:
    """Return an answer that succeeds."""
    return {"jsonrpc": "2.0", "id": id_, "result": value}


def failure(id_: object, code: int, message: str, data: object = UNSET) -> Answer:
    """Return an answer that fails."""
    error = {"code": code, "message": message} | ({} if data is UNSET else {"data": data})
    return {"jsonrpc": "2.0", "id": id_, "error": error}


def error_of(answer: Answer) -> tuple[int, str] | None:
    """Return code and message of an answer that fails; None if it does not."""
    error = answer.get("error")
    if not isinstance(error, dict):
        return None
    return int(error.get("code", 0)), str(error.get("message", ""))


def encode(value: object) -> bytes:
    """Return JSON."""
    return msgspec.json.encode(value)
