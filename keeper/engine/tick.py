"""One pass of the keeper. The whole pipeline is on this page; read it second."""

from contextlib import suppress

from msgspec import Struct, field

from keeper.core.decide import Memory, Terms, decide
from keeper.core.intents import intend
from keeper.core.limits import Activity
from keeper.engine import orders
from keeper.engine.execute import settle, start
from keeper.engine.hands import Hands
from keeper.engine.reader import read_all
from keeper.engine.skew import Skew
from keeper.model.chain import BlockRef
from keeper.model.errors import BadData, Rejected, Transient
from keeper.model.events import Decided, Halted
from keeper.model.flow import Command, Decision, Halt, Hold, Intent, Rebalance, Snapshot
from keeper.model.market import Quote
from keeper.model.position import VaultState, VenueState
from keeper.ports.acting import History, Open
from keeper.ports.reading import Amount, Chain, Oracle, Read, Vault, Venue, Witness

STILL_OPEN = "an earlier intent of this account is still open"
UNCONFIRMED = "not confirmed yet"
"""A block reaches one node before another, so this is worth another look in a moment."""
TRIED = "this was tried at this very block; look again at the next one"


class Book(Struct, frozen=True):
    """Vaults that share one hedge account: their exposures add, then one decision is made."""

    terms: Terms
    vaults: dict[str, Vault]
    oracle: Oracle
    venue: Venue


class Desk(Struct, frozen=True):
    """Everything one process hedges on one chain."""

    chain: Chain
    native_oracle: Oracle
    hands: Hands
    books: tuple[Book, ...]
    purse: Amount | None = None
    """Coins of the account that pays for gas; None where nobody counts them."""
    data_fee: Amount | None = None
    """What a rollup charges for a hedge beyond its gas; None where gas is all."""
    witness: Witness | None = None
    """Who must confirm what a trade that adds risk is decided on; None trusts the chain's word."""
    skew: Skew = field(default_factory=Skew)
    """Whether the chain's clock and ours have parted."""
    views: dict[str, Snapshot | BadData] = {}
    """What every book looked like last; only of this tick is anything decided."""


def tick(
    desk: Desk, triggers: frozenset[str] = frozenset(), command: Command | None = None
) -> tuple[Decided, ...]:
    """Finish what is open; look once; then think and act, book by book.

    Raises:
        Transient, BadData: The chain could not be read; nothing was decided.
        Fatal: Trading must stop until a person resumes.

    """
    log = desk.hands.log
    pasts: dict[str, History] = {}
    head = desk.chain.head(lambda: pasts.update(_prepare(desk)))
    desk.skew.look(log, head)
    blocked = _reason_not_to_act(desk, head, is_calm=bool(pasts))
    desk.views.update(look(desk, head))
    decided: list[Decided] = []
    for book in desk.books:
        view = desk.views[book.terms.book]
        past = pasts.get(book.terms.book) or recall(desk, book)
        decision = think(desk, book, view, past, command)
        intent = None
        if isinstance(decision, Rebalance) and isinstance(view, Snapshot):
            intent = plan(desk, book, decision, view, past)
            if reason := blocked or _tried_before(desk, intent) or _doubt(desk, decision, head):
                decision, intent = Hold(reason=reason, why=decision.why), None
        note = Decided(book.terms.book, decision, log.clock.now_ms(), tuple(sorted(triggers)))
        decided.append(note)
        if intent is not None:
            act(desk.hands, book, note, intent)
            blocked = STILL_OPEN
        if isinstance(decision, Halt):
            blocked = _halt(desk.hands, note, decision.reason)
    # Holds change nothing, so that one write for all of them may come last.
    log.append(*(note for note in decided if isinstance(note.decision, Hold)))
    return tuple(decided)


def _prepare(desk: Desk) -> dict[str, History]:
    """Use the time that the node takes to tell its head; return the past of every book.

    It is empty while an intent is open, whose end may change it, and when the journal cannot be
    read. A decision on the last view is made and dropped: the next one is faster with all that
    makes it in the processor's caches.
    """
    journal = desk.hands.log.journal
    with suppress(Exception):  # it comes again where something depends on it
        journal.make_ready()
        if journal.open():
            return {}
        pasts = {book.terms.book: recall(desk, book) for book in desk.books}
        for book in desk.books[:1]:  # one is enough: the others are decided by the same code
            if (view := desk.views.get(book.terms.book)) is not None:
                think(desk, book, view, pasts[book.terms.book], None)
        return pasts
    return {}


def look(desk: Desk, head: BlockRef) -> dict[str, Snapshot | BadData]:
    """Read every book of the desk at *head*, one multicall a round for all of them.

    A book with one unreadable part is unreadable; the others are not.
    """
    reads: dict[str, Read[VaultState | Quote | VenueState | int]] = {
        "native": desk.native_oracle.read()
    }
    reads |= {
        name: amount.read()
        for name, amount in (("purse", desk.purse), ("data fee", desk.data_fee))
        if amount is not None
    }
    for book in desk.books:
        name = book.terms.book
        reads[f"{name}/oracle"] = book.oracle.read()
        reads[f"{name}/venue"] = book.venue.read()
        reads |= {f"{name}/vault/{key}": vault.read() for key, vault in book.vaults.items()}
    values = read_all(desk.chain, head, reads)
    return {book.terms.book: _assemble(desk, book, values, head) for book in desk.books}


