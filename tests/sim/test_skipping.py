from math import copysign

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.core.arrays import Floats
from keeper.sim.skipping import BLOCK, Edges, Finder, band_trades, clock_trades


def flat(bare: Floats, outer: float, inner: float) -> Edges:
    return Edges(bare, np.full(len(bare), outer), np.full(len(bare), inner))


def one_by_one(edges: Edges, min_trade: float) -> list[tuple[int, float]]:
    hedge, trades = 0.0, []
    rows = zip(edges.bare.tolist(), edges.outer.tolist(), edges.inner.tolist(), strict=True)
    for bar, (bare, outer, inner) in enumerate(rows):
        net = bare + hedge
        if abs(net) >= outer and abs(net) - inner >= min_trade:
            trades.append((bar, copysign(inner, net) - net))
            hedge += trades[-1][1]
    return trades


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    outer=st.floats(0.05, 3.0),
    share=st.floats(0.0, 1.0),
    bars=st.integers(1, 9_000),
)
def test_skipping_finds_the_trades_that_looking_at_every_bar_finds(
    seed: int, outer: float, share: float, bars: int
) -> None:
    chance = np.random.default_rng(seed)
    bare = np.cumsum(chance.standard_normal(bars)) * 0.1
    widths = outer * np.exp(0.3 * chance.standard_normal(bars))
    edges = Edges(bare, widths, share * widths)
    found = band_trades(edges, min_trade=1e-9)
    expected = one_by_one(edges, 1e-9)
    assert found.bar.tolist() == [bar for bar, _ in expected]
    assert found.units.tolist() == [units for _, units in expected]


def test_a_long_calm_is_passed_over() -> None:
    bare = np.zeros(5 * BLOCK)
    bare[-3:] = 2.0
    finder = Finder(flat(bare, 1.0, 0.0), min_trade=1e-9)
    assert finder.first_outside(0, 0.0) == len(bare) - 3
    assert finder.first_outside(0, 0.5) == len(bare) - 3
    assert finder.first_outside(0, -1.0) == 0
    assert finder.first_outside(len(bare), 0.0) == len(bare)


def test_crumbs_wait_until_they_are_worth_a_trade() -> None:
    bare = np.array([1.0, 1.0, 1.05, 1.2])
    found = band_trades(flat(bare, 0.5, 0.5), min_trade=0.1)
    assert found.bar.tolist() == [0, 3]
    assert found.units == pytest.approx([-0.5, -0.2])


def test_the_clock_trades_to_zero_when_it_is_due() -> None:
    at_s = np.arange(7, dtype=np.int64) * 3_600
    bare = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    found = clock_trades(bare, at_s, every_s=3 * 3_600, min_trade=1e-9)
    assert found.bar.tolist() == [0, 3, 6]
    assert found.units.tolist() == [-1.0, -3.0, -3.0]


def test_the_clock_starts_anew_with_the_trade_that_was_made() -> None:
    at_s = np.arange(6, dtype=np.int64) * 3_600
    bare = np.array([0.0, 1.0, 1.0, 2.0, 3.0, 4.0])
    found = clock_trades(bare, at_s, every_s=2 * 3_600, min_trade=1e-9)
    assert found.bar.tolist() == [1, 3, 5]


def test_a_hedge_that_is_there_counts() -> None:
    found = band_trades(flat(np.array([5.0, 5.0]), 1.0, 0.0), min_trade=1e-9, hedge=-5.0)
    assert not len(found.bar)
