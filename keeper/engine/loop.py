"""Take a wake-up, tick, map errors to actions. The one loop, in one thread."""

from collections.abc import Callable
from threading import Event as Flag

from msgspec import Struct

from keeper.core.decide import DUST_BASE
from keeper.core.limits import COOLDOWN
from keeper.core.redact import redact
from keeper.engine.leadership import Leadership
from keeper.engine.mailbox import Mailbox
from keeper.engine.reconcile import (
    UnknownHistory,
    hedges_of,
    reconcile,
    warn_of_delegation,
    warn_of_others,
)
from keeper.engine.tick import STILL_OPEN, UNCONFIRMED, Desk, tick
from keeper.model.errors import (
    BadData,
    Fatal,
    Fenced,
    KeeperError,
    Rejected,
    Transient,
    Uncertain,
)
from keeper.model.events import Decided, Halted
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
    """Runs ticks until told to stop, in the turns in which this keeper leads."""

    def __init__(
        self,
        desk: Desk,
        mailbox: Mailbox,
        *,
        leadership: Leadership | None = None,
        adopt: bool = False,
        pace: Pace | None = None,
        after_tick: Callable[[tuple[Decided, ...]], None] = lambda _decided: None,
    ) -> None:
        """Put everything in place.

        *adopt* says that a person knows why the chain may be ahead of the journal.
        """
        self._desk = desk
        self._mailbox = mailbox
        self._leadership = leadership or Leadership(None)
        self._adopt = adopt
        self._pace = pace or Pace()
        self._after_tick = after_tick
        self._stop = Flag()
        self._cut_off = False
        self._warned = False
        self._owed_halt: str | None = None
        """Why trading must stop, until that is written down."""
        self._begin_anew()
        self.pulse = Pulse()

    def stop(self) -> None:
        """Ask the loop to end after the tick it is in; safe from any thread and from a signal."""
        self._stop.set()
        self._mailbox.post("stop")

    def run(self) -> None:
        """Tick on every wake-up until stopped."""
        self._mailbox.post("start")
        has_led = True
        while not self._stop.is_set():
            triggers = self._mailbox.take(self._pace.poll_s)
            if self._stop.is_set():
                return
            # Whatever rang while another keeper led is looked at by the first turn that leads.
            has_led = self.turn(triggers if has_led else triggers | {"lead"})

    def turn(self, triggers: frozenset[str]) -> bool:
        """Serve requests and wake-ups, if there are any; return whether this keeper leads.

        Raises:
            UnknownHistory: The account has done what the journal does not know of.

        """
        try:
            if not self._leadership.leads():
                return False
            if self._leadership.is_new:
                self._begin_anew()
            self._pay_halt()
            self._work(triggers)
        except Fenced as fenced:
            self._leadership.lose(str(fenced))
            return False
        except (Transient, Uncertain) as away:
            # What cannot be written down is not done; it can still be said.
            log = self._desk.hands.log
            log.tell(log.troubled(away))
            self.pulse.troubles += 1
            self._schedule_look(self._pace.retry_s)
        return True

    def _begin_anew(self) -> None:
        """Forget what was true when this keeper led last: another one may have acted since."""
        self._reconciled = False
        self._has_compared = False
        self._was_halted = False
        if self._leadership.have_others_led:
            self._owed_halt = None  # it may have been concluded from what they did
        self._retry_at_ms: int | None = None
        self._hedges: dict[str, float] = {}
        """As last seen, while nothing of ours could change them."""
        self._has_ended = True
        """Whether the tick before went to its end, so that `_hedges` is what it left."""

    def _work(self, triggers: frozenset[str]) -> None:
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
            self._forget_hedges_of_a_failed_tick()
            self._has_ended = False
            if not self._reconciled:
                self._reconcile()
            decided = tick(self._desk, triggers, command)
            seen = hedges_of(decided)
            warn_of_others(self._desk.hands, self._hedges, seen)
            self._after_tick(decided)
        except (Fenced, UnknownHistory):
            raise
        except KeeperError as error:
            self._trouble(error)
            return None
        except Exception as surprise:  # noqa: BLE001  # the last line of defence: halt, never guess
            self._halt(f"unexpected {type(surprise).__name__}: {surprise}")
            return None
        self._cut_off = False
        self.pulse.ticks += 1
        self.pulse.last_tick_at_ms = clock.now_ms()
        self.pulse.last_duration_ms = clock.monotonic_ms() - began_ms
        is_open = self._is_open()
        self._hedges = {} if is_open else self._hedges | seen
        self._has_ended = True
        self._schedule_look(_due_in_s(decided, is_open, self._pace))
        if self._desk.hands.log.journal.halted() is not None:
            # Whoever halts from another process may use the key before they resume.
            self._reconciled, self._was_halted = False, True
        return decided

    def _forget_hedges_of_a_failed_tick(self) -> None:
        """Expect nothing of the hedges if the tick before failed on the way with an intent open.

        It is asked now and not when that tick failed: a halt is written down first, and the journal
        may be away.
        """
        if not self._has_ended and self._is_open():
            self._hedges = {}

    def _is_open(self) -> bool:
        return bool(self._desk.hands.log.journal.open())

    def _reconcile(self) -> None:
        hands = self._desk.hands
        head = self._desk.chain.head()  # so that what is compared is of now, whoever answers
        try:
            reconcile(hands, adopt=self._adopt or self._was_halted)
        except UnknownHistory as unknown:
            if not self._has_compared:
                raise
            raise Fatal(
                "the key was used while the keeper was cut off",
                remedy="find out who holds the key, then `keeper resume`",
                **unknown.facts,
            ) from unknown
        if not self._warned:
            warn_of_delegation(hands, head)
            self._warned = True
        self._was_halted = False
        self._reconciled = not self._is_open()
        self._has_compared |= self._reconciled

    def _trouble(self, error: KeeperError) -> None:
        self.pulse.troubles += 1
        match error:
            case Transient():
                self._reconciled = False  # nobody knows what happened meanwhile
                self._schedule_look(self._pace.retry_s)
            case BadData() | Rejected() | Uncertain():
                self._schedule_look(self._pace.retry_s)
            case _:
                self._owed_halt = str(error)
        log = self._desk.hands.log
        was_cut_off, self._cut_off = self._cut_off, isinstance(error, Transient)
        if not (was_cut_off and self._cut_off):  # an outage is told once, however long it lasts
            log.append(log.troubled(error))
        self._pay_halt()

    def _halt(self, reason: str) -> None:
        self._owed_halt = reason
        self._pay_halt()

    def _pay_halt(self) -> None:
        """Write a halt down; if the journal is away now, before anything else is done."""
        if self._owed_halt is None:
            return
        log = self._desk.hands.log
        self._reconciled, self._was_halted = False, True
        if log.journal.halted() is None:
            # A library may put an address with its key into what it raises.
            log.append(Halted(redact(self._owed_halt), log.clock.now_ms()))
        self._owed_halt = None

    def _schedule_look(self, due_in_s: float | None) -> None:
        now_ms = self._desk.hands.log.clock.monotonic_ms()
        self._retry_at_ms = None if due_in_s is None else now_ms + round(due_in_s * 1_000)

    def _is_due(self) -> bool:
        now_ms = self._desk.hands.log.clock.monotonic_ms()
        return self._retry_at_ms is not None and now_ms >= self._retry_at_ms


def _due_in_s(decided: tuple[Decided, ...], is_open: bool, pace: Pace) -> float | None:  # noqa: FBT001  # one fact among others
    """Return when to look again unasked: at a cooldown when it ends; else soon, or not at all."""
    rests = [
        gate.limit - gate.value
        for note in decided
        if note.decision.why is not None
        for gate in note.decision.why.gates
        if gate.name == COOLDOWN and not gate.ok
    ]
    if is_open or any(_waits_for_witnesses(note.decision) for note in decided):
        rests.append(0.0)
    return max(min(rests), pace.retry_s) if rests else None


def _waits_for_witnesses(decision: Decision) -> bool:
    return isinstance(decision, Hold) and decision.reason.startswith(UNCONFIRMED)


def _is_obeyed(decision: Decision) -> bool:
    """Return whether a person's wish was weighed: refusing it by a limit is an answer, too."""
    in_the_way = isinstance(decision, Hold) and decision.reason == STILL_OPEN
    return decision.why is not None and not in_the_way
