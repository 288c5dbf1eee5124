"""What one steady read of Uniswap v3 positions asks, and what its answers mean. Pure.

From raw to human. The pool counts in base units: p = 1.0001^tick is raw token1 per raw token0, and
a position of liquidity L holds, between pₐ and p_b,

    amount0 = L·(1/√p − 1/√p_b)        amount1 = L·(√p − √pₐ)

With decimals d0 and d1 the human price is P = p·10^(d0−d1). Put √p = √P·10^((d1−d0)/2) in, divide
amount0 by 10^d0 and amount1 by 10^d1, and both come out with the same factor:

    Λ = L / 10^((d0+d1)/2)     amount0 = Λ·(1/√P − 1/√P_b)     amount1 = Λ·(√P − √Pₐ)

* base is token0: price P, range [Pₐ, P_b]; that is `Concentrated` as it stands.
* base is token1: price Q = 1/P, range [1/P_b, 1/Pₐ]. Then amount1 = Λ·(1/√Q − 1/√Q_upper) is the
  base and amount0 = Λ·(√Q − √Q_lower) the quote: the same form, the same Λ.

Precision: a bound is exp(tick·ln 1.0001) in doubles, within 1e-14 of the true power even at the
outermost tick (1.0001**tick is 1e-11 off there, since 1.0001 is not a double).

Uncollected fees are counted as the pool counts them on `collect`: growth inside the range since
the position last looked, modulo 2^256, times liquidity, plus what is owed already.

Source: Uniswap v3 whitepaper, §6.2 to §6.4; v3-core's Tick and Position libraries, for facts.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import exp
from typing import Any, Final, TypeAlias

from msgspec import Struct

from keeper.adapters.abi import function
from keeper.core.amm import LN_TICK_BASE, MAX_TICK
from keeper.model.chain import Address, Answer, Call
from keeper.model.errors import BadData
from keeper.model.position import Concentrated, Leg, Linear, VaultState
from keeper.model.units import price_from_sqrt_x96

BALANCE_OF = function("uniswap_v3_position_manager", "balanceOf")
TOKEN_OF_OWNER_BY_INDEX = function("uniswap_v3_position_manager", "tokenOfOwnerByIndex")
POSITIONS = function("uniswap_v3_position_manager", "positions")
POOL_STATE = tuple(
    function("uniswap_v3_pool", name)
    for name in ("slot0", "feeGrowthGlobal0X128", "feeGrowthGlobal1X128")
)
TICKS = function("uniswap_v3_pool", "ticks")

MASK256: Final = 2**256 - 1

CLOSED: Final = -1
"""No liquidity and nothing owed when the plan was drawn."""
IGNORED: Final = -2
"""Of another pair, and the configuration says to ignore those."""

Shape: TypeAlias = tuple[Any, ...]
"""token0, token1, fee, lower tick, upper tick: what `positions(id)` answers at 2 to 6."""
SHAPE = slice(2, 7)
LIQUIDITY, OWED0, OWED1 = 7, 10, 11


class Pool(Struct, frozen=True):
    """What never changes of a pool; `base_first` says that the base is its token0."""

    address: Address
    token0: Address
    token1: Address
    decimals0: int
    decimals1: int
    base_first: bool

    @property
    def base(self) -> Address:
        """Return the risk asset's token."""
        return self.token0 if self.base_first else self.token1

    @property
    def quote(self) -> Address:
        """Return the other token."""
        return self.token1 if self.base_first else self.token0

    def price_at_sqrt_x96(self, sqrt_price_x96: int) -> float:
        """Return quote per base, human, from the pool's √price."""
        price01 = price_from_sqrt_x96(sqrt_price_x96, self.decimals0, self.decimals1)
        return price01 if self.base_first else 1 / price01

    def price_at_tick(self, tick: int) -> float:
        """Return quote per base, human, at the lower edge of *tick*."""
        price01 = exp(tick * LN_TICK_BASE) * 10.0 ** (self.decimals0 - self.decimals1)
        return price01 if self.base_first else 1 / price01

    def human_liquidity(self, liquidity: int) -> float:
        """Return Λ of the module's text; it is the same whichever token is the base."""
        return float(liquidity / 10.0 ** ((self.decimals0 + self.decimals1) / 2))


