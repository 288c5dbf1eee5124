"""The legs hold what the pool would pay out, whichever token comes first."""

from decimal import Decimal, localcontext
from math import isclose, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.uniswap_v3_plan import Plan, Pool, draw, interpret, sqrt_prices_x96
from keeper.core.amm import MAX_TICK
from keeper.model.chain import Address, Answer
from keeper.model.position import Concentrated

NPM = Address("0xC36442b4a4522E871399CD717aBDD847Ab11FE88")
NOBODY = Address("0x" + "0" * 40)
TOKEN0, TOKEN1, AT = (Address(f"0x{n:040x}") for n in (1, 2, 3))
KEY = (TOKEN0, TOKEN1, 500)

decimals = st.integers(0, 36)
ticks = st.lists(st.integers(-400_000, 400_000), min_size=3, max_size=3, unique=True).map(sorted)


def pool(decimals0: int, decimals1: int, *, base_first: bool) -> Pool:
    return Pool(AT, TOKEN0, TOKEN1, decimals0, decimals1, base_first)


def raw_price(tick: int) -> Decimal:
    return Decimal("1.0001") ** tick


def holding(leg: Concentrated, price: float) -> tuple[float, float]:
    """Base and quote, by the formula in `model/position`."""
    at = sqrt(min(max(price, leg.price_lower), leg.price_upper))
    base = leg.liquidity * (1 / at - 1 / sqrt(leg.price_upper))
    return base, leg.liquidity * (at - sqrt(leg.price_lower))


def one_position(at: Pool, liquidity: int, lower: int, upper: int) -> tuple[Plan, list[Answer]]:
    position = (0, NOBODY, *KEY, lower, upper, liquidity, 0, 0, 0, 0)
    plan = draw(NPM, None, {1: position}, {KEY: at})
    slot0 = (2**96, 0, 0, 1, 1, 0, True)
    idle = (1, 1, 0, 0, 0, 0, 0, True)
    return plan, [position, slot0, (0,), (0,), idle, idle]


@pytest.mark.parametrize("base_first", [True, False])
@given(
    liquidity=st.integers(1, 2**128 - 1),
    three=ticks,
    decimals0=decimals,
    decimals1=decimals,
    now=st.sampled_from([0, 1, 2]),
)
def test_a_leg_holds_what_the_pool_counts(
    liquidity: int, three: list[int], decimals0: int, decimals1: int, now: int, *, base_first: bool
) -> None:
    lower, upper = (three[i] for i in (0, 1, 2) if i != now)
    at = pool(decimals0, decimals1, base_first=base_first)
    state = interpret(*one_position(at, liquidity, lower, upper))
    assert state is not None
    (leg,) = state.legs
    assert isinstance(leg, Concentrated)
    with localcontext(prec=60):
        a, b = raw_price(lower).sqrt(), raw_price(upper).sqrt()
        s = min(max(raw_price(three[now]).sqrt(), a), b)
        amount0 = float(liquidity * (1 / s - 1 / b) / 10**decimals0)
        amount1 = float(liquidity * (s - a) / 10**decimals1)
        price01 = float(raw_price(three[now]) * Decimal(10) ** (decimals0 - decimals1))
        whole0 = float(liquidity * (1 / a - 1 / b) / 10**decimals0)
        whole1 = float(liquidity * (b - a) / 10**decimals1)
    base, quote = holding(leg, price01 if base_first else 1 / price01)
    got0, got1 = (base, quote) if base_first else (quote, base)
    # Compared with the most the range can hold: near an edge the small rest is a difference.
    assert isclose(got0, amount0, abs_tol=1e-6 * whole0)
    assert isclose(got1, amount1, abs_tol=1e-6 * whole1)
    assert (leg.base, leg.quote) == ((TOKEN0, TOKEN1) if base_first else (TOKEN1, TOKEN0))


@given(st.integers(-MAX_TICK, MAX_TICK), st.booleans())
def test_the_price_at_a_tick_is_good_to_1e_14(tick: int, base_first: bool) -> None:  # noqa: FBT001 - drawn
    with localcontext(prec=50):
        true = raw_price(tick) if base_first else 1 / raw_price(tick)
    got = pool(0, 0, base_first=base_first).price_at_tick(tick)
    assert abs(Decimal(got) / true - 1) < Decimal("1e-14")


def test_the_orientations_mirror_each_other() -> None:
    first, second = pool(18, 6, base_first=True), pool(18, 6, base_first=False)
    assert first.base == second.quote == TOKEN0
    assert first.price_at_sqrt_x96(2**96) == pytest.approx(1e12)
    assert second.price_at_sqrt_x96(2**96) == pytest.approx(1e-12)
    assert first.human_liquidity(10**12) == second.human_liquidity(10**12) == 1.0


def test_the_pools_prices_are_found_in_the_answers() -> None:
    plan, answers = one_position(pool(18, 6, base_first=True), 1, -10, 10)
    assert sqrt_prices_x96(plan, answers) == {AT: 2**96}
    closed = (0, NOBODY, *KEY, -10, 10, 0, 0, 0, 0, 0)
    plan = draw(NPM, None, {1: closed}, {})
    assert sqrt_prices_x96(plan, [closed]) == {}


def test_ranges_that_share_a_tick_ask_for_it_once() -> None:
    positions = {
        i: (0, NOBODY, *KEY, lower, upper, 1, 0, 0, 0, 0)
        for i, (lower, upper) in enumerate([(-10, 0), (0, 10), (-10, 10), (-10, 10)])
    }
    plan = draw(NPM, None, positions, {KEY: pool(18, 6, base_first=True)})
    assert len(plan.ranges) == 3
    assert len(plan.ticks) == 3
    assert len(plan.calls) == 4 + 3 + 3
