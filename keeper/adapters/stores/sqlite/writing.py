"""One event, written: into the log, and into the tables whose constraints refuse a double.

Runs inside a transaction of its caller's. Nothing here decides; the database refuses.
"""

import sqlite3
from typing import assert_never

from keeper.adapters.event_log import ENCODER, Tip, genesis
from keeper.model.chain import ChainId
from keeper.model.events import (
    Adopted,
    CodeSeen,
    Decided,
    Event,
    Halted,
    Intended,
    Placed,
    Progressed,
    Resumed,
    Sent,
    Settled,
    Signed,
    Troubled,
    Unseen,
)
from keeper.model.flow import Attempt, Hold, Outcome


def read_genesis(connection: sqlite3.Connection) -> Tip:
    """Return what the first event is hashed with: the chain and the journal's birth."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    return genesis(meta["chain_id"], meta["created_ms"])


def read_tip(connection: sqlite3.Connection, genesis: Tip) -> Tip:
    """Return the end of the log."""
    row = connection.execute("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    return genesis if row is None else Tip(*row)


def write(
    connection: sqlite3.Connection, tip: Tip, event: Event, data: bytes, chain_id: ChainId
) -> Tip:
    """Write *event*, whose JSON is *data*; return the new end of the log.

    Raises:
        sqlite3.IntegrityError: A constraint refuses it.

    """
    if isinstance(event, Decided):
        _keep_estimates(connection, event)
        if isinstance(event.decision, Hold):
            connection.execute(
                "INSERT INTO hold (after_seq, book, at_ms, data) VALUES (?, ?, ?, ?)",
                (tip.seq, event.book, event.at_ms, data.decode()),
            )
            return tip
    seq = tip.seq + 1
    intent_id, tx_hash = _index(connection, seq, event, chain_id)
    end = tip.follow(data)
    connection.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)",
        (seq, type(event).__name__, intent_id, tx_hash, data.decode(), tip.hash, end.hash),
    )
    return end


def _index(
    connection: sqlite3.Connection, seq: int, event: Event, chain_id: ChainId
) -> tuple[str | None, str | None]:
    match event:
        case Intended(intent=intent):
            connection.execute(
                "INSERT INTO intent (seq, id, book, account, withdraws) VALUES (?, ?, ?, ?, ?)",
                (seq, intent.id, intent.book, intent.account, intent.withdraws),
            )
            return intent.id, None
        case Signed(attempt=attempt):
            _index_attempt(connection, seq, attempt, chain_id)
            return attempt.intent_id, attempt.hash
        case Sent(intent_id=intent_id, hash=tx_hash):
            return intent_id, tx_hash
        case Unseen() | Placed() | Progressed():
            return event.intent_id, None
        case Settled(outcome=outcome, at_ms=at_ms):
            _index_outcome(connection, seq, outcome, at_ms)
            return outcome.intent_id, None
        case Adopted(account=account, nonce=nonce):
            connection.execute("INSERT INTO adopted VALUES (?, ?, ?)", (seq, account, nonce))
        case Decided() | CodeSeen() | Halted() | Resumed() | Troubled():
            pass
        case never:
            assert_never(never)
    return None, None


def _index_attempt(
    connection: sqlite3.Connection, seq: int, attempt: Attempt, chain_id: ChainId
) -> None:
    # The first attempt binds the nonce; a later one finds it bound, and must have the same.
    connection.execute(
        "INSERT INTO slot SELECT ?, account, ?, id FROM intent"
        " WHERE id = ?3 AND NOT EXISTS (SELECT 1 FROM slot WHERE intent_id = ?3)",
        (chain_id, attempt.nonce, attempt.intent_id),
    )
    connection.execute(
        "INSERT INTO attempt VALUES (?, ?, ?, ?)",
        (seq, attempt.hash, attempt.intent_id, attempt.nonce),
    )
    connection.execute(
        "UPDATE intent SET signed_at_ms = ? WHERE id = ?",
        (attempt.signed_at_ms, attempt.intent_id),
    )


def _index_outcome(connection: sqlite3.Connection, seq: int, outcome: Outcome, at_ms: int) -> None:
    # Of an unknown intent this changes nothing; the event's reference to it then fails.
    connection.execute(
        "UPDATE intent SET settled_seq = ?, settled_at_ms = ?, status = ?, gas_used = ?,"
        " gas_usd = ? WHERE id = ?",
        (seq, at_ms, outcome.status, outcome.gas_used, outcome.gas_usd, outcome.intent_id),
    )


def _keep_estimates(connection: sqlite3.Connection, event: Decided) -> None:
    why = event.decision.why
    if why is None:
        return
    for table, state in (("volatility", why.volatility), ("gas", why.gas)):
        if state is not None:
            connection.execute(
                f"INSERT INTO {table} VALUES (?, ?) ON CONFLICT (book) DO UPDATE"  # noqa: S608  # two names, ours
                " SET state = excluded.state WHERE state <> excluded.state",
                (event.book, ENCODER.encode(state).decode()),
            )
