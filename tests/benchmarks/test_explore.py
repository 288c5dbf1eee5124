import json

import pytest

from benchmarks import explore
from keeper.sim.explorer import Scope


def test_a_small_scope_says_everything_in_its_last_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = Scope(intents=1, blocks=2, reorgs=0, crashes=0, takeovers=0, losses=0, waits=0)
    monkeypatch.setitem(explore.SCOPES, "suite", (tiny, tiny))
    assert explore.main(["--scope", "suite", "--json"]) == 0
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert report["complete"]
    assert report["violations"] == 0
    assert report["states"] == sum(row["states"] for row in report["scopes"]) > 10
    assert report["transitions"] > report["states"]
    assert explore.main(["--scope", "suite", "--most-states", "5"]) == 0
    assert "complete: False" in capsys.readouterr().out
