"""Everything one proxy holds while it runs; lives in its event loop alone."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any, Final, Literal, Protocol, get_args

import aiohttp
from msgspec import Struct

from keeper.model.errors import ConfigError
from keeper.testing.faultproxy.chooser import Chooser
from keeper.testing.faultproxy.exchange import Delivery, Exchange
from keeper.testing.faultproxy.journal import Journal
from keeper.testing.faultproxy.jsonrpc import Answer, Call, NotJsonRpc, encode, parse
from keeper.testing.faultproxy.pool import PoolSettings
from keeper.testing.faultproxy.pooled import PooledNode
from keeper.testing.faultproxy.rules import Fault
from keeper.testing.faultproxy.upstream import Address, Ask, HttpNode, NodeUnreachable

WsAction = Literal["normal", "silent", "blackhole", "nosubs", "abort"]
WATCH_S: Final = 0.05
"""How often the pool looks for a head that nobody told it of."""


class Turnable(Protocol):
    """An open WebSocket."""

    def turn(self, mode: WsAction) -> None:
        """Behave otherwise from now on."""


class Plan(Struct, frozen=True, kw_only=True):
    """What a proxy begins with."""

    upstream: Address
    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    rules: tuple[Fault, ...] = ()
    pool: PoolSettings = PoolSettings(mode="none")


class Service:
    """The state that HTTP, WebSockets and the control interface share."""

    def __init__(self, plan: Plan, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.chooser = Chooser(plan.seed, plan.rules)
        self.journal = Journal()
        self.exchange = Exchange(self.chooser, self.journal)
        self.node = HttpNode(http, plan.upstream)
        self.pooled = PooledNode(self.node, plan.pool)
        self.ws_mode: WsAction = "normal"
        """How a WebSocket begins that is opened from now on."""
        self.sessions: set[Turnable] = set()
        self.stopping = asyncio.Event()
        self._at_work: set[asyncio.Task[Any]] = set()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Serve one client inside; `stop` interrupts it, whatever it waits for."""
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        try:
            yield
        finally:
            self._at_work.discard(task)

    async def stop(self) -> None:
        """Let nobody wait any longer."""
        self.stopping.set()
        self.set_ws("abort")
        for task in tuple(self._at_work):
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)

    async def answer(
        self, body: bytes | str, transport: Literal["http", "ws"], ask: Ask
    ) -> Delivery:
        """Return what the client of a question is told. The faults are chosen before any wait."""
        try:
            question = parse(body)
        except NotJsonRpc as error:
            return Delivery(body=encode(error.answer))
        arrival = self.exchange.arrive(question, transport)
        return await self.exchange.settle(arrival, self._through_pool(ask))

    def _through_pool(self, ask: Ask) -> Ask:
        async def asked(call: Call) -> Answer:
            if self.pooled.settings.mode == "none":
                return await ask(call)
            return await self.pooled.ask(call, ask)

        return asked

    async def watch(self) -> None:
        """Keep the pool in line with a chain that moves by itself."""
        while not self.stopping.is_set():
            if self.pooled.settings.mode != "none":
                with contextlib.suppress(NodeUnreachable):
                    await self.pooled.follow()
            await asyncio.sleep(WATCH_S)

    def turn_to(self, upstream: Address) -> None:
        """Ask another node from now on. WebSockets that are open stay with theirs."""
        self.node = HttpNode(self.http, upstream)
        self.pooled.node = self.node

    async def set_pool(self, settings: PoolSettings) -> None:
        """Change how the pool behaves; what it holds is kept, and handed on if it now may be."""
        self.pooled.settings = settings
        if settings.mode == "none":
            await self.pooled.clear()
        else:
            with contextlib.suppress(NodeUnreachable):
                await self.pooled.settle()

    def set_ws(self, action: str, *, new: bool = False) -> int:
        """Change how the open WebSockets behave, and with *new* those to come; return how many.

        Raises:
            ConfigError: There is no such action.

        """
        known = {mode: mode for mode in get_args(WsAction)}
        mode: WsAction | None = known.get(action)
        if mode is None:
            raise ConfigError("no such action", action=action, remedy=f"one of {', '.join(known)}")
        if new or mode == "normal":
            self.ws_mode = mode
        for session in tuple(self.sessions):
            session.turn(mode)
        return len(self.sessions)
