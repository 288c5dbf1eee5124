"""From intent to outcome. Recovery after a crash and normal operation are one path.

The order is the whole safety argument: the intent and its raw bytes are in the journal before
anything is sent, and one nonce belongs to one intent for ever. A crash between any two lines leaves
either nothing that could have been sent, or bytes that can be sent again without a second effect.
"""

from contextlib import suppress
from typing import assert_never

from keeper.core.redact import redact
from keeper.core.tx_steps import (
    Abandon,
    Bump,
    Cancel,
    Displace,
    Renew,
    Resend,
    Settle,
    Undone,
    Unsee,
    Wait,
    next_step,
)
from keeper.engine import outcome
from keeper.engine.announce import Announcer
from keeper.engine.hands import Bid, Hands, close, empty, offer_at, send, sign, sign_and_send
from keeper.engine.rehearse import bind, check_code, order, rehearse, stolen, undone
from keeper.model.chain import BlockRef, Message
from keeper.model.errors import Fatal, Rejected, Stopped
from keeper.model.events import Event, Intended, Settled, Signed, Unseen
from keeper.model.flow import Attempt, Facts, Intent, Outcome, Status
from keeper.ports.acting import Open
from keeper.ports.reading import Venue


def start(
    hands: Hands, venue: Venue, intent: Intent, head: BlockRef, *, because: tuple[Event, ...] = ()
) -> None:
    """Rehearse a new intent and sign it; write it down with its bytes, and only then send them.

    *because* is what led to it, written down with it: one transaction, so that nothing is waited
    for twice. An intent that comes to nothing is written down, too, with the reason.

    Raises:
        Rejected: The chain or the venue refuses it; the intent is closed.
        Fatal: The chain, the key or the venue's code is not what it was; the intent is closed.
        Transient, Uncertain: The node is away; the intent is closed.

    """
    log = hands.log
    born = (*because, Intended(intent, at_ms=log.clock.now_ms()))
    try:
        attempt = _first_attempt(hands, venue, intent, head)
    except Exception as trouble:
        status: Status = "failed" if isinstance(trouble, Rejected) else "abandoned"
        log.append(*born, _unsigned(hands, intent, redact(str(trouble)), status))
        raise
    if attempt is not None and _is_written(log, *born, Signed(attempt)):
        send(hands, attempt, head)
    else:
        log.append(*born, _unsigned(hands, intent, f"halted: {log.journal.halted()}"))


def _first_attempt(hands: Hands, venue: Venue, intent: Intent, head: BlockRef) -> Attempt | None:
    """Rehearse and sign, the latter while the chain does the former; None when trading is halted.

    The bytes are signed for the nonce that the journal has next. What the chain says of it, and of
    everything else, is heard before they are written down.
    """
    journal, offer = hands.log.journal, offer_at(hands, intent, head)
    journalled = journal.next_nonce(intent.account)
    early: list[Attempt] = []

    def sign_early(message: Message) -> None:
        if journalled is None or journal.halted() is not None:
            return
        with suppress(Exception):  # it comes again where the bytes are signed in any case
            early.append(sign(hands, intent, Bid(message, journalled, offer, head)))

    rehearsed = rehearse(hands, venue, intent, offer, head, sign_early)
    check_code(hands, rehearsed.message, rehearsed.standing)
    nonce = bind(intent, journalled, rehearsed.standing)
    if early:
        return early[0]
    if journal.halted() is not None:
        return None
    return sign(hands, intent, Bid(rehearsed.message, nonce, offer, head))


def _is_written(log: Announcer, *events: Event) -> bool:
    """Return whether the journal took *events*; not if a halt came before the commit: it wins."""
    try:
        log.append(*events)
    except Stopped:
        return False
    return True


def _unsigned(hands: Hands, intent: Intent, why: str, status: Status = "abandoned") -> Settled:
    """Return the end of an intent that has no bytes."""
    end = Outcome(intent.id, status, why, fill=None, gas_used=0, gas_usd=0.0)
    return Settled(end, at_ms=hands.log.clock.now_ms())


def settle(hands: Hands, venues: dict[str, Venue], head: BlockRef) -> tuple[Open, ...]:
    """Take one step for every open intent; return those that stay open.

    *venues* is by book: what a mined transaction did is read from its venue's own logs.
    """
    return tuple(
        pending
        for pending in hands.log.journal.open()
        if not _settle(hands, venues.get(pending.intent.book), pending, head)
    )


