"""A keeper's bad days: actions of the world in any order, with the real engine in the middle.

An `Ordeal` is one chain, one journal and two processes that take turns on it. Each action changes
something and then asks the auditor. Actions are names and small numbers, so that a seed, a
shrinking test and another chain can play the same ones.
"""

from collections.abc import Callable
from random import Random
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.engine.reconcile import UnknownHistory, reconcile
from keeper.engine.tick import Desk
from keeper.model.chain import Address
from keeper.model.errors import Fatal
from keeper.model.events import Event, Halted, Resumed, Signed
from keeper.model.units import GWEI, MS_PER_S
from keeper.ports.acting import History, Journal, Open, Request
from keeper.sim.audit import Auditor, verified
from keeper.sim.chain_model import ChainModel, Mood, Pick, known_of
from keeper.sim.chain_wire import Delivery, Weakness, Wire, model_desk
from keeper.sim.world import LIMITS, Crash

PICKS: Final[tuple[Pick, ...]] = ("pool", "oldest", "newest", "none")
MOODS: Final[tuple[Mood, ...]] = ("open", "refusing", "reverting", "inert")
DELIVERIES: Final[tuple[Delivery, ...]] = (
    "plain", "unheard", "lost", "swallowed", "refused", "mistaken", "elsewhere",
)  # fmt: skip
FEES_GWEI: Final = (10, 1, 40, 150, 800)
DELTAS: Final = (10.0, 4.0, 16.0, 0.0, -7.0, 25.0)
PRICES: Final = (2_000.0, 1_960.0, 2_030.0, 2_300.0)
WAITS_S: Final = (5, 20, 60, 700)
INTERRUPTIONS: Final = ("crash", "halt", "mine", "reorg", "silence")
MOST_POINTS: Final = 24
"""Gates that a turn goes through at most, so that each can be the last."""
HEALING_BLOCKS: Final = 150
"""T: after the faults everything must have ended within so many blocks."""
INSIDE: Final = 0.5
"""Base; the band of this book is narrower."""

Name = Literal[
    "turn", "mine", "reorg", "forget", "wait", "fee", "move", "price", "mood", "delivery", "lag",
    "stranger", "halt", "resume", "restart", "late",
]  # fmt: skip


class Action(Struct, frozen=True):
    """One thing that happens; the numbers choose from the tables above."""

    name: Name
    a: int = 0
    b: int = 0
    c: int = 0


RANGES: Final[dict[Name, tuple[int, int, int]]] = {
    "turn": (2, MOST_POINTS, len(INTERRUPTIONS)),
    "mine": (len(PICKS), 3, 1),
    "reorg": (5, len(PICKS), 2),
    "forget": (1, 1, 1),
    "wait": (len(WAITS_S), 1, 1),
    "fee": (len(FEES_GWEI), 1, 1),
    "move": (len(DELTAS), 1, 1),
    "price": (len(PRICES), 1, 1),
    "mood": (len(MOODS), 1, 1),
    "delivery": (len(DELIVERIES), 1, 1),
    "lag": (2, 5, 1),
    "stranger": (1, 1, 1),
    "halt": (1, 1, 1),
    "resume": (1, 1, 1),
    "restart": (1, 1, 1),
    "late": (4, 1, 1),
}
"""How many values each number of an action has."""
WEIGHTS: Final[dict[Name, int]] = {
    "turn": 40, "mine": 22, "reorg": 5, "forget": 2, "wait": 6, "fee": 3, "move": 6, "price": 2,
    "mood": 2, "delivery": 6, "lag": 4, "halt": 1, "resume": 3, "restart": 3, "late": 2,
}  # fmt: skip
"""How often a seed chooses each; a stranger comes once in `STRANGER_EVERY` seeds."""
ALWAYS: Final[tuple[Name, ...]] = ("turn", "mine")
HABITS: Final = (0, 0, 1, 1, 3)
"""What a seed multiplies a weight with."""
STRANGER_EVERY: Final = 8


class WatchedJournal:
    """A journal whose process may die before or after each write, and that others look at."""

    def __init__(
        self, inner: Journal, gate: Callable[[str], None], note: Callable[[tuple[Event, ...]], None]
    ) -> None:
        self._inner = inner
        self._gate = gate
        self._note = note

    def append(self, *events: Event) -> None:
        self._gate("append")
        self._inner.append(*events)
        self._note(events)
        self._gate("appended")

    def make_ready(self) -> None:
        self._inner.make_ready()

    def knows(self, intent_id: str) -> bool:
        return self._inner.knows(intent_id)

    def open(self) -> tuple[Open, ...]:
        return self._inner.open()

    def next_nonce(self, account: Address) -> int | None:
        return self._inner.next_nonce(account)

    def history(self, book: str, now_ms: int) -> History:
        return self._inner.history(book, now_ms)

    def code_hash(self, address: Address) -> str | None:
        return self._inner.code_hash(address)

    def halted(self) -> str | None:
        return self._inner.halted()

    def requests(self) -> tuple[Request, ...]:
        return self._inner.requests()

    def serve(self, request_id: int) -> None:
        self._inner.serve(request_id)


