"""Prices as Uniswap v3 pools write them: √(token1/token0) in Q64.96, and ticks."""

from math import floor, isqrt, log
from typing import Final

MIN_TICK: Final = -887_272
_TICK: Final = 1.0001


def sqrt_x96(amount1: int, amount0: int) -> int:
    """Return √(amount1/amount0) in Q64.96, rounded down."""
    return isqrt((amount1 << 192) // amount0)


def tick_at(price: float, spacing: int, *, round_up: bool = False) -> int:
    """Return the usable tick below (or above) a raw price of token1 per token0."""
    steps = log(price) / log(_TICK) / spacing
    return (-floor(-steps) if round_up else floor(steps)) * spacing
