"""Every order in which a few things can happen to a keeper, one after the other, and none twice.

A breadth-first search over the real engine on a modelled chain. A state is the chain, the journal,
which of two processes acts and what it has forgotten, and how many faults are left; states that
nothing can tell apart are one. Every state is held against I1, I2, I3 and the rest of
`keeper/sim/audit.py`; in every last one the faults stop and everything must end (I17).

The bounds are the `Scope`: what is outside of them was not looked at. The lock that keeps two
processes apart is taken for granted; what a paused leader can still do, sending bytes that are in
the journal, is in. Crashes come before and after every write and every send, which is where a
crash differs from another: between two questions nothing has changed.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple, replace

from keeper.engine.reconcile import reconcile
from keeper.engine.tick import tick
from keeper.model.errors import Fatal
from keeper.model.events import Decided, Event, Halted, Resumed, Signed, Troubled
from keeper.model.strategies import FixedBand
from keeper.model.units import MS_PER_S
from keeper.sim.audit import Auditor
from keeper.sim.chain_model import ChainModel, Known, Moment, Pick, known_of
from keeper.sim.chain_wire import Delivery, Weakness, Wire, model_desk
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.ordeal import HEALING_BLOCKS, INSIDE, WatchedJournal
from keeper.sim.world import LIMITS, Crash

SIDE_EFFECTS: Final = frozenset({"append", "appended", "send", "sent"})
UNBOUNDED: Final = 1 << 30
WAIT_S: Final = 60
"""Longer than the engine waits before it bids more."""
SILENT: Final[tuple[Delivery, ...]] = ("lost", "elsewhere")
PICKS: Final[tuple[Pick, ...]] = ("pool", "oldest", "none")
CONFIRMATIONS: Final = 2
FORGETTABLE: Final = (Decided, Troubled)
"""Events that nothing is made of later."""


class Scope(Struct, frozen=True):
    """How much of each thing may happen on one path."""

    intents: int = 3
    """Trades that the vault needs: the largest order is cut so that it takes so many."""
    blocks: int = 7
    reorgs: int = 2
    depth: int = 2
    """Of the deepest reorg; receipts are believed at two confirmations."""
    crashes: int = 1
    takeovers: int = 1
    losses: int = 1
    """Sends that nobody answers, and late deliveries."""
    waits: int = 1
    most_states: int = UNBOUNDED
    """The search gives up there, and says so."""


class Left(Struct, frozen=True):
    """What may still happen."""

    blocks: int
    reorgs: int
    crashes: int
    takeovers: int
    losses: int
    waits: int


class State(Struct, frozen=True, eq=False):
    """Everything at one time."""

    moment: Moment
    events: tuple[Event, ...]
    digest: bytes
    """Of the events, times included."""
    auditor: Auditor
    acting: int
    reconciled: bool
    """What the acting process knows beyond the journal: that it compared it with the chain."""
    left: Left
    path: tuple[str, ...] = ()


class Found(Struct):
    """What a search has seen."""

    states: int = 0
    transitions: int = 0
    merged: int = 0
    """Transitions that led to a state that was known."""
    ends: int = 0
    """States in which no block was left, so that the faults stopped."""
    depth: int = 0
    complete: bool = True
    violations: list[str] = []


class Explorer:
    """One engine that is put into one state after the other."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.chain = ChainModel(kept_blocks=UNBOUNDED, siblings_differ=False)
        self.auditor = Auditor(
            self.chain, cap_wei=LIMITS.max_gas_price_wei, confirmations=CONFIRMATIONS
        )
        self.auditor.excuses.add("person")
        self._journal = MemoryJournal()
        self._wire = Wire(self.chain, self._gate)
        self._wire.heard = self._tap
        watched = WatchedJournal(self._journal, self._gate, self._note)
        limits = replace(LIMITS, max_order_base=self.chain.weather.delta / scope.intents)
        self._desk = model_desk(
            self.chain,
            self._wire,
            watched,
            confirmations=CONFIRMATIONS,
            limits=limits,
            strategy=FixedBand(width_base=INSIDE / 2, to="zero"),
        )
        self._points = 0
        self._reconciled = False
        self._digest, self._kept = b"", 0
        self._met: dict[bytes, list[tuple[int, ...]]] = {}
        self._healed: set[bytes] = set()

    def search(self) -> Found:
        """Visit every state within the scope, nearest first; stop at the first violation."""
        found = Found(violations=[])
        first = self._save((), 0, _all_of(self._scope))
        queue = deque([first])
        self._is_new(first)
        while queue and not found.violations:
            state = queue.popleft()
            found.states += 1
            found.depth = max(found.depth, len(state.path))
            for after in self._successors(state):
                found.transitions += 1
                if after.auditor.violations:
                    found.violations.append(_told(after))
                    break
                if not self._is_new(after):
                    found.merged += 1
                elif found.states + len(queue) >= self._scope.most_states:
                    found.complete = False
                else:
                    queue.append(after)
            if not state.left.blocks:
                found.ends += 1
                self._end(state, found)
        return found

    def _is_new(self, state: State) -> bool:
        """Return whether nothing alike was met that had as much of everything left."""
        key, left = _key(state), astuple(state.left)
        met = self._met.setdefault(key, [])
        if any(all(a >= b for a, b in zip(other, left, strict=True)) for other in met):
            return False
        met.append(left)
        return True

    # ------------------------------------------------------------------ what may happen

    def _successors(self, state: State) -> Iterator[State]:
        yield from self._keeper(state, state.left)
        yield from self._world(state, state.left)

    def _keeper(self, state: State, left: Left) -> Iterator[State]:
        yield self._turned(state, "turn", left)
        if left.takeovers:
            other = replace(state, acting=1 - state.acting, reconciled=False)
            yield self._turned(other, "takeover", replace(left, takeovers=left.takeovers - 1))
        if left.crashes:
            yield from self._crashed(state, replace(left, crashes=left.crashes - 1))
        if left.losses:
            fewer = replace(left, losses=left.losses - 1)
            for delivery in SILENT:
                yield self._turned(state, delivery, fewer, delivery=delivery)
            yield self._changed(state, "late", fewer, self._deliver_late)

    def _world(self, state: State, left: Left) -> Iterator[State]:
        if left.blocks:
            fewer = replace(left, blocks=left.blocks - 1)
            for pick in PICKS:
                yield self._changed(state, f"mine {pick}", fewer, partial(self.chain.mine, pick))
        if left.reorgs:
            yield from self._reorged(state, replace(left, reorgs=left.reorgs - 1))
        if left.waits:
            yield self._changed(state, "wait", replace(left, waits=left.waits - 1), self._wait)

    def _crashed(self, state: State, left: Left) -> Iterator[State]:
        """Yield what a death before and after every side effect of a turn leaves."""
        point = 1
        while True:
            after = self._turned(state, f"crash {point}", left, point=point)
            if self._points > 0:  # the turn was over before
                return
            yield after
            point += 1

    def _reorged(self, state: State, left: Left) -> Iterator[State]:
        for depth in range(1, self._scope.depth + 1):
            for pick in PICKS:
                for returned in (True, False):
                    name = f"reorg {depth} {pick} {'returned' if returned else 'forgotten'}"
                    play = partial(self._reorg, depth, pick, returned=returned)
                    yield self._changed(state, name, left, play)

    def _reorg(self, depth: int, pick: Pick, *, returned: bool) -> None:
        self.auditor.took_back(self.chain.reorg(depth, pick, returned=returned))

    def _deliver_late(self) -> None:
        signed = [event for event in self._journal.events if isinstance(event, Signed)]
        if signed:
            self.auditor.tap(known_of(signed[-1].attempt.raw))
            self.chain.submit(signed[-1].attempt.raw)

    def _wait(self) -> None:
        self.chain.now_ms += WAIT_S * MS_PER_S

    # ------------------------------------------------------------------ one step

    def _changed(self, state: State, name: str, left: Left, play: Callable[[], object]) -> State:
        """Let the world do something."""
        self._load(state)
        play()
        self.auditor.look()
        return self._save((*state.path, name), state.acting, left)

    def _turned(
        self, state: State, name: str, left: Left, *, point: int = 0, delivery: Delivery = "plain"
    ) -> State:
        """Let the acting process tick; with *point*, it dies at that side effect."""
        self._load(state)
        self._wire.weakness = Weakness(delivery=delivery)
        self._points = point
        try:
            self._turn()
        except Crash:
            self._reconciled = False
        self.auditor.look()
        return self._save((*state.path, name), state.acting, left)

    def _turn(self) -> None:
        """Do as `engine/loop.py` does with a tick; what it keeps for itself is one bit here."""
        try:
            if not self._reconciled:
                reconcile(self._desk.hands, adopt=True)
                self._reconciled = not self._journal.open()
            tick(self._desk)
        except Fatal as error:
            self._reconciled = False
            if self._journal.halted() is None:
                self._desk.hands.log.append(Halted(str(error), self.chain.now_ms))

    def _gate(self, point: str) -> None:
        if point in SIDE_EFFECTS and self._points:
            self._points -= 1
            if not self._points:
                raise Crash(point)

    def _note(self, events: tuple[Event, ...]) -> None:
        self.auditor.note(events)

    def _tap(self, one: Known) -> None:
        self.auditor.tap(one)

    # ------------------------------------------------------------------ the end of a path

    def _end(self, state: State, found: Found) -> None:
        """Stop the faults, with a person who resumes; everything must end (I17)."""
        key = _key(state)
        if key in self._healed:
            return
        self._healed.add(key)
        self._load(state)
        self._wire.weakness = Weakness()
        for _ in range(HEALING_BLOCKS):
            self.chain.remind()
            self.chain.mine()
            self._turn()
            if self._journal.halted() is not None:
                self._desk.hands.log.append(Resumed("by hand", self.chain.now_ms))
            if not self._journal.open() and abs(self.chain.net()) < INSIDE:
                break
        hedged = abs(self.chain.net()) < INSIDE
        self.auditor.expect(hedged, "I17", f"not hedged in {HEALING_BLOCKS} blocks")
        self.auditor.look()
        self.auditor.rest()
        if self.auditor.violations:
            found.violations.append(f"{self.auditor.violations} at the end of {state.path}")

    # ------------------------------------------------------------------ into a state and out of it

    def _load(self, state: State) -> None:
        self.chain.restore(state.moment)
        self._journal.events = [*state.events]
        self.auditor = state.auditor.fork()
        self._reconciled = state.reconciled
        self._points = 0
        self._digest, self._kept = state.digest, len(state.events)

    def _save(self, path: tuple[str, ...], acting: int, left: Left) -> State:
        new = [e for e in self._journal.events[self._kept :] if not isinstance(e, FORGETTABLE)]
        events = (*self._journal.events[: self._kept], *new)
        digest = self._digest
        if new:
            digest = blake2b(digest + msgspec.json.encode(new), digest_size=16).digest()
        self.auditor.log.clear()
        return State(
            moment=self.chain.snapshot(),
            events=events,
            digest=digest,
            auditor=self.auditor,
            acting=acting,
            reconciled=self._reconciled,
            left=left,
            path=path,
        )


def _all_of(scope: Scope) -> Left:
    return Left(
        scope.blocks, scope.reorgs, scope.crashes, scope.takeovers, scope.losses, scope.waits
    )


def _key(state: State) -> bytes:
    """Return what two states have in common if nothing but what is left tells them apart."""
    moment = state.moment
    parts = (
        moment.head.ref.hash,
        [one.hash for one in moment.pool],
        [one.hash for one in moment.known],
        moment.now_ms,
        moment.forks,
        state.digest,
        state.reconciled,
        state.auditor.undone,
    )
    return blake2b(msgspec.json.encode(parts), digest_size=16).digest()


def _told(state: State) -> str:
    return f"{'; '.join(state.auditor.violations[:2])} after {', '.join(state.path)}"