def _settle(hands: Hands, venue: Venue | None, pending: Open, head: BlockRef) -> bool:
    """Take one step; return whether the intent is closed."""
    intent = pending.intent
    if venue is None:
        raise Fatal(
            "an open intent belongs to a book that is not configured",
            intent=intent.id,
            book=intent.book,
            remedy="put the book back into keeper.toml until its intent is settled",
        )
    if pending.placed is not None:
        return False  # its nonce is used; `engine/orders.py` asks the venue
    step = next_step(
        intent,
        pending.attempts,
        _facts(hands, pending, head),
        hands.policy,
        fresh=offer_at(hands, intent, head),
        cap_wei=_cap_wei(hands, intent),
    )
    match step:
        case Abandon():
            close(hands, intent, "abandoned", "it was never signed")
        case Settle(mined=mined):
            return outcome.book(hands, venue, pending, mined, head)
        case Displace():
            nonce = pending.attempts[-1].nonce
            close(hands, intent, "displaced", f"nonce {nonce} was used elsewhere")
            raise stolen(intent, nonce)
        case _:
            _pursue(hands, venue, pending, head, step)
            return False
    return True


def _pursue(
    hands: Hands,
    venue: Venue,
    pending: Open,
    head: BlockRef,
    step: Wait | Unsee | Resend | Renew | Bump | Cancel | Undone,
) -> None:
    """Take a step after which the intent is still open."""
    nonce = pending.attempts[-1].nonce
    match step:
        case Wait():
            pass
        case Unsee():
            now_ms = hands.log.clock.now_ms()
            hands.log.append(Unseen(pending.intent.id, nonce, head.number, now_ms))
        case Resend():
            send(hands, pending.attempts[-1], head)
        case Undone():
            if hands.log.journal.halted() is None:
                raise undone(pending.intent, nonce)
        case Renew() | Bump() | Cancel():
            _sign_again(hands, venue, pending, head, step)
        case never:
            assert_never(never)


def _sign_again(
    hands: Hands, venue: Venue, pending: Open, head: BlockRef, step: Renew | Bump | Cancel
) -> None:
    intent, nonce = pending.intent, pending.attempts[-1].nonce
    if intent.account != hands.signer.address:
        raise Fatal(
            "an open intent belongs to another key, which alone could replace its transaction",
            intent=intent.id,
            account=intent.account,
            signer=hands.signer.address,
            remedy="configure the old key until its intent is settled, then change it again",
        )
    bid = Bid(empty(intent), nonce, step.fees, head, "cancel")
    if not isinstance(step, Cancel):
        # What the chain would refuse now is not worth a nonce that blocks the next trade.
        with suppress(Rejected):
            bid = Bid(_again(hands, venue, intent, step, head), nonce, step.fees, head)
    with suppress(Stopped):  # a halt came in between; what was signed before is still watched
        sign_and_send(hands, intent, bid)


def _again(
    hands: Hands, venue: Venue, intent: Intent, step: Renew | Bump, head: BlockRef
) -> Message:
    """Return the hedge once more; after a refusal only if it passes another rehearsal."""
    if isinstance(step, Renew):
        return rehearse(hands, venue, intent, step.fees, head).message
    return order(venue, intent, head)


def _facts(hands: Hands, pending: Open, head: BlockRef) -> Facts:
    """Ask the nonce first and the receipts second.

    So a transaction mined in between is never mistaken for a stranger's.
    """
    attempts, sends = pending.attempts, pending.sends
    nonce_mined = nonce_deep = 0
    mined = None
    if attempts:
        account = pending.intent.account
        nonce_mined = hands.network.nonce(account)
        nonce_deep = nonce_mined
        if nonce_mined > attempts[-1].nonce:
            nonce_deep = hands.network.nonce(account, depth=hands.policy.confirmations)
        mined = hands.network.mined(tuple(a.hash for a in attempts), head)
    hedges = {a.hash for a in attempts if a.purpose == "hedge"}
    newest = attempts[-1].hash if attempts else None
    last = next((sent for sent in reversed(sends) if sent.hash == newest), None)
    return Facts(
        head_number=head.number,
        chain_time_s=head.timestamp_s,
        nonce_mined=nonce_mined,
        nonce_deep=nonce_deep,
        mined=mined,
        now_ms=hands.log.clock.now_ms(),
        last_sent=last,
        refusals=sum(sent.heard == "refusal" and sent.hash in hedges for sent in sends),
        unseen_at=pending.unseen_at,
    )


def _cap_wei(hands: Hands, intent: Intent) -> int:
    """Return the fee cap of a replacement: none fits below zero, so a halt signs nothing."""
    return hands.cap_of(intent) if hands.log.journal.halted() is None else 0
