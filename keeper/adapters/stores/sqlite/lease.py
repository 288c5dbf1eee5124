"""The right to act on one file: a row with an epoch that only rises, and a lock of the kernel's.

The row decides. The lock only shortens the wait: whoever gets it knows that a holder who had it is
dead, and need not wait until the lease is over. A holder that is merely stopped keeps the lock; its
lease ends all the same, and its epoch fences it when it wakes.
"""

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from keeper.adapters.stores.sqlite.opening import unusable
from keeper.model.errors import Fenced
from keeper.model.lease import Tenure, Terms, obstacle

_RENEW: Final = (
    "UPDATE lease SET expires_ms = now_ms + :lease_ms, locked = :locked FROM clock"
    " WHERE holder = :holder AND expires_ms > now_ms AND epoch = coalesce(:epoch, epoch)"
    " RETURNING epoch"
)
_TAKE_OVER: Final = (
    "UPDATE lease SET holder = :holder, epoch = epoch + 1, version = :version,"
    " config_hash = :config, expires_ms = now_ms + :lease_ms, locked = :locked FROM clock"
    " WHERE holder = '' OR (locked AND :locked) OR (expires_ms <= now_ms"
    "   AND (:adopt OR (version = :version AND config_hash = :config)))"
    " RETURNING epoch"
)
_STANDS: Final = (
    "SELECT 1 FROM lease, clock WHERE holder = ? AND epoch = ? AND locked = ?"
    " AND expires_ms > now_ms"
)
_LET_GO: Final = "UPDATE lease SET holder = '', expires_ms = 0, locked = 0 WHERE holder = ?"
_TENURE: Final = (
    "SELECT name, holder, epoch, version, config_hash, (expires_ms - now_ms) / 1000.0"
    " FROM lease, clock"
)


class FileLock:
    """A lock beside the journal; the kernel drops it when the process dies."""

    def __init__(self, journal: Path) -> None:
        self._journal: Final = journal
        self.path: Final = lock_path(journal)
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process has it."""
        return self._handle is not None

    def take(self) -> bool:
        """Take the lock if it is free; return whether it is held.

        Raises:
            ConfigError: The directory cannot be written.

        """
        if self._handle is not None:
            return True
        try:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise unusable(self._journal, error.strerror or str(error)) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(handle)
            raise unusable(self._journal, error.strerror or str(error)) from error
        self._handle = handle
        return True

    def wake_disk(self) -> None:
        """Have the file's own page read from its disk again, without waiting for it."""
        if self._handle is not None and hasattr(os, "posix_fadvise"):  # not on every system
            os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_WILLNEED)

    def last_holder(self) -> str:
        """Return the process id of whoever holds the lock, or held it last."""
        try:
            return self.path.read_text(encoding="ascii", errors="replace").strip() or "unknown"
        except OSError:
            return "unknown"

    def release(self) -> None:
        """Let another process have it. The file stays: removing it would let two hold two locks."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class LeaseRow:
    """The file's lease as one process sees it. Used under the journal's guard."""

    def __init__(self, connection: sqlite3.Connection, lock: FileLock, terms: Terms) -> None:
        self._db: Final = connection
        self._lock: Final = lock
        self._terms: Final = terms
        self._renew_at_s = 0.0
        self.epoch: int | None = None
        self.obstacle: str | None = "nobody was asked yet"

    @property
    def is_fresh(self) -> bool:
        """Whether the lease is held and need not be renewed yet."""
        return self.epoch is not None and time.monotonic() < self._renew_at_s

    def take_lock(self) -> None:
        """Try for the lock, before the transaction in which `hold` runs."""
        self._lock.take()

    def hold(self) -> int | None:
        """Renew or take over, inside a transaction; return the epoch if this process leads."""
        facts = self._facts(None)
        found = self._db.execute(_RENEW, facts).fetchall()
        found = found or self._db.execute(_TAKE_OVER, facts).fetchall()
        self.epoch = int(found[0][0]) if found else None
        self.obstacle = None if found else self._explain()
        if self.epoch is None:
            # A lock without the lease would let the next one believe that the leader is dead.
            self._lock.release()
        self._rest()
        return self.epoch

    def fence(self) -> None:
        """Look again inside the transaction of an append, and renew what is not fresh.

        The transaction is the file's only writer, so what it reads cannot change under it.

        Raises:
            Fenced: The lease is over, or another's.

        """
        if self.epoch is not None:
            self._lock.take()  # who follows a leader that stood still gets it when that one wakes
            if self.is_fresh and self._stands():
                return
            if self._db.execute(_RENEW, self._facts(self.epoch)).fetchall():
                self._rest()
                return
        epoch, self.epoch = self.epoch, None
        self._lock.release()
        raise Fenced(
            "this keeper does not lead any more",
            epoch=epoch,
            remedy="nothing was written; it stands by until the lease is free",
        )

    def wake_disk(self) -> None:
        """See `FileLock.wake_disk`; done by the leader alone, who has the lock."""
        self._lock.wake_disk()

    def let_go(self) -> None:
        """Let another keeper lead at once; of another version, too."""
        self._db.execute(_LET_GO, (self._terms.candidate.holder,))
        self.epoch = None

    def release_lock(self) -> None:
        """Let another process have the file's lock, once the lease is let go."""
        self._lock.release()

    def _stands(self) -> bool:
        facts = (self._terms.candidate.holder, self.epoch, self._lock.is_held)
        return self._db.execute(_STANDS, facts).fetchone() is not None

    def _facts(self, epoch: int | None) -> dict[str, object]:
        candidate = self._terms.candidate
        return {
            "holder": candidate.holder,
            "version": candidate.version,
            "config": candidate.config_hash,
            "lease_ms": round(self._terms.lease_s * 1_000),
            "adopt": self._terms.adopt,
            "locked": self._lock.is_held,
            "epoch": epoch,
        }

    def _rest(self) -> None:
        self._renew_at_s = time.monotonic() + self._terms.rest_s

    def _explain(self) -> str:
        return obstacle(read_tenure(self._db), self._terms.candidate)


def read_tenure(connection: sqlite3.Connection) -> Tenure:
    """Return who leads, or led last."""
    return Tenure(*connection.execute(_TENURE).fetchone())


def lock_path(journal: Path) -> Path:
    """Return where a journal's lock lies: through links, so that two names are one lock."""
    path = journal.resolve()
    return path.with_name(path.name + ".lock")
