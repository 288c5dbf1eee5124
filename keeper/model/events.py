"""What the journal holds: one vocabulary for the journal, logs, metrics and alerts."""

from msgspec import Struct

from keeper.model.chain import Address
from keeper.model.flow import Attempt, Decision, Intent, Outcome


class Decided(Struct, frozen=True, tag=True):
    """What a tick made of one book, with every input."""

    book: str
    decision: Decision
    at_ms: int
    triggers: tuple[str, ...]


class Intended(Struct, frozen=True, tag=True):
    """Written before anything is signed."""

    intent: Intent
    at_ms: int


class Signed(Struct, frozen=True, tag=True):
    """Written before anything is sent: from here on the outcome may be unknown."""

    attempt: Attempt


class Sent(Struct, frozen=True, tag=True):
    """A transport was handed the bytes; `answer` is what it said, never a verdict."""

    intent_id: str
    hash: str
    answer: str
    at_ms: int


class Settled(Struct, frozen=True, tag=True):
    """Written when the outcome is known; closes the intent."""

    outcome: Outcome
    at_ms: int


class Adopted(Struct, frozen=True, tag=True):
    """The chain's nonce was ahead of the journal's: lower ones belong to somebody else."""

    account: Address
    nonce: int
    at_ms: int


class Halted(Struct, frozen=True, tag=True):
    """Trading stopped until a person resumes."""

    reason: str
    at_ms: int


class Resumed(Struct, frozen=True, tag=True):
    """A person allowed trading again."""

    reason: str
    at_ms: int


class Troubled(Struct, frozen=True, tag=True):
    """A tick ended in an error that was handled; `kind` is its class in `model/errors`."""

    kind: str
    message: str
    at_ms: int


Event = Decided | Intended | Signed | Sent | Settled | Adopted | Halted | Resumed | Troubled
