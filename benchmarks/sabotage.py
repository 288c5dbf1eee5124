"""Breaks the keeper on purpose, one fault at a time, and asks the tests whether they notice.

    scripts/bench sabotage [--only WORDS] [--jobs 2] [--full] [--revision REV] [--json]

The faults stand in sabotages.toml. Each is a replacement of text that must match exactly once, or a
file that nobody asked for, in a scratch copy of the tree. A fault is caught if the tests that it
names fail; it is missed if they pass, and a test that hangs has not caught anything. With --full
the whole test-suite is run against each fault.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

ROOT: Final = Path(__file__).resolve().parents[1]
TABLE: Final = Path(__file__).with_name("sabotages.toml")
LINKED: Final = (".venv", ".tools")
"""Too large to copy, and nothing is ever written there by a test."""
WHOLE: Final = ("tests", "--ignore=tests/test_sabotages.py")
"""Those would notice every sabotage, by its text alone."""
PASSED: Final = 0
FAILED: Final = 1
TIMEOUT_S: Final = 240.0
FULL_TIMEOUT_S: Final = 1_200.0

Verdict = Literal["caught", "missed", "hung", "broken"]


class Sabotage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One `[[sabotage]]` of the table."""

    name: Annotated[str, Meta(min_length=1)]
    file: str
    new: str
    old: str = ""
    """Empty: the file is a new one."""
    tests: Annotated[tuple[str, ...], Meta(min_length=1)]
    """What should notice: paths, as pytest takes them."""

    def changed(self, root: Path) -> str:
        """Return the file's text with the fault in it.

        Raises:
            ValueError: The text to replace is not there exactly once, or the file is there.

        """
        path = root / self.file
        if not self.old:
            if path.exists():
                raise ValueError(f"{self.name}: {self.file} is there already")
            return self.new
        text = path.read_text(encoding="utf-8")
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.name}: its text is {found} times in {self.file}")
        return text.replace(self.old, self.new)


class Found(Struct, frozen=True):
    """What became of one sabotage."""

    name: str
    verdict: Verdict
    seconds: float
    said: str


class _Table(Struct, forbid_unknown_fields=True):
    sabotage: tuple[Sabotage, ...]


def load(table: Path = TABLE) -> tuple[Sabotage, ...]:
    """Return the sabotages of *table*."""
    raw = tomllib.loads(table.read_text(encoding="utf-8"))
    return msgspec.convert(raw, _Table).sabotage


def copy_tree(to: Path, revision: str | None) -> None:
    """Put a revision into *to*, or every file that is or would be committed."""
    if revision is None:
        for name in _names():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    else:
        archive = to / ".tree.tar"
        _git("archive", "--output", str(archive), revision)
        with tarfile.open(archive) as packed:
            packed.extractall(to, filter="data")
        archive.unlink()
    for name in LINKED:
        (to / name).symlink_to(ROOT / name)


def _names() -> list[str]:
    try:
        found = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    except subprocess.CalledProcessError:  # an unpacked archive, such as a tree of our own
        found = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*")]
    return [name for name in found if (ROOT / name).is_file() and Path(name).parts[0] not in LINKED]


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout  # noqa: S603  # git


@contextmanager
def sabotaged(sabotage: Sabotage, tree: Path) -> Iterator[None]:
    """Put the fault into *tree* while the block lasts."""
    path = tree / sabotage.file
    before = path.read_bytes() if sabotage.old else None
    path.write_text(sabotage.changed(tree), encoding="utf-8")
    try:
        yield
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def test(tree: Path, tests: tuple[str, ...], timeout_s: float) -> tuple[int | None, str]:
    """Run *tests* in *tree*; return pytest's exit code, None if it hung, and its last words."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # No compiled files: two texts of one size and one second would be taken for the same.
    environ = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(  # noqa: S603  # pytest, with paths of the table
            command, cwd=tree, env=environ, capture_output=True, text=True,
            timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"no end after {timeout_s:.0f} s"
    said = [line for line in run.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return run.returncode, "; ".join(said) or (run.stdout + run.stderr)[-300:].strip()


def judge(code: int | None) -> Verdict:
    """Return what an exit code says about the tests, or about the sabotage itself."""
    if code is None:
        return "hung"
    if code == PASSED:
        return "missed"
    # Any other code is pytest's own trouble, such as a test file that is not there.
    return "caught" if code == FAILED else "broken"


def attempt(sabotage: Sabotage, trees: SimpleQueue[Path], *, full: bool) -> Found:
    """Try one sabotage in whichever tree is free."""
    tree = trees.get()
    began = time.monotonic()
    try:
        with sabotaged(sabotage, tree):
            if full:
                code, said = test(tree, WHOLE, FULL_TIMEOUT_S)
            else:
                code, said = test(tree, sabotage.tests, TIMEOUT_S)
    finally:
        trees.put(tree)
    return Found(sabotage.name, judge(code), round(time.monotonic() - began, 1), said)


def refuse_a_sick_tree(tree: Path, sabotages: tuple[Sabotage, ...]) -> None:
    """End here if the tests fail without any sabotage: then a failure would prove nothing.

    Raises:
        SystemExit: They do, or the text of a sabotage is not where it should be.

    """
    for sabotage in sabotages:
        try:
            sabotage.changed(tree)
        except (ValueError, OSError) as error:
            raise SystemExit(f"sabotages.toml does not fit the code: {error}") from error
    tests = tuple(sorted({path for sabotage in sabotages for path in sabotage.tests}))
    code, said = test(tree, tests, FULL_TIMEOUT_S)
    if code != PASSED:
        raise SystemExit(f"the tests fail without any sabotage: {said}")


def measure(
    sabotages: tuple[Sabotage, ...], jobs: int, *, full: bool, revision: str | None
) -> list[Found]:
    """Try every sabotage, *jobs* at a time, each in a tree of its own."""
    with ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
        trees: SimpleQueue[Path] = SimpleQueue()
        for _ in range(jobs):
            tree = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sabotage-")))
            copy_tree(tree, revision)
            trees.put(tree)
        refuse_a_sick_tree(tree, sabotages)
        running = [pool.submit(attempt, one, trees, full=full) for one in sabotages]
        found = []
        for one in running:
            found.append(one.result())
            last = found[-1]
            print(
                f"{last.verdict:<7}{last.seconds:6.1f} s  {last.name}\n{'':17}{last.said[:300]}",
                file=sys.stderr,
            )
    return found


def main() -> None:
    """Print what was caught; end with 1 if anything was not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="sabotages with these words in their name")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--full", action="store_true", help="run the whole test-suite each time")
    parser.add_argument("--revision", help="break this revision instead of the files as they are")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args()
    began = time.monotonic()
    sabotages = tuple(one for one in load() if chosen.only in one.name)
    found = measure(sabotages, chosen.jobs, full=chosen.full, revision=chosen.revision)
    missed = [f"{one.name} ({one.verdict})" for one in found if one.verdict != "caught"]
    sums = {
        "sabotages": len(found),
        "caught": len(found) - len(missed),
        "missed": missed,
        "seconds": round(time.monotonic() - began, 1),
    }
    if chosen.json:
        print(json.dumps(sums))
    else:
        print(f"{sums['caught']} of {sums['sabotages']} caught", *missed, sep="\n")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
