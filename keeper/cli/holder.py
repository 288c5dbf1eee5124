"""Which process acts on a journal, asked without getting into its way."""

import fcntl
import os
from pathlib import Path

from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.sqlite.lease import lock_path
from keeper.config import Config
from keeper.ports.acting import Archive


def leader(config: Config, journal: Archive) -> str | None:
    """Return who acts on *journal*: a process id on this host, or the holder of a live lease."""
    if not isinstance(config.journal, PostgresConfig):
        return acting_pid(config.journal_file)
    tenure = journal.tenure()
    return tenure.holder if tenure is not None and tenure.is_live else None


def acting_pid(journal: Path) -> str | None:
    """Return the process id of the keeper that holds the journal's lock; None if none does."""
    lock = lock_path(journal)
    try:
        pid = lock.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    # The lock is tried only if its last holder may live: a try, however short, could make a
    # keeper that starts in that moment believe that another one is running.
    return pid if pid and _may_live(pid) and _is_held(lock) else None


def _may_live(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def _is_held(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
