"""From a path to a checked connection: the schema's version, the chain, the pages."""

import sqlite3
import time
from importlib.resources import files
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Final
from urllib.parse import quote

from keeper.model.chain import ChainId
from keeper.model.errors import ConfigError, Fatal, KeeperError, Stopped, Transient

APPLICATION_ID: Final = 0x6B656570
"""`keep`, in the file's header: tells a journal from any other SQLite file."""

STEPS: Final = ("schema.sql", "gas.sql", "fate.sql", "lease.sql", "lean.sql", "narrow.sql")
"""Scripts that lead from an empty file to the newest version; the version counts them."""

BUSY_TIMEOUT_S: Final = 5.0
"""Longest wait for another process that writes: a person's `halt` takes milliseconds."""

LOOK_S: Final = 0.05
"""Between two looks whether another process has made the tables."""

LOG_TABLES: Final = ("event", "intent", "slot", "attempt", "adopted")
"""What safety rests on. Their pages are checked at every start; holds are not worth the wait."""

PAGE_BYTES: Final = 4_096
LEADING_PAGES: Final = 1_024
"""Pages of write-ahead log made in advance: growing a file doubles the price of its fsync."""

_LOOK: Final = (
    "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
    " FROM pragma_application_id, pragma_user_version"
)
"""One statement, one moment: between two of them another process may have made the tables."""

NO_TRADING: Final = "trading is halted: nothing is signed"
"""What the trigger says that refuses signed bytes after a halt."""

_BROKEN_RULES: Final = {
    "UNIQUE constraint failed: intent.id": "this very intent was tried before",
    "UNIQUE constraint failed: intent.account": "an intent of this account is still open",
    "UNIQUE constraint failed: event.intent_id": "an intent leaves one order, once",
    "UNIQUE constraint failed: index 'order_of_one_intent'": "an order belongs to one intent",
    "UNIQUE constraint failed: slot.": "a nonce belongs to one intent for ever",
    "UNIQUE constraint failed: attempt.hash": "these bytes were signed before",
    "FOREIGN KEY constraint failed": "it names an intent or an attempt that is not in the journal",
}


