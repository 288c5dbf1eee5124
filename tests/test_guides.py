"""The packages that the guides build are built as written, found by name, and pass their tests."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from keeper.devnet.anvil import Node

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "docs" / "guides"


def files(guide: str) -> dict[str, str]:
    """Return the fenced blocks that begin with the name of their file."""
    named = re.compile(r"^```\w+\n# ([\w.]+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return dict(named.findall((GUIDES / guide).read_text()))


def lay_out(guide: str, folder: Path) -> str:
    """Write the package as an installer would, and return the `module:Class` of its entry point."""
    for name, text in files(guide).items():
        (folder / name).write_text(text)
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    ((group, names),) = project["entry-points"].items()
    ((name, target),) = names.items()
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target}\n")
    return f"{group.removeprefix('keeper.')} {name}"


@pytest.mark.parametrize("guide", ["add-a-vault.md", "add-an-oracle.md"])
def test_what_a_guide_builds_is_found_and_conforms(guide: str, tmp_path: Path) -> None:
    group, name = lay_out(guide, tmp_path).split()
    code = f"from keeper.registry import known; print(known({group!r})[{name!r}].load().__name__)"
    for command in (
        ["-c", code],
        ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib"],
        ["-m", "mypy", "--strict", "--no-incremental", *tmp_path.glob("keeper_*.py")],
    ):
        run = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.anvil
def test_the_bots_of_the_fault_proxy_guide_pass_their_tests(tmp_path: Path) -> None:
    for name, text in files("faultproxy.md").items():
        (tmp_path / name).write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "6 passed" in run.stdout


@pytest.mark.anvil
def test_the_script_of_the_fault_proxy_guide_runs_as_written(
    anvil_node: Node, tmp_path: Path
) -> None:
    (tmp_path / "rehearse.sh").write_text(files("faultproxy.md")["rehearse.sh"])
    run = subprocess.run(
        ["bash", "rehearse.sh"],  # noqa: S607  # as a reader runs it
        cwd=tmp_path,
        env=os.environ
        | {
            "NODE": anvil_node.http_url,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    log = json.loads((tmp_path / "log.json").read_text())
    assert [entry["told"] for entry in log] == ["status 429", "result"]
