"""The scripts, run for real in a scratch checkout whose programs only note their calls."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.name for path in (ROOT / "scripts").iterdir() if path.is_file())
BY_HAND = ("rebalance", "flatten", "halt")
SYSTEM = (
    "bash",
    "env",
    "dirname",
    "cat",
    "cmp",
    "rm",
    "mkdir",
    "chmod",
    "sed",
    "paste",
    "cp",
    "grep",
)
"""What the scripts may expect of a machine; there is no python and no uv on this PATH."""

LOCKS = ("requirements/setup.txt", "requirements/dev.txt", "pyproject.toml")

PYTHON = r"""#!/usr/bin/env bash
# Stands for Python 3.11: fit, able to make an environment, and otherwise writing down its calls.
case "$*" in
  "-c import sys; sys.exit(not"*) exit "${UNFIT:-0}" ;;
  "-c import ensurepip, venv") exit "${NO_VENV:-0}" ;;
  "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  "-m pip install"*) [[ -z ${NO_INDEX:-} ]] || exit 1; cp "$0" .venv/bin/uv ;;
  "pip sync"*) [[ -z ${NO_INDEX:-} ]] || exit 1 ;;
  "-m keeper.devnet.tools") [[ -z ${NO_NPM:-} ]] || { echo "npm is not installed" >&2; exit 2; } ;;
