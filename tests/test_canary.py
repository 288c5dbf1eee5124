"""A secret in anything that the tests write fails the run, whoever wrote it."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.canary import PASSWORD, finds

ROOT = Path(__file__).parents[1]
PLANT = """\
from tests.canary import PASSWORD

def test_plant(tmp_path):
    {plant}
"""
IN_A_FILE = "(tmp_path / 'keeper.log').write_text(f'wrong password {PASSWORD}')"
OUT_LOUD = "print(f'wrong password {PASSWORD}')"
WHERE_IT_MAY_BE = "(tmp_path / '.env').write_text(f'KEEPER_PASSWORD={PASSWORD}')"


@pytest.mark.parametrize(
    ("plant", "workers", "code"),
    [(IN_A_FILE, 1, 1), (OUT_LOUD, 0, 1), (WHERE_IT_MAY_BE, 0, 0)],
    ids=["in a file", "out loud", "in .env"],
)
def test_x6_a_run_of_the_tests_fails_if_one_of_them_wrote_a_secret(
    plant: str, workers: int, code: int
) -> None:
    # Not below this run's own folder, where the plant would be found once more.
    with tempfile.TemporaryDirectory() as folder:
        test = Path(folder) / "test_inside.py"
        test.write_text(PLANT.format(plant=plant))
        words = ["-q", f"--basetemp={folder}/all", "-p", "no:cacheprovider", "-p", "tests.canary"]
        words += ["-p", "xdist", f"-n{workers}"] if workers else []
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *words, "-c", "/dev/null", test],
            cwd=ROOT,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert "1 passed" in run.stdout
    assert run.returncode == code
    assert ("secrets in what was written" in run.stdout) == bool(code)


def test_x6_a_secret_is_found_wherever_it_stands(tmp_path: Path) -> None:
    planted = tmp_path / "deep" / "keeper.db-wal"
    planted.parent.mkdir()
    planted.write_bytes(b"\x00\xff" + PASSWORD.encode() + b"\x00")
    (found,) = finds(tmp_path)
    assert found.startswith("deep/keeper.db-wal")
    planted.unlink()
    assert list(finds(tmp_path)) == []
