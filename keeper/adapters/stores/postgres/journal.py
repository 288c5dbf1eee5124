"""The journal of one shard, in a PostgreSQL schema of its own.

One `append` is one transaction that is on the server's disk when it returns. It first renews the
lease, and with it takes the lock that puts all writers in one line: a keeper that does not lead
any more writes nothing.
"""

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from types import TracebackType
from typing import Final, Self

from keeper.adapters.event_log import ENCODER, Tip
from keeper.adapters.stores.postgres import lease as leases
from keeper.adapters.stores.postgres import opening, reading, writing
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.lease import LeaseRow
from keeper.adapters.stores.postgres.link import CommitLost, Link
from keeper.model.chain import Address, ChainId
from keeper.model.errors import ConfigError, Fatal, Transient, Uncertain
from keeper.model.events import Decided, Event, Halted, Resumed
from keeper.model.flow import Command, Hold
from keeper.model.lease import Candidate, Tenure, Terms
from keeper.model.records import Entry, Proof, Record, Totals
from keeper.ports.acting import History, Open, Request

TIDY_AFTER: Final = 100
"""Appends between two looks for old holds."""
PRUNE_ROWS: Final = 2 * TIDY_AFTER
"""Oldest holds looked at in one tidying, for each hold of an append: more than were added."""


