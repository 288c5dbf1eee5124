"""A JSON-RPC proxy that misbehaves on request, for a test or a rehearsal.

    with FaultProxy(node_url) as proxy:
        proxy.add(LoseResponse(method="eth_sendRawTransaction", times=1))
        run_bot(proxy.url, proxy.ws_url)
        assert len({send.transaction.nonce for send in proxy.sends()}) == 1

It runs in a thread of its own; every method here may be called from any other.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

import aiohttp
from aiohttp import web
from msgspec import Struct

from keeper.core.redact import redact
from keeper.model.errors import ConfigError, Transient
from keeper.testing.faultproxy.chooser import Tally
from keeper.testing.faultproxy.control import control
from keeper.testing.faultproxy.front import front
from keeper.testing.faultproxy.journal import Entry, Send
from keeper.testing.faultproxy.pool import PoolSettings
from keeper.testing.faultproxy.rules import Fault
from keeper.testing.faultproxy.service import Plan, Service, WsAction
from keeper.testing.faultproxy.transaction import Transaction
from keeper.testing.faultproxy.upstream import address

T = TypeVar("T")
PATIENCE_S: Final = 30.0
_TOKEN_BYTES: Final = 16


class Control(Struct, frozen=True):
    """Where the control interface listens, and what it wants to see."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        """The header that every request to it bears."""
        return {"Authorization": f"Bearer {self.token}"}


class FaultProxy:
    """Stands in front of *upstream*, a node's HTTP address, on a free loopback port."""

    url: str
    ws_url: str
    control: Control

    def __init__(
        self,
        upstream: str,
        *,
        ws_upstream: str | None = None,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        seed: int = 0,
        rules: Iterable[Fault] = (),
        pool: PoolSettings | Literal["none", "geth"] = "none",
    ) -> None:
        """The node's WebSocket is expected at the same place, unless *ws_upstream* says where."""
        host, port = listen
        self._plan = Plan(
            upstream=address(upstream, ws_upstream),
            host=host,
            port=port,
            seed=seed,
            rules=tuple(rules),
            pool=pool if isinstance(pool, PoolSettings) else PoolSettings(mode=pool),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = Lock()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The address is taken or not this machine's, or a rule is wrong.

        """
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="faultproxy", daemon=True)
        self._thread.start()
        try:
            self._await(self._start)
        except OSError as error:
            self._end()
            raise ConfigError(
                "the proxy cannot listen there",
                host=self._plan.host,
                port=self._plan.port,
                said=error,
            ) from error
        except ConfigError:
            self._end()
            raise

    def close(self) -> None:
        """Hang up on everybody and stop."""
        with self._closing:
            if self._loop is not None:
                self._await(self._stop)
                self._end()

    def _end(self) -> None:
        loop, self._loop = self._running(), None
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    # ---- rules

    def add(self, *faults: Fault) -> None:
        """Put rules behind those in force.

        Raises:
            ConfigError: One of them cannot strike where it is aimed.

        """
        self._now(lambda: self._service.chooser.add(faults))

    def replace(self, *faults: Fault) -> None:
        """Put rules in the place of those in force; none clears them."""
        self._now(lambda: self._service.chooser.replace(faults))

    def tallies(self) -> tuple[Tally, ...]:
        """Return every rule with how often it matched and struck."""
        return self._now(self._service.chooser.tallies)

    # ---- the journal

    def log(self, method: str = "*") -> list[Entry]:
        """Return the calls whose method matches a glob, in their order."""
        return self._now(lambda: self._service.journal.entries(method))

    def sends(self) -> list[Send]:
        """Return every `eth_sendRawTransaction` with its decoded transaction."""
        return self._now(self._service.journal.sends)

    def forget(self) -> None:
        """Empty the journal."""
        self._now(self._service.journal.clear)

    def wait_for(self, method: str, count: int = 1, timeout_s: float = PATIENCE_S) -> list[Entry]:
        """Return the first *count* finished calls of a method, as soon as there are so many.

        Raises:
            Transient: There are not so many in time.

        """
        journal = self._service.journal

        async def wait() -> list[Entry]:
            async with journal.changed:
                await journal.changed.wait_for(lambda: len(done()) >= count)
            return done()[:count]

        def done() -> list[Entry]:
            return [entry for entry in journal.entries(method) if entry.told is not None]

        try:
            return self._await(lambda: asyncio.wait_for(wait(), timeout_s))
        except TimeoutError as error:
            seen = sorted({entry.method for entry in self.log()})
            raise Transient(
                "the proxy did not see so many calls", method=method, count=count, seen=seen
            ) from error

    # ---- the node, its pool, its WebSockets

    def turn_to(self, upstream: str, ws_upstream: str | None = None) -> None:
        """Ask another node from now on. WebSockets that are open stay with theirs."""
        self._now(lambda: self._service.turn_to(address(upstream, ws_upstream)))

    def set_pool(self, settings: PoolSettings) -> None:
        """Change how the pool behaves."""
        self._await(lambda: self._service.set_pool(settings))

    def held(self) -> list[Transaction]:
        """Return what the pool holds: accepted and not mined, as far as it has looked."""
        return self._now(self._service.pooled.pool.content)

    def ws(self, action: WsAction, *, new: bool = False) -> int:
        """Change how the open WebSockets behave, and with *new* those to come; return how many.

        `silent`: the connection stands and pings are answered, nothing else is. `blackhole`: not
        even pings. `nosubs`: calls are answered, notifications do not come. `abort`: the connection
        is reset. `normal`: as a node, also for those to come.
        """
        return self._now(lambda: self._service.set_ws(action, new=new))

    # ---- the thread

    async def _start(self) -> None:
        # No limits of time: whether a node that hangs is noticed is for the client to show.
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=0),
        )
        self._runners: list[web.AppRunner] = []
        try:
            self._service = Service(self._plan, self._http)
            host, port = await self._open(front(self._service), self._plan.host, self._plan.port)
            token = secrets.token_hex(_TOKEN_BYTES)
            beside = await self._open(control(self._service, token), "127.0.0.1", 0)
        except (OSError, ConfigError):
            await self._close_all()
            raise
        shown = f"[{host}]" if ":" in host else host
        self.url, self.ws_url = f"http://{shown}:{port}", f"ws://{shown}:{port}"
        self.control = Control(f"http://127.0.0.1:{beside[1]}", token)
        self._watch = asyncio.ensure_future(self._service.watch())

    async def _open(self, app: web.Application, host: str, port: int) -> tuple[str, int]:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        bound: tuple[str, int] = runner.addresses[0][:2]
        return bound

    async def _stop(self) -> None:
        self._watch.cancel()
        await self._service.stop()
        await asyncio.gather(self._watch, return_exceptions=True)
        await self._close_all()
        # Whoever still waits, as in `wait_for`, is not to wait for ever.
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _close_all(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
        await self._http.close()

    def _now(self, action: Callable[[], T]) -> T:
        async def act() -> T:
            return action()

        return self._await(act)

    def _await(self, work: Callable[[], Awaitable[T]]) -> T:
        loop = self._running()

        async def run() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(run(), loop).result()

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise Transient("the proxy is not running", upstream=self._node())
        return self._loop

    def _node(self) -> str:
        return redact(self._plan.upstream.url)

    def __repr__(self) -> str:
        where: Any = getattr(self, "url", "not started")
        return f"FaultProxy({where} in front of {self._node()})"
