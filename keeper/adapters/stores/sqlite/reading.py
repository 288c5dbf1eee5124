"""What people ask the journal: decisions, intents, sums, and whether it is whole.

Everything is decoded from the events; the tables only say where to look.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final, TypeAlias

from keeper.adapters.event_log import (
    Tip,
    broken,
    decode,
    newest_code_hash,
    open_of,
    record,
    totals_of,
)
from keeper.adapters.stores.sqlite import opening, writing
from keeper.model.chain import Address, ChainId
from keeper.model.errors import BadData
from keeper.model.events import Decided
from keeper.model.records import Entry, Proof, Record, Totals
from keeper.ports.acting import Open

_NO_END: Final = 2**63 - 1

_Row: TypeAlias = tuple[str, str | None, str, int, int | None]
"""An intent as `_INTENTS` finds it. Its other events are between its first and its last."""

_INTENTS: Final = (
    "SELECT begun.data, settled.data, intent.id, intent.seq, intent.settled_seq FROM intent"
    " JOIN event AS begun ON begun.seq = intent.seq"
    " LEFT JOIN event AS settled ON settled.seq = intent.settled_seq"
)
_OPEN: Final = (
    f"{_INTENTS} WHERE intent.id IN ("  # noqa: S608  # a constant of this file
    " SELECT id FROM intent INDEXED BY one_open_intent"
    "   WHERE status IS NULL AND withdraws IS NULL"
    " UNION ALL"
    " SELECT id FROM intent INDEXED BY one_open_withdrawal"
    "   WHERE status IS NULL AND withdraws IS NOT NULL"
    ") ORDER BY intent.seq"
)
HISTORY: Final = (
    "SELECT"
    " (SELECT max(signed_at_ms) FROM ("
    "   SELECT max(signed_at_ms) AS signed_at_ms FROM intent"
    "     WHERE book = ?1 AND signed_at_ms IS NOT NULL AND status IS NOT NULL"
    "   UNION ALL"
    "   SELECT signed_at_ms FROM intent INDEXED BY one_open_intent"
    "     WHERE book = ?1 AND status IS NULL AND withdraws IS NULL"
    "   UNION ALL"
    "   SELECT signed_at_ms FROM intent INDEXED BY one_open_withdrawal"
    "     WHERE book = ?1 AND status IS NULL AND withdraws IS NOT NULL)),"
    " (SELECT total(gas_usd) FROM intent WHERE book = ?1 AND settled_at_ms >= ?2),"
    " (SELECT gas_used FROM intent WHERE book = ?1 AND status = 'done' AND withdraws IS NULL"
    "   AND settled_at_ms IS NOT NULL ORDER BY settled_at_ms DESC LIMIT 1),"
    " (SELECT state FROM volatility WHERE book = ?1),"
    " (SELECT state FROM gas WHERE book = ?1),"
    " (SELECT count(*) FROM intent INDEXED BY intent_reverted"
    "   WHERE status IN ('failed', 'out_of_gas') AND gas_used > 0 AND withdraws IS NULL"
    "   AND book = ?1"
    "   AND settled_at_ms >= ?3 AND settled_seq > coalesce("
    "     (SELECT max(seq) FROM event WHERE kind IN ('Halted', 'Resumed')), 0)),"
    " EXISTS (SELECT 1 FROM intent INDEXED BY intent_reverted"
    "   WHERE status IN ('failed', 'out_of_gas') AND gas_used > 0 AND withdraws IS NULL"
    "   AND book = ?1"
    "   AND settled_at_ms >= ?2 AND status = 'out_of_gas')"
)
"""Of book ?1, gas since ?2, reverts since ?3; one statement, because each costs a lock and an
unlock of the file."""

NONCES: Final = (
    "SELECT (SELECT max(nonce) FROM slot WHERE chain_id = ?1 AND sender = ?2),"
    " (SELECT max(nonce) FROM adopted WHERE sender = ?2)"
)
_DECISIONS: Final = (
    "SELECT data FROM ("
    " SELECT * FROM (SELECT after_seq AS place, id, data FROM hold"
    "   WHERE ?1 IS NULL OR book = ?1 ORDER BY hold.id DESC LIMIT ?2)"
    " UNION ALL"
    " SELECT * FROM (SELECT seq, 0, data FROM event"
    "   WHERE kind = 'Decided' AND (?1 IS NULL OR data ->> '$.book' = ?1)"
    "   ORDER BY seq DESC LIMIT ?2)"
    ") ORDER BY place DESC, id DESC LIMIT ?2"
)
_TOTALS: Final = (
    "SELECT"
    " (SELECT count(*) FROM slot), (SELECT count(*) FROM attempt),"
    " (SELECT total(gas_usd) FROM intent),"
    " total(data ->> '$.outcome.fill.fee_usd'),"
    " total(data ->> '$.outcome.fill.realized_pnl_usd'),"
    " total(abs(data ->> '$.outcome.fill.units'))"
    " FROM event JOIN intent ON event.seq = intent.settled_seq"
)


def read_open(connection: sqlite3.Connection) -> tuple[Open, ...]:
    """Return unsettled intents, oldest first."""
    rows = connection.execute(_OPEN).fetchall()
    return tuple(_open(connection, row) for row in rows)


def _open(connection: sqlite3.Connection, row: _Row) -> Open:
    found = _record(connection, row)
    rows = connection.execute(
        "SELECT data, seq FROM event WHERE seq > ? AND intent_id = ?"
        " AND kind IN ('Sent', 'Unseen', 'Placed', 'Progressed') ORDER BY seq",
        (row[3], found.intent.id),
    ).fetchall()
    return open_of(found.intent, found.attempts, [decode(*row) for row in rows])


def read_code_hash(connection: sqlite3.Connection, address: Address) -> str | None:
    """Return the newest code hash that was seen at *address*; None if there is none."""
    rows = connection.execute(
        "SELECT data, seq FROM event WHERE kind = 'CodeSeen' ORDER BY seq DESC"
    )
    return newest_code_hash((decode(*row) for row in rows), address)


def read_decisions(
    connection: sqlite3.Connection, book: str | None, last: int
) -> tuple[Decided, ...]:
    """Return the *last* decisions of *book*, or of every book, oldest first."""
    rows = connection.execute(_DECISIONS, (book, last)).fetchall()
    decided = (decode(data, "a decision") for (data,) in reversed(rows))
    return tuple(event for event in decided if isinstance(event, Decided))


def read_intents(connection: sqlite3.Connection, last: int) -> tuple[Record, ...]:
    """Return the *last* intents, oldest first."""
    rows = connection.execute(
        f"{_INTENTS} WHERE intent.id IN (SELECT id FROM intent ORDER BY seq DESC LIMIT ?)"  # noqa: S608  # a constant of this file
        " ORDER BY intent.seq",
        (last,),
    ).fetchall()
    return tuple(_record(connection, row) for row in rows)


def read_intent(connection: sqlite3.Connection, prefix: str) -> Record | None:
    """Return the intent whose id starts so; None if there is not exactly one."""
    rows = connection.execute(
        f"{_INTENTS} WHERE intent.id >= ?1 AND substr(intent.id, 1, length(?1)) = ?1"
        " ORDER BY intent.id LIMIT 2",
        (prefix,),
    ).fetchall()
    return _record(connection, rows[0]) if len(rows) == 1 else None


def read_entries(
    connection: sqlite3.Connection, intent_id: str | None, last: int
) -> tuple[Entry, ...]:
    """Return the *last* events of the log, or of one intent, oldest first."""
    rows = connection.execute(
        "SELECT seq, data FROM event"
        " WHERE seq >= coalesce((SELECT seq FROM intent WHERE id = ?1), 0)"
        " AND (?1 IS NULL OR intent_id = ?1) ORDER BY seq DESC LIMIT ?2",
        (intent_id, last),
    ).fetchall()
    return tuple(Entry(seq, decode(data, seq)) for seq, data in reversed(rows))


def read_totals(connection: sqlite3.Connection) -> Totals:
    """Return sums over all intents."""
    by_status = dict(
        connection.execute("SELECT coalesce(status, 'open'), count(*) FROM intent GROUP BY 1")
    )
    return totals_of(by_status, connection.execute(_TOTALS).fetchone())


def verify(connection: sqlite3.Connection, chain_id: ChainId) -> Proof:
    """Check every hash of the log, then replay it and compare the tables it leads to.

    Raises:
        Fatal: An event was changed, removed or inserted, or a table does not follow from the log.

    """
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    replayed = opening.connect_in_memory(chain_id, created_ms=int(meta["created_ms"]))
    tip = writing.read_genesis(replayed)
    # Journals of older versions may hold bytes that were signed while a halt was on its way.
    replayed.execute("DROP TRIGGER attempt_needs_trading")
    replayed.execute("BEGIN")
    for seq, data, chained in connection.execute("SELECT seq, data, hash FROM event ORDER BY seq"):
        if tip.follow(data.encode()) != Tip(seq, chained):
            raise broken("an event was changed, removed or inserted", seq=seq)
        try:
            tip = writing.write(replayed, tip, decode(data, seq), data.encode(), chain_id)
        except (sqlite3.Error, BadData) as error:
            raise broken("an event contradicts those before it", seq=seq, reason=error) from error
    replayed.execute("COMMIT")
    for table in opening.LOG_TABLES:
        if list(_rows(connection, table)) != list(_rows(replayed, table)):
            raise broken("a table does not follow from the log", table=table)
    replayed.close()
    return Proof(tip.seq, tip.hash.hex())


def _rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    return connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3")  # noqa: S608  # a name from this package


def _record(connection: sqlite3.Connection, row: _Row) -> Record:
    begun, settled, intent_id, begun_seq, settled_seq = row
    signed = connection.execute(
        "SELECT data FROM event WHERE seq > ? AND seq < ? AND intent_id = ? AND kind = 'Signed'"
        " ORDER BY seq",
        (begun_seq, _NO_END if settled_seq is None else settled_seq, intent_id),
    ).fetchall()
    return record(intent_id, begun, [data for (data,) in signed], settled)
