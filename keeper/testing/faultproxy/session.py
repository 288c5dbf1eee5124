"""One WebSocket: the client's calls up, answers and notifications down, until somebody hangs up."""

import asyncio
import contextlib
import socket
import struct
from typing import Any, Final

import aiohttp
from aiohttp import web

from keeper.core.redact import redact
from keeper.testing.faultproxy.exchange import Delivery
from keeper.testing.faultproxy.jsonrpc import Answer, Call, encode
from keeper.testing.faultproxy.notices import Notice, Notices
from keeper.testing.faultproxy.service import WATCH_S, Service, WsAction
from keeper.testing.faultproxy.upstream import WsNode

_OK: Final = 200
_DATA: Final = frozenset({aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY})
_CONTROL: Final = frozenset({aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG})
_SUBSCRIPTION: Final = "eth_subscription"


class Session:
    """A client's WebSocket and its own WebSocket to the node."""

    def __init__(
        self,
        service: Service,
        client: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        upstream: aiohttp.ClientWebSocketResponse,
    ) -> None:
        self._service = service
        self._client = client
        self._transport = transport
        self._node = WsNode(upstream, self._on_news)
        self._mode: WsAction = service.ws_mode
        self._notices = Notices(service.chooser)
        self._kinds: dict[str, str] = {}
        """What each subscription is about; one is here when its answer has been told."""
        self._early: list[Notice] = []
        """News of subscriptions whose answer is still under way."""
        self._news: asyncio.Queue[Notice] = asyncio.Queue()
        self.ignored = 0
        """What came while it was a black hole."""
        self._tasks: set[asyncio.Task[None]] = set()

    def turn(self, mode: WsAction) -> None:
        """Behave otherwise from now on."""
        self._mode = mode
        if mode == "abort":
            reset(self._transport)

    async def run(self) -> None:
        """Serve until the client or the node hangs up."""
        self.turn(self._mode)
        work = (self._serve(), self._node.listen(), self._tell_news())
        ends = [asyncio.ensure_future(each) for each in work]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*ends, *self._tasks):
                task.cancel()
            await asyncio.gather(*ends, *self._tasks, return_exceptions=True)
            reset(self._transport)

    async def _serve(self) -> None:
        while not self._client.closed:
            message = await self._client.receive()
            if self._mode == "blackhole":
                await self._ignore(message)
            elif message.type is aiohttp.WSMsgType.PING:
                await self._client.pong(message.data)
            elif message.type in _DATA:
                self._take(message.data)
            elif message.type is not aiohttp.WSMsgType.PONG:
                await self._client.close()

    async def _ignore(self, message: aiohttp.WSMessage) -> None:
        """Say nothing, not even goodbye: the client finds out by itself."""
        if message.type in _DATA or message.type in _CONTROL:
            self.ignored += 1
            return
        await until_gone(self._service, self._transport)
        await self._client.close()

    def _take(self, data: bytes | str) -> None:
        """Answer beside what else goes on; the faults are chosen in the order of arrival."""
        if self._mode == "silent":
            return
        task = asyncio.ensure_future(self._answer(data))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes | str) -> None:
        fresh: dict[str, str] = {}

        async def ask(call: Call) -> Answer:
            said = await self._node.ask(call)
            if call.method == "eth_subscribe" and isinstance(said.get("result"), str):
                fresh[said["result"]] = str(call.param(0))
            return said

        await self._deliver(await self._service.answer(data, "ws", ask))
        # The answer that names a subscription goes before its first news, as it does at the node.
        self._kinds |= fresh
        early, self._early = self._early, []
        for notice in early:
            self._queue(notice)

    async def _deliver(self, delivery: Delivery) -> None:
        # A gateway that fails has no status to give here: it hangs up.
        if delivery.silence == "reset" or delivery.status != _OK:
            reset(self._transport)
        elif delivery.silence is None and self._mode in {"normal", "nosubs"}:
            await self._tell(delivery.body)

    async def _tell(self, body: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the client has gone
            await self._client.send_str(body.decode())

    async def _on_news(self, said: Answer) -> None:
        if said.get("method") == _SUBSCRIPTION:
            self._queue(said)

    def _queue(self, notice: Notice) -> None:
        known = notice["params"].get("subscription") in self._kinds
        self._news.put_nowait(notice) if known else self._early.append(notice)

    async def _tell_news(self) -> None:
        """Tell one after another: a late one makes those behind it late, but no answer."""
        while True:
            notice = await self._news.get()
            kind = self._kinds[notice["params"]["subscription"]]
            wait_s, shown = self._notices.arrive(kind, notice)
            await asyncio.sleep(wait_s)
            for one in shown:
                if self._mode == "normal":
                    await self._tell(encode(one))


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Close a connection the rude way, so that its other end reads a reset."""
    if transport is None or transport.is_closing():
        return
    end: Any = transport.get_extra_info("socket")
    if end is not None:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert isinstance(transport, asyncio.WriteTransport)
    transport.abort()


async def until_gone(service: Service, transport: asyncio.BaseTransport | None) -> None:
    """Wait for the client to hang up, or for the proxy to stop."""
    while not service.stopping.is_set():
        if transport is None or transport.is_closing():
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(service.stopping.wait(), WATCH_S)


async def open_session(service: Service, request: web.Request) -> web.StreamResponse:
    """Dial the node, take the client's WebSocket, and serve it to its end."""
    try:
        upstream = await service.http.ws_connect(
            service.node.where.ws_url, max_msg_size=0, autoping=True
        )
    except (aiohttp.ClientError, OSError) as error:
        return web.Response(status=502, text=redact(f"the node did not answer: {error}"))
    try:
        return await _converse(service, request, upstream)
    finally:
        await upstream.close()


async def _converse(
    service: Service, request: web.Request, upstream: aiohttp.ClientWebSocketResponse
) -> web.WebSocketResponse:
    client = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=0)
    await client.prepare(request)
    session = Session(service, client, request.transport, upstream)
    service.sessions.add(session)
    try:
        await session.run()
    finally:
        service.sessions.discard(session)
    return client
