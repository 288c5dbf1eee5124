"""The last words of a process that meets an error nobody foresaw."""

import sys
import threading
import traceback
from types import TracebackType

from keeper.core.redact import redact


def keep_secrets() -> None:
    """Cut addresses in tracebacks to their hosts: what libraries raise may hold an API key."""
    sys.excepthook = _tell
    threading.excepthook = _tell_of_thread


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    words = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(redact(words))


def _tell_of_thread(end: threading.ExceptHookArgs) -> None:
    if end.exc_value is not None:
        _tell(end.exc_type, end.exc_value, end.exc_traceback)
