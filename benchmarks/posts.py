"""One of several hosts that keep the same books: its folder, process and way to the database."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from keeper.testing.postgres_relay import Relay

LOOK_S: Final = 0.01
START_S: Final = 60.0


class Post:
    """One host: a folder with its keeper.toml, its process, and its way to the database."""

    def __init__(self, folder: Path, relay: Relay | None) -> None:
        self.folder = folder
        self.relay = relay
        self._log = folder / "keeper.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start its keeper; it leads or stands by."""
        toml = str(self.folder / "keeper.toml")
        command = [sys.executable, "-m", "keeper", "run", "--config", toml]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # this repository's own program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def await_standing(self) -> None:
        """Return once its keeper has asked for the lease."""
        deadline = time.monotonic() + START_S
        while not re.search(rb'"(standing by|leading)"', self._log.read_bytes()):
            if not self.is_alive or time.monotonic() > deadline:
                raise SystemExit(f"keeper run did not start: {self._log.read_text()[-2_000:]}")
            time.sleep(LOOK_S)

    @property
    def is_alive(self) -> bool:
        """Whether its keeper runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id of its keeper."""
        if self._process is None:
            raise SystemExit("there is no keeper here")
        return self._process.pid

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._log.write_bytes(b"")

    def end(self) -> None:
        """End it as a person would.

        Raises:
            SystemExit: It had ended by itself, or did not end well.

        """
        if not self.is_alive:
            raise SystemExit(f"a keeper ended by itself: {self._log.read_text()[-2_000:]}")
        os.kill(self.pid, signal.SIGTERM)
        if self._process is not None and self._process.wait(START_S):
            raise SystemExit(f"a keeper did not end well: {self._log.read_text()[-2_000:]}")
