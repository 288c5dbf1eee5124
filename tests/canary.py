"""Words that stand for secrets in what the tests set up, and the search for them afterwards.

A folder is searched byte by byte; `.env` alone may hold a secret. The words are put together when
they are needed, so that a copy of this file is no find. As a plugin of pytest it searches all that
a run has written, and what its tests printed; a find fails the run.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

WORD: Final = "".join(("hk", "canary"))  # noqa: FLY002  # a copy of this file is no find
"""Part of every one of them."""
NODE_TOKEN: Final = f"{WORD}-token-5d41402abc4b2a76"
PASSWORD: Final = f"{WORD}-password-7d793037a0760186"
MAY_HOLD_SECRETS: Final = ".env"


def needles(*more: str) -> tuple[bytes, ...]:
    """Return what must not be found: the word, its credentials as HTTP sends them, and *more*."""
    basic = b64encode(f"{WORD}:{PASSWORD}".encode())
    return (WORD.encode(), basic, *(text.encode() for text in more))


def finds(folder: Path, wanted: Iterable[bytes] | None = None) -> Iterator[str]:
    """Yield where below *folder* one of *wanted* stands: the path, and what is around it."""
    sought = needles() if wanted is None else tuple(wanted)
    for path in sorted(folder.rglob("*")):
        if path.name == MAY_HOLD_SECRETS or path.is_symlink() or not path.is_file():
            continue
        if (around := _around(path.read_bytes(), sought)) is not None:
            yield f"{path.relative_to(folder)}: {around!r}"


def _around(data: bytes, sought: tuple[bytes, ...]) -> bytes | None:
    for needle in sought:
        if (at := data.find(needle)) >= 0:
            return data[max(0, at - 40) : at + len(needle) + 20]
    return None


OUT_LOUD: set[str] = set()
"""Tests whose captured output held a canary."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look into what a test printed and logged."""
    if any(WORD in text for _, text in report.sections):
        OUT_LOUD.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a canary stands in anything below the folder of all temporary folders."""
    if hasattr(session.config, "workerinput"):  # its folder is inside the one of who started it
        return
    folder = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # pytest's own
    found = [*sorted(OUT_LOUD), *finds(folder)]
    if not found:
        return
    session.exitstatus = pytest.ExitCode.TESTS_FAILED
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.section("secrets in what was written", red=True, bold=True)
        for line in found:
            reporter.write_line(line)
