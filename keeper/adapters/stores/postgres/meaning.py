"""What a database error means for the keeper, by its SQLSTATE and never by its words."""

from typing import Final

from psycopg import Error, IntegrityError, OperationalError, errors

from keeper.model.errors import ConfigError, Fatal, KeeperError, Stopped, Transient

_BROKEN_RULES: Final = {
    "intent_id_key": "this very intent was tried before",
    "one_open_intent": "an intent of this account is still open",
    "one_open_withdrawal": "an intent of this account is still open",
    "one_order": "an intent leaves one order, once",
    "order_of_one_intent": "an order belongs to one intent",
    "slot_pkey": "a nonce belongs to one intent for ever",
    "slot_intent_id_key": "a nonce belongs to one intent for ever",
    "attempt_hash_key": "these bytes were signed before",
}
NO_TRADING: Final = "KH001"
"""Our own state, which schema.sql raises: the last word on trading is a halt."""
_DANGLING: Final = "it names an intent or an attempt that is not in the journal"

_LATER: Final = (
    errors.QueryCanceled,
    errors.LockNotAvailable,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,
    errors.ReadOnlySqlTransaction,  # a server that is not the primary, or not yet
    errors.TooManyConnections,
    errors.CannotConnectNow,
)
_LOGIN: Final = (
    errors.InvalidAuthorizationSpecification,
    errors.InvalidPassword,
    errors.InvalidCatalogName,
    errors.InsufficientPrivilege,
)


def meaning(error: Error) -> KeeperError:
    """Return *error* by what the keeper must do next. Nothing was written."""
    reason = error.diag.message_primary or _first_line(error)
    match error:
        case _ if error.sqlstate == NO_TRADING:
            return Stopped(reason, remedy="`keeper resume` allows it again")
        case IntegrityError():
            return Fatal(
                f"the journal refuses: {_rule(error, reason)}",
                remedy="nothing was written or sent; `keeper journal list` shows what is there",
            )
        case _ if isinstance(error, _LOGIN):
            return ConfigError(
                "the database refuses this keeper",
                reason=reason,
                remedy="check [journal] url, and what its user may do: docs/adapters/postgres.md",
            )
        case errors.DiskFull():
            return _unwritable(reason)
        case _ if isinstance(error, (OperationalError, *_LATER)):
            later = isinstance(error, _LATER)
            what = "is busy" if later else "cannot be reached"
            return Transient(f"the journal's database {what}", reason=reason)
        case _:
            return _unwritable(reason)


def _unwritable(reason: str) -> Fatal:
    return Fatal(
        "the journal cannot be written or read",
        reason=reason,
        remedy="check the database: space, permissions, schema; nothing was written",
    )


def _rule(error: IntegrityError, reason: str) -> str:
    if isinstance(error, errors.ForeignKeyViolation):
        return _DANGLING
    return _BROKEN_RULES.get(error.diag.constraint_name or "", reason)


def _first_line(error: Error) -> str:
    # The rest of it may repeat the connection string.
    return str(error).strip().partition("\n")[0] or type(error).__name__
