"""A sample of `scripts/bench failover`: leaders are hurt, the money does not notice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOWS = 8


@pytest.mark.anvil
@pytest.mark.timeout(400)
def test_p1_p3_p4_leaders_that_are_killed_stopped_and_cut_off_double_nothing_and_lose_nothing() -> (
    None
):
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.failover", "--failovers", str(BLOWS), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=380,
    )
    assert run.stdout, run.stderr
    toll = json.loads(run.stdout.splitlines()[-1])
    assert toll["failovers"] + toll["blocked"] == BLOWS
    assert toll["effects"] > 0
    harm = ("doubles", "lost", "open_intents", "halted")
    assert {name: toll[name] for name in harm} == dict.fromkeys(harm, 0), run.stderr