esac
echo "${0##*/} $*" >>"$CALLS"
echo "noise of ${0##*/}"
"""

TALKER = '#!/usr/bin/env bash\necho "${0##*/} $* in $PWD"\nexit "${STATUS:-0}"\n'


class Checkout:
    """A copy of the scripts, with a PATH that holds nothing but the system's smallest tools."""

    def __init__(self, root: Path) -> None:
        self.root = root / "a checkout"  # a blank in a path is an ordinary thing
        self.bin = root / "bin"
        self.calls = root / "calls"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        shutil.copytree(ROOT / ".ci", self.root / ".ci")
        for name in LOCKS:
            (self.root / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        self.bin.mkdir()
        for tool in SYSTEM:
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool} here"))

    def has(self, path: Path, program: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(program)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(
        self, *command: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        self.calls.write_text("")
        return subprocess.run(
            [str(self.bin / "bash"), *command],
            cwd=cwd or self.root,
            env={"PATH": str(self.bin), "CALLS": str(self.calls)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def bare(tmp_path: Path) -> Checkout:
    """A machine without Python."""
    return Checkout(tmp_path)


@pytest.fixture
def fresh(bare: Checkout) -> Checkout:
    """A fresh clone on a machine with Python."""
    bare.has(bare.bin / "python3.12", PYTHON)
    return bare


@pytest.fixture
def ready(fresh: Checkout) -> Checkout:
    """A checkout that was set up; what it runs says so on stdout."""
    assert fresh.run("scripts/setup", "devnet").returncode == 0
    fresh.has(fresh.root / ".venv" / "bin" / "keeper", TALKER)
    return fresh


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_executable_stops_at_the_first_failure_and_parses(name: str) -> None:
    path = ROOT / "scripts" / name
    first, comment, *lines = path.read_text().splitlines()
    assert os.access(path, os.X_OK)
    assert first == "#!/usr/bin/env bash"
    assert comment.startswith("# ")
    assert "set -euo pipefail" in lines
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0  # noqa: S607  # any bash


def test_setup_makes_the_environment_from_the_locks(fresh: Checkout) -> None:
    done = fresh.run("scripts/setup")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert fresh.called() == [
        "python3.12 -m venv --clear .venv",
        "python -m pip install --quiet --require-hashes -r requirements/setup.txt",
        "uv pip sync --quiet --require-hashes --compile-bytecode requirements/dev.txt",
        "uv pip install --quiet --offline --no-deps --no-build-isolation --editable .",
    ]


def test_setup_of_the_devnet_fetches_its_tools(fresh: Checkout) -> None:
    done = fresh.run("scripts/setup", "devnet")
    assert done.stdout == ""
    assert fresh.called()[-1] == "python -m keeper.devnet.tools"


def test_a_second_setup_does_nothing(ready: Checkout) -> None:
    done = ready.run("scripts/setup")
    assert (done.returncode, done.stdout, done.stderr, ready.called()) == (0, "", "", [])


@pytest.mark.parametrize("name", LOCKS)
def test_a_changed_lock_sets_up_again_in_the_same_environment(ready: Checkout, name: str) -> None:
    with (ready.root / name).open("a") as lock:
        lock.write("\n")
    assert ready.run("scripts/setup").returncode == 0
    assert [call.split()[0] for call in ready.called()] == ["uv", "uv"]


def test_a_moved_checkout_sets_up_again(ready: Checkout) -> None:
    ready.root = ready.root.rename(ready.root.with_name("elsewhere"))
    assert ready.run("scripts/setup").returncode == 0
    assert ready.called() != []


def test_a_failed_setup_is_not_taken_for_done(fresh: Checkout) -> None:
    assert fresh.run("scripts/setup", NO_INDEX="1").returncode == 1
    assert fresh.run("scripts/setup").returncode == 0
    assert fresh.called()[-1].startswith("uv pip install")


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of stderr, which is the only one that is a complaint."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_without_python_one_sentence_names_the_remedies(bare: Checkout) -> None:
    said = one_sentence(bare.run("scripts/demo"))
    assert said.startswith("setup: Python 3.11, 3.12 or 3.13 is needed")
    assert "install one, or set PYTHON" in said


def test_a_python_of_another_version_is_not_used(fresh: Checkout) -> None:
    assert "none is on the PATH" in one_sentence(fresh.run("scripts/setup", UNFIT="1"))


def test_a_named_python_is_used_or_refused(fresh: Checkout) -> None:
    mine = fresh.root / "my python"
    fresh.has(mine, PYTHON)
    assert fresh.run("scripts/setup", PYTHON=str(mine)).returncode == 0
    assert fresh.called()[0] == "my python -m venv --clear .venv"
    shutil.rmtree(fresh.root / ".venv")
    said = one_sentence(fresh.run("scripts/setup", PYTHON="/nowhere/python"))
    assert said.startswith("setup: PYTHON=/nowhere/python is not Python 3.11")


def test_a_python_without_venv_names_the_package(fresh: Checkout) -> None:
    assert "python3-venv" in one_sentence(fresh.run("scripts/setup", NO_VENV="1"))


def test_without_an_index_the_setting_is_named(fresh: Checkout) -> None:
    assert "PIP_INDEX_URL" in one_sentence(fresh.run("scripts/setup", NO_INDEX="1"))


def test_without_npm_the_devnet_says_so_and_nothing_runs(fresh: Checkout) -> None:
    done = fresh.run("scripts/demo", NO_NPM="1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "npm is not installed"
    assert not any("keeper.demo" in call for call in fresh.called())


def test_the_demo_passes_arguments_and_stdout_through(fresh: Checkout) -> None:
    done = fresh.run("scripts/demo", "--json")
    assert fresh.called()[-1] == "python -m keeper.demo --json"
    assert done.stdout == "noise of python\n", "only the demo itself may write to stdout"


def test_the_tests_run_in_parallel_and_with_the_arguments_given(ready: Checkout) -> None:
    ready.run("scripts/test", "tests/core", "-k", "a band")
    assert ready.called()[-1] == "python -m pytest -n 2 --dist worksteal tests/core -k a band"


def test_all_tests_together_measure_coverage(ready: Checkout) -> None:
    ready.run("scripts/test")
    assert "--cov" in ready.called()[-1]


@pytest.mark.parametrize("name", [*BY_HAND, "fork"])
def test_a_trigger_by_hand_is_the_command_where_it_was_called(ready: Checkout, name: str) -> None:
    elsewhere = ready.root.parent
    done = ready.run(str(ready.root / "scripts" / name), "--dry-run", cwd=elsewhere, STATUS="6")
    assert done.stdout == f"keeper {name} --dry-run in {elsewhere}\n"
    assert done.returncode == 6


@pytest.mark.parametrize("name", BY_HAND)
def test_a_trigger_by_hand_needs_no_npm(ready: Checkout, name: str) -> None:
    assert ready.run(f"scripts/{name}", NO_NPM="1").returncode == 0


MAIN = 'if __name__ == "__main__": ...'


def test_a_benchmark_runs_by_its_name(ready: Checkout) -> None:
    ready.has(ready.root / "benchmarks" / "reaction.py", MAIN)
    done = ready.run("scripts/bench", "reaction", "--json")
    assert ready.called()[-1] == "python -m benchmarks.reaction --json"
    assert done.stdout == "noise of python\n"


@pytest.mark.parametrize("name", [(), ("nothing",), ("shared",), ("../reaction",)])
def test_an_unknown_benchmark_lists_those_there_are(ready: Checkout, name: tuple[str, ...]) -> None:
    for known in ("reaction", "positions"):
        ready.has(ready.root / "benchmarks" / f"{known}.py", MAIN)
    ready.has(ready.root / "benchmarks" / "shared.py", "")
    done = ready.run("scripts/bench", *name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("NAME: positions reaction\n")


JUST = '#!/usr/bin/env bash\nfor broken in ${BROKEN:-}; do [[ $1 != "$broken" ]] || exit 1; done\n'
TESTS = '#!/usr/bin/env bash\necho "== 3 passed in 1 s =="\nexit "${STATUS:-0}"\n'


@pytest.mark.parametrize(
    ("environment", "status"),
    [({}, 0), ({"BROKEN": "lint"}, 1), ({"BROKEN": "imports"}, 1), ({"STATUS": "1"}, 1)],
)
def test_ci_fails_with_any_part_and_ends_with_the_closing_line(
    ready: Checkout, environment: dict[str, str], status: int
) -> None:
    ready.has(ready.root / ".venv" / "bin" / "just", JUST)
    ready.has(ready.root / "scripts" / "test", TESTS)
    done = ready.run(".ci/run", cwd=ready.root, **environment)
    assert done.returncode == status
    assert done.stdout.splitlines()[-1] == "== 3 passed in 1 s =="
