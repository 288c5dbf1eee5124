"""How much to trade: from the wish to an order that no limit forbids; rounds toward doing less."""

from msgspec import Struct

from keeper.core.limits import Limits


class Sized(Struct, frozen=True):
    """A trade after every cap, and which caps cut it."""

    units: float
    reduce_only: bool
    cut_by: tuple[str, ...]


def size(wish: float, hedge: float, limits: Limits) -> Sized:
    """Return *wish* cut to the largest order and to the largest position.

    The result has the sign of *wish* or is zero, and never exceeds it. From beyond the position
    limit it still allows what leads back.
    """
    cut_by: list[str] = []
    units = wish
    if abs(units) > limits.max_order_base:
        units = limits.max_order_base if units > 0 else -limits.max_order_base
        cut_by.append("max order")
    room = limits.max_position_base - hedge if units > 0 else limits.max_position_base + hedge
    if abs(units) > room:
        units = max(room, 0.0) if units > 0 else -max(room, 0.0)
        cut_by.append("max position")
    after = hedge + units
    reduce_only = abs(after) <= abs(hedge) and after * hedge >= 0
    return Sized(units=units, reduce_only=reduce_only, cut_by=tuple(cut_by))
