"""From decision to intent."""

from hashlib import blake2b

from keeper.model.chain import Address
from keeper.model.flow import Intent, Rebalance, Snapshot


def intend(
    decision: Rebalance, snapshot: Snapshot, *, book: str, account: Address, life_s: int
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
    )
