from math import exp, log, sqrt

import numpy as np
import pytest

from keeper.model.errors import ConfigError
from keeper.model.units import GWEI, YEAR_S
from keeper.sim.processes import (
    FlatFunding,
    FlatGas,
    Gbm,
    Heston,
    Invention,
    Jumps,
    Prices,
    RegimeGas,
    RevertingFunding,
    invent,
)

LAWS: tuple[Prices, ...] = (Gbm(), Heston(), Jumps())


@pytest.mark.parametrize("prices", LAWS, ids=lambda law: type(law).__name__)
def test_a_seed_names_one_market(prices: Prices) -> None:
    wanted = Invention(prices=prices, gas=RegimeGas(), funding=RevertingFunding(), steps=50)
    one, same, other = (invent(wanted, seed, 3) for seed in (7, 7, 8))
    for column in ("at_s", "price", "base_fee_wei", "funding"):
        assert np.array_equal(getattr(one, column), getattr(same, column))
    assert not np.array_equal(one.price, other.price)
    assert not np.array_equal(one.price, invent(wanted, 7, 4).price)


def test_gas_and_funding_leave_the_price_as_it_was() -> None:
    plain = invent(Invention(steps=50), 1)
    rich = invent(Invention(steps=50, gas=RegimeGas(), funding=RevertingFunding()), 1)
    assert np.array_equal(plain.price, rich.price)


@pytest.mark.parametrize("prices", LAWS, ids=lambda law: type(law).__name__)
def test_the_expected_price_is_the_first_one(prices: Prices) -> None:
    wanted = Invention(prices=prices, steps=30, step_s=86_400, start_price=100.0)
    ends = np.array([invent(wanted, 5, scenario).price[-1] for scenario in range(4_000)])
    error = ends.std() / sqrt(len(ends))
    assert abs(ends.mean() - 100.0) < 4 * error


def test_gbm_has_the_volatility_it_was_asked_for() -> None:
    path = invent(Invention(prices=Gbm(sigma_fraction=0.8), steps=100_000), 2).price
    seen = np.diff(np.log(path)).std() * sqrt(8_760)
    assert seen == pytest.approx(0.8, rel=0.01)


def test_heston_varies_its_variance_about_the_mean() -> None:
    path = invent(Invention(prices=Heston(sigma_fraction=0.8), steps=200_000), 3).price
    moves = np.diff(np.log(path))
    by_day = moves[: len(moves) // 24 * 24].reshape(-1, 24).var(axis=1) * 8_760
    assert by_day.mean() == pytest.approx(0.64, rel=0.05)
    assert by_day.std() > 0.3 * 0.64 * sqrt(2 / 24) + 0.1


def test_jumps_fatten_the_tails() -> None:
    moves = np.diff(np.log(invent(Invention(prices=Jumps(), steps=100_000), 4).price))
    assert (np.abs(moves) > 6 * moves.std()).mean() > 1e-4


def test_a_market_without_volatility_stands_still() -> None:
    path = invent(Invention(prices=Gbm(sigma_fraction=0.0), steps=10), 1).price
    assert path.tolist() == [3_000.0] * 11


def test_drift_moves_the_expected_price() -> None:
    law = Gbm(sigma_fraction=0.0, drift_fraction=log(2.0))
    path = invent(Invention(prices=law, steps=1, step_s=YEAR_S), 1).price
    assert path[-1] / path[0] == pytest.approx(2.0)


def test_gas_spends_its_time_as_its_regimes_last() -> None:
    law = RegimeGas(cheap_gwei=8, dear_gwei=100, cheap_hours=18, dear_hours=6)
    fees = invent(Invention(gas=law, steps=200_000), 1).base_fee_wei
    assert set(fees.tolist()) == {8 * GWEI, 100 * GWEI}
    dear = fees == 100 * GWEI
    assert dear.mean() == pytest.approx(0.25, abs=0.01)
    # Seen each hour, a cheap spell ends with probability ¼·(1 − exp(−(1/18 + 1/6))).
    ended = dear[1:][~dear[:-1]].mean()
    assert ended == pytest.approx(0.25 * (1 - exp(-(1 / 18 + 1 / 6))), rel=0.05)


def test_flat_gas_and_funding_are_flat() -> None:
    market = invent(Invention(gas=FlatGas(2.5), funding=FlatFunding(0.1), steps=10), 1)
    assert set(market.base_fee_wei.tolist()) == {2_500_000_000}
    assert market.funding[:-1] == pytest.approx([0.1 / 8_760] * 10)
    assert market.funding[-1] == 0.0


def test_funding_reverts_to_its_mean_with_its_half_life() -> None:
    law = RevertingFunding(per_year_fraction=0.1, sd_fraction=0.2, half_life_hours=10)
    rates = invent(Invention(funding=law, steps=200_000), 1).funding[:-1] * 8_760
    assert rates.mean() == pytest.approx(0.1, abs=0.01)
    assert rates.std() == pytest.approx(0.2, rel=0.05)
    centred = rates - rates.mean()
    assert centred[10:] @ centred[:-10] / (centred @ centred) == pytest.approx(0.5, abs=0.03)


def test_another_coin_may_pay_for_gas() -> None:
    market = invent(Invention(native_price=0.5, steps=3), 1)
    assert market.native_price.tolist() == [0.5] * 4


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="below zero"):
        invent(Invention(), -1)
