"""What can be checked without a node: signature library, key, secrets file, journal."""

import stat
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from keeper.adapters.eip1559 import curve
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.bootstrap import open_signer
from keeper.cli.doctor_view import Check
from keeper.cli.holder import leader
from keeper.cli.opening import open_beside
from keeper.config import Config
from keeper.model.chain import Address
from keeper.model.errors import ConfigError, Fatal, Transient


def signing() -> Check:
    """Check that signatures are made by libsecp256k1."""
    try:
        curve()
    except ConfigError as missing:
        return Check("signatures", "fail", missing.message, missing.remedy)
    return Check("signatures", "ok", f"coincurve {version('coincurve')}")


def key(config: Config) -> tuple[Check, Address | None]:
    """Check that there is a key; return whose it is."""
    try:
        signer = open_signer(config)
    except ConfigError as refusal:
        return Check("key", "fail", refusal.message, refusal.remedy), None
    return Check("key", "ok", f"signs for {signer.address}"), signer.address


def secrets_file(config_file: Path) -> Iterator[Check]:
    """Check that nobody else can read .env."""
    path = config_file.with_name(".env")
    if not path.exists():
        return
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Check(".env", "warn", "others on this machine may read it", f"chmod 600 {path}")
    else:
        yield Check(".env", "ok", "only its owner can read it")


def journal(config: Config) -> Iterator[Check]:
    """Check that the journal is whole, and what state it is in."""
    in_file = not isinstance(config.journal, PostgresConfig)
    if in_file and not config.journal_file.exists():
        yield Check("journal", "ok", f"none yet; the first start makes {config.journal_file}")
        return
    try:
        with closing(open_beside(config)) as store:
            proof = store.verify()
            halted, pending, holder = store.halted(), store.open(), leader(config, store)
    except (ConfigError, Fatal, Transient) as broken:
        yield Check("journal", "fail", broken.message, broken.remedy)
        return
    user = f"process {holder} acts on it" if holder else "nobody acts on it"
    yield Check("journal", "ok", f"{proof.events:,} events, hashes agree; {user}")
    if halted is not None:
        yield Check("trading", "warn", f"halted: {halted}", "`keeper resume` when it is safe")
    if pending:
        yield Check("open", "warn", f"{len(pending)} intent not settled yet", "`keeper status`")
