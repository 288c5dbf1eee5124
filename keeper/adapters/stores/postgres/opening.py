"""From an empty or older database to one that this keeper may use: schemas, versions, identity."""

from importlib.resources import files
from typing import Final

from keeper.adapters.event_log import Tip, genesis
from keeper.adapters.stores.postgres.link import Link
from keeper.model.chain import Address, ChainId
from keeper.model.errors import ConfigError

FLEET: Final = "keeper_fleet"
FLEET_STEPS: Final = ("fleet.sql",)
STEPS: Final = ("schema.sql",)
"""Scripts that lead from an empty schema to the newest version; the version counts them."""

ONE_AT_A_TIME: Final = 0x6B656570
"""`keep`: the advisory lock under which schemas are made and changed, for one transaction."""


def shard_of(chain_id: ChainId, account: Address) -> str:
    """Return the schema of one account on one chain."""
    return f"keeper_{chain_id}_{account.lower()}"


def name_of(chain_id: ChainId, account: Address) -> str:
    """Return what the lease of one account on one chain is called."""
    return f"{chain_id}/{account}"


def prepare(link: Link, chain_id: ChainId, account: Address) -> Tip:
    """Bring the shard to the newest version, make it if there is none; return its genesis.

    Raises:
        ConfigError: It is of a newer version, another program's, or led by an older keeper.

    """
    with link.transaction():
        link.execute("SELECT pg_advisory_xact_lock(%s)", (ONE_AT_A_TIME,))
        migrate(link.on(FLEET), FLEET_STEPS)
        begun = version_of(link)
        if 0 < begun < len(STEPS):
            _refuse_if_led(link)
        migrate(link, STEPS)
        if begun == 0:
            _introduce(link, chain_id, account)
        return _checked(link, chain_id, account)


def check(link: Link, chain_id: ChainId, account: Address) -> Tip:
    """Check a shard that somebody else keeps; return its genesis.

    Raises:
        ConfigError: There is none, or it is of another version.

    """
    with link.transaction("REPEATABLE READ"):
        version = version_of(link)
        if version == 0:
            raise ConfigError(
                "there is no journal yet",
                shard=link.schema,
                remedy="`keeper run` makes it at its first start",
            )
        if version < len(STEPS):
            raise ConfigError(
                "the journal is of an older version",
                shard=link.schema,
                version=version,
                remedy="start this keeper once: it brings the journal up to date",
            )
        _refuse_newer(link, version, STEPS)
        return _checked(link, chain_id, account)


def version_of(link: Link) -> int:
    """Return the version of a schema inside a transaction; 0 if it is empty or not there.

    Raises:
        ConfigError: It belongs to another program.

    """
    ((found,),) = link.execute(
        "SELECT to_regclass(quote_ident(%s) || '.version') IS NOT NULL", (link.schema,)
    )
    if found:
        ((version,),) = link.execute("SELECT version FROM {s}.version")
        return int(version)
    ((relations,),) = link.execute(
        "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident(%s))",
        (link.schema,),
    )
    if relations:
        raise ConfigError(
            "this schema is another program's",
            shard=link.schema,
            remedy="give the keeper a database of its own, in [journal] url",
        )
    return 0


def migrate(link: Link, steps: tuple[str, ...]) -> None:
    """Bring a schema from whatever version it has to the newest, inside a transaction.

    Raises:
        ConfigError: It is of a newer version, or another program's.

    """
    version = version_of(link)
    _refuse_newer(link, version, steps)
    if version == len(steps):
        return
    if version == 0:
        ((exists,),) = link.execute(
            "SELECT to_regnamespace(quote_ident(%s)) IS NOT NULL", (link.schema,)
        )
        if not exists:
            link.execute("CREATE SCHEMA {s}")
        link.execute("CREATE TABLE {s}.version (version INT NOT NULL)")
        link.execute("INSERT INTO {s}.version VALUES (0)")
    # First, because it waits for whoever is comparing these tables with the log.
    link.execute("UPDATE {s}.version SET version = %s", (len(steps),))
    for step in steps[version:]:
        link.script(files(__package__).joinpath(step).read_text(encoding="utf-8"))


def _refuse_newer(link: Link, version: int, steps: tuple[str, ...]) -> None:
    if version > len(steps):
        raise ConfigError(
            "the journal was written by a newer keeper",
            shard=link.schema,
            version=version,
            known=len(steps),
            remedy="update the keeper; an older one cannot know what the newer one promised",
        )


def _refuse_if_led(link: Link) -> None:
    live = link.execute(
        "SELECT holder FROM keeper_fleet.lease WHERE shard = %s AND holder <> ''"
        " AND expires_at > clock_timestamp()",
        (link.schema,),
    )
    if live:
        raise ConfigError(
            "the journal is of an older version, and an older keeper acts on it",
            shard=link.schema,
            holder=live[0][0],
            remedy="stop that one; the next start brings the journal up to date",
        )


def _introduce(link: Link, chain_id: ChainId, account: Address) -> None:
    # The database's own clock: a store asks nobody else for the time.
    link.execute(
        "INSERT INTO {s}.meta VALUES ('chain_id', %s), ('account', %s), ('created_ms',"
        " (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text)",
        (str(chain_id), account),
    )
    # A shard that was restored without its fleet finds its lease; its epoch goes on rising.
    link.execute(
        "INSERT INTO keeper_fleet.lease VALUES"
        " (%s, %s, '', 0, '', '', clock_timestamp(), clock_timestamp()) ON CONFLICT DO NOTHING",
        (name_of(chain_id, account), link.schema),
    )


def _checked(link: Link, chain_id: ChainId, account: Address) -> Tip:
    meta: dict[str, str] = dict(link.execute("SELECT name, value FROM {s}.meta"))
    wanted = {"chain_id": str(chain_id), "account": account}
    bound = {name: meta.get(name) for name in wanted}
    if bound != wanted or not meta.get("created_ms", "").isdecimal():
        raise ConfigError(
            "the journal belongs to another chain or account",
            journal=bound,
            configured=wanted,
            remedy="restore the schema under its own name, or start a new database",
        )
    return genesis(chain_id, meta["created_ms"])
