"""Between integers on the wire and floats in the core, each crossing with its rounding named."""

from typing import Final

GWEI: Final = 10**9
ETHER: Final = 10**18
MS_PER_S: Final = 1_000
HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
YEAR_S: Final = 365 * DAY_S
"""Markets never close: 365 days."""


def to_base_units_toward_zero(units: float, decimals: int) -> int:
    """Return *units* as an integer amount; |result| never exceeds |units|.

    The float's exact binary value is scaled, so no decimal rounding slips in between.
    """
    numerator, denominator = units.as_integer_ratio()
    scaled: int = abs(numerator) * 10**decimals // denominator
    return scaled if units >= 0 else -scaled


def from_base_units(amount: int, decimals: int) -> float:
    """Return the nearest float to amount / 10^decimals."""
    return float(amount / 10**decimals)


def wei_to_ether(amount_wei: int) -> float:
    """Return the nearest float to the amount in ether."""
    return amount_wei / ETHER


def price_from_sqrt_x96(sqrt_price_x96: int, decimals0: int, decimals1: int) -> float:
    """Return human units of token1 per one token0 from a Uniswap v3 √price (Q64.96)."""
    ratio = sqrt_price_x96 / 2**96
    return float(ratio * ratio * 10.0 ** (decimals0 - decimals1))
