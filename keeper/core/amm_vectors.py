"""What many concentrated-liquidity ranges are worth, and how that moves, in arrays.

The formulas and units are those of `core/amm`, and the tests hold the two together to a few
roundings. Every argument may be an array or a number; all are broadcast. Work goes in blocks that
fit the cache.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from keeper.core.arrays import Floats
from keeper.model.errors import BadData

BLOCK: Final = 16_384
"""As in `core/greeks`."""
ENDLESS: Final = 1e200
"""Stands for an upper edge at infinity: 1/√upper is then far below a rounding of 1/√price."""


class RangeGreeks(NamedTuple):
    """Of each position, in one shape."""

    value: Floats
    """In quote."""
    delta: Floats
    """Units of base: the base held."""
    gamma: Floats
    """0 outside the range and on its edges."""


def range_greeks(
    liquidity: ArrayLike, lower: ArrayLike, upper: ArrayLike, price: ArrayLike
) -> RangeGreeks:
    """Return `amm.value`, `amm.delta` and `amm.gamma` of every position.

    Args:
        liquidity: As `Concentrated.liquidity`; negative where it is owed.
        lower: Quote per base, 0 or more.
        upper: Above *lower*; may be infinite.
        price: Quote per base, above zero.

    Raises:
        BadData: A range is empty, or a number is not one.

    """
    given = [np.asarray(part, dtype=np.float64) for part in (liquidity, lower, upper, price)]
    shape = np.broadcast_shapes(*(part.shape for part in given))
    flat = [part if part.ndim == 0 else np.broadcast_to(part, shape).reshape(-1) for part in given]
    size = int(np.prod(shape))
    out = np.empty((3, size))
    for start in range(0, size, BLOCK):
        cut = slice(start, start + BLOCK)
        _fill(out[:, cut], *(part if part.ndim == 0 else part[cut] for part in flat))
    return RangeGreeks(*(row.reshape(shape) for row in out))


def _fill(out: Floats, liquidity: Floats, lower: Floats, upper: Floats, price: Floats) -> None:
    _refuse_nonsense(lower, upper, price)
    top = upper if upper.max() < np.inf else np.minimum(upper, ENDLESS)
    inside = np.minimum(np.maximum(price, lower), top)
    root, root_lower, root_top = np.sqrt(inside), np.sqrt(lower), np.sqrt(top)
    value, delta, gamma = out
    # √ differences without the cancellation of a narrow range, as in `core/amm`.
    np.divide(top - inside, root * root_top * (root + root_top), out=delta)
    delta *= liquidity
    rise = (inside - lower) / (root + root_lower)
    np.multiply(delta, price, out=value)
    value += liquidity * rise
    np.divide(-0.5 * liquidity, price * root, out=gamma)
    gamma *= (lower < price) & (price < upper)


def _refuse_nonsense(lower: Floats, upper: Floats, price: Floats) -> None:
    sound = (lower >= 0.0) & (lower < upper) & (price > 0.0) & (price < np.inf)
    if sound.all():
        return
    raise BadData(
        "a range position needs 0 ≤ lower < upper and a price above zero",
        remedy="check the order of tokens and the decimals of this vault",
        positions_refused=int(np.size(sound) - np.count_nonzero(sound)),
    )
