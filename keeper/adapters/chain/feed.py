"""The chain's news over a WebSocket: it only rings the bell.

One thread of its own holds the only asynchronous code of the keeper. Whatever goes wrong in it, the
keeper's timers still tick; a wake-up carries no data, so a lost, doubled or late one is harmless.
"""

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from threading import Thread
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from keeper.adapters.chain import shapes
from keeper.adapters.chain.bells import MISSED, Bells, Counters, Foresee, Post
from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.rpc import encode
from keeper.model.chain import Watch
from keeper.model.errors import BadData, ConfigError

_STOP_WITHIN_S: Final = 1.0
_FAREWELL_S: Final = 0.2
_LONGEST_FILL_BLOCKS: Final = 1_000
_GRACE_S: Final = 1.0
_SILENT: Final = logging.getLogger("keeper.feed.websocket")
_SILENT.disabled = True  # the library logs the URL, in which providers put their keys


class FeedConfig(Struct, frozen=True):
    """How to listen."""

    url: str
    """`ws://` or `wss://`."""
    every_blocks: int | None = 1
    """Ring after this many blocks; None for logs only."""
    block_time_s: float = 12.0
    silence_s: float = 5.0
    """No head for this long, or for three block times, calls for a look and perhaps a new line."""
    backoff_s: float = 0.25
    longest_backoff_s: float = 15.0
    answer_within_s: float = 5.0
    largest_message_bytes: int = 16 << 20


class Feed:
    """Subscribes to heads and to the watched logs, in its own thread, until it is stopped."""

    def __init__(
        self, config: FeedConfig, post: Post, foresee: Foresee = lambda _named: None
    ) -> None:
        self._config = config
        self._endpoint = Endpoint(config.url)
        if self._endpoint.scheme not in {"ws", "wss"}:
            raise ConfigError(
                "the feed needs a WebSocket address",
                remedy="write ws://… or wss://…, or leave it out: the keeper then polls",
                node=self._endpoint,
            )
        self._bells = Bells(post, config.every_blocks, foresee)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._connected = False
        self._thread = Thread(target=self._run, name="keeper-feed", daemon=True)

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        return self._bells.counters

    @property
    def connected(self) -> bool:
        """Whether it is subscribed now."""
        return self._connected and self._thread.is_alive()

    def start(self) -> None:
        """Begin to listen; once."""
        self._loop = asyncio.new_event_loop()
        self._thread.start()

    def update(self, watches: tuple[Watch, ...]) -> None:
        """Replace the set of watched logs; from any thread, before or after `start`."""
        if self._loop is None:
            self._apply(watches)
            return
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(self._apply, watches)

    def stop(self) -> None:
        """Stop listening; returns within a second."""
        if self._loop is None:
            return
        with suppress(RuntimeError):  # it has just ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_WITHIN_S)

    def _apply(self, watches: tuple[Watch, ...]) -> None:
        before = self._bells.log_filter()
        self._bells.watch(watches)
        if self._bells.log_filter() != before:
            self._changed.set()

    def _run(self) -> None:
        loop = self._loop or asyncio.new_event_loop()
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        await _first(self._stopping.wait(), self._listen_for_ever())

    async def _listen_for_ever(self) -> None:
        backoff_s = self._config.backoff_s
        while True:
            heads = self.counters.heads
            try:
                await self._listen()
            except (OSError, WebSocketException, BadData) as error:  # TimeoutError is an OSError
                reason = str(error) or type(error).__name__
                self.counters.last_error = self._endpoint.scrub(reason)
            self._connected = False
            self.counters.reconnects += 1
            if self.counters.heads > heads:
                backoff_s = self._config.backoff_s
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))  # noqa: S311  # only spread
            backoff_s = min(2 * backoff_s, self._config.longest_backoff_s)

    async def _listen(self) -> None:
        config = self._config
        async with connect(
            config.url,
            logger=_SILENT,
            compression=None,
            proxy=None,
            open_timeout=config.answer_within_s,
            close_timeout=_FAREWELL_S,
            max_size=config.largest_message_bytes,
        ) as line:
            self.counters.connections += 1
            conversation = _Conversation(line, self._bells, config.answer_within_s)
            await _first(conversation.hear(), self._converse(conversation))

    async def _converse(self, conversation: "_Conversation") -> None:
        self._changed.clear()
        await conversation.subscribe_heads()
        await conversation.subscribe_logs()
        await conversation.fill()
        self._connected = True
        patience_s = max(self._config.silence_s, 3 * self._config.block_time_s)
        while True:
            heads = self.counters.heads
            try:
                async with asyncio.timeout(patience_s):
                    await self._changed.wait()
            except TimeoutError:
                if self.counters.heads == heads:
                    await conversation.check_silence()
            else:
                self._changed.clear()
                await conversation.subscribe_logs()


