"""One event, written: into the log, and into the tables whose constraints refuse a double.

Runs inside a transaction of its caller's. Nothing here decides; the database refuses.
"""

from typing import assert_never

from keeper.adapters.event_log import ENCODER, Tip
from keeper.adapters.stores.postgres.link import Link
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


def read_tip(link: Link, genesis: Tip) -> Tip:
    """Return the end of the log."""
    rows = link.execute("SELECT seq, hash FROM {s}.event ORDER BY seq DESC LIMIT 1")
    return Tip(*rows[0]) if rows else genesis


def write(link: Link, tip: Tip, event: Event, data: bytes, chain_id: ChainId) -> Tip:
    """Write *event*, whose JSON is *data*; return the new end of the log.

    Raises:
        psycopg.IntegrityError: A constraint refuses it.

    """
    if isinstance(event, Decided):
        _keep_estimates(link, event)
        if isinstance(event.decision, Hold):
            link.execute(
                "INSERT INTO {s}.hold (after_seq, book, at_ms, data) VALUES (%s, %s, %s, %s)",
                (tip.seq, event.book, event.at_ms, data.decode()),
            )
            return tip
    end = tip.follow(data)
    intent_id, tx_hash = _index(link, end.seq, event, chain_id)
    link.execute(
        "INSERT INTO {s}.event VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (end.seq, type(event).__name__, intent_id, tx_hash, data.decode(), tip.hash, end.hash),
    )
    return end


def _index(link: Link, seq: int, event: Event, chain_id: ChainId) -> tuple[str | None, str | None]:
    match event:
        case Intended(intent=intent):
            link.execute(
                "INSERT INTO {s}.intent (seq, id, book, account, withdraws)"
                " VALUES (%s, %s, %s, %s, %s)",
                (seq, intent.id, intent.book, intent.account, intent.withdraws),
            )
            return intent.id, None
        case Signed(attempt=attempt):
            _index_attempt(link, seq, attempt, chain_id)
            return attempt.intent_id, attempt.hash
        case Sent(intent_id=intent_id, hash=tx_hash):
            return intent_id, tx_hash
        case Unseen() | Placed() | Progressed():
            return event.intent_id, None
        case Settled(outcome=outcome, at_ms=at_ms):
            _index_outcome(link, seq, outcome, at_ms)
            return outcome.intent_id, None
        case Adopted(account=account, nonce=nonce):
            link.execute("INSERT INTO {s}.adopted VALUES (%s, %s, %s)", (seq, account, nonce))
        case Decided() | CodeSeen() | Halted() | Resumed() | Troubled():
            pass
        case never:
            assert_never(never)
    return None, None


def _index_attempt(link: Link, seq: int, attempt: Attempt, chain_id: ChainId) -> None:
    # The first attempt binds the nonce; a later one finds it bound, and must have the same.
    link.execute(
        "INSERT INTO {s}.slot SELECT %s, account, %s, id FROM {s}.intent WHERE id = %s"
        " AND NOT EXISTS (SELECT 1 FROM {s}.slot WHERE intent_id = %s)",
        (chain_id, attempt.nonce, attempt.intent_id, attempt.intent_id),
    )
    link.execute(
        "INSERT INTO {s}.attempt VALUES (%s, %s, %s, %s)",
        (seq, attempt.hash, attempt.intent_id, attempt.nonce),
    )
    link.execute(
        "UPDATE {s}.intent SET signed_at_ms = %s WHERE id = %s",
        (attempt.signed_at_ms, attempt.intent_id),
    )


def _index_outcome(link: Link, seq: int, outcome: Outcome, at_ms: int) -> None:
    # Of an unknown intent this changes nothing; the event's reference to it then fails.
    link.execute(
        "UPDATE {s}.intent SET settled_seq = %s, settled_at_ms = %s, status = %s, gas_used = %s,"
        " gas_usd = %s WHERE id = %s",
        (seq, at_ms, outcome.status, outcome.gas_used, outcome.gas_usd, outcome.intent_id),
    )


def _keep_estimates(link: Link, event: Decided) -> None:
    why = event.decision.why
    if why is None:
        return
    for table, state in (("volatility", why.volatility), ("gas", why.gas)):
        if state is not None:
            link.execute(
                f"INSERT INTO {{s}}.{table} AS kept VALUES (%s, %s) ON CONFLICT (book) DO UPDATE"  # noqa: S608  # two names, ours
                " SET state = excluded.state WHERE kept.state <> excluded.state",
                (event.book, ENCODER.encode(state).decode()),
            )
