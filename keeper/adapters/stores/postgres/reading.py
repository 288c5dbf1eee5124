"""What is asked of the journal: by the keeper before it decides, and by people.

Everything is decoded from the events; the tables only say where to look.
"""

from typing import Final, LiteralString

from psycopg import IntegrityError

from keeper.adapters.event_log import (
    Tip,
    broken,
    decode,
    history_of,
    newest_code_hash,
    open_of,
    record,
    totals_of,
)
from keeper.adapters.stores.postgres import opening, writing
from keeper.adapters.stores.postgres.link import Link, Row
from keeper.model.chain import Address, ChainId
from keeper.model.errors import BadData
from keeper.model.events import Decided, Halted
from keeper.model.records import Entry, Proof, Record, Totals
from keeper.model.units import DAY_S, HOUR_S
from keeper.ports.acting import History, Open

SCRATCH: Final = "keeper_replayed"
REPLAYING: Final = opening.ONE_AT_A_TIME + 1
"""The advisory lock under which that schema is used; its own, for no start waits for a replay."""

# An intent in one row: its first event, its signed ones in order, and its last.
_INTENTS: Final[LiteralString] = (
    "SELECT intent.id, begun.data, ARRAY(SELECT event.data FROM {s}.attempt"
    "   JOIN {s}.event USING (seq) WHERE attempt.intent_id = intent.id ORDER BY attempt.seq),"
    " settled.data"
    " FROM {s}.intent JOIN {s}.event AS begun ON begun.seq = intent.seq"
    " LEFT JOIN {s}.event AS settled ON settled.seq = intent.settled_seq"
)
_HISTORY: Final[LiteralString] = (
    "SELECT"
    " (SELECT max(signed_at_ms) FROM {s}.intent WHERE book = %(book)s),"
    " (SELECT coalesce(sum(gas_usd), 0.0) FROM {s}.intent"
    "   WHERE book = %(book)s AND settled_at_ms >= %(since)s),"
    " (SELECT gas_used FROM {s}.intent"
    "   WHERE book = %(book)s AND status = 'done' AND withdraws IS NULL"
    "   ORDER BY settled_at_ms DESC LIMIT 1),"
    " (SELECT state FROM {s}.volatility WHERE book = %(book)s),"
    " (SELECT state FROM {s}.gas WHERE book = %(book)s),"
    " (SELECT count(*) FROM {s}.intent"
    "   WHERE status IN ('failed', 'out_of_gas') AND gas_used > 0 AND withdraws IS NULL"
    "   AND book = %(book)s"
    "   AND settled_at_ms >= %(hour)s AND settled_seq > coalesce("
    "     (SELECT max(seq) FROM {s}.event WHERE kind IN ('Halted', 'Resumed')), 0)),"
    " EXISTS (SELECT 1 FROM {s}.intent"
    "   WHERE status = 'out_of_gas' AND gas_used > 0 AND withdraws IS NULL"
    "   AND book = %(book)s AND settled_at_ms >= %(since)s)"
)
_STORY: Final[LiteralString] = (
    "SELECT data, seq FROM {s}.event WHERE intent_id = %s"
    " AND kind IN ('Sent', 'Unseen', 'Placed', 'Progressed') ORDER BY seq"
)
_DECISIONS: Final[LiteralString] = (
    "SELECT data FROM ("
    " (SELECT after_seq AS place, id, data FROM {s}.hold"
    "   WHERE %(book)s::text IS NULL OR book = %(book)s ORDER BY id DESC LIMIT %(last)s)"
    " UNION ALL"
    " (SELECT seq, 0, data FROM {s}.event"
    "   WHERE kind = 'Decided' AND (%(book)s::text IS NULL OR data::json ->> 'book' = %(book)s)"
    "   ORDER BY seq DESC LIMIT %(last)s)"
    ") AS made ORDER BY place DESC, id DESC LIMIT %(last)s"
)
_TOTALS: Final[LiteralString] = (
    "SELECT"
    " (SELECT count(*) FROM {s}.slot), (SELECT count(*) FROM {s}.attempt),"
    " (SELECT coalesce(sum(gas_usd), 0.0) FROM {s}.intent),"
    " coalesce(sum((fill ->> 'fee_usd')::float8), 0.0),"
    " coalesce(sum((fill ->> 'realized_pnl_usd')::float8), 0.0),"
    " coalesce(sum(abs((fill ->> 'units')::float8)), 0.0)"
    " FROM (SELECT data::json -> 'outcome' -> 'fill' AS fill FROM {s}.event"
    "   JOIN {s}.intent ON event.seq = intent.settled_seq) AS settled"
)
_TABLES: Final[tuple[LiteralString, ...]] = (
    "SELECT * FROM {s}.event ORDER BY 1",
    "SELECT * FROM {s}.intent ORDER BY 1",
    "SELECT * FROM {s}.slot ORDER BY 1, 2, 3",
    "SELECT * FROM {s}.attempt ORDER BY 1",
    "SELECT * FROM {s}.adopted ORDER BY 1",
)
"""What safety rests on, row by row."""


def read_open(link: Link) -> tuple[Open, ...]:
    """Return unsettled intents, oldest first."""
    rows = link.rows(_INTENTS + " WHERE intent.status IS NULL ORDER BY intent.seq")
    return tuple(_open(link, _record(row)) for row in rows)


