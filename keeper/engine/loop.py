"""Take a wake-up, tick, map errors to actions. The one loop, in one thread."""

from collections.abc import Callable
from threading import Event as Flag

from msgspec import Struct

from keeper.core.decide import DUST_BASE
from keeper.core.limits import COOLDOWN
from keeper.engine.mailbox import Mailbox
from keeper.engine.reconcile import reconcile
from keeper.engine.tick import STILL_OPEN, Desk, tick
from keeper.model.errors import (
    BadData,
    ConfigError,
    Fatal,
    KeeperError,
    Rejected,
    Transient,
    Uncertain,
)
from keeper.model.events import Decided, Halted, Troubled
from keeper.model.flow import Command, Decision, Hold
from keeper.ports.acting import Request


class Pace(Struct, frozen=True):
    """How patient the loop is."""

    poll_s: float = 0.5
    """Longest sleep: requests of other processes and a stop are seen within it."""
    retry_s: float = 1.0
    """Pause after a failed tick, and between looks at an open intent."""


class Pulse:
    """Progress, for whoever watches: a keeper that lives but does not tick is not healthy."""

    def __init__(self) -> None:
        self.ticks = 0
        self.troubles = 0
        self.last_tick_at_ms: int | None = None
        self.last_duration_ms = 0


class Loop:
    """Runs ticks until told to stop."""

    def __init__(
        self,
        desk: Desk,
        mailbox: Mailbox,
        *,
        pace: Pace | None = None,
        after_tick: Callable[[tuple[Decided, ...]], None] = lambda _decided: None,
    ) -> None:
        self._desk = desk
        self._mailbox = mailbox
        self._pace = pace or Pace()
        self._after_tick = after_tick
        self._stop = Flag()
        self._reconciled = False
        self._retry_at_ms: int | None = None
        self.pulse = Pulse()

    def stop(self) -> None:
        """Ask the loop to end after the tick it is in; safe from any thread and from a signal."""
        self._stop.set()
        self._mailbox.post("stop")

    def run(self) -> None:
        """Tick on every wake-up until stopped."""
        self._mailbox.post("start")
        while not self._stop.is_set():
            triggers = self._mailbox.take(self._pace.poll_s)
            if self._stop.is_set():
                return
            self.turn(triggers)

    def turn(self, triggers: frozenset[str]) -> None:
        """Serve requests and wake-ups, if there are any; never raises but for a programmer."""
        journal = self._desk.hands.log.journal
        requests = journal.requests()
        for request in requests:
            decided = self._attempt(frozenset({request.command}), request.command)
            if decided is not None and self._is_served(request, decided):
                self._serve(request)
        if any(request.command == "flatten" for request in requests):
            # Whoever is closing the hedge does not want the policy to open it again meanwhile.
            return
        if triggers or self._is_due():
            self._attempt(triggers or frozenset({"retry"}), None)

    def _is_served(self, request: Request, decided: tuple[Decided, ...]) -> bool:
        """Return whether a request is done.

        It is not while no book could be read, or while an earlier intent is in its way. A flatten
        is done when every hedge is seen to be zero; while an intent is open, what is seen may still
        be taken back by a reorg.
        """
        if request.command != "flatten":
            return any(_is_obeyed(note.decision) for note in decided)
        flat = (
            note.decision.why is not None and abs(note.decision.why.hedge) <= DUST_BASE
            for note in decided
        )
        return all(flat) and not self._is_open()

    def _serve(self, request: Request) -> None:
        log = self._desk.hands.log
        if request.command == "flatten":
            # First the halt: after a crash between the two the book is flat, and stays so.
            log.append(Halted("flattened by hand", log.clock.now_ms()))
        log.journal.serve(request.id)

    def _attempt(
        self, triggers: frozenset[str], command: Command | None
    ) -> tuple[Decided, ...] | None:
        clock = self._desk.hands.log.clock
        began_ms = clock.monotonic_ms()
        try:
            if not self._reconciled:
                self._reconcile()
            decided = tick(self._desk, triggers, command)
            self._after_tick(decided)
        except KeeperError as error:
            self._trouble(error)
            return None
        except Exception as surprise:  # noqa: BLE001  # the last line of defence: halt, never guess
            self._halt(f"unexpected {type(surprise).__name__}: {surprise}")
            return None
        self.pulse.ticks += 1
        self.pulse.last_tick_at_ms = clock.now_ms()
        self.pulse.last_duration_ms = clock.monotonic_ms() - began_ms
        self._schedule_look(_due_in_s(decided, self._is_open(), self._pace))
        return decided

    def _is_open(self) -> bool:
        return bool(self._desk.hands.log.journal.open())

    def _reconcile(self) -> None:
        reconcile(self._desk.hands)
        self._reconciled = not self._is_open()

    def _trouble(self, error: KeeperError) -> None:
        self.pulse.troubles += 1
        log = self._desk.hands.log
        log.append(Troubled(type(error).__name__, str(error), log.clock.now_ms()))
        match error:
            case Fatal() | ConfigError():
                self._halt(str(error))
            case Transient() | BadData() | Rejected() | Uncertain():
                self._schedule_look(self._pace.retry_s)
            case _:
                self._halt(str(error))

    def _halt(self, reason: str) -> None:
        log = self._desk.hands.log
        self._reconciled = False
        if log.journal.halted() is None:
            log.append(Halted(reason, log.clock.now_ms()))

    def _schedule_look(self, due_in_s: float | None) -> None:
        now_ms = self._desk.hands.log.clock.monotonic_ms()
        self._retry_at_ms = None if due_in_s is None else now_ms + round(due_in_s * 1_000)

    def _is_due(self) -> bool:
        now_ms = self._desk.hands.log.clock.monotonic_ms()
        return self._retry_at_ms is not None and now_ms >= self._retry_at_ms


def _due_in_s(decided: tuple[Decided, ...], is_open: bool, pace: Pace) -> float | None:  # noqa: FBT001  # one fact among others
    """Return when to look again unasked: at an open intent soon, at a cooldown when it ends."""
    rests = [
        gate.limit - gate.value
        for note in decided
        if note.decision.why is not None
        for gate in note.decision.why.gates
        if gate.name == COOLDOWN and not gate.ok
    ]
    if is_open:
        rests.append(0.0)
    return max(min(rests), pace.retry_s) if rests else None


def _is_obeyed(decision: Decision) -> bool:
    """Return whether a person's wish was weighed: refusing it by a limit is an answer, too."""
    in_the_way = isinstance(decision, Hold) and decision.reason == STILL_OPEN
    return decision.why is not None and not in_the_way
