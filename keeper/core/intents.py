"""From decision to intent, and from an order that came to nothing to its withdrawal."""

from hashlib import blake2b

from msgspec.structs import replace

from keeper.model.chain import Address, BlockRef
from keeper.model.flow import Intent, Rebalance, Snapshot


def intend(
    decision: Rebalance,
    snapshot: Snapshot,
    *,
    book: str,
    account: Address,
    life_s: int,
    ample_gas: bool = False,
) -> Intent:
    """Return the intent; the same decision at the same block always gets the same id.

    It expires *life_s* after the block it was decided at, by the chain's clock.
    """
    cause = f"{snapshot.chain_id}/{account}/{book}/{snapshot.block.hash}/{decision.units!r}"
    return Intent(
        id=blake2b(cause.encode(), digest_size=16).hexdigest(),
        book=book,
        account=account,
        units=decision.units,
        reduce_only=decision.reduce_only,
        worst_price=decision.worst_price,
        deadline_s=snapshot.block.timestamp_s + life_s,
        native_price=snapshot.native_quote.price,
        block=snapshot.block,
        sequence=snapshot.venue.sequence,
        gas_cap_wei=decision.gas_cap_wei,
        ample_gas=ample_gas,
    )


def withdraw(trade: Intent, order: str, attempt: int, head: BlockRef, *, life_s: int) -> Intent:
    """Return the intent to take *order* of *trade* back; the same *attempt* has the same id."""
    cause = f"{trade.id}/withdraw/{order}/{attempt}"
    return replace(
        trade,
        id=blake2b(cause.encode(), digest_size=16).hexdigest(),
        units=0.0,
        reduce_only=True,
        deadline_s=head.timestamp_s + life_s,
        block=head,
        withdraws=order,
    )
