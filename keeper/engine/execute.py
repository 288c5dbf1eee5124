"""From intent to outcome. Recovery after a crash and normal operation are one path.

The order is the whole safety argument: the intent is in the journal before anything is signed, the
raw bytes are in the journal before anything is sent, and one nonce belongs to one intent for ever.
A crash between any two lines leaves either nothing that could have been sent, or bytes that can
be sent again without a second effect.
"""

from typing import assert_never

from msgspec import Struct

from keeper.core import fees
from keeper.core.tx_steps import (
    Abandon,
    Bump,
    Displace,
    Resend,
    Settle,
    TxPolicy,
    Undone,
    Wait,
    next_step,
)
from keeper.engine.announce import Announcer
from keeper.model.chain import BlockRef, ChainId, Fees, Message, UnsignedTx
from keeper.model.errors import CallReverted, Fatal, Rejected, Uncertain
from keeper.model.events import Sent, Settled, Signed
from keeper.model.flow import Attempt, Facts, Fill, Intent, Mined, Outcome, Status
from keeper.model.units import wei_to_ether
from keeper.ports.acting import Network, Open, Signer
from keeper.ports.reading import Venue


class Hands(Struct, frozen=True):
    """Everything that may change the world for one account."""

    chain_id: ChainId
    log: Announcer
    network: Network
    signer: Signer
    policy: TxPolicy
    cap_wei: int
    """No attempt ever offers more per gas than this."""


class Rehearsed(Struct, frozen=True):
    """A message that passed its simulation, and the fill it promised."""

    message: Message
    promised: Fill


def start(hands: Hands, venue: Venue, intent: Intent, head: BlockRef) -> None:
    """Carry out an intent that is already in the journal: rehearse, sign, journal, send.

    Raises:
        Rejected: The chain or the venue refuses it; the intent is closed.
        Fatal: Trading was halted in the meantime; the intent is closed.

    """
    offer = offer_at(hands, head)
    try:
        rehearsed = rehearse(hands, venue, intent, offer, head)
    except Rejected as refusal:
        _close(hands, intent, "failed", str(refusal))
        raise
    if (halted := hands.log.journal.halted()) is not None:
        _close(hands, intent, "abandoned", f"halted: {halted}")
        return
    _sign_and_send(hands, intent, rehearsed.message, _free_nonce(hands, intent), offer)


def rehearse(hands: Hands, venue: Venue, intent: Intent, offer: Fees, head: BlockRef) -> Rehearsed:
    """Run the exact message at the pinned block; return it if it does what the intent says.

    Raises:
        Rejected: It reverts, cannot be paid for, or would fill another size.

    """
    message = venue.prepare(intent)
    try:
        returned = hands.network.simulate(intent.account, message, offer, head)
    except CallReverted as revert:
        raise Rejected(
            f"the simulation reverts: {venue.explain(revert.data)}", intent=intent.id
        ) from revert
    promised = venue.preview(intent, returned)
    if promised.units * intent.units <= 0 or abs(promised.units) > abs(intent.units):
        raise Rejected(
            "the simulation would fill another trade than was meant",
            intent=intent.id,
            meant=intent.units,
            promised=promised.units,
        )
    return Rehearsed(message, promised)


def settle(hands: Hands, venues: dict[str, Venue], head: BlockRef) -> tuple[Open, ...]:
    """Take one step for every open intent; return those that stay open.

    *venues* is by book: what a mined transaction did is read from its venue's own logs.
    """
    return tuple(
        pending
        for pending in hands.log.journal.open()
        if not _step(hands, venues.get(pending.intent.book), pending, head)
    )


def _step(hands: Hands, venue: Venue | None, pending: Open, head: BlockRef) -> bool:
    intent, attempts = pending.intent, pending.attempts
    if venue is None:
        raise Fatal(
            "an open intent belongs to a book that is not configured",
            intent=intent.id,
            book=intent.book,
            remedy="put the book back into keeper.toml until its intent is settled",
        )
    step = next_step(
        attempts,
        _facts(hands, pending, head),
        hands.policy,
        fresh=offer_at(hands, head),
        cap_wei=_cap_wei(hands),
    )
    match step:
        case Abandon():
            _close(hands, intent, "abandoned", "it was never signed")
        case Settle(mined=mined):
            _book_receipt(hands, venue, intent, mined)
        case Wait():
            return False
        case Resend():
            _send(hands, attempts[-1])
            return False
        case Bump(fees=bumped):
            _sign_and_send(hands, intent, venue.prepare(intent), attempts[-1].nonce, bumped)
            return False
        case Displace() | Undone():
            return _call_a_person(hands, pending, step)
        case never:
            assert_never(never)
    return True


