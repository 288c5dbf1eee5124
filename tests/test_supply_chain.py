"""What the project is built from: pinned, quiet when it is imported, and built alike twice."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
IMPORT_EVERYTHING = """\
import pkgutil, sys
sys.dont_write_bytecode = True
heard = []
LOUD = {"socket.connect", "socket.getaddrinfo", "socket.bind", "os.system", "os.remove"}

def listen(event, words):
    writes = event == "open" and isinstance(words[1], str) and set(words[1]) & set("wax+")
    if event in LOUD or writes and words[0] != "/dev/null":
        heard.append((event, words[0]))

sys.addaudithook(listen)
import keeper
for module in pkgutil.walk_packages(keeper.__path__, "keeper."):
    if not module.name.endswith("__main__"):
        __import__(module.name)
print(heard)
"""


def test_u2_importing_everything_calls_nobody_and_writes_nothing() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_u3_every_action_is_pinned_by_its_commit(workflow: Path) -> None:
    used = re.findall(r"^\s*-?\s*uses:\s*(\S+)", workflow.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)] == []


def test_u4_two_builds_of_one_source_are_the_same_bytes(tmp_path: Path) -> None:
    wheels = []
    for name in ("one", "another"):
        source = tmp_path / name
        hidden = shutil.ignore_patterns("__pycache__", ".*", "npm", "node_modules")
        for part in ("keeper", "abis"):
            shutil.copytree(ROOT / part, source / part, ignore=hidden)
        for part in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / part, source)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
        (wheel,) = (source / "dist").glob("*.whl")
        wheels.append(wheel.read_bytes())
    assert wheels[0] == wheels[1]


def test_pip_takes_the_lock_because_every_extra_is_pinned_with_its_package() -> None:
    lock = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    pinned = [Requirement(found) for found in re.findall(r"^[a-z][^\\]+", lock, re.MULTILINE)]
    here = {one.name: one.extras for one in pinned if one.marker is None or one.marker.evaluate()}
    asked = {
        (needed.name, extra)
        for name, extras in here.items()
        for needed in map(Requirement, requires(name) or ())
        if any(
            needed.marker is None or needed.marker.evaluate({"extra": of}) for of in extras or {""}
        )
        for extra in needed.extras
    }
    assert ("coverage", "toml") in asked
    assert {(name, extra) for name, extra in asked if extra not in here.get(name, set())} == set()
