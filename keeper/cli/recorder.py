"""A sink that keeps what happened, for the command that made it happen."""

from keeper.cli.exit_codes import Exit, exit_code
from keeper.model import errors
from keeper.model.errors import KeeperError
from keeper.model.events import Decided, Event, Halted, Troubled


class Recorder:
    """Collects the events of one command."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    @property
    def decided(self) -> list[Decided]:
        """Return the decisions, in order."""
        return [event for event in self.events if isinstance(event, Decided)]

    @property
    def others(self) -> list[Event]:
        """Return everything but decisions, in order."""
        return [event for event in self.events if not isinstance(event, Decided)]

    @property
    def exit(self) -> Exit:
        """Return the exit code that the worst of the events asks for."""
        if any(isinstance(event, Halted) for event in self.events):
            return Exit.HALTED
        codes = [_code(event.kind) for event in self.events if isinstance(event, Troubled)]
        if any(event.decision.why is None for event in self.decided):
            codes.append(Exit.UNREADABLE)
        return max(codes, default=Exit.OK)


def _code(kind: str) -> Exit:
    """Return the code of an error known only by the name of its class."""
    found = getattr(errors, kind, None)
    if isinstance(found, type) and issubclass(found, KeeperError):
        return exit_code(found(""))
    return exit_code(KeeperError(""))
