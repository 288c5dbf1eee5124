from collections.abc import Callable

import numpy as np
import pytest
from msgspec.structs import replace

from keeper.core.decide import EwmaVolatility, Memory, Terms, decide
from keeper.model.flow import Decision, Hold, Rebalance, Snapshot
from keeper.sim.backtest import Run, Scene, gas_states, gas_usd, hedges, run, volatility_states
from keeper.sim.hedge_account import VenueTerms
from tests.sim.conftest import SceneOf


def orders(*units: float, worst: tuple[float, float] = (0.0, 1e9)) -> Callable[..., Decision]:
    """A keeper that trades *units* at its first looks, then nothing."""
    left = list(units)

    def think(snapshot: Snapshot, terms: Terms, memory: Memory) -> Decision:
        decision = decide(snapshot, terms, memory)
        assert decision.why is not None
        if not left:
            return Hold("inside the band", decision.why)
        size = left.pop(0)
        price = worst[1] if size > 0 else worst[0]
        if size == 0.0:
            return Hold("refused: nothing", decision.why)
        return Rebalance(size, reduce_only=False, worst_price=price, why=decision.why)

    return think


def test_the_keepers_own_decision_hedges_the_vault(scene: Scene, terms: Terms) -> None:
    made = run(scene, terms)
    held = hedges(made, scene.market.bars)
    unhedged = np.abs(scene.held.delta).max()
    assert 0 < made.trades < scene.market.bars / 4
    assert np.abs(scene.held.delta + held)[:-1].max() < 0.5 * unhedged
    assert made.looks == scene.market.bars - 1
    assert made.messages == made.trades
    assert not made.refusals


def test_what_is_seen_at_a_bar_is_of_that_bar(scene: Scene, terms: Terms) -> None:
    seen: list[tuple[int, float, int, float]] = []

    def think(snapshot: Snapshot, terms: Terms, memory: Memory) -> Decision:
        block = snapshot.block
        seen.append((block.timestamp_s, snapshot.quote.price, block.base_fee_wei or 0,
                     snapshot.venue.size_base))  # fmt: skip
        assert memory.activity.now_ms == block.timestamp_s * 1_000
        assert snapshot.vaults["held"].legs == scene.held.legs_at(block.number)
        return decide(snapshot, terms, memory)

    made = run(scene, terms, think=think)
    market, held = scene.market, hedges(made, scene.market.bars)
    before = np.concatenate(([0.0], held[:-2]))
    assert [row[0] for row in seen] == market.at_s[:-1].tolist()
    assert [row[1] for row in seen] == market.price[:-1].tolist()
    assert [row[2] for row in seen] == market.base_fee_wei[:-1].tolist()
    assert [row[3] for row in seen] == pytest.approx(before.tolist())


def test_a_fill_pays_fee_impact_and_the_gas_of_its_bar(spot_scene: SceneOf, terms: Terms) -> None:
    venue = VenueTerms(fee_fraction=0.001, impact_per_base=0.002, gas_units=10**6, tip_wei=0)
    scene = spot_scene(2_000.0, 2_100.0, 2_200.0, venue=venue)
    made = run(scene, replace(terms, tip_wei=10**9), think=orders(-3.0))
    assert made.bar.tolist() == [0]
    assert made.fee_usd.tolist() == pytest.approx([0.001 * 3 * 2_000])
    assert made.slippage_usd.tolist() == pytest.approx([0.002 * 9 * 2_000])
    assert made.gas_usd.tolist() == pytest.approx([1e6 * 1e-9 * 2_000])


def test_with_latency_an_order_is_filled_at_the_next_bars_price(
    spot_scene: SceneOf, terms: Terms
) -> None:
    scene = spot_scene(2_000.0, 2_100.0, 2_200.0, 2_300.0, latency=1)
    made = run(scene, terms, think=orders(0.0, -3.0))
    assert made.bar.tolist() == [2]
    assert made.fee_usd.tolist() == pytest.approx([0.0005 * 3 * 2_200])


def test_an_order_beyond_its_worst_price_costs_its_gas_and_nothing_else(
    spot_scene: SceneOf, terms: Terms
) -> None:
    scene = spot_scene(2_000.0, 1_900.0, 2_000.0, latency=1)
    made = run(scene, terms, think=orders(-3.0, worst=(1_950.0, 1e9)))
    assert made.trades == 0
    assert made.messages == 1
    assert [bar for bar, _ in made.lost] == [1]
    assert made.lost[0][1] == pytest.approx(gas_usd(scene, terms.tip_wei)[1])
    assert made.refusals == {"beyond the worst price": 1}


