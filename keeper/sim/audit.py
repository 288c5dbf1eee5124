"""What must hold whatever happens to a keeper, asked of the event log, the line and the chain.

The numbers are those of the keeper's invariants:

I1   at most one effect per intent                       I9   a decision's numbers are of one block
I2   an intent ends once, and as the chain says          I10  after a halt nothing is signed
I3   one nonce per intent, one intent per nonce          I13  an intent's events come in order
I4   no bytes leave that are not in the journal          I14  the blocks of a process never go back
I5   the nonces on the line have no gap                  I18  at rest the chain's nonce is ours
I6   no fee above the cap                                I8   a hedge lands on the very position
I7   a replacement offers an eighth more, of both             that it was decided for

Some are waived once the chain took back what had been believed (`undone`): then a settled outcome
may be wrong, and the keeper must have halted instead of trading on it.
"""

from collections.abc import Callable
from copy import copy
from functools import singledispatchmethod
from typing import Final

from msgspec import Struct

from keeper.model.errors import KeeperError
from keeper.model.events import Adopted, Decided, Event, Halted, Intended, Resumed, Settled, Signed
from keeper.model.flow import Attempt, Intent, Outcome
from keeper.sim.chain_model import Block, ChainModel, Included, Known

CLOSE: Final = 1e-9
RECENT_BLOCKS: Final = 12
"""Blocks looked at after each step: more than any reorg replaces."""
LAG_BLOCKS: Final = 2
"""What a head may be behind the chain's when something is signed at it."""
MOST_REVERTS: Final = 3
EXCUSES: Final = {
    "used elsewhere": "stranger",
    "took back": "undone",
    "never seen": "undone",
    "without an effect": "inert",
    "by hand": "person",
}
"""What a halt may be for, and what must have happened before."""


class Violation(AssertionError):
    """An invariant does not hold."""


class File(Struct):
    """All that is known of one intent."""

    intent: Intent
    attempts: list[Attempt]
    outcome: Outcome | None = None

    @property
    def nonce(self) -> int | None:
        """The nonce of its first attempt."""
        return self.attempts[0].nonce if self.attempts else None


