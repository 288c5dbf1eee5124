"""The table of sabotages fits the code, so that `scripts/bench sabotage` can be run at any time."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
TOOL = ROOT / "benchmarks" / "sabotage.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sabotage", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sabotage"] = module  # its types are looked up there by name
    spec.loader.exec_module(module)
    return module


sabotage = load()
TABLE = {one.name: one for one in sabotage.load()}


def test_there_are_enough_of_them_and_each_has_a_name() -> None:
    assert len(TABLE) == len(sabotage.load()) >= 40


@pytest.mark.parametrize("name", TABLE)
def test_a_sabotage_fits_the_code_it_breaks(name: str) -> None:
    one = TABLE[name]
    broken = one.changed(ROOT)
    if one.file.endswith(".py"):
        ast.parse(broken)
    assert [path for path in one.tests if not (ROOT / path.partition("::")[0]).exists()] == []


def test_a_text_that_is_not_there_exactly_once_is_refused() -> None:
    one = sabotage.Sabotage(name="vague", file="pyproject.toml", old="a", new="b", tests=("tests",))
    with pytest.raises(ValueError, match=r"vague: its text is \d+ times in pyproject"):
        one.changed(ROOT)


def test_only_a_failed_test_has_caught_anything() -> None:
    verdicts = {code: sabotage.judge(code) for code in (0, 1, 2, 4, 5, None)}
    assert verdicts == {
        0: "missed", 1: "caught", 2: "broken", 4: "broken", 5: "broken", None: "hung",
    }  # fmt: skip


def test_one_of_them_is_caught_from_end_to_end() -> None:
    run = subprocess.run(
        [sys.executable, TOOL, "--only", "zero means unlimited", "--jobs", "1", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout.splitlines()[-1])
    assert (said["sabotages"], said["caught"], said["missed"]) == (1, 1, [])