def test_an_account_without_margin_is_liquidated_and_the_keeper_goes_on(
    spot_scene: SceneOf, terms: Terms
) -> None:
    venue = VenueTerms(collateral_usd=5_000.0, fee_fraction=0.0)
    scene = spot_scene(2_000.0, 2_300.0, 2_600.0, 2_300.0, venue=venue)
    made = run(scene, terms, think=orders(-10.0))
    assert made.trades == 1
    assert made.bar.tolist() == [0, 2]
    assert made.units.tolist() == [-10.0, 10.0]
    ((bar, fee_usd),) = made.liquidations
    assert bar == 2
    assert fee_usd == pytest.approx(0.01 * 26_000)
    # It looked at bar 2 again, after the venue had closed the position.
    assert made.looks == 3


def anxious(terms: Terms, **limits: float) -> Terms:
    """Terms that ask for many trades, under some limits."""
    policy = replace(terms.policy, risk_aversion_per_usd=1e-3)
    return replace(terms, policy=policy, limits=replace(terms.limits, **limits))


def test_a_refusal_says_why(scene: Scene, terms: Terms) -> None:
    made = run(scene, anxious(terms, max_gas_price_wei=50 * 10**9))
    assert made.refusals
    assert set(made.refusals) == {"refused: gas price"}


def test_gas_of_the_last_day_counts_against_its_budget(scene: Scene, terms: Terms) -> None:
    made = run(scene, anxious(terms, daily_gas_budget_usd=50.0))
    spent = np.zeros(scene.market.bars)
    np.add.at(spent, made.bar, made.gas_usd)
    by_day = np.convolve(spent, np.ones(24))[: scene.market.bars]
    assert by_day.max() <= 50.0
    assert "refused: gas budget" in made.refusals


def same(one: Run, other: Run) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("bar", "units", "fee_usd", "slippage_usd", "gas_usd")
    )


def test_a_scout_that_passes_over_calm_bars_leaves_the_trades_as_they_are(
    scene: Scene, terms: Terms
) -> None:
    every = run(scene, terms)
    looked = set(every.bar.tolist())

    def scout(bar: int, _hedge: float) -> int:
        return min((b for b in looked if b >= bar), default=scene.market.bars)

    skipped = run(scene, terms, scout=scout)
    assert same(every, skipped)
    assert skipped.looks == every.trades


def test_volatility_is_folded_over_every_bar_before_the_look(scene: Scene, terms: Terms) -> None:
    law = EwmaVolatility(half_life_s=86_400, floor_fraction=0.1)
    policy = replace(terms.policy, volatility=law)
    states = volatility_states(scene.market, policy)
    assert len(states) == scene.market.bars + 1
    seen: list[float] = []

    def think(snapshot: Snapshot, terms: Terms, memory: Memory) -> Decision:
        decision = decide(snapshot, terms, memory)
        assert decision.why is not None
        assert decision.why.volatility == states[snapshot.block.number + 1]
        seen.append(decision.why.sigma)
        return decision

    run(scene, replace(terms, policy=policy), think=think)
    assert max(seen) > min(seen)
    assert volatility_states(scene.market, terms.policy) == []


def test_dear_and_cheap_gas_are_folded_over_every_bar_before_the_look(
    scene: Scene, terms: Terms
) -> None:
    states = gas_states(scene.market, terms.tip_wei)
    assert len(states) == scene.market.bars + 1
    regimes = 0

    def think(snapshot: Snapshot, terms: Terms, memory: Memory) -> Decision:
        nonlocal regimes
        decision = decide(snapshot, terms, memory)
        assert decision.why is not None
        assert decision.why.gas == states[snapshot.block.number + 1]
        regimes += decision.why.gas is not None and decision.why.gas.falls > 1
        return decision

    run(scene, terms, think=think)
    assert regimes > 100


def test_gas_that_never_moves_teaches_nothing(spot_scene: SceneOf, terms: Terms) -> None:
    assert gas_states(spot_scene(2_000.0, 2_100.0).market, terms.tip_wei) == []
