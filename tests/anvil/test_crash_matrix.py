"""A sample of `scripts/bench crash_matrix`, and proof that it would find what it looks for."""

import json
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.anvil
CELLS = 16


def matrix(*words: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.crash_matrix", "--json", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    figures: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return figures


def test_p1_a_keeper_killed_at_any_place_in_any_network_doubles_nothing_and_loses_nothing() -> None:
    figures = matrix("--cells", str(CELLS), "--seed", "17", "--workers", "1")
    assert figures["cells"] == CELLS
    assert figures["kills"] >= CELLS - 2
    assert figures["effects"] == figures["wanted"]
    assert (figures["doubles"], figures["lost"], figures["open_intents"]) == (0, 0, 0)
    assert (figures["halts"], figures["troubled"]) == (0, 0)


def test_the_matrix_finds_the_doubles_of_a_bot_without_a_journal() -> None:
    figures = matrix("--naive", "--scenario", "lost", "--cells", "4", "--workers", "1")
    assert figures["doubles"] > 0
    assert figures["effects"] > figures["wanted"]