class PostgresJournal:
    """Durable memory of what was tried; safe to use from several threads."""

    def __init__(
        self, config: PostgresConfig, chain_id: ChainId, candidate: Candidate | None, *, adopt: bool
    ) -> None:
        """Connect; with a *candidate*, to act. Use `acting`, `contending` or `beside`."""
        self._chain_id = chain_id
        self._keep_holds_ms = config.keep_holds_s * 1_000
        schema = opening.shard_of(chain_id, config.account)
        self._link = Link(config.url, schema, patience_s=config.answer_s)
        self._lease = (
            None
            if candidate is None
            else LeaseRow(self._link, Terms(candidate, config.lease_s, adopt))
        )
        self._guard = RLock()
        self._doubt: Tip | None = None
        self._appends = 0
        prepare = opening.check if candidate is None else opening.prepare
        try:
            self._genesis = prepare(self._link, chain_id, config.account)
        except BaseException:
            self._link.close()
            raise

    @classmethod
    def contending(
        cls,
        config: PostgresConfig,
        chain_id: ChainId,
        candidate: Candidate,
        *,
        adopt: bool = False,
    ) -> Self:
        """Open the journal for a keeper that acts on it whenever `hold` says that it leads.

        Raises:
            ConfigError: It is of another version, or not the keeper's.
            Transient: The database cannot be reached.

        """
        return cls(config, chain_id, candidate, adopt=adopt)

    @classmethod
    def acting(
        cls,
        config: PostgresConfig,
        chain_id: ChainId,
        candidate: Candidate,
        *,
        adopt: bool = False,
    ) -> Self:
        """Open the journal to act on it now.

        Raises:
            ConfigError: Another keeper acts on it; or as `contending`.
            Transient: The database cannot be reached.

        """
        opened = cls.contending(config, chain_id, candidate, adopt=adopt)
        with contextlib.ExitStack() as unless_it_leads:
            unless_it_leads.callback(opened.close)
            if opened.hold() is None:
                raise ConfigError(
                    "another keeper acts on this journal",
                    shard=opening.name_of(chain_id, config.account),
                    reason=opened.obstacle(),
                    remedy="stop that one first, or wait until its lease is over",
                )
            unless_it_leads.pop_all()
        return opened

    @classmethod
    def beside(cls, config: PostgresConfig, chain_id: ChainId) -> Self:
        """Open an existing journal to read it, halt, resume or ask, whoever else acts on it.

        Raises:
            ConfigError: There is none, or it is of another version.
            Transient: The database cannot be reached.

        """
        return cls(config, chain_id, None, adopt=False)

    # The lease

    def hold(self) -> int | None:
        with self._ready():
            return None if self._lease is None else self._lease.hold()

    def let_go(self) -> None:
        with self._guard:
            if self._lease is not None and self._lease.epoch is not None:
                self._lease.let_go()

    def obstacle(self) -> str | None:
        return "this process only looks on" if self._lease is None else self._lease.obstacle

    def tenure(self) -> Tenure | None:
        with self._ready():
            return leases.read_tenure(self._link)

    # Writing

    def append(self, *events: Event) -> None:
        """Return only once all *events* are on the server's disk, in one transaction.

        Raises:
            Fatal: A constraint refuses one of them; none was written.
            Fenced: Another keeper leads; none was written.
            Transient: The database was busy or away; none was written.
            Uncertain: The answer to the commit was lost, and the database is away.

        """
        if not events:
            return
        self._refuse_bystanders(events)
        encoded = [(event, ENCODER.encode(event)) for event in events]
        with self._ready():
            tip = self._genesis
            try:
                with self._writing():
                    begun = tip = writing.read_tip(self._link, self._genesis)
                    for event, data in encoded:
                        tip = writing.write(self._link, tip, event, data, self._chain_id)
            except CommitLost as lost:
                self._doubt = tip
                if not self._was_written() or tip == begun:
                    raise Transient("the connection was lost in a commit", reason=lost) from lost
            self._tidy(events)

    def serve(self, request_id: int) -> None:
        with self._ready(), self._writing():
            self._link.execute("UPDATE {s}.request SET served = TRUE WHERE id = %s", (request_id,))

    def request(self, command: Command) -> int:
        """Ask the acting keeper for *command*; return the id to wait for.

        Asking for what waits already returns the id of that.
        """
        with self._ready(), self._link.transaction():
            leases.lock(self._link)
            self._link.execute(
                "INSERT INTO {s}.request (command, at_ms)"
                " VALUES (%s, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)"
                " ON CONFLICT DO NOTHING",
                (command,),
            )
            ((request_id,),) = self._link.execute(
                "SELECT id FROM {s}.request WHERE command = %s AND NOT served", (command,)
            )
        return int(request_id)

    # Reading

    def make_ready(self) -> None:
        """Its server has the disk, and is kept awake by the reads of every tick."""

    def knows(self, intent_id: str) -> bool:
        with self._ready():
            return bool(self._link.rows("SELECT 1 FROM {s}.intent WHERE id = %s", (intent_id,)))

    def open(self) -> tuple[Open, ...]:
        with self._ready():
            return reading.read_open(self._link)

    def next_nonce(self, account: Address) -> int | None:
        with self._ready():
            return reading.read_next_nonce(self._link, self._chain_id, account)

    def history(self, book: str, now_ms: int) -> History:
        with self._ready():
            return reading.read_history(self._link, book, now_ms)

    def halted(self) -> str | None:
        with self._ready():
            return reading.read_halted(self._link)

    def requests(self) -> tuple[Request, ...]:
        with self._ready():
            rows = self._link.rows(
                "SELECT id, command FROM {s}.request WHERE NOT served ORDER BY id"
            )
        return tuple(Request(*row) for row in rows)

    def is_served(self, request_id: int) -> bool:
        with self._ready():
            rows = self._link.rows("SELECT served FROM {s}.request WHERE id = %s", (request_id,))
        return bool(rows and rows[0][0])

    def decisions(self, book: str | None = None, last: int = 1) -> tuple[Decided, ...]:
        with self._ready():
            return reading.read_decisions(self._link, book, last)

    def code_hash(self, address: Address) -> str | None:
        with self._ready():
            return reading.read_code_hash(self._link, address)

    def intents(self, last: int = 20) -> tuple[Record, ...]:
        with self._ready():
            return reading.read_intents(self._link, last)

    def intent(self, prefix: str) -> Record | None:
        with self._ready():
            return reading.read_intent(self._link, prefix)

    def entries(self, *, intent_id: str | None = None, last: int = 100) -> tuple[Entry, ...]:
        with self._ready():
            return reading.read_entries(self._link, intent_id, last)

    def totals(self) -> Totals:
        with self._ready():
            return reading.read_totals(self._link)

    def verify(self) -> Proof:
        """Check the log's hashes, and that every table follows from the log.

        Raises:
            Fatal: Something was changed behind the journal's back.

        """
        with self._ready():
            return reading.verify(self._link, self._genesis, self._chain_id)

    # Ends

    def close(self) -> None:
        """Let another keeper act, and give the connection back."""
        with self._guard:
            with contextlib.suppress(Transient):  # the lease ends by itself
                self.let_go()
            self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Inside

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """Yield to one thread at a time, once nothing of before is in doubt."""
        with self._guard:
            if self._doubt is not None:
                self._was_written()
            yield

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._link.transaction():
            if self._lease is None:
                leases.lock(self._link)
            else:
                self._lease.fence()
            yield

    def _was_written(self) -> bool:
        """Find out whether the transaction whose answer was lost is in the database.

        The old transaction may still be running there. It holds the lease's row, so that whoever
        gets that lock sees its end.

        Raises:
            Uncertain: The database cannot be asked.

        """
        tip = self._doubt or self._genesis
        try:
            with self._link.transaction():
                leases.lock(self._link)
                rows = self._link.execute("SELECT hash FROM {s}.event WHERE seq = %s", (tip.seq,))
        except (CommitLost, Transient) as away:
            raise Uncertain(
                "the database does not say whether the last event was written",
                reason=away,
                remedy="nothing is sent before it does",
            ) from away
        self._doubt = None
        return bool(rows) and bytes(rows[0][0]) == tip.hash

    def _refuse_bystanders(self, events: tuple[Event, ...]) -> None:
        if self._lease is None and not all(isinstance(e, Halted | Resumed) for e in events):
            raise Fatal(
                "only the keeper that leads may act",
                events=[type(event).__name__ for event in events],
            )

    def _tidy(self, events: tuple[Event, ...]) -> None:
        """Forget old holds now and then, when nothing but holds was written."""
        self._appends += 1
        held = [e for e in events if isinstance(e, Decided) and isinstance(e.decision, Hold)]
        if self._appends < TIDY_AFTER or len(held) < len(events):
            return
        with contextlib.suppress(Transient):  # what was appended is written in any case
            self._link.rows(
                "DELETE FROM {s}.hold"
                " WHERE id < (SELECT min(id) + %s FROM {s}.hold) AND at_ms < %s",
                (PRUNE_ROWS * len(held), held[-1].at_ms - self._keep_holds_ms),
            )
            self._appends = 0