class Range(Struct, frozen=True):
    """One range of one pool, shared by all positions in it."""

    pool: int
    """Index in the plan's pools."""
    tick_lower: int
    tick_upper: int
    lower: int
    """Index in the plan's ticks; `upper` too."""
    upper: int
    price_lower: float
    price_upper: float


class Plan(Struct, frozen=True):
    """A steady read: what it asks, and where in the answers each thing is.

    `calls` are, in this order: the owner's count and ids (if enumerated), each position, three of
    each pool, each tick.
    """

    ids: tuple[int, ...]
    enumerated: bool
    seats: tuple[tuple[Shape, int], ...]
    """Per id its shape, and the index of its range or CLOSED or IGNORED."""
    pools: tuple[Pool, ...]
    ranges: tuple[Range, ...]
    ticks: tuple[tuple[int, int], ...]
    """Index of the pool, and the tick."""
    calls: tuple[Call, ...]


class Tally(Struct):
    """Sums over the positions of each range, in base units."""

    liquidity: list[int]
    fees0: list[int]
    fees1: list[int]


def is_open(position: Answer) -> bool:
    """Whether a position has liquidity or is owed anything."""
    return bool(position[LIQUIDITY] or position[OWED0] or position[OWED1])


def draw(
    npm: Address,
    owner: Address | None,
    positions: Mapping[int, Answer],
    pools: Mapping[Shape, Pool | None],
) -> Plan:
    """Return the plan to read *positions* (by id); `pools` by their key, None if ignored.

    Raises:
        BadData: A position's ticks cannot be.

    """
    seats: list[tuple[Shape, int]] = []
    known: dict[Pool, int] = {}
    ranges: dict[Shape, tuple[int, Range]] = {}
    ticks: dict[tuple[int, int], int] = {}
    for answer in positions.values():
        shape = answer[SHAPE]
        pool = pools[shape[:3]] if is_open(answer) else None
        if pool is None:
            seats.append((shape, IGNORED if is_open(answer) else CLOSED))
            continue
        if shape not in ranges:
            at = known.setdefault(pool, len(known))
            ranges[shape] = len(ranges), _range(at, pool, shape, ticks)
        seats.append((shape, ranges[shape][0]))
    addresses = [pool.address for pool in known]
    enumeration = _enumeration(npm, owner, len(positions)) if owner else ()
    return Plan(
        ids=tuple(positions),
        enumerated=owner is not None,
        seats=tuple(seats),
        pools=tuple(known),
        ranges=tuple(r for _, r in ranges.values()),
        ticks=tuple(ticks),
        calls=(
            *enumeration,
            *(POSITIONS(npm, i) for i in positions),
            *(ask(pool.address) for pool in known for ask in POOL_STATE),
            *(TICKS(addresses[at], tick) for at, tick in ticks),
        ),
    )


def interpret(plan: Plan, answers: Sequence[Answer]) -> VaultState | None:
    """Return what the answers to `plan.calls` say; None if they show that the plan is old.

    Raises:
        BadData: A pool has no price, or fees are more than a pool can hold.

    """
    rest = iter(answers)
    count = len(plan.ids)
    if plan.enumerated:
        (owned,) = next(rest)
        if owned != count or tuple([i for (i,) in islice(rest, count)]) != plan.ids:
            return None
    positions = list(islice(rest, count))
    views = [(next(rest), next(rest)[0], next(rest)[0]) for _ in plan.pools]
    outsides = [(answer[2], answer[3]) for answer in rest]
    insides = [_growth_inside(r, views[r.pool], outsides) for r in plan.ranges]
    tally = _tally(plan, positions, insides)
    if tally is None:
        return None
    marks = {
        f"pool {pool.address}": _mark(pool, slot0)
        for pool, (slot0, _, _) in zip(plan.pools, views, strict=True)
    }
    return VaultState(legs=tuple(_legs(plan, tally)), marks=marks)


