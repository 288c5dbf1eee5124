"""All shards of one database at a look: who leads each, and whether it is well."""

from keeper.adapters.stores.postgres.lease import read_fleet
from keeper.adapters.stores.postgres.link import Link
from keeper.adapters.stores.postgres.opening import FLEET
from keeper.adapters.stores.postgres.reading import read_halted
from keeper.model.errors import ConfigError, KeeperError
from keeper.model.lease import Shard, Tenure
from keeper.model.secret import Secret


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
        halted = read_halted(inside)
    except KeeperError as unreadable:
        return Shard(tenure, unreadable=str(unreadable.facts.get("reason", unreadable.message)))
    return Shard(tenure, open_intents=int(count), halted=halted)