def _call_a_person(hands: Hands, pending: Open, step: Displace | Undone) -> bool:
    intent, nonce = pending.intent, pending.attempts[-1].nonce
    if isinstance(step, Displace):
        _close(hands, intent, "displaced", f"nonce {nonce} was used elsewhere")
        raise Fatal(
            "the keeper's key was used elsewhere",
            intent=intent.id,
            nonce=nonce,
            remedy="find out who holds the key, then `keeper resume`",
        )
    if hands.log.journal.halted() is None:
        raise Fatal(
            "the chain took back transactions that were settled: an earlier nonce is free again",
            intent=intent.id,
            nonce=nonce,
            remedy="a reorg was deeper than `confirmations`, or the node lost blocks: once they "
            "are mined again, `keeper resume`; and raise confirmations",
        )
    return False


def _facts(hands: Hands, pending: Open, head: BlockRef) -> Facts:
    """Ask the nonce first and the receipts second.

    So a transaction mined in between is never mistaken for a stranger's.
    """
    if not pending.attempts:
        return Facts(nonce_mined=0, nonce_deep=0, mined=None, now_ms=hands.log.clock.now_ms())
    account = pending.intent.account
    nonce_mined = hands.network.nonce(account)
    nonce_deep = nonce_mined
    if nonce_mined > pending.attempts[-1].nonce:
        nonce_deep = hands.network.nonce(account, depth=hands.policy.confirmations)
    return Facts(
        nonce_mined=nonce_mined,
        nonce_deep=nonce_deep,
        mined=hands.network.mined(tuple(a.hash for a in pending.attempts), head),
        now_ms=hands.log.clock.now_ms(),
    )


def _book_receipt(hands: Hands, venue: Venue, intent: Intent, mined: Mined) -> None:
    fill = venue.fill(mined.logs) if mined.succeeded else None
    if not mined.succeeded:
        _close(hands, intent, "failed", "it reverted on inclusion", mined=mined)
    elif fill is None:
        _close(hands, intent, "no_effect", "mined, but the venue shows no fill", mined=mined)
        raise Fatal(
            "a hedge was mined without an effect",
            intent=intent.id,
            tx=mined.hash,
            remedy="check the venue's address and code, then `keeper resume`",
        )
    else:
        _close(hands, intent, "done", "filled", mined=mined, fill=fill)


def _close(
    hands: Hands,
    intent: Intent,
    status: Status,
    reason: str,
    *,
    mined: Mined | None = None,
    fill: Fill | None = None,
) -> None:
    gas_used = mined.gas_used if mined else 0
    gas_wei = gas_used * mined.gas_price_wei if mined else 0
    outcome = Outcome(
        intent_id=intent.id,
        status=status,
        reason=reason,
        fill=fill,
        gas_used=gas_used,
        gas_usd=wei_to_ether(gas_wei) * intent.native_price,
    )
    hands.log.append(Settled(outcome, at_ms=hands.log.clock.now_ms()))


def _cap_wei(hands: Hands) -> int:
    """Return the fee cap of a replacement: none fits below zero, so a halt signs nothing."""
    return hands.cap_wei if hands.log.journal.halted() is None else 0


def offer_at(hands: Hands, head: BlockRef) -> Fees:
    """Return what a first attempt at *head* offers per gas."""
    return fees.first_offer(
        base_fee_wei=head.base_fee_wei, tip_wei=hands.policy.tip_wei, cap_wei=hands.cap_wei
    )


def _free_nonce(hands: Hands, intent: Intent) -> int:
    """Return the journal's next nonce; ask the chain only when the journal has none to go by."""
    journalled = hands.log.journal.next_nonce(intent.account)
    return hands.network.nonce(intent.account) if journalled is None else journalled


def _sign_and_send(hands: Hands, intent: Intent, message: Message, nonce: int, offer: Fees) -> None:
    signed = hands.signer.sign(UnsignedTx(hands.chain_id, nonce, message, offer))
    attempt = Attempt(
        intent_id=intent.id,
        hash=signed.hash,
        raw=signed.raw,
        nonce=nonce,
        fees=offer,
        signed_at_ms=hands.log.clock.now_ms(),
    )
    hands.log.append(Signed(attempt))
    _send(hands, attempt)


def _send(hands: Hands, attempt: Attempt) -> None:
    """Hand the bytes to the node. Whatever is heard, or not, is noted and never believed."""
    try:
        answer = hands.network.send(attempt.raw)
    except Uncertain as silence:
        answer = str(silence)
    hands.log.append(Sent(attempt.intent_id, attempt.hash, answer, at_ms=hands.log.clock.now_ms()))
