"""Concentrated liquidity: what a range position holds, is worth, and how that moves with the price.

Human units: a price is units of quote per base, `leg.liquidity` as `model/position` defines it. A
full-range (constant-product) position is the range 0 to infinity. With L the liquidity, a and b the
range and P inside it,

    base = L·(1/√P − 1/√b)    quote = L·(√P − √a)    value = P·base + quote
    delta = base              gamma = −L/(2·P^³ᐟ²)

since the holding changes along its own indifference curve (P·d base + d quote = 0). Below the range
all is base, above it all is quote, and gamma is zero; so it is on the two edges, where it jumps.

Integer functions at the end follow the pool's own arithmetic, rounding included.
"""

from math import exp, inf, isqrt, log1p, sqrt
from typing import Final

from keeper.model.errors import BadData
from keeper.model.position import Concentrated

MAX_TICK: Final = 887_272
LN_TICK_BASE: Final = log1p(1e-4)

Q32: Final = 32
Q96: Final = 96
Q128: Final = 128
UINT256_MAX: Final = 2**256 - 1


def holdings(leg: Concentrated, price: float) -> tuple[float, float]:
    """Return (base, quote) held by *leg* at *price*; a negative liquidity is owed.

    Raises:
        BadData: The range is empty, or a number is not one.

    """
    lower, upper = leg.price_lower, leg.price_upper
    if not (0.0 <= lower < upper and 0.0 < price < inf):
        raise BadData(
            "a range position needs 0 ≤ lower < upper and a price above zero",
            remedy="check the order of tokens and the decimals of this vault",
            lower=lower,
            upper=upper,
            price=price,
        )
    if price >= upper:
        return 0.0, leg.liquidity * _root_gap(lower, upper)
    if price <= lower:
        return leg.liquidity * _inverse_root_gap(lower, upper), 0.0
    return (
        leg.liquidity * _inverse_root_gap(price, upper),
        leg.liquidity * _root_gap(lower, price),
    )


def _root_gap(low: float, high: float) -> float:
    """Return √high − √low without the cancellation of a narrow range."""
    return (high - low) / (sqrt(high) + sqrt(low))


def _inverse_root_gap(low: float, high: float) -> float:
    """Return 1/√low − 1/√high, likewise; *high* may be infinite."""
    if high == inf:
        return 1.0 / sqrt(low)
    root_low, root_high = sqrt(low), sqrt(high)
    return (high - low) / (root_low * root_high * (root_low + root_high))


def value(leg: Concentrated, price: float) -> float:
    """Return what *leg* is worth, in quote."""
    base, quote = holdings(leg, price)
    return base * price + quote


def delta(leg: Concentrated, price: float) -> float:
    """Return d value/d price, units of base: it is the base held."""
    return holdings(leg, price)[0]


def gamma(leg: Concentrated, price: float) -> float:
    """Return d delta/d price: −L/(2·P^³ᐟ²) inside the range, 0 elsewhere and on its edges."""
    if not leg.price_lower < price < leg.price_upper:
        return 0.0
    return -leg.liquidity / (2.0 * price * sqrt(price))


def lvr_rate(leg: Concentrated, price: float) -> float:
    """Return loss-versus-rebalancing per year and unit of variance (σ² = 1), in quote.

    −½·gamma·P², so L·√P/4 inside the range: what trading against better informed prices costs the
    position, before fees (Milionis, Moallemi, Roughgarden and Zhang, 2022).
    """
    return -0.5 * gamma(leg, price) * price * price


def price_at_tick(tick: int) -> float:
    """Return 1.0001^tick: raw token1 per raw token0. Relative error below 3e-14.

    By way of the logarithm, since 1.0001 is not a double and a power would amplify the difference.
    """
    _refuse_tick(tick)
    return exp(tick * LN_TICK_BASE)


def sqrt_price_x96_at_tick(tick: int) -> int:
    """Return √(1.0001^tick)·2^96 exactly as the pool's TickMath rounds it.

    The pool multiplies powers of 1.0001^−½, one for each bit of |tick|, in Q128.128 and cuts after
    each product; turns the ratio over for positive ticks; and rounds up into Q64.96.
    """
    _refuse_tick(tick)
    ratio = 1 << Q128
    for bit, power in enumerate(_POWERS_X128):
        if abs(tick) >> bit & 1:
            ratio = ratio * power >> Q128
    if tick > 0:
        ratio = UINT256_MAX // ratio
    return -(-ratio >> Q32)


def _powers_x128() -> tuple[int, ...]:
    """Return 1.0001^(−2^i/2) in Q128.128 for each bit i of a tick, to the nearest integer."""
    guard = 256
    power = isqrt((10_000 << 2 * (Q128 + guard)) // 10_001)
    powers = []
    for _ in range(MAX_TICK.bit_length()):
        powers.append((power + (1 << guard - 1)) >> guard)
        power = power * power >> (Q128 + guard)
    return tuple(powers)


_POWERS_X128: Final = _powers_x128()


def _refuse_tick(tick: int) -> None:
    if abs(tick) > MAX_TICK:
        raise BadData("no pool has such a tick", tick=tick, max_tick=MAX_TICK)


def amounts_rounded_down(
    liquidity: int, sqrt_price_x96: int, sqrt_lower_x96: int, sqrt_upper_x96: int
) -> tuple[int, int]:
    """Return (amount0, amount1) in base units that burning *liquidity* pays, as the pool rounds.

    Args:
        liquidity: The pool's integer liquidity of the position.
        sqrt_price_x96: √price of the pool, Q64.96; so are the two edges of the range.
        sqrt_lower_x96: Below *sqrt_upper_x96*.
        sqrt_upper_x96: Above *sqrt_lower_x96*.

    """
    inside = min(max(sqrt_price_x96, sqrt_lower_x96), sqrt_upper_x96)
    amount0 = (liquidity << Q96) * (sqrt_upper_x96 - inside) // sqrt_upper_x96 // inside
    amount1 = liquidity * (inside - sqrt_lower_x96) >> Q96
    return amount0, amount1
