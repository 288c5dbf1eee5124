from pathlib import Path

from click.testing import CliRunner

from keeper.cli.demo import demo


def test_a_bad_price_file_is_refused_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("ts,price\n1,0\n")
    result = CliRunner().invoke(demo, ["--prices", str(path), "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "above zero" in result.stderr
    assert result.stdout == ""


def test_help_names_the_ways_to_play() -> None:
    result = CliRunner().invoke(demo, ["--help"])
    assert result.exit_code == 0
    for option in ("--json", "--blocks", "--seed", "--prices", "--out"):
        assert option in result.output
