"""Every database error says what to do next; only a constraint is the journal's own refusal."""

import psycopg
import pytest
from psycopg import errors

from keeper.adapters.stores.postgres.meaning import meaning
from keeper.model.errors import ConfigError, Fatal, KeeperError, Transient


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (errors.QueryCanceled("statement timeout"), Transient, "is busy"),
        (errors.LockNotAvailable("lock timeout"), Transient, "is busy"),
        (errors.DeadlockDetected("deadlock"), Transient, "is busy"),
        (errors.SerializationFailure("retry"), Transient, "is busy"),
        (errors.ReadOnlySqlTransaction("a standby"), Transient, "is busy"),
        (errors.IdleInTransactionSessionTimeout("idle"), Transient, "is busy"),
        (errors.CannotConnectNow("starting up"), Transient, "is busy"),
        (errors.TooManyConnections("full"), Transient, "is busy"),
        (errors.AdminShutdown("going down"), Transient, "cannot be reached"),
        (psycopg.OperationalError("connection refused\nmore"), Transient, "cannot be reached"),
        (errors.InvalidPassword("no"), ConfigError, "refuses this keeper"),
        (errors.InvalidCatalogName("no database"), ConfigError, "refuses this keeper"),
        (errors.InsufficientPrivilege("no schema"), ConfigError, "refuses this keeper"),
        (errors.DiskFull("no space"), Fatal, "cannot be written"),
        (errors.UndefinedTable("gone"), Fatal, "cannot be written"),
        (errors.DataCorrupted("bad page"), Fatal, "cannot be written"),
        (errors.ForeignKeyViolation("dangling"), Fatal, "not in the journal"),
        (errors.CheckViolation("nonce >= 0"), Fatal, "the journal refuses: nonce >= 0"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_an_error_is_sorted_by_what_to_do_next(
    error: psycopg.Error, kind: type[KeeperError], words: str
) -> None:
    found = meaning(error)
    assert type(found) is kind
    assert words in str(found)


def test_only_the_first_line_is_told() -> None:
    assert "hunter2" not in str(meaning(psycopg.OperationalError("refused\nhost=a pass=hunter2")))
    assert "OperationalError" in str(meaning(psycopg.OperationalError("")))
