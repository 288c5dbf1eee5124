"""The pure benchmarks run without any peer, and say so; how fast they were is for themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import backtest, bands, greeks, iv, lp_greeks, peers, pricing, pricing_peers
from benchmarks.turns import Rate, Ratio
from keeper.sim.backtest import run as run_backtest

Run = Callable[[Callable[[list[str]], int], list[str]], dict[str, Any]]
RATE = Rate(best_per_s=1.0, median_per_s=1.0)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a benchmark where no peer is installed, and return its last line."""
    monkeypatch.setattr(peers, "FOLDER", tmp_path)

    def once(main: Callable[[list[str]], int], arguments: list[str]) -> dict[str, Any]:
        assert main(["--json", "--rounds", "1", *arguments]) == 0
        printed = capsys.readouterr()
        (line,) = printed.out.splitlines()
        assert printed.err
        report: dict[str, Any] = json.loads(line)
        return report

    return once


def test_greeks_are_held_against_the_vectors_and_missing_peers_are_null(run: Run) -> None:
    report = run(greeks.main, ["--options", "2000"])
    assert report["benchmark"] == "greeks"
    assert max(report["our_errors"].values()) < 1e-12
    assert report["peers"] == dict.fromkeys(greeks.LIBRARIES)
    assert report["targets_met"] is None


def test_implied_volatility_is_held_against_the_vectors_and_missing_peers_are_null(
    run: Run,
) -> None:
    report = run(iv.main, ["--options", "2000"])
    assert report["our_errors"]["vectors"] < 1e-11
    assert report["our_errors"]["conditioned"] < 1e-10
    assert report["our_errors"]["failures"] == 0
    assert report["peers"] == dict.fromkeys(iv.LIBRARIES)
    assert report["targets_met"] is None


def test_ranges_are_held_against_the_vectors(run: Run) -> None:
    report = run(lp_greeks.main, ["--positions", "2000"])
    assert report["positions_per_s"] > 0
    assert max(report["errors"].values()) < 1e-12
    assert isinstance(report["targets_met"], bool)


def test_bands_are_held_against_the_vectors(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "SCALARS", 50)
    report = run(bands.main, ["--bands", "500"])
    assert report["one_us"]["best"] > 0
    assert max(report["errors"].values()) < 1e-14


def test_the_backtest_runs_without_vectorbt_and_says_what_it_keeps_books_of(run: Run) -> None:
    report = run(backtest.main, ["--bars", "600"])
    assert set(report["cases"]) == set(backtest.AVERSIONS)
    for case in report["cases"].values():
        assert case["trades"] > 0
        assert case["vectorbt_bars_per_s"] is None
    assert "order records" in report["bookkeeping"]
    assert (report["vectorbt"], report["targets_met"]) == (None, None)


def test_what_does_not_trade_the_same_is_not_compared() -> None:
    scene, terms = backtest.stage(300)
    made = run_backtest(scene, terms)
    cost_usd = float(made.fee_usd.sum() + made.gas_usd.sum())
    backtest.agree(made, {"trades": made.trades, "cost_usd": cost_usd})
    with pytest.raises(ValueError, match="not the same trades"):
        backtest.agree(made, {"trades": made.trades + 1, "cost_usd": cost_usd})
    with pytest.raises(ValueError, match="not the same trades"):
        backtest.agree(made, {"trades": made.trades, "cost_usd": cost_usd * 1.001})


def test_every_greek_target_must_be_met() -> None:
    def at(times: float) -> greeks.Competitor:
        return greeks.Competitor(
            version="1", options_per_s=RATE, times_faster=Ratio(times, times), errors=None
        )

    assert greeks.met({"fast_vollib": at(3.0), "quantlib": at(100.0)}) is True
    assert greeks.met({"fast_vollib": at(2.9), "quantlib": at(100.0)}) is False
    assert greeks.met({"fast_vollib": at(3.0), "quantlib": at(99.0)}) is False
    assert greeks.met({"fast_vollib": at(3.0), "quantlib": None}) is None


def test_a_faster_but_worse_implied_volatility_meets_no_target() -> None:
    def at(times: float, error: float) -> iv.Competitor:
        return iv.Competitor(
            version="1",
            options_per_s=RATE,
            times_faster=Ratio(times, times),
            errors=iv.Errors(vectors=error, conditioned=error, failures=0),
        )

    ours = iv.Errors(vectors=1e-12, conditioned=1e-12, failures=0)
    name = "py_vollib_vectorized"
    assert iv.met(ours, {name: at(1.5, 1e-12), "quantlib": None}) is True
    assert iv.met(ours, {name: at(1.4, 1e-12), "quantlib": None}) is False
    assert iv.met(ours, {name: at(1.5, 1e-13), "quantlib": None}) is False
    assert iv.met(ours, {name: at(1.5, 1e-13), "quantlib": at(4.0, 1e-5)}) is True
    assert iv.met(ours, {name: None, "quantlib": None}) is None


def test_a_price_without_a_number_is_a_failure_and_no_error() -> None:
    asked = iv.exam(pricing.book(20))
    exact, sample = asked.vectors["sigma"].copy(), asked.sample["sigma"].copy()
    assert iv.errors(exact, sample, asked) == iv.Errors(0.0, 0.0, 0)
    exact[3] = np.nan
    sample[0] += 1e-3
    found = iv.errors(exact, sample, asked)
    assert (found.vectors, found.failures) == (0.0, 1)
    assert found.conditioned == pytest.approx(1e-3)
    assert iv.errors(exact * np.nan, sample, asked).vectors is None


def test_an_error_is_relative_to_the_reference_or_to_one() -> None:
    found, exact = np.array([0.5, 202.0]), np.array([0.25, 200.0])
    assert pricing.worst(found, exact) == 0.25
    assert pricing.worst(found[1:], exact[1:]) == pytest.approx(0.01)


def test_a_peers_units_become_ours() -> None:
    rows = pricing_peers._in_years([np.ones(2)] * 6)
    assert [row[0] for row in rows] == [1.0, 1.0, 1.0, 100.0, 365.0, 100.0]
