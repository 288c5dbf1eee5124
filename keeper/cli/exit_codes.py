"""What the process says when it ends. Documented in docs/reference/cli.md and stable."""

from enum import IntEnum

from keeper.model.errors import (
    ConfigError,
    Fatal,
    KeeperError,
    Rejected,
    Uncertain,
    Warned,
)


class Exit(IntEnum):
    """Exit codes; a script may rely on them."""

    OK = 0
    NO = 1
    """The command's own no: a failed check of `doctor`, a journal that does not add up."""
    CONFIG = 2
    """Also a command line that cannot be understood."""
    UNREADABLE = 3
    """The world could not be read; the same command may succeed later."""
    REJECTED = 4
    OPEN = 5
    """A transaction is on its way and its outcome is not known yet."""
    HALTED = 6
    INTERRUPTED = 130
    """Ctrl-C, as shells write it: 128 + SIGINT."""


def exit_code(error: KeeperError) -> Exit:
    """Return the exit code of an error, by what has to be done next."""
    match error:
        case ConfigError():
            return Exit.CONFIG
        case Rejected():
            return Exit.REJECTED
        case Uncertain():
            return Exit.OPEN
        case Fatal():
            return Exit.HALTED
        case Warned():
            return Exit.OK
        case _:
            return Exit.UNREADABLE
