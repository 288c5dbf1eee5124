from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from msgspec import json

from keeper.cli.main import cli

SHORT = ("--days", "5")


def backtest(*line: str) -> Result:
    return CliRunner().invoke(cli, ["backtest", *SHORT, *line])


def test_it_prints_a_table_and_writes_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = backtest("--report", str(page))
    assert done.exit_code == 0, done.output
    for name in ("optimal", "Whalley-Wilmott", "fixed band to zero", "every day", "never"):
        assert name in done.output
    assert f"charts: {page}" in done.output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_chosen_policies_alone_take_part_in_their_order(tmp_path: Path) -> None:
    done = backtest("--policy", "interval:12h", "--policy", "optimal", "--json",
                    "--report", str(tmp_path / "page.html"))  # fmt: skip
    found = json.decode(done.output)
    assert [each["name"] for each in found["policies"]] == ["interval:12h", "optimal"]
    assert found["policies"][0]["strategy"] == {"type": "interval", "every_s": 43_200}
    assert found["policies"][1]["account"]["trades"] > 0
    assert set(found["frontier"]) >= {"optimal", "interval"}
    assert found["report"] == str(tmp_path / "page.html")


def test_without_a_page_there_is_no_frontier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.decode(backtest("--no-report", "--json").output)
    assert not list(tmp_path.iterdir())
    assert found["frontier"] == {}
    assert found["report"] is None


def test_the_same_seed_gives_the_same_document() -> None:
    one, same = (backtest("--no-report", "--json", "--seed", "4").output for _ in range(2))
    other = backtest("--no-report", "--json", "--seed", "5").output
    assert one == same != other


def test_scenarios_are_pooled_wherever_they_run() -> None:
    line = ("--no-report", "--json", "--scenarios", "9", "--policy", "optimal")
    here = backtest(*line).output
    assert backtest(*line, "--workers", "2").output == here
    (policy,) = json.decode(here)["policies"]
    assert policy["pooled"]["scenarios"] == 9
    assert policy["pooled"]["cost_usd"]["se"] > 0
    assert "mean of 9 paths" in backtest(*line[:1], *line[2:]).output


def test_a_page_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    nowhere = backtest("--policy", "never", "--report", str(tmp_path / "no" / "page.html"))
    assert nowhere.exit_code == 2
    assert "there is no such folder" in nowhere.output
    assert "--report" in nowhere.output
    too_long = backtest("--policy", "never", "--report", str(tmp_path / ("x" * 300)))
    assert too_long.exit_code == 2
    assert "File name too long" in too_long.output


def test_many_scenarios_are_on_the_page_too(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    backtest("--policy", "optimal", "--scenarios", "2", "--report", str(page))
    assert "Over all scenarios" in page.read_text(encoding="utf-8")


def test_a_path_that_is_neither_a_kind_nor_a_file_is_refused() -> None:
    done = backtest("--path", "hestno")
    assert done.exit_code == 2
    assert "gbm, heston, jumps" in done.output


def test_a_policy_that_is_none_is_refused() -> None:
    done = backtest("--policy", "best")
    assert done.exit_code == 2
    assert "fixed_band" in done.output
