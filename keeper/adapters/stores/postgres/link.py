"""One connection to the database: made anew when it is lost, and never waited for without end.

No session state is relied on but the connection itself: a pooler that hands another session to
every transaction changes nothing.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cache
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from keeper.adapters.stores.postgres.meaning import meaning
from keeper.model.errors import Transient
from keeper.model.secret import Secret

T = TypeVar("T")
Row = tuple[Any, ...]
Parameters = Sequence[object] | Mapping[str, object]

GRACE_S: Final = 0.5
"""How much longer the client waits than the server works on a statement."""


class CommitLost(Transient):
    """The answer to COMMIT was lost: the transaction may or may not be in the database.

    What is idempotent may be tried again; an append must find out first.
    """


class Impatient(psycopg.Connection[Row]):
    """A connection whose every answer has a deadline, also when the network swallows it."""

    patience_s: float = 5.0

    def wait(
        self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        """Drive *gen* as psycopg does; close the connection when nothing comes in time."""
        try:
            return super().wait(gen, interval, timeout or self.patience_s)
        except psycopg.Error:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # The answer may come later, and would be taken for that to another question.
                self.pgconn.finish()
            raise


class Session:
    """A connection, and how to make it anew; shared by the links on several schemas."""

    def __init__(self, url: Secret, patience_s: float) -> None:
        self._url: Final = url
        self._patience_s: Final = patience_s
        self._connection: Impatient | None = None

    def connected(self) -> Impatient:
        """Return the connection; a new one if it was lost."""
        if self._connection is None or self._connection.closed:
            self._connection = Impatient.connect(
                self._url.reveal(),
                autocommit=True,
                # A prepared statement lives in a session, and a pooler may change that.
                prepare_threshold=None,
                connect_timeout=max(2, round(self._patience_s)),
                application_name="keeper",
            )
            self._connection.patience_s = self._patience_s + GRACE_S
        return self._connection

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Link:
    """Statements on one schema. Used by one thread at a time."""

    def __init__(self, url: Secret, schema: str, *, patience_s: float) -> None:
        self.schema = schema
        self._session: Final = Session(url, patience_s)
        limit_ms = round(patience_s * 1_000)
        # Only inside a transaction, because a pooler may give the session to somebody else. On:
        # a commit that is not on the disk would be forgotten by a crash of the server. A leader
        # that stops in the middle must not keep the lock that its successor needs.
        self._begin: Final = (
            "BEGIN ISOLATION LEVEL {level}; SET LOCAL synchronous_commit = on;"
            f" SET LOCAL statement_timeout = {limit_ms}; SET LOCAL lock_timeout = {limit_ms};"
            f" SET LOCAL idle_in_transaction_session_timeout = {limit_ms}"
        )

    def rows(self, text: LiteralString, parameters: Parameters = ()) -> list[Row]:
        """Run one statement in a transaction of its own; `{s}` in *text* is the schema.

        Raises:
            Transient: There is no connection, or it was lost.

        """
        with self.translated():
            return self.execute(text, parameters)

    @contextmanager
    def transaction(
        self, level: LiteralString = "READ COMMITTED", *, keep: bool = True
    ) -> Iterator[None]:
        """Run what is inside as one transaction, durable once this returns; or undone after all.

        Raises:
            CommitLost: Nobody said whether it was committed.
            Transient, Fatal: It was not.

        """
        with self.translated():
            connection = self._session.connected()
            connection.execute(self._begin.replace("{level}", level))
            try:
                yield
            except BaseException:
                self._roll_back(connection)
                raise
            if keep:
                self._commit(connection)
            else:
                self._roll_back(connection)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the database's errors into the keeper's."""
        try:
            yield
        except psycopg.Error as error:
            raise meaning(error) from error

    def execute(self, text: LiteralString, parameters: Parameters = ()) -> list[Row]:
        """Run one statement inside `transaction`."""
        cursor = self._session.connected().execute(_filled(text, self.schema), parameters)
        return cursor.fetchall() if cursor.description else []

    def script(self, text: str) -> None:
        """Run the statements of a migration inside `transaction`, with the schema in the path."""
        self.execute("SET LOCAL search_path = {s}")
        self._session.connected().execute(text)

    def on(self, schema: str) -> "Link":
        """Return the same connection, inside the same transaction, on another schema."""
        other = copy(self)
        other.schema = schema
        return other

    def close(self) -> None:
        """Give the connection back."""
        self._session.close()

    def _roll_back(self, connection: Impatient) -> None:
        try:
            if not connection.closed:
                connection.execute("ROLLBACK")
        except psycopg.Error:
            # What is not committed is lost with its connection.
            connection.close()

    def _commit(self, connection: Impatient) -> None:
        try:
            said = connection.execute("COMMIT").statusmessage
        except psycopg.IntegrityError:
            raise  # a constraint that waits for the end refused: that is an answer
        except psycopg.Error as error:
            connection.close()
            raise CommitLost("the answer to a commit was lost", reason=error) from error
        if said != "COMMIT":
            raise Transient("the database rolled back instead of committing", said=said)


@cache
def _filled(text: LiteralString, schema: str) -> sql.Composed:
    return sql.SQL(text).format(s=sql.Identifier(schema))
