"""It runs and says what it measured; how fast that was is for the benchmark itself."""

import json

import pytest

from benchmarks import reaction

pytestmark = pytest.mark.anvil

SPREADS = ("ours_ms", "naive_ms", "naive_ipc_ms", "own_share_ms", "own_cpu_ms")


def test_a_short_run_says_everything_in_its_last_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaction, "WARM_UP", 2)
    monkeypatch.setattr(reaction, "COUNTED", 2)
    assert reaction.main(["--json", "--events", "4", "--perp-events", "4"]) == 0
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    report = json.loads(line)
    assert report["benchmark"] == "reaction"
    assert report["disk"]["filesystem"]
    assert report["pinned"] is True
    assert report["machine"]["node"].startswith("anvil")
    assert set(report["settings"]) == {"light", "perp_v2"}
    for figures in report["settings"].values():
        assert figures["events"] == 4
        for name in SPREADS:
            assert 0 < figures[name]["p50"] <= figures[name]["p90"] <= figures[name]["p99"]
        assert figures["rpc_calls"] == {
            "eth_getBlockByNumber": 1,
            "eth_call": 2,
            "eth_getTransactionCount": 1,
            "eth_getCode": 1,
            "eth_sendRawTransaction": 1,
        }
        assert figures["rpc_calls_per_reaction"] == 6
        assert figures["rpc_requests_per_reaction"] == 3
        assert figures["naive_rpc_requests_per_reaction"] > 30
        assert figures["journal_p50_ms"] > 0
        assert isinstance(figures["met"], bool)
    assert "light: 4 events" in printed.err
