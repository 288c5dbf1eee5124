"""The right to act on one shard: one row, one holder, an epoch that only rises, the server's clock.

Every append renews the lease in its own transaction. That takes the row's lock, and so does
everybody who wants to take over: whoever waits for the lock sees what became of the append before.
"""

import time
from typing import Final, LiteralString

from keeper.adapters.stores.postgres.link import Link, Row
from keeper.model.errors import Fenced
from keeper.model.lease import Tenure, Terms, obstacle

_LEASES: Final[LiteralString] = (
    "SELECT name, holder, epoch, version, config_hash,"
    " extract(epoch FROM expires_at - clock_timestamp())::float8, shard FROM keeper_fleet.lease"
)
_TENURE: Final[LiteralString] = _LEASES + " WHERE shard = %s"


class LeaseRow:
    """One shard's lease as one process sees it. Used under the journal's guard."""

    def __init__(self, link: Link, terms: Terms) -> None:
        self._link: Final = link
        self._terms: Final = terms
        self._me: Final = {
            "shard": link.schema,
            "holder": terms.candidate.holder,
            "version": terms.candidate.version,
            "config": terms.candidate.config_hash,
            "lease_s": terms.lease_s,
            "adopt": terms.adopt,
        }
        self._renew_at_s = 0.0
        self.epoch: int | None = None
        self.obstacle: str | None = "nobody was asked yet"

    def hold(self) -> int | None:
        """Renew if it is time to, or take over what is free; return the epoch if we lead.

        Raises:
            Transient: The database did not answer.

        """
        if self.epoch is not None and time.monotonic() < self._renew_at_s:
            return self.epoch
        with self._link.transaction():
            epoch = self._renew() or self._take_over()
            self.obstacle = None if epoch else self._explain()
        self.epoch = epoch
        self._rest()
        return epoch

    def _renew(self) -> int | None:
        # The holder's name is this process's alone: a take-over whose answer was lost is found.
        rows = self._link.execute(
            "UPDATE keeper_fleet.lease"
            " SET expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)"
            " WHERE shard = %(shard)s AND holder = %(holder)s AND expires_at > clock_timestamp()"
            " RETURNING epoch",
            self._me,
        )
        return int(rows[0][0]) if rows else None

    def _take_over(self) -> int | None:
        rows = self._link.execute(
            "UPDATE keeper_fleet.lease SET holder = %(holder)s, epoch = epoch + 1,"
            " version = %(version)s, config_hash = %(config)s, taken_at = clock_timestamp(),"
            " expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)"
            " WHERE shard = %(shard)s"
            " AND (holder = '' OR (expires_at <= clock_timestamp()"
            "   AND (%(adopt)s OR (version = %(version)s AND config_hash = %(config)s))))"
            " RETURNING epoch",
            self._me,
        )
        return int(rows[0][0]) if rows else None

    def fence(self) -> None:
        """Renew inside the transaction of an append.

        Raises:
            Fenced: The lease is over, or another's.

        """
        rows = self._link.execute(
            "UPDATE keeper_fleet.lease"
            " SET expires_at = clock_timestamp() + make_interval(secs => %(lease_s)s)"
            " WHERE shard = %(shard)s AND holder = %(holder)s AND epoch = %(epoch)s"
            " AND expires_at > clock_timestamp() RETURNING 1",
            self._me | {"epoch": self.epoch},
        )
        if not rows:
            epoch, self.epoch = self.epoch, None
            raise Fenced(
                "this keeper does not lead any more",
                shard=self._link.schema,
                epoch=epoch,
                remedy="nothing was written; it stands by until the lease is free",
            )

        self._rest()

    def let_go(self) -> None:
        """Let another keeper lead at once; of another version, too."""
        with self._link.transaction():
            self._link.execute(
                "UPDATE keeper_fleet.lease SET holder = '', expires_at = clock_timestamp()"
                " WHERE shard = %(shard)s AND holder = %(holder)s",
                self._me,
            )
        self.epoch = None

    def _rest(self) -> None:
        self._renew_at_s = time.monotonic() + self._terms.rest_s

    def _explain(self) -> str:
        tenure = _tenure(self._link.execute(_TENURE, (self._link.schema,)))
        if tenure is None:
            return "the shard's lease is gone from keeper_fleet"
        return obstacle(tenure, self._terms.candidate)


def lock(link: Link) -> None:
    """Wait, inside a transaction, until every writer before is done."""
    link.execute("SELECT 1 FROM keeper_fleet.lease WHERE shard = %s FOR UPDATE", (link.schema,))


def read_tenure(link: Link) -> Tenure | None:
    """Return who leads the shard, or led it last; None if nobody ever did."""
    return _tenure(link.rows(_TENURE, (link.schema,)))


def read_fleet(link: Link) -> tuple[tuple[Tenure, str], ...]:
    """Return every lease of the database with its shard's schema, by name."""
    return tuple((Tenure(*row[:-1]), row[-1]) for row in link.rows(_LEASES + " ORDER BY name"))


def _tenure(rows: list[Row]) -> Tenure | None:
    return Tenure(*rows[0][:-1]) if rows else None