def sqrt_prices_x96(plan: Plan, answers: Sequence[Answer]) -> dict[Address, int]:
    """Return each pool's √price from the answers to `plan.calls`."""
    first = len(answers) - len(plan.ticks) - len(POOL_STATE) * len(plan.pools)
    slots = answers[first : len(answers) - len(plan.ticks) : len(POOL_STATE)]
    return {pool.address: slot0[0] for pool, slot0 in zip(plan.pools, slots, strict=True)}


def _enumeration(npm: Address, owner: Address, count: int) -> tuple[Call, ...]:
    ids = (TOKEN_OF_OWNER_BY_INDEX(npm, owner, i) for i in range(count))
    return (BALANCE_OF(npm, owner), *ids)


def _range(at: int, pool: Pool, shape: Shape, ticks: dict[tuple[int, int], int]) -> Range:
    lower, upper = shape[3:]
    if not -MAX_TICK <= lower < upper <= MAX_TICK:
        raise BadData("a range no pool can have", pool=pool.address, lower=lower, upper=upper)
    edges = sorted((pool.price_at_tick(lower), pool.price_at_tick(upper)))
    return Range(
        pool=at,
        tick_lower=lower,
        tick_upper=upper,
        lower=ticks.setdefault((at, lower), len(ticks)),
        upper=ticks.setdefault((at, upper), len(ticks)),
        price_lower=edges[0],
        price_upper=edges[1],
    )


def _growth_inside(
    r: Range, view: tuple[Answer, int, int], outsides: Sequence[tuple[int, int]]
) -> tuple[int, int]:
    """Return the growth of both fees inside a range, per unit of liquidity, modulo 2^256.

    A tick stores the growth on its far side, as seen from where the price is.
    """
    slot0, *growths = view
    tick = slot0[1]
    inside = []
    for growth, lower, upper in zip(growths, outsides[r.lower], outsides[r.upper], strict=True):
        below = lower if tick >= r.tick_lower else growth - lower
        above = upper if tick < r.tick_upper else growth - upper
        inside.append((growth - below - above) & MASK256)
    return inside[0], inside[1]


def _tally(
    plan: Plan, positions: Sequence[Answer], insides: Sequence[tuple[int, int]]
) -> Tally | None:
    liquidity, fees0, fees1 = ([0] * len(plan.ranges) for _ in range(3))
    for (shape, at), position in zip(plan.seats, positions, strict=True):
        if position[SHAPE] != shape or (at < 0 and at != IGNORED and is_open(position)):
            return None
        if at < 0:
            continue
        units, last0, last1, owed0, owed1 = position[LIQUIDITY:]
        inside0, inside1 = insides[at]
        fee0 = (units * ((inside0 - last0) & MASK256) >> 128) + owed0
        fee1 = (units * ((inside1 - last1) & MASK256) >> 128) + owed1
        if (fee0 | fee1) >> 128:
            raise BadData("more fees than a pool can owe", shape=shape, fee0=fee0, fee1=fee1)
        liquidity[at] += units
        fees0[at] += fee0
        fees1[at] += fee1
    return Tally(liquidity=liquidity, fees0=fees0, fees1=fees1)


def _mark(pool: Pool, slot0: Answer) -> float:
    if slot0[0] == 0:
        raise BadData("the pool has no price", pool=pool.address)
    return pool.price_at_sqrt_x96(slot0[0])


def _legs(plan: Plan, tally: Tally) -> Iterator[Leg]:
    fees: Counter[tuple[Address, int]] = Counter()
    for at, r in enumerate(plan.ranges):
        pool = plan.pools[r.pool]
        fees[pool.token0, pool.decimals0] += tally.fees0[at]
        fees[pool.token1, pool.decimals1] += tally.fees1[at]
        if tally.liquidity[at]:
            yield Concentrated(
                base=pool.base,
                quote=pool.quote,
                liquidity=pool.human_liquidity(tally.liquidity[at]),
                price_lower=r.price_lower,
                price_upper=r.price_upper,
            )
    for (asset, decimals), amount in fees.items():
        if amount:
            yield Linear(asset=asset, units=amount / 10**decimals)
