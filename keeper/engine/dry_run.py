"""A tick that changes nothing: look, think, and rehearse what would be sent."""

from msgspec import Struct

from keeper.engine.hands import offer_at
from keeper.engine.rehearse import rehearse
from keeper.engine.tick import Desk, look, plan, recall, think
from keeper.model.errors import Rejected
from keeper.model.flow import Command, Decision, Fill, Rebalance, Snapshot


class Rehearsal(Struct, frozen=True):
    """What one book would do at this block."""

    book: str
    decision: Decision
    promised: Fill | None
    """What the simulation of the exact transaction fills; None if nothing would be sent."""
    refusal: str | None
    """Why the chain or the venue would refuse it."""


def dry_run(desk: Desk, command: Command | None = None) -> tuple[Rehearsal, ...]:
    """Return what a tick would do now, without journal, signature or transaction.

    Raises:
        Transient, BadData: The chain could not be read.

    """
    head = desk.chain.head()
    views = look(desk, head)
    rehearsals: list[Rehearsal] = []
    for book in desk.books:
        view = views[book.terms.book]
        past = recall(desk, book)
        decision = think(desk, book, view, past, command)
        promised, refusal = None, None
        if isinstance(decision, Rebalance) and isinstance(view, Snapshot):
            intent = plan(desk, book, decision, view, past)
            offer = offer_at(desk.hands, intent, head)
            try:
                promised = rehearse(desk.hands, book.venue, intent, offer, head).promised
            except Rejected as no:
                refusal = str(no)
        rehearsals.append(Rehearsal(book.terms.book, decision, promised, refusal))
    return tuple(rehearsals)
