"""What a mined transaction did. A status is not an effect: the venue's own event is."""

from keeper.engine.hands import Hands, close
from keeper.engine.rehearse import is_within, order
from keeper.model.chain import BlockRef
from keeper.model.errors import CallReverted, Fatal, KeeperError
from keeper.model.events import Placed
from keeper.model.flow import Attempt, Fill, Intent, Mined
from keeper.ports.acting import Open
from keeper.ports.reading import OrderVenue, Venue

SPENT = 63 / 64
"""Share of its gas limit that a transaction has used if a call inside it ran out of gas: a caller
keeps a 64th (EIP-150)."""


def book(hands: Hands, venue: Venue, pending: Open, mined: Mined, head: BlockRef) -> bool:
    """Close an intent by what its *mined* attempt did; return whether that closed it.

    It does not if an order was left at a venue that fills later.

    Raises:
        Fatal: It did nothing, or something else than was meant; the intent is closed.

    """
    intent = pending.intent
    attempt = next(a for a in pending.attempts if a.hash == mined.hash)
    if attempt.purpose == "cancel":
        close(hands, intent, "cancelled", "an empty transaction took its nonce", mined=mined)
    elif not mined.succeeded:
        _book_revert(hands, venue, intent, attempt, mined, head)
    elif intent.withdraws is not None:
        close(hands, intent, "done", "the order was taken back", mined=mined)
    elif isinstance(venue, OrderVenue) and (left := venue.placed(mined.logs)) is not None:
        used, price_wei, data_fee_wei = mined.gas_used, mined.gas_price_wei, mined.data_fee_wei
        hands.log.append(Placed(intent.id, left, used, price_wei, _now_ms(hands), data_fee_wei))
        return False
    else:
        book_fill(hands, intent, mined, venue.fill(mined.logs))
    return True


def _now_ms(hands: Hands) -> int:
    return hands.log.clock.now_ms()


def book_fill(
    hands: Hands, intent: Intent, mined: Mined | Placed, fill: Fill | None, reason: str = "filled"
) -> None:
    """Close an intent by what the venue says was filled.

    Raises:
        Fatal: Nothing was, or something else than was meant; the intent is closed.

    """
    if fill is None:
        close(hands, intent, "no_effect", "mined, but the venue shows no fill", mined=mined)
        raise Fatal(
            "a hedge was mined without an effect",
            intent=intent.id,
            remedy="check the venue's address and code, then `keeper resume`",
        )
    if not is_within(fill, intent):
        other = "the venue filled another trade than was meant"
        close(hands, intent, "wrong_effect", other, mined=mined, fill=fill)
        raise Fatal(
            "a hedge had another effect than was meant",
            intent=intent.id,
            meant=intent.units,
            filled=fill.units,
            remedy="check the position at the venue and its code, then `keeper resume`",
        )
    close(hands, intent, "done", reason, mined=mined, fill=fill)


def _book_revert(
    hands: Hands, venue: Venue, intent: Intent, attempt: Attempt, mined: Mined, head: BlockRef
) -> None:
    if attempt.gas_limit is not None and mined.gas_used >= SPENT * attempt.gas_limit:
        reason = f"it ran out of gas: {mined.gas_used:,} used of {attempt.gas_limit:,}"
        close(hands, intent, "out_of_gas", reason, mined=mined)
        return
    reason = f"it reverted on inclusion; {_replayed(hands, venue, intent, attempt, head)}"
    close(hands, intent, "failed", reason, mined=mined)


def _replayed(hands: Hands, venue: Venue, intent: Intent, attempt: Attempt, head: BlockRef) -> str:
    """Return why, by running it again: a receipt does not say."""
    try:
        message = order(venue, intent, head)
        hands.network.simulate(intent.account, message, attempt.fees, head)
    except CallReverted as revert:
        return f"at block {head.number} it reverts with: {venue.explain(revert.data)}"
    except KeeperError as trouble:
        return f"why is not known: {trouble.message}"
    return f"at block {head.number} it would not"
