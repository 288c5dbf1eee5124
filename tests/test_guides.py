"""The packages that the guides build are built as written, found by name, and pass their tests."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

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
