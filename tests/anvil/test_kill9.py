"""A sample of `scripts/bench kill9`: the process dies, the money does not notice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "kill9.py"
KILLS = 5


@pytest.mark.anvil
def test_p1_a_keeper_that_is_killed_again_and_again_doubles_nothing_and_loses_nothing() -> None:
    run = subprocess.run(
        [sys.executable, BENCHMARK, "--kills", str(KILLS), "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    toll = json.loads(run.stdout.splitlines()[-1])
    assert toll["kills"] == KILLS
    assert toll["effects"] > 0
    assert (toll["doubles"], toll["lost"], toll["open_intents"]) == (0, 0, 0)
    assert abs(toll["final_net"]) <= toll["band_outer"]
