"""What the journal holds: one vocabulary for the journal, logs, metrics and alerts."""

from msgspec import Struct

from keeper.model.chain import Address
from keeper.model.flow import Attempt, Decision, Heard, Intent, Outcome, Progress


class Decided(Struct, frozen=True, tag=True):
    """What a tick made of one book, with every input."""

    book: str
    decision: Decision
    at_ms: int
    triggers: tuple[str, ...]


class Intended(Struct, frozen=True, tag=True):
    """Written with its first signed bytes, or with why there are none."""

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
    heard: Heard = "answer"
    block_number: int = 0
    """The newest block when it was sent."""


class Unseen(Struct, frozen=True, tag=True):
    """An intent's nonce is used at depth; a look at this newest block found no receipt of ours.

    Either the receipt lags behind, or somebody else holds the key: several looks tell.
    """

    intent_id: str
    nonce: int
    block_number: int
    at_ms: int


class Placed(Struct, frozen=True, tag=True):
    """A mined transaction left an order at the venue, which says what becomes of it from now on."""

    intent_id: str
    order: str
    """The venue's own name for it."""
    gas_used: int
    gas_price_wei: int
    at_ms: int
    data_fee_wei: int = 0


class Progressed(Struct, frozen=True, tag=True):
    """The venue says something new of an order."""

    intent_id: str
    progress: Progress
    block_number: int
    """The newest block when it was first seen."""
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


class CodeSeen(Struct, frozen=True, tag=True):
    """The code of a contract that is about to be called, when it is first met or has changed."""

    address: Address
    code_hash: str
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


Event = (
    Decided
    | Intended
    | Signed
    | Sent
    | Unseen
    | Placed
    | Progressed
    | Settled
    | Adopted
    | CodeSeen
    | Halted
    | Resumed
    | Troubled
)
