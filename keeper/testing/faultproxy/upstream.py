"""The node behind the proxy: asked over HTTP, or over a WebSocket that also tells news."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import aiohttp
import msgspec
from msgspec import Struct

from keeper.testing.faultproxy.jsonrpc import Answer, Call, encode

Ask: TypeAlias = Callable[[Call], Awaitable[Answer]]
"""Puts one call to whatever is behind, and returns its answer under the call's id."""

_HEADERS: Final = {"Content-Type": "application/json"}
_KEPT: Final = frozenset({"Content-Type", "Retry-After"})
_OK: Final = 200


class NodeUnreachable(ConnectionError):
    """The node refused the connection, closed it, or said no JSON."""


class NodeRefused(NodeUnreachable):
    """Something in front of the node answered with a status: it is handed on as it came."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__(f"the node's gateway answered {status}")
        self.status = status
        self.body = body
        self.headers = headers


class Address(Struct, frozen=True):
    """Where the node listens."""

    url: str
    ws_url: str


def address(url: str, ws_url: str | None = None) -> Address:
    """Return a node's address; its WebSocket is at the same place unless told otherwise."""
    return Address(url, ws_url or "ws" + url.removeprefix("http"))


class HttpNode:
    """Asks over HTTP. There is no time limit: a node that hangs is to be seen to hang."""

    def __init__(self, session: aiohttp.ClientSession, where: Address) -> None:
        self.where = where
        self._session = session

    async def ask(self, call: Call) -> Answer:
        """Put one call to the node.

        Raises:
            NodeUnreachable: It did not answer.
            NodeRefused: Its gateway did.

        """
        try:
            async with self._session.post(
                self.where.url, data=encode(call.body()), headers=_HEADERS, allow_redirects=False
            ) as response:
                body = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise NodeUnreachable(f"the node did not answer: {error}") from error
        if response.status != _OK:
            kept = {key: response.headers[key] for key in _KEPT & set(response.headers)}
            raise NodeRefused(response.status, body, kept)
        try:
            said: Answer = msgspec.json.decode(body, type=dict)
        except msgspec.DecodeError as error:
            raise NodeUnreachable(f"the node said no JSON object: {error}") from error
        return said

    async def result(self, method: str, *params: object) -> Any:
        """Return a call's result; None if the node refuses it.

        Raises:
            NodeUnreachable: It did not answer.

        """
        return (await self.ask(Call(method, list(params), 1))).get("result")

    async def number(self, method: str, *params: object) -> int:
        """Return a call's result, which is a number.

        Raises:
            NodeUnreachable: It is none, or there is no answer.

        """
        found = await self.result(method, *params)
        try:
            return int(found, 16)
        except (TypeError, ValueError) as error:
            raise NodeUnreachable(f"the node says no number to {method}") from error


class WsNode:
    """Asks over one WebSocket; what nobody asked for goes to *news*."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, news: Callable[[Answer], Awaitable[None]]
    ) -> None:
        self._socket = socket
        self._news = news
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    async def ask(self, call: Call) -> Answer:
        """Put one call to the node.

        Raises:
            NodeUnreachable: The connection is or goes down.

        """
        number = next(self._ids)
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = waiting
        try:
            await self._socket.send_bytes(encode(call.body() | {"id": number}))
            return {**await waiting, "id": call.id}
        except (aiohttp.ClientError, ConnectionError) as error:
            raise NodeUnreachable(f"the node did not answer: {error}") from error
        finally:
            self._waiting.pop(number, None)

    async def listen(self) -> None:
        """Hand on what the node says until the connection ends."""
        async for message in self._socket:
            if message.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                continue
            with contextlib.suppress(msgspec.DecodeError):
                said = msgspec.json.decode(message.data, type=dict)
                waiting = self._waiting.get(said.get("id"))  # type: ignore[arg-type]
                if waiting is None:
                    await self._news(said)
                elif not waiting.done():
                    waiting.set_result(said)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(NodeUnreachable("the node closed the connection"))