class Guard:
    """One thread at a time, and the database's errors as the keeper's.

    Entered at every access: a generator would cost three times as much.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock: Final = RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise refusal(error) from error


def connect(
    path: Path, chain_id: ChainId, *, acting: bool, alone: bool = False
) -> sqlite3.Connection:
    """Return a connection to the journal at *path*, checked and bound to *chain_id*.

    An *acting* keeper has the file's pages checked. One that is *alone*, because it holds the
    lock, creates the file and brings an older one to the newest version; one that is not waits a
    moment for whoever is doing that.

    Raises:
        ConfigError: It is no journal, damaged, of a newer version or of another chain, or the
            file cannot be used.

    """
    if not acting and not path.exists():
        raise ConfigError(
            "there is no journal yet", path=path, remedy="`keeper run` makes it at its first start"
        )
    mode = "rwc" if acting else "rw"
    try:
        connection = _connect(f"file:{quote(str(path))}?mode={mode}")
    except sqlite3.Error as error:
        raise unusable(path, str(error)) from error
    try:
        if acting and not alone:
            _wait_for_schema(connection, path)
        _prepare(connection, path, chain_id, acting=acting, alone=alone)
    except sqlite3.Error as error:
        connection.close()
        raise unusable(path, str(error)) from error
    except ConfigError:
        connection.close()
        raise
    return connection


def connect_in_memory(chain_id: ChainId, *, created_ms: int | None = None) -> sqlite3.Connection:
    """Return an empty journal that nothing keeps."""
    connection = _connect("file::memory:")
    _migrate(connection, 0, chain_id, created_ms)
    return connection


def refusal(error: sqlite3.Error) -> KeeperError:
    """Return what a database error during work means for the keeper."""
    text = str(error)
    if NO_TRADING in text:
        return Stopped(text, remedy="`keeper resume` allows it again")
    if isinstance(error, sqlite3.IntegrityError):
        rule = next((words for part, words in _BROKEN_RULES.items() if part in text), text)
        return Fatal(
            f"the journal refuses: {rule}",
            remedy="nothing was written or sent; `keeper journal list` shows what is there",
        )
    if "locked" in text or "busy" in text:
        return Transient("the journal is locked by another process", reason=text)
    return Fatal(
        "the journal cannot be written or read",
        reason=text,
        remedy="check free space, permissions and health of its disk; nothing was written",
    )


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute("PRAGMA foreign_keys = ON")
    # FULL: with NORMAL a power cut may take committed transactions, and with them the only record
    # of bytes that were sent.
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _wait_for_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Give the keeper that holds the lock the time to take the last step, not just the first."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while _version(connection, path) < len(STEPS) and time.monotonic() < deadline:
        time.sleep(LOOK_S)


def _prepare(
    connection: sqlite3.Connection, path: Path, chain_id: ChainId, *, acting: bool, alone: bool
) -> None:
    version = _version(connection, path)
    if version == 0 and not acting:
        raise ConfigError(
            "there is no journal yet", path=path, remedy="`keeper run` makes it at its first start"
        )
    if version > len(STEPS):
        raise ConfigError(
            "the journal was written by a newer keeper",
            path=path,
            version=version,
            known=len(STEPS),
            remedy="update the keeper; an older one cannot know what the newer one promised",
        )
    if version < len(STEPS):
        if not alone:
            raise ConfigError(
                "the journal is of an older version",
                path=path,
                version=version,
                remedy="start this keeper once while no other one runs: it brings the journal up "
                "to date",
            )
        _migrate(connection, version, chain_id, None)
    _check_chain(connection, path, chain_id)
    if acting:
        _check_pages(connection, path)
        _use_write_ahead_log(connection, path, alone=alone)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    ((application_id, version, tables),) = connection.execute(_LOOK)
    if application_id != APPLICATION_ID and (tables or version or application_id):
        raise ConfigError(
            "this file is another program's database",
            path=path,
            remedy="choose another path in [journal]",
        )
    return int(version)


def _migrate(
    connection: sqlite3.Connection, version: int, chain_id: ChainId, created_ms: int | None
) -> None:
    # A step may make a table anew, which others refer to; outside a transaction, or it is ignored.
    connection.execute("PRAGMA foreign_keys = OFF")
    for done, step in enumerate(STEPS[version:], start=version):
        script = files(__package__).joinpath(step).read_text(encoding="utf-8")
        try:
            # One transaction a step; it waits for nobody, the lock is ours.
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\n"
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {done + 1};"
            )
            if done == 0:
                _introduce(connection, chain_id, created_ms)
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise sqlite3.IntegrityError(f"{step} leaves rows that refer to nothing")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    connection.execute("PRAGMA foreign_keys = ON")


def _introduce(connection: sqlite3.Connection, chain_id: ChainId, created_ms: int | None) -> None:
    if created_ms is None:
        # The database's own clock: a store asks nobody else for the time.
        now = "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
        ((created_ms,),) = connection.execute(now)
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?)",
        [("chain_id", str(chain_id)), ("created_ms", str(created_ms))],
    )


def _check_chain(connection: sqlite3.Connection, path: Path, chain_id: ChainId) -> None:
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    bound = meta.get("chain_id")
    if bound is None or not meta.get("created_ms", "").isdecimal():
        raise unusable(path, "it does not say which chain it belongs to, and since when")
    if bound != str(chain_id):
        raise ConfigError(
            "the journal belongs to another chain",
            path=path,
            journal=bound,
            configured=chain_id,
            remedy="give each chain its own journal, in [journal] path",
        )


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    for table in LOG_TABLES:
        found = connection.execute(f"PRAGMA quick_check('{table}')").fetchone()[0]
        if found != "ok":
            raise unusable(path, str(found))


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path, *, alone: bool) -> None:
    ((mode,),) = connection.execute("PRAGMA journal_mode = WAL")
    if mode != "wal":
        raise unusable(path, f"write-ahead logging is refused, the mode stays {mode}")
    # A checkpoint inside a commit would cost the one commit that is in a hurry: the journal asks
    # for it when there is nothing to do.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    if alone:
        _lead(connection)


def _lead(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE lead (zeros BLOB)")
    connection.execute("INSERT INTO lead VALUES (zeroblob(?))", (LEADING_PAGES * PAGE_BYTES,))
    connection.execute("DROP TABLE lead")
    connection.execute("COMMIT")
    # From here on the log starts over at its beginning and stays as long as it is.
    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


def unusable(path: Path, reason: str) -> ConfigError:
    """Return the error that the file at *path* cannot be used."""
    return ConfigError(
        "the journal cannot be used",
        path=path,
        reason=reason,
        remedy="check path, permissions and disk; if it is damaged, restore it from a backup, or "
        "settle by hand what is open and start a new file",
    )
