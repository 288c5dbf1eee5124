"""What people ask a journal for: intents with their outcome, sums, places in the log."""

from msgspec import Struct

from keeper.model.events import Event
from keeper.model.flow import Attempt, Intent, Outcome


class Entry(Struct, frozen=True):
    """One event and its place in the log."""

    seq: int
    event: Event


class Record(Struct, frozen=True):
    """One intent from its promise to its outcome; None while that is unknown."""

    intent: Intent
    at_ms: int
    attempts: tuple[Attempt, ...]
    outcome: Outcome | None
    settled_at_ms: int | None


class Totals(Struct, frozen=True):
    """Sums over the whole life of a journal."""

    intents: int
    open_intents: int
    by_status: dict[str, int]
    transactions: int
    """Intents that had bytes signed: each is one nonce, however often it was bumped."""
    attempts: int
    gas_usd: float
    fees_usd: float
    realized_pnl_usd: float
    traded_base: float
    """Sum of the sizes of all fills."""


class Proof(Struct, frozen=True):
    """What was verified. Note the tip elsewhere: a log cut off at its end verifies, too."""

    events: int
    tip: str
