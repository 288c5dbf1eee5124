"""All shards of one database at a look: who leads each, and whether it is well."""

from typing import Final

from keeper.adapters.event_log import decode
from keeper.adapters.stores.postgres.lease import read_fleet
from keeper.adapters.stores.postgres.link import Link
from keeper.adapters.stores.postgres.opening import FLEET
from keeper.model.errors import ConfigError, KeeperError
from keeper.model.events import Halted
from keeper.model.lease import Shard, Tenure
from keeper.model.secret import Secret

_TURN: Final = (
    "SELECT seq, data FROM {s}.event WHERE kind IN ('Halted', 'Resumed') ORDER BY seq DESC LIMIT 1"
)


def look(url: Secret, *, patience_s: float) -> tuple[Shard, ...]:
    """Return every shard of the database, by name; one that cannot be read says why.

    Raises:
        ConfigError: No keeper has ever used this database.
        Transient: It cannot be reached.

    """
    link = Link(url, FLEET, patience_s=patience_s)
    try:
        if link.rows("SELECT to_regclass('keeper_fleet.lease') IS NULL") == [(True,)]:
            raise ConfigError(
                "there is no fleet in this database yet",
                remedy="`keeper run` makes it at its first start",
            )
        return tuple(_shard(link, tenure, schema) for tenure, schema in read_fleet(link))
    finally:
        link.close()


def _shard(link: Link, tenure: Tenure, schema: str) -> Shard:
    inside = link.on(schema)
    try:
        ((count,),) = inside.rows("SELECT count(*) FROM {s}.intent WHERE status IS NULL")
        rows = inside.rows(_TURN)
        turn = decode(rows[0][1], rows[0][0]) if rows else None
    except KeeperError as unreadable:
        return Shard(tenure, unreadable=str(unreadable.facts.get("reason", unreadable.message)))
    halted = turn.reason if isinstance(turn, Halted) else None
    return Shard(tenure, open_intents=int(count), halted=halted)