class Tally(Struct):
    """What was gone through."""

    steps: int = 0
    turns: int = 0
    crashes: int = 0
    reorgs: int = 0
    halts: int = 0
    interruptions: int = 0


class Ordeal:
    """One chain, one journal, two processes in turn, and everything that can happen to them."""

    def __init__(
        self,
        journal: Journal,
        verify: Callable[[], object] = lambda: None,
        *,
        confirmations: int = 2,
    ) -> None:
        self.chain = ChainModel()
        self.tally = Tally()
        self.auditor = Auditor(
            self.chain, cap_wei=LIMITS.max_gas_price_wei, confirmations=confirmations
        )
        self._confirmations = confirmations
        self._weakness = Weakness()
        self._inner = journal
        self._verify = verify
        self._points: int | None = None
        self._interruption = ""
        self.journal = WatchedJournal(journal, self._gate, self.auditor.note)
        self._acting = 0
        self._wire, self.desk, self._loop = self._process()

    def act(self, action: Action) -> None:
        """Let *action* happen, then check what must hold.

        Raises:
            Violation: Something does not.

        """
        self.tally.steps += 1
        getattr(self, f"_{action.name}")(action)
        self.auditor.look()
        self.auditor.refuse_violations()

    # ------------------------------------------------------------------ the processes

    def _process(self, *, adopt: bool = False) -> tuple[Wire, Desk, Loop]:
        self.auditor.process += 1
        wire = Wire(self.chain, self._gate)
        wire.heard = self.auditor.tap
        wire.weakness = self._weakness
        desk = model_desk(self.chain, wire, self.journal, confirmations=self._confirmations)
        return wire, desk, Loop(desk, Mailbox(), adopt=adopt)

    def _wake(self) -> None:
        try:
            self._loop.turn(frozenset({"block"}))
        except UnknownHistory:  # it ends; a person who knows of the stranger starts it again
            if "stranger" not in self.auditor.excuses:
                raise
            self._wire, self.desk, self._loop = self._process(adopt=True)

    def _turn(self, action: Action) -> None:
        """Let one process tick; with `b`, something happens at its b-th gate."""
        self.tally.turns += 1
        if action.a != self._acting:  # the other takes the lock, and knows nothing
            self._acting = action.a
            self._wire, self.desk, self._loop = self._process()
        self._points = action.b or None
        self._interruption = INTERRUPTIONS[action.c]
        try:
            self._wake()
        except Crash:
            self.tally.crashes += 1
            self._wire, self.desk, self._loop = self._process()
        self._points = None
        self._weaken(silent=False)

    def _gate(self, point: str) -> None:
        if self._points is None:
            return
        self._points -= 1
        if self._points:
            return
        self._points = None
        self.tally.interruptions += 1
        self._interrupt(point)

    def _interrupt(self, point: str) -> None:
        match self._interruption:
            case "crash":
                raise Crash(point)
            case "halt":
                self._halt(Action("halt"))
            case "mine":
                self.chain.mine()
            case "reorg":
                self._replace(1, "pool", returned=True)
            case _:
                self._weaken(silent=True)

    def _restart(self, _action: Action) -> None:
        """Begin again; to reconcile twice is to reconcile once (I12)."""
        self._wire, self.desk, self._loop = self._process()
        try:
            reconcile(self.desk.hands, adopt=True)
            before = len(self.auditor.log)
            reconcile(self.desk.hands, adopt=True)
        except Fatal as error:
            excused = self.auditor.undone or "stranger" in self.auditor.excuses
            self.auditor.expect(excused, "I12", f"cannot be reconciled: {error}")
            return
        same = len(self.auditor.log) == before
        self.auditor.expect(same, "I12", "the second reconciliation wrote something")

    # ------------------------------------------------------------------ the chain

    def _mine(self, action: Action) -> None:
        for _ in range(action.b + 1):
            self.chain.mine(PICKS[action.a])

    def _reorg(self, action: Action) -> None:
        self._replace(action.a + 1, PICKS[action.b], returned=not action.c)

    def _replace(self, depth: int, pick: Pick, *, returned: bool) -> None:
        self.tally.reorgs += 1
        self.auditor.took_back(self.chain.reorg(depth, pick, returned=returned))

    def _forget(self, _action: Action) -> None:
        self.chain.forget()

    def _wait(self, action: Action) -> None:
        self.chain.now_ms += WAITS_S[action.a] * MS_PER_S

    def _fee(self, action: Action) -> None:
        wei = FEES_GWEI[action.a] * GWEI
        self.chain.weather = replace(self.chain.weather, base_fee_wei=wei)

    def _move(self, action: Action) -> None:
        self.chain.weather = replace(self.chain.weather, delta=DELTAS[action.a])

    def _price(self, action: Action) -> None:
        self.chain.weather = replace(self.chain.weather, price=PRICES[action.a])

    def _mood(self, action: Action) -> None:
        mood = MOODS[action.a]
        if mood == "inert":
            self.auditor.excuses.add("inert")
        self.chain.weather = replace(self.chain.weather, mood=mood)

    def _stranger(self, _action: Action) -> None:
        self.auditor.excuses.add("stranger")
        self.chain.stranger()

    def _late(self, action: Action) -> None:
        """Deliver journalled bytes once more, as a leader does that was paused before its send."""
        signed = [event for event in self.auditor.log if isinstance(event, Signed)]
        if action.a < len(signed):
            raw = signed[-1 - action.a].attempt.raw
            self.auditor.tap(known_of(raw))
            self.chain.submit(raw)

    # ------------------------------------------------------------------ the line and the person

    def _delivery(self, action: Action) -> None:
        self._weakness = replace(self._weakness, delivery=DELIVERIES[action.a])
        self._wire.weakness = self._weakness

    def _lag(self, action: Action) -> None:
        """Let answers lag, together by no more than the looks at a used nonce make up for."""
        most = self._confirmations + 1
        receipts = min(action.b, most - action.a)
        self._weakness = replace(self._weakness, head_lag=action.a, receipt_lag=receipts)
        self._wire.weakness = self._weakness

    def _weaken(self, *, silent: bool) -> None:
        self._wire.weakness = replace(self._weakness, silent=silent)

    def _halt(self, _action: Action) -> None:
        self.tally.halts += 1
        self.auditor.excuses.add("person")
        self._tell(Halted("by hand", self.chain.now_ms))

    def _resume(self, _action: Action) -> None:
        self._tell(Resumed("by hand", self.chain.now_ms))

    def _tell(self, event: Event) -> None:
        """Write as another process does: no gate of the keeper's is in between."""
        self._inner.append(event)
        self.auditor.note((event,))

    # ------------------------------------------------------------------ the end

    def heal(self) -> None:
        """Stop the faults; everything must end within `HEALING_BLOCKS`, and trading go on.

        A person resumes what is halted, and hands the pool what anybody ever took. Gas is cheap:
        what a reorg took back and a risen base fee keeps out is for a person to replace.

        Raises:
            Violation: It does not, or what is left does not agree.

        """
        self._weakness = Weakness()
        self._wire.weakness = self._weakness
        calm = replace(self.chain.weather, base_fee_wei=GWEI, mood="open")
        for delta in (calm.delta, calm.delta + 5.0):
            self.chain.weather = replace(calm, delta=delta)
            self._until_quiet()
        self.auditor.look()
        self.auditor.rest()
        if broken := verified(self._verify):
            self.auditor.expect(holds=False, invariant="I11", message=broken)
        self.auditor.refuse_violations()

    def _until_quiet(self) -> None:
        for _ in range(HEALING_BLOCKS):
            self.chain.remind()
            self.chain.mine()
            self._wake()
            if self.journal.halted() is not None:
                self._resume(Action("resume"))
            if not self.journal.open() and abs(self.chain.net()) < INSIDE:
                return
        last = self.auditor.log[-3:]
        self.auditor.expect(
            holds=False, invariant="I17", message=f"no rest within {HEALING_BLOCKS}: {last}"
        )


def script(seed: int, steps: int) -> tuple[Action, ...]:
    """Return the actions of a seed."""
    random = Random(seed)  # noqa: S311  # a rehearsal, not a secret
    names = list(WEIGHTS)
    # Each seed has its own habits: rare things are found where common ones do not hide them.
    weights = [
        weight * (1 if name in ALWAYS else random.choice(HABITS))
        for name, weight in WEIGHTS.items()
    ]
    if seed % STRANGER_EVERY == 0:
        names.append("stranger")
        weights.append(1)
    return tuple(
        Action(name, *(random.randrange(most) for most in RANGES[name]))
        for name in random.choices(names, weights, k=steps)
    )


def confirmations_of(seed: int) -> int:
    """Return how deep a receipt must be in the ordeal of a seed: reorgs go to five."""
    return (2, 3, 6)[seed % 3]