class _Notice(Struct):
    """The part of a notification that matters."""

    result: Raw


class _Message(Struct):
    """An answer, or a notification."""

    id: Any = None
    result: Raw = Raw()
    error: Any = None
    params: _Notice | None = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_HEAD: Final = msgspec.json.Decoder(shapes.WireHead)
_LOG: Final = msgspec.json.Decoder(shapes.WireLog)


class _Conversation:
    """One connection's worth of questions, answers and news."""

    def __init__(self, line: ClientConnection, bells: Bells, answer_within_s: float) -> None:
        self._line = line
        self._bells = bells
        self._answer_within_s = answer_within_s
        self._last_id = 0
        self._open: dict[int, asyncio.Future[Raw]] = {}
        self._log_subscription: str | None = None

    async def hear(self) -> None:
        """Take in messages until the connection ends."""
        quick = _quick_acknowledger(self._line)
        while True:
            said = await self._line.recv()
            quick()
            message = shapes.typed(_MESSAGE, said)
            if message.params is not None:
                self._news(message.params.result)
            else:
                self._answer(message)

    async def subscribe_heads(self) -> None:
        """Have new blocks announced."""
        await self._ask("eth_subscribe", "newHeads")

    async def subscribe_logs(self) -> None:
        """Have the watched logs announced; the old subscription ends after the new one begins."""
        old, self._log_subscription = self._log_subscription, None
        wanted = self._bells.log_filter()
        if wanted is not None:
            self._log_subscription = shapes.text(await self._ask("eth_subscribe", "logs", wanted))
        if old is not None:
            await self._ask("eth_unsubscribe", old)

    async def fill(self) -> None:
        """Catch up with what happened while nobody listened.

        Nodes are known to leave logs out and never announce twice, so the bell rings anyway.
        """
        last = self._bells.counters.last_block
        now = shapes.number(await self._ask("eth_blockNumber"))
        if last == 0:
            self._bells.counters.last_block = now
            return
        if now == last:
            return
        self._bells.counters.backfills += 1
        self._bells.ring(MISSED)
        self._bells.reached(now)
        wanted = self._bells.log_filter()
        if wanted is not None and last <= now <= last + _LONGEST_FILL_BLOCKS:
            span = {"fromBlock": hex(last), "toBlock": hex(now)}
            with suppress(_Refused):
                for log in shapes.logs(await self._ask("eth_getLogs", wanted | span)):
                    self._bells.log(log)

    async def check_silence(self) -> None:
        """Find out whether the chain stands still or this connection has gone deaf."""
        self._bells.ring(MISSED)
        now = shapes.number(await self._ask("eth_blockNumber"))
        if now != self._bells.counters.last_block:
            await asyncio.sleep(_GRACE_S)  # its announcement may be under way
            if now > self._bells.counters.last_block:
                raise BadData("the subscription is dead", head=now)

    async def _ask(self, method: str, *params: object) -> Raw:
        self._last_id += 1
        answer: asyncio.Future[Raw] = asyncio.get_running_loop().create_future()
        self._open[self._last_id] = answer
        await self._line.send(encode(self._last_id, method, params), text=True)
        return await asyncio.wait_for(answer, self._answer_within_s)

    def _answer(self, message: _Message) -> None:
        waiting = self._open.pop(message.id, None) if type(message.id) is int else None
        if waiting is None or waiting.done():
            raise BadData("an answer to no question")
        if message.error is not None:
            waiting.set_exception(_Refused("the node refused", said=repr(message.error)[:200]))
        else:
            waiting.set_result(message.result)

    def _news(self, news: Raw) -> None:
        # Told by their content: a subscription's first news may overtake the answer with its id.
        if b'"topics"' in bytes(news):
            self._bells.log(shapes.typed(_LOG, news))
        else:
            self._bells.head(shapes.typed(_HEAD, news))


class _Refused(BadData):
    """The node answered with an error."""


def _quick_acknowledger(line: ClientConnection) -> Callable[[], None]:
    """Return what to do after each message, so that the next small one comes at once.

    A node that leaves Nagle's algorithm on (Anvil does) holds a second small message back until
    the first is acknowledged, which Linux delays by 40 ms. The option wears off after each use.
    """
    sock = line.transport.get_extra_info("socket")
    option = getattr(socket, "TCP_QUICKACK", None)
    if option is None or sock is None:
        return lambda: None

    def acknowledge() -> None:
        with suppress(OSError):  # closed in between
            sock.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge


async def _first(*routines: Coroutine[Any, Any, Any]) -> None:
    """Run all until one ends, then end the others; raise what it raised."""
    tasks = [asyncio.ensure_future(routine) for routine in routines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
