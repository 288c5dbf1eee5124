"""The chain's news from a node without WebSocket: it asks again and again, in its own thread."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Any, Final

from msgspec import Struct

from keeper.adapters.chain import shapes
from keeper.adapters.chain.bells import MISSED, Bells, Counters, Foresee, Post
from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.rpc import Transport
from keeper.model.chain import Watch
from keeper.model.errors import BadData, Transient

_STOP_WITHIN_S: Final = 1.0
_LONGEST_FILL_BLOCKS: Final = 1_000


class PollerConfig(Struct, frozen=True):
    """How often to look."""

    every_s: float = 2.0
    every_blocks: int | None = 1
    """Ring after this many blocks; None for logs only."""
    deadline_s: float = 5.0


class Poller:
    """The same bells as `Feed`, by polling. The transport must be its own: threads share none."""

    def __init__(
        self,
        transport: Transport,
        config: PollerConfig,
        post: Post,
        foresee: Foresee = lambda _named: None,
        *,
        needed: Callable[[], bool] = lambda: True,
    ) -> None:
        """While it is not *needed* it asks nothing; when it is again, it rings first."""
        self._needed = needed
        self._stands_by = False
        self._transport = transport
        self._config = config
        self._bells = Bells(post, config.every_blocks, foresee)
        self._stopping = Event()
        self._connected = False
        self._last_hash = ""
        self._thread = Thread(target=self._run, name="keeper-poller", daemon=True)

    @property
    def counters(self) -> Counters:
        """What happened so far."""
        return self._bells.counters

    @property
    def connected(self) -> bool:
        """Whether the last look went well."""
        return self._connected and self._thread.is_alive()

    def start(self) -> None:
        """Begin to look; once."""
        self._thread.start()

    def update(self, watches: tuple[Watch, ...]) -> None:
        """Replace the set of watched logs; from any thread, before or after `start`."""
        self._bells.watch(watches)

    def stop(self) -> None:
        """Stop looking; returns within a second. A request under way ends at its own deadline."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_WITHIN_S)

    def _run(self) -> None:
        while not self._stopping.wait(self._config.every_s):
            if self._is_spared():
                continue
            try:
                self._look()
                self._connected = True
            except (Transient, RpcError, BadData) as error:
                self.counters.last_error = str(error)
                self.counters.reconnects += self._connected
                self._connected = False
        self._transport.close()

    def _is_spared(self) -> bool:
        spared = not self._needed()
        if self._stands_by and not spared:
            self._bells.ring(MISSED)  # whoever listened until now has heard nothing for a while
        self._stands_by = spared
        return spared

    def _look(self) -> None:
        last = self.counters.last_block
        head = shapes.head(self._ask("eth_getBlockByNumber", ("latest", False)))
        self.counters.connections = self._transport.dials
        if head is None or head.hash == self._last_hash:
            return
        self._last_hash = head.hash
        now = head.number
        self._bells.reached(now, head.hash)
        if last == 0:
            return
        if not last < now <= last + _LONGEST_FILL_BLOCKS:
            self._bells.ring(MISSED)
            return
        wanted = self._bells.log_filter()
        if wanted is not None:
            self._hear(wanted | {"fromBlock": hex(last + 1), "toBlock": hex(now)})

    def _hear(self, wanted: dict[str, Any]) -> None:
        try:
            found = shapes.logs(self._ask("eth_getLogs", (wanted,)))
        except (Transient, RpcError, BadData):
            self._bells.ring(MISSED)
            raise
        for log in found:
            self._bells.log(log)

    def _ask(self, method: str, params: tuple[object, ...]) -> Any:
        return self._transport.request(method, params, self._config.deadline_s)
