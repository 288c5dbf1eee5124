"""It runs, every way of reading agrees, and it says what it measured."""

import json

import pytest

from benchmarks import positions

pytestmark = pytest.mark.anvil


def test_a_short_run_says_everything_in_its_last_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(positions, "NAIVE_PATIENCE_NS", 1)
    assert positions.main(["--json", "--sizes", "120", "30", "--rounds", "2"]) == 0
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    report = json.loads(line)
    assert report["benchmark"] == "positions"
    assert [size["positions"] for size in report["sizes"]] == [120, 30]
    for size in report["sizes"]:
        for way in ("by_id", "by_owner", "by_id_multicall3"):
            assert size[way]["total_ms"]["samples"] == 2
            assert size[way]["node_wait_p50_ms"] > 0
        assert size["web3_multicall3_ms"]["p50"] > 0
        assert size["web3_one_by_one_ms"]["samples"] == 1
        assert size["by_id"]["requests"] == 2  # the newest block, and all positions of it
    assert "120 positions" in printed.err
