"""One endpoint of the pool: two connections to it, and what is known of its health.

The engine's thread reads over one connection. Over the other its own thread looks at the head now
and then, and transactions leave: so the way out is warm, and a read that hangs is in nobody's way.
"""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from msgspec import Struct

from keeper.adapters.chain import endpoint_health
from keeper.adapters.chain.anchor import Anchor
from keeper.adapters.chain.endpoint_health import Health, HealthPolicy
from keeper.adapters.chain.evm import Evm, Said
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.read_ahead import Named
from keeper.model.chain import BlockRef
from keeper.model.errors import BadData, ConfigError, KeeperError, Rejected, Transient, Uncertain
from keeper.ports.acting import Work, nothing

T = TypeVar("T")

Clock = Callable[[], float]
"""Seconds that only go forward, such as `time.monotonic`."""


class Line(Struct, frozen=True):
    """One connection to a node, counted."""

    transport: Metered
    evm: Evm


class Member:
    """Its health may be asked from any thread; `ask` belongs to the engine's."""

    def __init__(
        self, name: str, lines: tuple[Line, Line], policy: HealthPolicy, now_s: Clock
    ) -> None:
        """Take the *lines* for reading, and for looking and sending; neither dials yet."""
        self.name = name
        self._reading, self._sending = lines
        self._policy = policy
        self._now_s = now_s
        self._health = Health()
        self._anchor: Anchor | None = None
        """For the sending line; whoever uses it takes it over, as it may be busy now."""
        self._noting = Lock()
        self._on_the_line = Lock()

    def __repr__(self) -> str:
        return f"Member({self.name})"

    @property
    def health(self) -> Health:
        """What is known now."""
        return self._health

    @property
    def transports(self) -> tuple[Metered, Metered]:
        """Both connections."""
        return self._reading.transport, self._sending.transport

    def expect(self, anchor: Anchor) -> None:
        """Use no answer before the endpoint has shown *anchor* as its own."""
        self._anchor = anchor
        self._reading.evm.expect(anchor)

    def foresee(self, named: Named) -> None:
        """Hear of a block that is most likely the next head; from any thread."""
        self._reading.evm.foresee(named)

    def ask(self, question: Callable[[Evm], T]) -> T:
        """Ask over the reading line, and note how it went.

        Raises:
            KeeperError: Whatever the question raises.

        """
        return self._noted(self._reading.evm, question)

    def newest(self, meanwhile: Work = nothing) -> BlockRef:
        """Return what the endpoint says is its newest block; raises as `ask`.

        Of this question alone the time is noted: everybody is asked it, and it costs a node the
        same, whereas whoever serves has the long questions, too.
        """
        evm = self._reading.evm
        if evm.reads_ahead:
            return self._noted(evm, lambda node: node.newest(meanwhile))
        return self._timed(evm)

    def probe(self) -> int | None:
        """Look at the head over the sending line, if the endpoint may be asked at all."""
        if not endpoint_health.is_open(self._health, self._now_s()):
            return None
        with self._on_the_line:
            if self._anchor is not None:
                self._sending.evm.expect(self._anchor)
            try:
                return self._timed(self._sending.evm).number
            except KeeperError:  # it is noted, and nobody waits for the answer
                return None

    def deliver(self, raw: bytes, deadline_s: float) -> Said:
        """Hand a transaction over. Limits and rests are for reads: a send is tried anyway.

        Raises:
            Uncertain: Nothing was heard.

        """
        if not self._on_the_line.acquire(timeout=deadline_s):
            raise Uncertain("the endpoint hangs in an earlier question", node=self.name)
        try:
            return self._sending.evm.hand_over(raw)
        except Uncertain as silence:
            self._note_trouble(silence)
            raise
        finally:
            self._on_the_line.release()

    def note(self, change: Callable[[Health], Health]) -> None:
        """Change what is known."""
        with self._noting:
            self._health = change(self._health)

    def close(self) -> None:
        """Drop the connections, but for a sending line that is in use: that needs `hang_up`."""
        self._reading.transport.close()
        if self._on_the_line.acquire(blocking=False):
            try:
                self._sending.transport.close()
            finally:
                self._on_the_line.release()

    def hang_up(self) -> None:
        """Drop the sending line, once nobody uses it."""
        with self._on_the_line:
            self._sending.transport.close()

    def _timed(self, evm: Evm) -> BlockRef:
        began_s = self._now_s()
        block = self._noted(evm, Evm.newest)
        took_ms = (self._now_s() - began_s) * 1_000
        self.note(lambda health: endpoint_health.after_time(health, took_ms))
        return block

    def _noted(self, evm: Evm, question: Callable[[Evm], T]) -> T:
        try:
            found = question(evm)
        except (BadData, ConfigError, Rejected, Transient) as error:
            self._note_trouble(error)
            raise
        self.note(endpoint_health.after_answer)
        return found

    def _note_trouble(self, error: KeeperError) -> None:
        now_s = self._now_s()
        self.note(lambda health: endpoint_health.after_trouble(health, error, now_s, self._policy))