class Auditor:
    """Sees every event as it is written and every byte as it leaves; keeps what is wrong."""

    def __init__(self, chain: ChainModel, *, cap_wei: int, confirmations: int) -> None:
        self._chain = chain
        self._cap_wei = cap_wei
        self._confirmations = confirmations
        self.files: dict[str, File] = {}
        self.by_hash: dict[str, File] = {}
        self.log: list[Event] = []
        self.excuses: set[str] = set()
        self.violations: list[str] = []
        self.undone = False
        """Whether a reorg took back a nonce that was settled or adopted."""
        self.process = 0
        self._halted = False
        self._line_nonce = -1
        self._adopted = 0
        self._newest: dict[int, int] = {}

    def fork(self) -> "Auditor":
        """Return one that has seen the same, and goes on by itself on the same chain."""
        other = copy(self)
        other.files = {
            name: File(file.intent, [*file.attempts], file.outcome)
            for name, file in self.files.items()
        }
        other.by_hash = {
            attempt.hash: file for file in other.files.values() for attempt in file.attempts
        }
        other.log, other.violations = [*self.log], [*self.violations]
        other.excuses, other._newest = {*self.excuses}, {**self._newest}  # noqa: SLF001  # its own kind
        return other

    def expect(self, holds: object, invariant: str, message: str) -> None:
        """Keep a violation unless it *holds*."""
        if not holds:
            self.violations.append(f"{invariant}: {message}")

    def refuse_violations(self) -> None:
        """Raise the first one.

        Raises:
            Violation: There is one.

        """
        if self.violations:
            raise Violation("; ".join(self.violations[:3]))

    # ------------------------------------------------------------------ the journal

    def note(self, events: tuple[Event, ...]) -> None:
        """Take what was just written down."""
        for event in events:
            self.log.append(event)
            self._note(event)

    @singledispatchmethod
    def _note(self, event: object) -> None:
        """Take one event; most say nothing that could be wrong."""

    @_note.register
    def _(self, event: Halted) -> None:
        self._halted = True
        reverted = sum(
            file.outcome is not None and file.outcome.status == "failed" and bool(file.attempts)
            for file in self.files.values()
        )
        if "reverted within an hour" in event.reason:
            self.expect(reverted > MOST_REVERTS, "I17", f"halted for {reverted} reverts")
            return
        cause = next((cause for part, cause in EXCUSES.items() if part in event.reason), None)
        excused = cause is not None and (
            cause in self.excuses
            or self.undone
            or (cause == "undone" and "stranger" in self.excuses)
        )
        self.expect(excused, "I17", f"halted for nothing: {event.reason}")

    @_note.register
    def _(self, event: Resumed) -> None:
        del event
        self._halted = False

    @_note.register
    def _(self, event: Adopted) -> None:
        self._adopted = max(self._adopted, event.nonce)

    @_note.register
    def _(self, event: Intended) -> None:
        intent = event.intent
        self.expect(intent.id not in self.files, "I13", "an intent was written down twice")
        still = [file for file in self.files.values() if file.outcome is None]
        self.expect(not still, "I3", "two intents of one account are open")
        self.files[intent.id] = File(intent, [])

    @_note.register
    def _(self, event: Decided) -> None:
        why = event.decision.why
        if why is None:
            return
        block = self._chain.find(why.block.hash)
        self.expect(block is not None, "I9", "a decision at a block that never was")
        if block is not None:
            exact = abs(why.exposure.delta - block.weather.delta) < CLOSE
            held = abs(why.hedge - block.position) < CLOSE
            self.expect(exact and held, "I9", "a decision on numbers of two blocks")
        before = self._newest.get(self.process, 0)
        self.expect(why.block.number >= before, "I14", f"block {why.block.number} after {before}")
        self._newest[self.process] = why.block.number

    @_note.register
    def _(self, event: Signed) -> None:
        attempt = event.attempt
        file = self.files.get(attempt.intent_id)
        if file is None or file.outcome is not None:
            self.expect(holds=False, invariant="I13", message="bytes of no open intent")
            return
        self.expect(not self._halted, "I10", "signed after a halt")
        self.expect(attempt.fees.max_fee_wei <= self._cap_wei, "I6", "a fee above the cap")
        self.expect(attempt.fees.tip_wei <= attempt.fees.max_fee_wei, "I6", "a tip above the fee")
        late_s = self._chain.back(LAG_BLOCKS).ref.timestamp_s - file.intent.deadline_s
        lives = attempt.purpose == "cancel" or late_s <= 0
        self.expect(lives, "I13", f"a hedge was signed {late_s} s past its deadline")
        if file.attempts:
            self._note_replacement(file, attempt)
        else:
            self.expect(attempt.purpose == "hedge", "I13", "an intent began with its cancel")
            others = [f for f in self.files.values() if f.nonce == attempt.nonce]
            self.expect(not others, "I3", f"two intents under nonce {attempt.nonce}")
        file.attempts.append(attempt)
        self.by_hash[attempt.hash] = file

    def _note_replacement(self, file: File, attempt: Attempt) -> None:
        self.expect(attempt.nonce == file.nonce, "I3", "an intent under two nonces")
        fee = max(one.fees.max_fee_wei for one in file.attempts)
        tip = max(one.fees.tip_wei for one in file.attempts)
        raised = attempt.fees.max_fee_wei * 8 >= fee * 9 and attempt.fees.tip_wei * 8 >= tip * 9
        self.expect(raised, "I7", "a replacement does not offer an eighth more")
        cancelling = file.attempts[-1].purpose == "cancel"
        self.expect(
            not (cancelling and attempt.purpose == "hedge"), "I13", "hedged again while cancelling"
        )

    @_note.register
    def _(self, event: Settled) -> None:
        file = self.files.get(event.outcome.intent_id)
        if file is None or file.outcome is not None:
            self.expect(holds=False, invariant="I2", message="an intent ended twice")
            return
        file.outcome = event.outcome
        if not self.undone:
            self._weigh(file, event.outcome)

    def _weigh(self, file: File, outcome: Outcome) -> None:
        """Hold an outcome against the chain at the moment it is written down."""
        found = self._found(file)
        name = f"{outcome.status}: {outcome.reason}"
        if outcome.status == "displaced":
            self.expect(found is None and "stranger" in self.excuses, "I2", name)
            return
        if found is None:
            nothing = not file.attempts and outcome.status in {"abandoned", "failed"}
            self.expect(nothing, "I2", f"{name}, and the chain shows nothing")
            return
        included, block = found
        depth = self._chain.head.ref.number - block.ref.number + 1
        self.expect(depth >= self._confirmations, "I2", f"{name}, {depth} deep")
        self.expect(outcome.status == self._truth(file, included), "I2", name)

    def _found(self, file: File) -> tuple[Included, Block] | None:
        found = (self._chain.receipt(attempt.hash) for attempt in file.attempts)
        return next((one for one in found if one is not None), None)

    def _truth(self, file: File, included: Included) -> str:
        """Return the outcome that an inclusion has."""
        purposes = {attempt.hash: attempt.purpose for attempt in file.attempts}
        if purposes[included.known.hash] == "cancel":
            return "cancelled"
        if not included.succeeded:
            return "failed"
        return "done" if included.units else "no_effect"

    # ------------------------------------------------------------------ the line and the chain

    def tap(self, one: Known) -> None:
        """Take bytes that are about to leave."""
        file = self.by_hash.get(one.hash)
        self.expect(file is not None, "I4", "bytes left that are not in the journal")
        used = self._chain.head.nonce if "stranger" in self.excuses else 0
        follows = one.tx.nonce <= max(self._line_nonce + 1, self._adopted, used)
        self.expect(follows, "I5", f"nonce {one.tx.nonce} after {self._line_nonce}")
        self._line_nonce = max(self._line_nonce, one.tx.nonce)

    def look(self) -> None:
        """Check the newest blocks."""
        seen: set[str] = set()
        for depth, block in enumerate(self._chain.blocks()):
            if depth == RECENT_BLOCKS:
                return
            for included in block.included:
                self._look_at(included, seen)

    def _look_at(self, included: Included, seen: set[str]) -> None:
        file = self.by_hash.get(included.known.hash)
        if file is None:
            self.expect("stranger" in self.excuses, "I4", "an unknown transaction of our key")
            return
        if not included.units:
            return
        self.expect(file.intent.id not in seen, "I1", "an intent had two effects")
        seen.add(file.intent.id)
        meant = self._chain.find(file.intent.block.hash)
        if meant is not None and not self.undone:
            same = abs(included.position_before - meant.position) < CLOSE
            self.expect(same, "I8", "a hedge landed on another position than it was meant for")

    def took_back(self, gone: tuple[Block, ...]) -> None:
        """Note a reorg: what was believed may be undone by it."""
        nonces = {one.known.tx.nonce for block in gone for one in block.included}
        settled = {file.nonce for file in self.files.values() if file.outcome is not None}
        if nonces & settled or any(nonce < self._adopted for nonce in nonces):
            self.undone = True

    def rest(self) -> None:
        """Check what must hold when nothing is open and nothing is under way."""
        effects: dict[str, int] = {}
        strangers = 0
        for block in self._chain.blocks():
            for included in block.included:
                file = self.by_hash.get(included.known.hash)
                strangers += file is None
                if file is not None and included.units:
                    effects[file.intent.id] = effects.get(file.intent.id, 0) + 1
        self.expect(max(effects.values(), default=0) <= 1, "I1", "an intent had two effects")
        open_files = [file for file in self.files.values() if file.outcome is None]
        self.expect(not open_files, "I17", f"{len(open_files)} intents never ended")
        if self.undone:
            return
        done = {i for i, f in self.files.items() if f.outcome and f.outcome.status == "done"}
        self.expect(set(effects) == done, "I2", "the journal and the chain tell two stories")
        displaced = sum(
            f.outcome is not None and f.outcome.status == "displaced" for f in self.files.values()
        )
        slots = sum(file.nonce is not None for file in self.files.values())
        ours = slots - displaced + strangers
        nonce = self._chain.head.nonce
        self.expect(nonce == ours, "I18", f"the chain's nonce is {nonce}, ours is {ours}")


def verified(verify: Callable[[], object]) -> str | None:
    """Return why a journal is not what its log says (I11); None if it is."""
    try:
        verify()
    except KeeperError as error:
        return str(error)
    return None