def recall(desk: Desk, book: Book) -> History:
    """Return what the past means for the next decision of one book."""
    log = desk.hands.log
    return log.journal.history(book.terms.book, log.clock.now_ms())


def think(
    desk: Desk, book: Book, view: Snapshot | BadData, past: History, command: Command | None
) -> Decision:
    """Return the decision on one book; what cannot be trusted is held, with the reason."""
    if isinstance(view, BadData):
        return Hold(reason=str(view))
    memory = _memory(book, past, desk.hands.log.clock.now_ms())
    try:
        return decide(view, book.terms, memory, command)
    except BadData as unreadable:
        return Hold(reason=str(unreadable))


def plan(desk: Desk, book: Book, decision: Rebalance, view: Snapshot, past: History) -> Intent:
    """Return the intent of a decision."""
    return intend(
        decision,
        view,
        book=book.terms.book,
        account=desk.hands.signer.address,
        life_s=desk.hands.policy.intent_life_s,
        ample_gas=past.ran_out_of_gas,
    )


def act(hands: Hands, book: Book, note: Decided, intent: Intent) -> None:
    """Carry out the intent of a decision; a refusal closes it."""
    try:
        start(hands, book.venue, intent, intent.block, because=(note,))
    except Rejected as refusal:
        hands.log.append(hands.log.troubled(refusal))


def _halt(hands: Hands, note: Decided, reason: str) -> str:
    """Write the decision and the halt down as one; return why nothing more is done."""
    hands.log.append(note, Halted(f"{note.book}: {reason}", hands.log.clock.now_ms()))
    return f"halted: {reason}"


def _reason_not_to_act(desk: Desk, head: BlockRef, *, is_calm: bool) -> str | None:
    """Take a step for what is open; return what is in the way. *is_calm* says nothing is open."""
    still_open: tuple[Open, ...] = ()
    if not is_calm:
        venues = {book.terms.book: book.venue for book in desk.books}
        still_open = settle(desk.hands, venues, head)
        still_open = orders.follow(desk.chain, desk.hands, venues, head, still_open)
    if (halted := desk.hands.log.journal.halted()) is not None:
        return f"halted: {halted}"
    return STILL_OPEN if still_open else None


def _tried_before(desk: Desk, intent: Intent) -> str | None:
    """The same decision at the same block is the same intent, and an intent is tried once."""
    return TRIED if desk.hands.log.journal.knows(intent.id) else None


def _doubt(desk: Desk, decision: Rebalance, head: BlockRef) -> str | None:
    """Return why others do not confirm what was read. Risk is taken off on one node's word."""
    if desk.witness is None or decision.reduce_only:
        return None
    try:
        desk.witness.confirm(head)
    except Transient as silence:
        return f"{UNCONFIRMED}: {silence}"
    except BadData as doubt:
        desk.hands.log.append(desk.hands.log.troubled(doubt))
        return f"contradicted: {doubt}"
    return None


def _assemble(
    desk: Desk,
    book: Book,
    values: dict[str, VaultState | Quote | VenueState | int | BadData],
    head: BlockRef,
) -> Snapshot | BadData:
    name = book.terms.book
    vaults = {key: values[f"{name}/vault/{key}"] for key in book.vaults}
    parts = (
        values["native"],
        values[f"{name}/oracle"],
        values[f"{name}/venue"],
        values.get("purse"),
        values.get("data fee", 0),
    )
    for part in (*parts, *vaults.values()):
        if isinstance(part, BadData):
            return part
    match parts:
        case (
            Quote() as native,
            Quote() as quote,
            VenueState() as venue,
            int() | None as purse,
            int() as data_fee,
        ):
            return Snapshot(
                chain_id=desk.hands.chain_id,
                block=head,
                vaults={k: state for k, state in vaults.items() if isinstance(state, VaultState)},
                quote=quote,
                native_quote=native,
                venue=venue,
                purse_wei=purse,
                data_fee_wei=data_fee,
                tip_wei=desk.hands.recent_tip_wei(),
            )
        case _:
            raise TypeError(f"a read of {name} returned another kind of value than its port says")


def _memory(book: Book, history: History, now_ms: int) -> Memory:
    return Memory(
        activity=Activity(
            now_ms=now_ms,
            last_trade_at_ms=history.last_trade_at_ms,
            gas_usd_24h=history.gas_usd_24h,
            reverts_1h=history.reverts_1h,
        ),
        gas_units=history.last_gas_used or book.venue.typical_gas,
        volatility=history.volatility,
        gas=history.gas,
    )
