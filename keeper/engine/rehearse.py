"""What must hold at the pinned block before anything is signed."""

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from keeper.engine.hands import Hands
from keeper.model.chain import BlockRef, Fees, Message
from keeper.model.errors import CallReverted, Fatal, Rejected
from keeper.model.events import CodeSeen, Halted
from keeper.model.flow import Fill, Intent
from keeper.ports.acting import Standing
from keeper.ports.reading import OrderVenue, Venue

MOST_GAS = 1 << 24
"""Gas limit above which no node takes a transaction (EIP-7825)."""


class Rehearsed(Struct, frozen=True):
    """A message that passed its simulation, and the fill it promised."""

    message: Message
    promised: Fill | None
    """None for a withdrawal, which fills nothing."""
    standing: Standing
    """Not judged yet: see `check_code` and `bind`."""


def order(venue: Venue, intent: Intent, head: BlockRef) -> Message:
    """Return the message that carries out *intent*, with the gas limit it may have at *head*.

    Half a block is the most: a larger transaction waits for a block that is nearly empty.

    Raises:
        Rejected: The venue needs more gas than that.

    """
    message = _message(venue, intent)
    most = MOST_GAS if head.gas_limit is None else min(MOST_GAS, head.gas_limit // 2)
    if message.gas_limit > most:
        raise Rejected(
            "the gas limit is above half of a block's, or above what nodes take",
            gas_limit=message.gas_limit,
            most=most,
            remedy="lower the venue's gas_limit in keeper.toml",
        )
    if not intent.ample_gas:
        return message
    return replace(message, gas_limit=min(most, message.gas_limit * 3 // 2))


def _message(venue: Venue, intent: Intent) -> Message:
    if intent.withdraws is None:
        return venue.prepare(intent)
    if not isinstance(venue, OrderVenue):
        raise Rejected("this venue has no orders to withdraw", order=intent.withdraws)
    return venue.withdraw(intent.withdraws)


def rehearse(  # the five that make the message, and what to do meanwhile
    hands: Hands,
    venue: Venue,
    intent: Intent,
    offer: Fees,
    head: BlockRef,
    meanwhile: Callable[[Message], None] = lambda _message: None,
) -> Rehearsed:
    """Run the exact message at the pinned block; return it if it does what the intent says.

    *meanwhile* may be called with the message while the chain runs it.

    Raises:
        Rejected: It reverts, cannot be paid for, needs too much gas, or would fill another size.

    """
    message = order(venue, intent, head)
    try:
        run = hands.network.rehearse(
            intent.account, message, offer, head, lambda: meanwhile(message)
        )
    except CallReverted as revert:
        raise Rejected(
            f"the simulation reverts: {venue.explain(revert.data)}", intent=intent.id
        ) from revert
    if intent.withdraws is not None:
        return Rehearsed(message, None, run.standing)
    promised = venue.preview(intent, run.returned)
    if not is_within(promised, intent):
        raise Rejected(
            "the simulation would fill another trade than was meant",
            intent=intent.id,
            meant=intent.units,
            promised=promised.units,
        )
    return Rehearsed(message, promised, run.standing)


def is_within(fill: Fill, intent: Intent) -> bool:
    """Return whether *fill* has the sign that was meant and is no larger than was meant."""
    return fill.units * intent.units > 0 and abs(fill.units) <= abs(intent.units)


def check_code(hands: Hands, target: Message, standing: Standing) -> None:
    """Check that the contract to be called is the one that was always called.

    Raises:
        Rejected: There is no code: a call to it would succeed and do nothing.
        Fatal: Its code has changed. That is written down with the halt, so that a person who
            resumes accepts it.

    """
    log, address, found = hands.log, target.to, standing.code_hash
    if found is None:
        raise Rejected("there is no code at the venue's address", address=address)
    known = log.journal.code_hash(address)
    if known == found:
        return
    seen = CodeSeen(address, found, log.clock.now_ms())
    if known is None:
        log.append(seen)
        return
    change = Fatal(
        "the code of the venue's contract has changed",
        address=address,
        was=known,
        now=found,
        remedy="find out who changed it and why; `keeper resume` accepts the new code",
    )
    log.append(seen, Halted(str(change), log.clock.now_ms()))
    raise change


def bind(intent: Intent, journalled: int | None, standing: Standing) -> int:
    """Return the nonce of a new intent: the journal's next one, which the chain must agree with.

    A journal that knows no nonce yet believes the chain.

    Raises:
        Fatal: The chain is behind, so it took back what was settled; or ahead, so that somebody
            else used the key.

    """
    if journalled is None or standing.nonce == journalled:
        return standing.nonce
    if standing.nonce < journalled:
        raise undone(intent, journalled)
    raise stolen(intent, journalled)


def undone(intent: Intent, nonce: int) -> Fatal:
    """Return what to say when settled transactions are not on the chain any more."""
    return Fatal(
        "the chain took back transactions that were settled: an earlier nonce is free again",
        intent=intent.id,
        nonce=nonce,
        remedy="a reorg was deeper than `confirmations`, or the node lost blocks: once they are "
        "mined again, `keeper resume`; and raise confirmations",
    )


def stolen(intent: Intent, nonce: int) -> Fatal:
    """Return what to say when a nonce of ours was used by a transaction that is not ours."""
    return Fatal(
        "the keeper's key was used elsewhere",
        intent=intent.id,
        nonce=nonce,
        remedy="find out who holds the key, then `keeper resume`",
    )
