"""Programs of others to measure beside ours, each with an interpreter and packages of its own.

None is a dependency and none is in the locks. `--peers` installs them below `.tools/peers`; without
it a benchmark runs beside those that are there, and says which are not. They do not share our
process: some need another numpy. A peer times itself, so that no message is inside its clock.
"""

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parents[1] / ".tools" / "peers"

KITS: Final[dict[str, tuple[str, ...]]] = {
    "vollib": (
        "fast-vollib==0.2.4", "quantlib==1.44", "vollib==1.0.11", "numpy==2.4.6", "scipy==1.17.1",
    ),
    # The last release does not compile with any later numba, nor its own later dependency.
    "py_vollib_vectorized": (
        "py_vollib_vectorized==0.1.1", "py_vollib==1.0.1", "py_lets_be_rational==1.0.1",
        "numba==0.59.1", "numpy==1.26.4", "setuptools==69.5.1",
    ),
    "vectorbt": ("vectorbt==1.2.0",),
}  # fmt: skip
"""What is installed together, by the folder's name."""


class PeerGoneError(RuntimeError):
    """The peer's process ended, or has said that it cannot do what it was asked."""


class Peer:
    """A process that answers each line of JSON with one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.versions: dict[str, str] = self._answer()

    def ask(self, question: Mapping[str, object]) -> dict[str, Any]:
        """Return its answer.

        Raises:
            PeerGoneError: There is none, or it names an error.

        """
        if self._process.poll() is None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise PeerGoneError("the peer's process ended")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerGoneError(answer["error"])
        return answer


def interpreter(kit: str, *, install: bool) -> Path | None:
    """Return the interpreter that has *kit*; None where it is not, or could not be, installed."""
    folder = FOLDER / kit
    python, ready, wanted = folder / "bin" / "python", folder / ".ready", "\n".join(KITS[kit])
    if ready.is_file() and ready.read_text() == wanted:
        return python
    if not install:
        return None
    uv = Path(sys.executable).with_name("uv")
    print(f"installing {', '.join(KITS[kit])} below {FOLDER}", file=sys.stderr)
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("venv", "--quiet", "--clear", "--python", sys.executable, folder),
        ("pip", "install", "--quiet", "--python", python, *KITS[kit]),
    )
    for command in commands:
        if subprocess.run([uv, *command], stdout=sys.stderr, check=False).returncode:  # noqa: S603  # our own uv with the constants above
            return None
    ready.write_text(wanted)
    return python


@contextmanager
def serving(python: Path, script: Path, *arguments: str) -> Iterator[Peer]:
    """Yield *script* under *python*, which says its versions first.

    Raises:
        PeerGoneError: It does not start.

    """
    with subprocess.Popen(  # noqa: S603  # an interpreter of ours with a script of ours
        [python, "-W", "ignore", script, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            yield Peer(process)
        finally:
            process.kill()


def add_option(parser: ArgumentParser) -> None:
    """Give *parser* the option `--peers`."""
    parser.add_argument(
        "--peers",
        action="store_true",
        help="install the others below .tools/peers",
    )
