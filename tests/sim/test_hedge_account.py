import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.sim.hedge_account import Carry, HedgeAccount, VenueTerms
from keeper.sim.market import Market

PRICES = [2_000.0, 2_200.0, 1_800.0, 2_000.0]
RATES = [0.01, 0.0, -0.02, 0.0]


def market(prices: list[float] = PRICES, rates: list[float] = RATES) -> Market:
    return Market(
        name="test",
        at_s=np.arange(len(prices), dtype=np.int64) * 3_600,
        price=np.array(prices),
        base_fee_wei=np.zeros(len(prices), dtype=np.int64),
        funding=np.array(rates),
        native_price=np.array(prices),
    )


def opened(terms: VenueTerms | None = None, **more: list[float]) -> HedgeAccount:
    seen = market(**more)
    return HedgeAccount(terms or VenueTerms(collateral_usd=1_000.0), seen, Carry.of(seen))


def test_a_short_gains_when_the_price_falls_and_receives_positive_funding() -> None:
    account = opened()
    account.fill(0, -1.0, cost_usd=5.0)
    # The price rises by 200, and 1 % of the notional at 2,200 is received.
    assert account.equity_usd(1) == pytest.approx(1_000 - 5 - 200 + 22)
    assert account.equity_usd(2) == pytest.approx(1_000 - 5 + 200 + 22)
    assert account.equity_usd(3) == pytest.approx(1_000 - 5 + 22 - 40)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(-3, 3)), max_size=6))
def test_its_worth_is_the_sum_of_every_step(fills: list[tuple[int, float]]) -> None:
    account, size, cash = opened(), 0.0, 1_000.0
    for bar in range(4):
        for at, units in fills:
            if at == bar:
                account.fill(bar, units, cost_usd=1.0)
                size, cash = size + units, cash - 1.0
        assert account.equity_usd(bar) == pytest.approx(cash)
        if bar < 3:
            after = PRICES[bar + 1]
            cash += size * (after - PRICES[bar]) - size * after * RATES[bar]


def test_what_a_keeper_reads_is_consistent() -> None:
    account = opened()
    account.fill(0, -1.0, cost_usd=0.0)
    state = account.state(1)
    assert state.size_base == -1.0
    assert state.open_notional_usd == 2_000.0
    assert state.account_value_usd == pytest.approx(822)
    assert state.margin_ratio == pytest.approx(822 / 2_200)
    assert state.free_collateral_usd == pytest.approx(822 - 220)
    assert account.state(0).liquidation_price == pytest.approx(3_000 / 1.05)


def test_without_a_position_there_is_no_margin_ratio() -> None:
    state = opened().state(0)
    assert state.margin_ratio is None
    assert state.liquidation_price is None


def test_what_the_position_cost_follows_reductions_and_reversals() -> None:
    account = opened()
    account.fill(0, -2.0, cost_usd=0.0)
    assert account.state(0).open_notional_usd == 4_000
    account.fill(1, 1.0, cost_usd=0.0)
    assert account.state(1).open_notional_usd == 2_000
    account.fill(2, 3.0, cost_usd=0.0)
    assert account.state(2).open_notional_usd == -3_600


def test_a_larger_trade_gets_a_worse_price() -> None:
    account = opened(VenueTerms(impact_per_base=0.001))
    assert account.fill_price(0, 10.0) == pytest.approx(2_020)
    assert account.fill_price(0, -10.0) == pytest.approx(1_980)


def test_it_is_liquidated_where_the_margin_ends() -> None:
    account = opened(prices=[2_000.0, 2_500.0, 2_900.0, 2_000.0], rates=[0.0] * 4)
    account.fill(0, -1.0, cost_usd=0.0)
    price = account.state(0).liquidation_price
    assert price is not None
    assert 2_500 < price < 2_900
    assert account.liquidated_at(0, 4) == 2
    assert account.liquidated_at(0, 2) is None
    assert account.liquidated_at(3, 4) is None
    assert account.liquidated_at(2, 2) is None


def test_a_flat_account_is_never_liquidated() -> None:
    assert opened().liquidated_at(0, 4) is None
