"""Forks processes that have their imports behind them: a death and a rebirth in milliseconds.

The zygote is forked from the worker before it has any thread. It reads one `Life` a line and
answers with the process id, or a bare id and answers with how that process ended.
"""

import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.crash_child import Life, Line

CRASHED: Final = 70


class Order(Struct, frozen=True):
    """Make a process, or say how one ended."""

    life: Life | None = None
    await_pid: int = 0


class Answer(Struct, frozen=True):
    """A process id, or a status as `os.waitpid` has it."""

    number: int


class Zygote:
    """The worker's end."""

    def __init__(self, run: Callable[[Life], None]) -> None:
        """Fork; must come before any thread. *run* is what the processes do."""
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            ours.close()
            _serve(Line(theirs), run)
            os._exit(0)
        theirs.close()
        self._line = Line(ours)

    def spawn(self, life: Life) -> int:
        """Start a process; return its id."""
        return self._ask(Order(life=life))

    def wait(self, pid: int) -> int:
        """Wait until a process has ended; return its exit code, below zero for a signal."""
        return os.waitstatus_to_exitcode(self._ask(Order(await_pid=pid)))

    def close(self) -> None:
        """End the zygote."""
        self._line.close()
        os.waitpid(self._pid, 0)

    def _ask(self, order: Order) -> int:
        self._line.say(order)
        return msgspec.json.decode(self._line.hear(), type=Answer).number


def _serve(line: Line, run: Callable[[Life], None]) -> None:
    while heard := line.hear():
        order = msgspec.json.decode(heard, type=Order)
        if order.life is None:
            line.say(Answer(os.waitpid(order.await_pid, 0)[1]))
            continue
        pid = os.fork()
        if pid == 0:
            _be_born(order.life, run)
        line.say(Answer(pid))


def _be_born(life: Life, run: Callable[[Life], None]) -> None:
    """Live, and end without the zygote's own clean-up."""
    try:
        run(life)
    except BaseException:  # noqa: BLE001  # whatever it is, nobody else will hear of it
        said = traceback.format_exc()
        (Path(life.folder) / "crashed.txt").write_text(said)
        sys.stderr.write(said)
        sys.stderr.flush()
        os._exit(CRASHED)
    os._exit(0)
