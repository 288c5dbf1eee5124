"""A real `keeper run` in its folder: started, listened to, killed or ended."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.01
_LAST_WORDS: Final = 2_000


class KeeperProcess:
    """One `keeper run` after the other, all in one folder and with one log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "keeper.log"
        self._begins_at = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start one."""
        toml = str(self.folder / "keeper.toml")
        command = [sys.executable, "-m", "keeper", "run", "--config", toml]
        with self._log.open("ab") as log:
            self._begins_at = log.tell()
            self._process = subprocess.Popen(  # noqa: S603  # this repository's own program
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def await_word(self, word: bytes, patience_s: float) -> None:
        """Return once it has logged *word*, a regular expression.

        Raises:
            SystemExit: It ended, or did not in time.

        """
        deadline = time.monotonic() + patience_s
        while not re.search(word, self._log.read_bytes()[self._begins_at :]):
            if not self.is_alive or time.monotonic() > deadline:
                raise SystemExit(f"keeper run did not start: {self.last_words()}")
            time.sleep(LOOK_S)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            SystemExit: There is none.

        """
        return self._running().pid

    def kill(self) -> None:
        """End it as a power cut would, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, patience_s: float) -> int:
        """End it as a person would; return its exit code.

        Raises:
            SystemExit: There is none.

        """
        self._running().send_signal(signal.SIGTERM)
        code = self._running().wait(patience_s)
        self._process = None
        return code

    def last_words(self) -> str:
        """Return the end of its log."""
        return self._log.read_text()[-_LAST_WORDS:]

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise SystemExit("there is no keeper here")
        return self._process
