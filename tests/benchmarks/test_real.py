"""What a benchmark on recorded data says without the data, and how it compares at equal risk."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import real
from keeper.sim.backtest import Scene
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import Range, hold
from keeper.sim.processes import Invention, RegimeGas, invent


def curve(*points: tuple[float, float]) -> Sequence[dict[str, object]]:
    return [
        {"setting": str(number), "risk_usd": risk, "cost_usd": cost}
        for number, (risk, cost) in enumerate(points)
    ]


@pytest.mark.parametrize("line", [[], ["--data", "nowhere"]], ids=str)
def test_without_the_data_it_says_so_and_measures_nothing(
    line: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEEPER_DATA", raising=False)
    real.main(["--json", *line])
    printed = capsys.readouterr()
    assert "real: skipped" in printed.err
    assert set(json.loads(printed.out)) == {"skipped"}


def test_the_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    (case, *_) = real.CASES
    (tmp_path / case.prices).touch()
    words = real.missing(tmp_path)
    assert words is not None
    assert case.funding in words
    assert case.prices not in words


def test_costs_are_compared_at_the_risk_of_each_of_our_settings() -> None:
    (tight, loose) = real.equal_risk(
        {
            real.OURS: curve((20.0, 30.0), (10.0, 60.0)),
            "fixed band to zero": curve((10.0, 80.0), (20.0, 60.0)),
            "fixed band to edge": curve((10.0, 100.0), (20.0, 40.0)),
            "interval": curve((5.0, 400.0), (10.0, 120.0)),
        }
    )
    assert (tight["setting"], loose["setting"]) == ("1", "0")
    # The better of the two bands counts, at each risk.
    assert tight["saving_to_band"] == pytest.approx(1 - 60 / 80)
    assert loose["saving_to_band"] == pytest.approx(1 - 30 / 40)
    assert tight["saving_to_interval"] == pytest.approx(0.5)
    assert loose["saving_to_interval"] is None


def test_a_spread_leaves_out_what_is_unknown() -> None:
    assert real.spread([0.1, None, 0.3, 0.2]) == {"median": 0.2, "min": 0.1, "max": 0.3, "risks": 3}


def test_the_medians_are_held_to_the_targets() -> None:
    result = {"saving_to_band": {"median": 0.16}, "saving_to_interval": {"median": 0.24}}
    assert real.met(result) == {"band": True, "interval": False}


def test_the_sweep_makes_the_trades_of_the_live_decision() -> None:
    market = invent(Invention(steps=300, gas=RegimeGas()), 1)
    scene = Scene(market, hold(Range(), market), VenueTerms(), latency_bars=1)
    assert real.decided_as_swept(scene) > 0
