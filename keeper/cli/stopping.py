"""Ctrl-C and SIGTERM: end after the tick that runs now, and within a second in any case."""

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

PATIENCE_S: Final = 0.3
"""A tick that waits for a node is cut short after this. The journal is written so that a process
may end between any two of its lines."""


class Stopping:
    """Turns the first signal into a request and the second, or patience's end, into an end."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self.by: signal.Signals | None = None

    def listen(self) -> None:
        """Take over both signals; call it in the main thread."""
        signal.signal(signal.SIGINT, self._hear)
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self.by is not None:
            raise KeyboardInterrupt
        self.by = signal.Signals(number)
        self._stop()
        main = threading.main_thread().ident
        if main is not None:
            timer = threading.Timer(PATIENCE_S, signal.pthread_kill, (main, number))
            timer.daemon = True
            timer.start()
            self._timer = timer

    def done(self) -> None:
        """Give both signals back; nothing is cut short any more."""
        if self.by is not None:
            self._timer.cancel()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
