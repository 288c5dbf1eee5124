from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from keeper.cli.scene_options import Chosen, chosen, scene_options


def given(*line: str) -> tuple[Result, list[Chosen]]:
    seen: list[Chosen] = []

    @click.command()
    @scene_options
    def command(**options: Any) -> None:
        seen.append(chosen(options))
        assert not options

    return CliRunner().invoke(command, list(line)), seen


def test_what_is_left_out_has_its_default_in_the_codes_units() -> None:
    result, (seen,) = given()
    assert result.exit_code == 0
    assert seen.gas == 10e9
    assert seen.step == 3_600
    assert seen.sigma is None
    assert seen.fee == pytest.approx(5e-4)
    assert seen.collateral is None
    assert seen.risk_aversion is None


def test_numbers_carry_their_units() -> None:
    _, (seen,) = given("--gas", "3 gwei", "--step", "5 min", "--risk-aversion", "2e-6 /USD",
                       "--reopen", "0 d", "--collateral", "5 USD")  # fmt: skip
    assert (seen.gas, seen.step, seen.risk_aversion) == (3e9, 300, 2e-6)
    assert (seen.reopen, seen.collateral) == (0, 5)


def test_gas_and_funding_may_be_words_or_files(tmp_path: Path) -> None:
    file = tmp_path / "gas.csv"
    file.write_text("ts,gas_gwei\n")
    _, (seen,) = given("--gas", str(file), "--funding", "reverting")
    assert (seen.gas, seen.funding) == (file, "reverting")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--gas", "10"), "value without unit"),
        (("--gas", "nothing.csv"), "or name a file"),
        (("--step", "1 parsec"), "unit 'parsec'"),
        (("--latency", "2"), "range"),
        (("--gas", "-5 gwei"), "below 0 wei"),
        (("--gas", "2000000 gwei"), "too much to be meant"),
        (("--funding", "2000 %"), "beyond 1000 %"),
        (("--sigma", "0 %"), "not above 0 %"),
        (("--sigma", "2000 %"), "beyond 1000 %"),
        (("--step", "0 s"), "below 1 s"),
        (("--worth", "0 USD"), "not above 0 USD"),
        (("--price", "-1 USD"), "not above 0 USD"),
        (("--collateral", "0 USD"), "not above 0 USD"),
        (("--fee", "-1 bps"), "below 0 %"),
        (("--impact", "-1 bps"), "below 0 %"),
        (("--risk-aversion", "0 /USD"), "not above 0 /USD"),
        (("--reopen", "-1 d"), "below 0 s"),
        (("--gas-shift", "1e999 d"), "too much to be meant"),
        (("--days", "nan"), "not a number"),
        (("--days", "inf"), "range"),
        (("--width", "nan"), "not a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(line: tuple[str, ...], said: str) -> None:
    result, _ = given(*line)
    assert result.exit_code == 2
    assert said in result.output


def test_prices_are_recorded_unless_a_law_invents_them() -> None:
    assert [given(*line)[1][0].is_recorded for line in ((), ("--path", "jumps"))] == [False] * 2
    assert given("--path", "prices.csv")[1][0].is_recorded
