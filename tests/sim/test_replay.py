import pytest

from keeper.sim.replay import Costs, Mark, every_block, never, replay, threshold

COSTS = Costs(fee_rate=0.001, impact_per_base=1e-5)
FALLING = [Mark(2_000.0 - 10 * i, 10.0 + 0.1 * i, 0.0, gas_usd=2.0) for i in range(11)]


def test_the_keeper_that_never_waits_pays_in_every_block_but_the_first() -> None:
    ledger = replay(FALLING, every_block, COSTS)
    assert ledger.trades == 10
    assert ledger.gas_usd == 20.0
    first = 1_990 * (0.001 * 10 + 1e-5 * 100)
    later = sum(m.price * (0.001 * 0.1 + 1e-5 * 0.01) for m in FALLING[2:])
    assert ledger.fees_usd == pytest.approx(first + later)
    assert ledger.cost_usd == pytest.approx(20.0 + first + later)
    assert ledger.cumulative_cost_usd[-1] == pytest.approx(ledger.cost_usd)
    assert ledger.cumulative_cost_usd[0] == 0.0


def test_a_trade_is_in_the_next_block() -> None:
    ledger = replay(FALLING, every_block, COSTS)
    assert ledger.net[0] == 10.0
    assert ledger.net[1:] == pytest.approx([0.1] * 10)


def test_a_threshold_waits_until_it_is_passed() -> None:
    ledger = replay(FALLING, threshold(0.05), COSTS)
    assert ledger.trades == 2
    assert max(abs(net) for net in ledger.net[1:]) == pytest.approx(0.6)


def test_nobody_acts_on_a_block_that_cannot_be_seen() -> None:
    dark = [Mark(2_000.0, 10.0, 0.0, 2.0, reachable=i > 4) for i in range(10)]
    ledger = replay(dark, every_block, COSTS)
    assert ledger.net == (10.0,) * 6 + (0.0,) * 4


def test_nobody_pays_for_doing_nothing() -> None:
    ledger = replay(FALLING, never, COSTS)
    assert (ledger.trades, ledger.cost_usd) == (0, 0.0)
    assert ledger.net == tuple(m.delta for m in FALLING)


def test_the_spread_of_an_unhedged_vault_is_delta_times_the_moves() -> None:
    marks = [Mark(p, 2.0, 0.0, 0.0) for p in (100.0, 110.0, 100.0, 110.0, 100.0)]
    assert replay(marks, never, COSTS).pnl_sd_usd == pytest.approx(20.0)


def test_curvature_is_left_when_the_delta_is_gone() -> None:
    marks = [Mark(p, 0.0, -0.2, 0.0) for p in (100.0, 110.0, 110.0, 120.0, 120.0)]
    assert replay(marks, every_block, COSTS).pnl_sd_usd == pytest.approx(5.0)


def test_one_block_has_no_spread() -> None:
    assert replay(FALLING[:1], never, COSTS).pnl_sd_usd == 0.0
    assert replay([], never, COSTS).max_abs_net == 0.0