def _open(link: Link, found: Record) -> Open:
    events = [decode(*row) for row in link.rows(_STORY, (found.intent.id,))]
    return open_of(found.intent, found.attempts, events)


def read_code_hash(link: Link, address: Address) -> str | None:
    """Return the newest code hash that was seen at *address*; None if there is none."""
    rows = link.rows("SELECT data, seq FROM {s}.event WHERE kind = 'CodeSeen' ORDER BY seq DESC")
    return newest_code_hash((decode(*row) for row in rows), address)


def read_next_nonce(link: Link, chain_id: ChainId, account: Address) -> int | None:
    """Return one more than the highest nonce bound or adopted; None if there is none."""
    ((nonce,),) = link.rows(
        "SELECT greatest("
        " (SELECT max(nonce) + 1 FROM {s}.slot WHERE chain_id = %s AND sender = %s),"
        " (SELECT max(nonce) FROM {s}.adopted WHERE sender = %s))",
        (chain_id, account, account),
    )
    return None if nonce is None else int(nonce)


def read_history(link: Link, book: str, now_ms: int) -> History:
    """Return what the past of *book* means for its next decision."""
    asked = {"book": book, "since": now_ms - DAY_S * 1_000, "hour": now_ms - HOUR_S * 1_000}
    (row,) = link.rows(_HISTORY, asked)
    return history_of(row)


def read_halted(link: Link) -> str | None:
    """Return why trading is stopped, or None."""
    rows = link.rows(
        "SELECT data, seq FROM {s}.event WHERE kind IN ('Halted', 'Resumed')"
        " ORDER BY seq DESC LIMIT 1"
    )
    turn = decode(*rows[0]) if rows else None
    return turn.reason if isinstance(turn, Halted) else None


def read_decisions(link: Link, book: str | None, last: int) -> tuple[Decided, ...]:
    """Return the *last* decisions of *book*, or of every book, oldest first."""
    rows = link.rows(_DECISIONS, {"book": book, "last": last})
    decided = (decode(data, "a decision") for (data,) in reversed(rows))
    return tuple(event for event in decided if isinstance(event, Decided))


def read_intents(link: Link, last: int) -> tuple[Record, ...]:
    """Return the *last* intents, oldest first."""
    rows = link.rows(_INTENTS + " ORDER BY intent.seq DESC LIMIT %s", (last,))
    return tuple(_record(row) for row in reversed(rows))


def read_intent(link: Link, prefix: str) -> Record | None:
    """Return the intent whose id starts so; None if there is not exactly one."""
    rows = link.rows(_INTENTS + " WHERE starts_with(intent.id, %s) LIMIT 2", (prefix,))
    return _record(rows[0]) if len(rows) == 1 else None


def read_entries(link: Link, intent_id: str | None, last: int) -> tuple[Entry, ...]:
    """Return the *last* events of the log, or of one intent, oldest first."""
    rows = link.rows(
        "SELECT seq, data FROM {s}.event WHERE %s::text IS NULL OR intent_id = %s"
        " ORDER BY seq DESC LIMIT %s",
        (intent_id, intent_id, last),
    )
    return tuple(Entry(seq, decode(data, seq)) for seq, data in reversed(rows))


def read_totals(link: Link) -> Totals:
    """Return sums over all intents."""
    with link.transaction("REPEATABLE READ"):
        by_status: dict[str, int] = dict(
            link.execute("SELECT coalesce(status, 'open'), count(*) FROM {s}.intent GROUP BY 1")
        )
        (row,) = link.execute(_TOTALS)
    return totals_of(by_status, row)


def verify(link: Link, genesis: Tip, chain_id: ChainId) -> Proof:
    """Check every hash of the log, then replay it and compare the tables it leads to.

    The replay goes through the same constraints, into a schema that nobody else ever sees.

    Raises:
        Fatal: An event was changed, removed or inserted, or a table does not follow from the log.

    """
    with link.transaction("REPEATABLE READ", keep=False):
        return _replay(link, genesis, chain_id)


def _replay(link: Link, genesis: Tip, chain_id: ChainId) -> Proof:
    link.execute("SELECT pg_advisory_xact_lock(%s)", (REPLAYING,))
    link.execute("SELECT version FROM {s}.version FOR SHARE")  # until the end it stays that one
    scratch = link.on(SCRATCH)
    opening.migrate(scratch, opening.STEPS)
    tip = genesis
    for seq, data, chained in link.execute("SELECT seq, data, hash FROM {s}.event ORDER BY seq"):
        if tip.follow(data.encode()) != Tip(seq, chained):
            raise broken("an event was changed, removed or inserted", seq=seq)
        try:
            tip = writing.write(scratch, tip, decode(data, seq), data.encode(), chain_id)
        except (IntegrityError, BadData) as error:
            raise broken("an event contradicts those before it", seq=seq, reason=error) from error
    for table in _TABLES:
        if link.execute(table) != scratch.execute(table):
            raise broken("a table does not follow from the log", table=table.split()[3][4:])
    return Proof(tip.seq, tip.hash.hex())


def _record(row: Row) -> Record:
    intent_id, begun, attempts, settled = row
    return record(intent_id, begun, attempts, settled)
