from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from keeper.cli.scene_options import Chosen
from keeper.cli.setting import Setting
from keeper.cli.staging import ESTIMATED, OPEN_LIMITS, Staged, stage
from keeper.core.decide import FixedVolatility
from keeper.model.errors import ConfigError
from keeper.sim.holding import Range
from keeper.sim.processes import FlatFunding, Heston, RegimeGas, RevertingFunding
from keeper.sim.sweep import Place

CHOSEN = Chosen(
    path="gbm",
    funding=0.0,
    gas=10e9,
    gas_shift=0.0,
    seed=1,
    days=2.0,
    step=3_600.0,
    sigma=None,
    price=3_000.0,
    holding="range",
    worth=1e6,
    width=1.25,
    reopen=30 * 86_400.0,
    fee=5e-4,
    impact=0.0,
    gas_units=400_000,
    collateral=None,
    latency=0,
    risk_aversion=None,
    book=None,
    scenarios=1,
    workers=1,
)


def staged(**changes: Any) -> Staged:
    return stage(replace(CHOSEN, **changes), Setting())


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text("ts,close\n" + "".join(f"{3_600 * k},{2_000 + k}\n" for k in range(30)))
    return path


def test_an_invented_scene_is_as_long_and_as_fine_as_asked() -> None:
    found = staged(days=3.0, step=1_800.0)
    assert found.first.market.bars == 3 * 48 + 1
    assert found.step_s == 1_800
    assert found.terms.limits == OPEN_LIMITS
    assert found.first.venue.collateral_usd == 1e6


def test_every_scenario_is_a_place_of_its_own() -> None:
    found = staged(scenarios=3, path="heston", gas="regimes", funding="reverting", latency=1)
    assert [place.scenario for place in found.places if isinstance(place, Place)] == [0, 1, 2]
    first = found.places[0]
    assert isinstance(first, Place)
    assert isinstance(first.invention.prices, Heston)
    assert isinstance(first.invention.gas, RegimeGas)
    assert isinstance(first.invention.funding, RevertingFunding)
    assert first.latency_bars == 1


def test_a_number_is_flat_funding() -> None:
    place = staged(funding=0.2).places[0]
    assert isinstance(place, Place)
    assert place.invention.funding == FlatFunding(0.2)


def test_the_vault_holds_what_was_asked() -> None:
    place = staged(reopen=0.0, width=1.1).places[0]
    assert isinstance(place, Place)
    assert place.holding == Range(1e6, 1.1, None)
    assert staged(holding="spot").first.held.delta[0] == pytest.approx(1e6 / 3_000)


def test_recorded_prices_are_read(prices: Path) -> None:
    found = staged(path=str(prices), gas=2e9)
    assert found.places == (found.first,)
    assert found.first.market.bars == 30
    assert found.first.market.base_fee_wei[0] == 2 * 10**9
    assert found.step_s == 3_600


def test_gas_may_be_recorded_beside_them(prices: Path, tmp_path: Path) -> None:
    gas = tmp_path / "gas.csv"
    gas.write_text("ts,gas_gwei\n0,7\n")
    found = staged(path=str(prices), gas=gas, gas_shift=3_600.0)
    assert set(found.first.market.base_fee_wei.tolist()) == {7 * 10**9}


@pytest.mark.parametrize(
    "changes",
    [{"scenarios": 2}, {"gas": "regimes"}, {"funding": "reverting"}, {"funding": 0.1}],
    ids=str,
)
def test_what_recorded_prices_cannot_have_is_refused(prices: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        staged(path=str(prices), **changes)


def test_of_recorded_prices_volatility_is_estimated_unless_it_is_given(prices: Path) -> None:
    assert staged(path=str(prices)).terms.policy.volatility == ESTIMATED
    assert staged(path=str(prices), sigma=0.5).terms.policy.volatility == FixedVolatility(0.5)
    assert staged().terms.policy.volatility == FixedVolatility(0.8)


def test_more_bars_than_memory_holds_are_refused() -> None:
    with pytest.raises(ConfigError, match="do not fit"):
        staged(days=36_525.0, step=1.0)


def test_an_invented_path_has_no_recorded_gas(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recorded gas"):
        staged(gas=tmp_path)


def test_a_book_brings_its_policy_and_limits(home: Path) -> None:
    setting = Setting()
    setting.config = home / "keeper.toml"
    found = stage(replace(CHOSEN, book="eth-lp"), setting)
    assert found.terms.limits.max_position_base == 10.0
    assert found.terms.book == "eth-lp"
    tighter = stage(replace(CHOSEN, book="eth-lp", risk_aversion=7e-4), setting)
    assert tighter.terms.policy.risk_aversion_per_usd == 7e-4
    with pytest.raises(ConfigError, match="no such book"):
        stage(replace(CHOSEN, book="other"), setting)
