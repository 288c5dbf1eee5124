"""Orders that rest at a venue: their nonce is used, and only the venue knows what becomes of them.

The intent stays open meanwhile, so that nothing else is traded on what may still be filled.
"""

from typing import assert_never

from keeper.core.intents import withdraw
from keeper.core.tx_steps import Close, Note, Undone, Wait, Withdraw, next_order_step
from keeper.engine import outcome
from keeper.engine.execute import start
from keeper.engine.hands import Hands, close
from keeper.engine.reader import read_all
from keeper.engine.rehearse import undone
from keeper.model.chain import BlockRef
from keeper.model.errors import BadData, Rejected
from keeper.model.events import Placed, Progressed
from keeper.model.flow import Intent, Progress
from keeper.ports.acting import Open
from keeper.ports.reading import Chain, OrderVenue, Read, Venue


def follow(
    chain: Chain,
    hands: Hands,
    venues: dict[str, Venue],
    head: BlockRef,
    still_open: tuple[Open, ...],
) -> tuple[Open, ...]:
    """Take one step for every resting order; return the intents that stay open.

    Raises:
        Fatal: The venue filled another trade than was meant; the intent is closed.

    """
    resting = {
        pending.intent.id: (pending, pending.placed)
        for pending in still_open
        if pending.placed is not None
    }
    if not resting:
        return still_open
    reads: dict[str, Read[Progress | None]] = {}
    for intent_id, (pending, placed) in resting.items():
        venue = venues[pending.intent.book]
        if isinstance(venue, OrderVenue):
            reads[intent_id] = venue.progress(placed.order)
    found = read_all(chain, head, reads)
    closed = {
        intent_id
        for intent_id, (pending, placed) in resting.items()
        if _step(hands, venues, (pending, placed), found.get(intent_id), head)
    }
    return tuple(pending for pending in still_open if pending.intent.id not in closed)


def _step(
    hands: Hands,
    venues: dict[str, Venue],
    resting: tuple[Open, Placed],
    progress: Progress | BadData | None,
    head: BlockRef,
) -> bool:
    """Take one step; return whether the intent is closed."""
    pending, placed = resting
    intent = pending.intent
    # What could not be read is not known, like an order that the venue does not know.
    known = None if isinstance(progress, BadData) else progress
    venue = venues[intent.book]
    lost = progress is None and _is_lost(hands, venue, pending, placed, head)
    step = next_order_step(intent, known, pending.progressed, head, hands.policy, lost=lost)
    match step:
        case Wait():
            pass
        case Undone():
            if hands.log.journal.halted() is None:
                raise undone(intent, pending.attempts[-1].nonce)
        case Note(progress=news):
            now_ms = hands.log.clock.now_ms()
            hands.log.append(Progressed(intent.id, news, head.number, now_ms))
        case Withdraw(round=attempt):
            life_s = hands.policy.intent_life_s
            _take_back(
                hands,
                venue,
                withdraw(intent, placed.order, attempt, head, life_s=life_s),
            )
        case Close(progress=last):
            _close(hands, intent, placed, last)
            return True
        case never:
            assert_never(never)
    return False


def _is_lost(hands: Hands, venue: Venue, pending: Open, placed: Placed, head: BlockRef) -> bool:
    """Return whether the transaction that left the order is not on the chain as it was.

    A receipt that lags is no loss: then the nonce is still used at depth.
    """
    if not isinstance(venue, OrderVenue):
        return False
    mined = hands.network.mined(tuple(attempt.hash for attempt in pending.attempts), head)
    if mined is not None:
        deep = mined.depth >= hands.policy.confirmations
        return deep and venue.placed(mined.logs) != placed.order
    depth = hands.policy.confirmations
    nonce = hands.network.nonce(pending.intent.account, depth=depth)
    return nonce <= pending.attempts[-1].nonce


def _take_back(hands: Hands, venue: Venue, intent: Intent) -> None:
    log = hands.log
    if log.journal.halted() is not None or log.journal.knows(intent.id):
        return
    if any(pending.intent.withdraws is not None for pending in log.journal.open()):
        return  # an earlier one is still on its way
    try:
        start(hands, venue, intent, intent.block)
    except Rejected as refusal:  # most likely it was executed just now: the venue will say
        log.append(log.troubled(refusal))


def _close(hands: Hands, intent: Intent, placed: Placed, last: Progress) -> None:
    reason = f"the venue says that order {placed.order} is {last.state}"
    if last.fill is None:
        close(hands, intent, "unfilled", reason, mined=placed)
    else:
        outcome.book_fill(hands, intent, placed, last.fill, reason)
