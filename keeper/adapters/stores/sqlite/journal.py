"""The journal of one keeper, in one SQLite file with a write-ahead log.

One `append` is one transaction and one fsync. One process acts and holds the lock; any other may
read, halt, resume and ask.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec import Struct

from keeper.adapters.candidacy import candidate
from keeper.adapters.event_log import ENCODER, KEEP_HOLDS_S, decode, history_of
from keeper.adapters.stores.sqlite import opening, reading, writing
from keeper.adapters.stores.sqlite.lease import FileLock, LeaseRow, read_tenure
from keeper.model.chain import Address, ChainId
from keeper.model.errors import ConfigError, Fatal, KeeperError
from keeper.model.events import (
    CodeSeen,
    Decided,
    Event,
    Halted,
    Intended,
    Resumed,
    Signed,
)
from keeper.model.flow import Command, Hold
from keeper.model.lease import LEASE_S, Tenure, Terms
from keeper.model.records import Entry, Proof, Record, Totals
from keeper.model.units import DAY_S, HOUR_S
from keeper.ports.acting import History, Open, Request

TIDY_AFTER: Final = 100
"""Appends between two checkpoints: together they fit into the pages that were made in advance."""
PRUNE_ROWS: Final = 2 * TIDY_AFTER
"""Oldest holds looked at in one tidying, for each hold of an append: more than were added."""


class SqliteJournal:
    """Durable memory of what was tried; safe to use from several threads."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True, tag="sqlite"):
        """`[journal]` in keeper.toml, with `type = "sqlite"` or without a type."""

        path: str = "keeper.db"
        """Relative to the directory of keeper.toml."""
        lease_s: float = LEASE_S
        """How long a keeper that hangs still leads; one that died is followed at once."""
        keep_holds_s: int = KEEP_HOLDS_S
        """How long decisions that changed nothing are kept; what was acted on is kept for ever."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        chain_id: ChainId,
        *,
        lease: LeaseRow | None,
        acting: bool,
        keep_holds_s: int = KEEP_HOLDS_S,
    ) -> None:
        """Take over a connection that `acting`, `beside` or `in_memory` opened."""
        self._db = connection
        self._chain_id = chain_id
        self._lease = lease
        self._acting = acting
        self._keep_holds_ms = keep_holds_s * 1_000
        self._guard = opening.Guard()
        self._genesis = writing.read_genesis(connection)
        self._codes: dict[Address, str] = {}
        """What `code_hash` found while this keeper has led, under one epoch."""
        self._appends = 0

    @classmethod
    def contending(
        cls,
        path: str | Path,
        chain_id: ChainId,
        terms: Terms | None = None,
        *,
        keep_holds_s: int = KEEP_HOLDS_S,
    ) -> Self:
        """Open the journal for a keeper that acts on it whenever `hold` says that it leads.

        Creates the file if there is none.

        Raises:
            ConfigError: The file cannot be used.

        """
        lock = FileLock(Path(path))
        alone = lock.take()
        try:
            connection = opening.connect(Path(path), chain_id, acting=True, alone=alone)
        except BaseException:
            lock.release()
            raise
        row = LeaseRow(connection, lock, terms or Terms(candidate()))
        return cls(connection, chain_id, lease=row, acting=True, keep_holds_s=keep_holds_s)

    @classmethod
    def acting(
        cls,
        path: str | Path,
        chain_id: ChainId,
        terms: Terms | None = None,
        *,
        keep_holds_s: int = KEEP_HOLDS_S,
    ) -> Self:
        """Open the journal for the one keeper that acts on it now; create it if there is none.

        Raises:
            ConfigError: Another keeper acts on it, or the file cannot be used.

        """
        opened = cls.contending(path, chain_id, terms, keep_holds_s=keep_holds_s)
        with contextlib.ExitStack() as unless_it_leads:
            unless_it_leads.callback(opened.close)
            if opened.hold() is None:
                raise ConfigError(
                    "another keeper acts on this journal",
                    path=path,
                    pid=FileLock(Path(path)).last_holder(),
                    reason=opened.obstacle(),
                    remedy="stop that one first, or give each keeper its own key and journal",
                )
            unless_it_leads.pop_all()
        return opened

    @classmethod
    def beside(cls, path: str | Path, chain_id: ChainId) -> Self:
        """Open an existing journal to read it, halt, resume or ask, whoever else acts on it.

        Raises:
            ConfigError: There is none, or the file cannot be used.

        """
        connection = opening.connect(Path(path), chain_id, acting=False)
        return cls(connection, chain_id, lease=None, acting=False)

    @classmethod
    def in_memory(cls, chain_id: ChainId) -> Self:
        """Open an empty journal that nothing keeps: for a dry run before the first start."""
        return cls(opening.connect_in_memory(chain_id), chain_id, lease=None, acting=True)

    def hold(self) -> int | None:
        with self._guard:
            if self._lease is None:
                return 0 if self._acting else None  # nobody else knows a journal in memory
            if self._lease.is_fresh:
                return self._lease.epoch
            before = self._lease.epoch
            self._lease.take_lock()
            with self._transaction():
                epoch = self._lease.hold()
            if epoch != before:
                self._codes.clear()  # whoever led in between may have seen other code
            return epoch

    def let_go(self) -> None:
        with self._guard:
            if self._lease is not None:
                if self._lease.epoch is not None:
                    self._lease.let_go()
                self._lease.release_lock()

    def obstacle(self) -> str | None:
        if self._lease is None:
            return None if self._acting else "this process only looks on"
        return self._lease.obstacle

    def tenure(self) -> Tenure | None:
        with self._guard:
            return read_tenure(self._db)

    def append(self, *events: Event) -> None:
        """Return only once all *events* would survive a power cut, in one transaction.

        Raises:
            Fatal: A constraint refuses one of them, or the disk does; none was written.
            Fenced: Another keeper leads; none was written.
            Transient: Another process wrote for too long; none was written.

        """
        if not events:
            return
        self._refuse_bystanders(events)
        encoded = [(event, ENCODER.encode(event)) for event in events]
        with self._transaction():
            if self._lease is not None:
                self._lease.fence()
            tip = writing.read_tip(self._db, self._genesis)
            for event, data in encoded:
                tip = writing.write(self._db, tip, event, data, self._chain_id)
            if any(isinstance(event, CodeSeen) for event in events):
                self._codes.clear()  # in here no other thread can read the old one once more
        if self._acting:
            self._tidy(events)

    def make_ready(self) -> None:
        """Have the disk awake: one that has rested for some milliseconds takes longer to sync."""
        if self._lease is not None:
            self._lease.wake_disk()

    def knows(self, intent_id: str) -> bool:
        with self._guard:
            found = self._db.execute("SELECT 1 FROM intent WHERE id = ?", (intent_id,)).fetchone()
        return found is not None

    def open(self) -> tuple[Open, ...]:
        with self._guard:
            return reading.read_open(self._db)

    def next_nonce(self, account: Address) -> int | None:
        with self._guard:
            bound, adopted = self._db.execute(reading.NONCES, (self._chain_id, account)).fetchone()
        if bound is None or adopted is None:
            return int(bound) + 1 if bound is not None else adopted
        return max(int(bound) + 1, int(adopted))

    def history(self, book: str, now_ms: int) -> History:
        with self._guard:
            row = self._db.execute(
                reading.HISTORY, (book, now_ms - DAY_S * 1_000, now_ms - HOUR_S * 1_000)
            ).fetchone()
        return history_of(row)

    def code_hash(self, address: Address) -> str | None:
        with self._guard:
            found = self._codes.get(address) or reading.read_code_hash(self._db, address)
            if found is not None and self._lease is not None and self._lease.epoch is not None:
                self._codes[address] = found
            return found

    def halted(self) -> str | None:
        with self._guard:
            row = self._db.execute(
                "SELECT seq, data FROM event WHERE kind IN ('Halted', 'Resumed')"
                " ORDER BY seq DESC LIMIT 1"
            ).fetchone()
        turn = None if row is None else decode(row[1], row[0])
        return turn.reason if isinstance(turn, Halted) else None

    def requests(self) -> tuple[Request, ...]:
        with self._guard:
            rows = self._db.execute(
                "SELECT id, command FROM request WHERE served = 0 ORDER BY id"
            ).fetchall()
        return tuple(Request(*row) for row in rows)

    def serve(self, request_id: int) -> None:
        with self._transaction():
            if self._lease is not None:
                self._lease.fence()
            self._db.execute("UPDATE request SET served = 1 WHERE id = ?", (request_id,))

    def request(self, command: Command) -> int:
        """Ask the acting keeper for *command*; return the id to wait for.

        Asking for what waits already returns the id of that.
        """
        with self._transaction():
            self._db.execute(
                "INSERT INTO request (command, at_ms)"
                " VALUES (?, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))"
                " ON CONFLICT DO NOTHING",
                (command,),
            )
            (request_id,) = self._db.execute(
                "SELECT id FROM request WHERE command = ? AND served = 0", (command,)
            ).fetchone()
        return int(request_id)

    def is_served(self, request_id: int) -> bool:
        """Return whether the acting keeper has carried out a request."""
        with self._guard:
            row = self._db.execute(
                "SELECT served FROM request WHERE id = ?", (request_id,)
            ).fetchone()
        return row is not None and bool(row[0])

    def decisions(self, book: str | None = None, last: int = 1) -> tuple[Decided, ...]:
        """Return the *last* decisions of *book*, or of every book, oldest first."""
        with self._snapshot():
            return reading.read_decisions(self._db, book, last)

    def intents(self, last: int = 20) -> tuple[Record, ...]:
        """Return the *last* intents, oldest first."""
        with self._snapshot():
            return reading.read_intents(self._db, last)

    def intent(self, prefix: str) -> Record | None:
        """Return the intent whose id starts with *prefix*; None if there is not exactly one."""
        with self._snapshot():
            return reading.read_intent(self._db, prefix)

    def entries(self, *, intent_id: str | None = None, last: int = 100) -> tuple[Entry, ...]:
        """Return the *last* events of the log, or of one intent, oldest first; no holds."""
        with self._snapshot():
            return reading.read_entries(self._db, intent_id, last)

    def totals(self) -> Totals:
        """Return sums over the whole life of the journal."""
        with self._snapshot():
            return reading.read_totals(self._db)

    def verify(self) -> Proof:
        """Check the log's hashes, and that every table follows from the log.

        Raises:
            Fatal: Something was changed behind the journal's back.

        """
        with self._snapshot():
            return reading.verify(self._db, self._chain_id)

    def close(self) -> None:
        """Let another keeper act, then close the file."""
        with self._guard:
            if self._lease is not None:
                # A lease that cannot be let go ends by itself, and at once: the lock is free.
                with contextlib.suppress(KeeperError):
                    self.let_go()
                self._lease.release_lock()
                self._lease = None
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_bystanders(self, events: tuple[Event, ...]) -> None:
        if not self._acting and not all(isinstance(e, Halted | Resumed) for e in events):
            raise Fatal(
                "only the keeper that holds the journal's lock may act",
                events=[type(event).__name__ for event in events],
            )

    def _tidy(self, events: tuple[Event, ...]) -> None:
        """Forget old holds and move the write-ahead log into the file, when nobody is waiting."""
        self._appends += 1
        if self._appends < TIDY_AFTER:
            return
        if any(isinstance(event, Intended | Signed) for event in events):  # they are in a hurry
            return
        held = [e for e in events if isinstance(e, Decided) and isinstance(e.decision, Hold)]
        if held:
            with self._transaction():
                self._db.execute(
                    "DELETE FROM hold WHERE id < (SELECT min(id) + ? FROM hold) AND at_ms < ?",
                    (PRUNE_ROWS * len(held), held[-1].at_ms - self._keep_holds_ms),
                )
        with self._guard:
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._appends = 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._guard:
            # IMMEDIATE: the end of the log must not move between reading and writing it.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with self._guard:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")
