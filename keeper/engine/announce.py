"""The journal first, then everybody else who wants to know."""

from msgspec import Struct

from keeper.core.redact import redact
from keeper.model.errors import KeeperError
from keeper.model.events import Event, Troubled
from keeper.ports.acting import Journal
from keeper.ports.telling import Clock, Sink


class Announcer(Struct, frozen=True):
    """Appends to the journal and, once that is durable, tells the sinks."""

    journal: Journal
    clock: Clock
    sinks: tuple[Sink, ...] = ()

    def append(self, *events: Event) -> None:
        """Write *events* in one transaction, then tell."""
        self.journal.append(*events)
        self.tell(*events)

    def tell(self, *events: Event) -> None:
        """Tell the sinks alone what the journal cannot be told."""
        for event in events:
            for sink in self.sinks:
                sink.tell(event)

    def troubled(self, error: KeeperError) -> Troubled:
        """Return what is told of *error*.

        A library may put an address with its key into what it raises, so that is cut here.
        """
        return Troubled(type(error).__name__, redact(str(error)), self.clock.now_ms())
