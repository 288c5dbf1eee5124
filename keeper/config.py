"""`keeper.toml` and the environment become one frozen, checked `Config`, or one clear error.

What a key means and which values make sense is said by the Struct of the thing it configures;
`keeper/adapters/tables.py` does the rest. Secrets come from `.env` or the environment alone.
"""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from dotenv import dotenv_values
from msgspec import Meta, Struct
from msgspec.structs import replace

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.health import loopback
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.tables import Source, Table, convert
from keeper.core.decide import Policy
from keeper.core.limits import Limits
from keeper.core.tx_steps import TxPolicy
from keeper.model.chain import Address, ChainId
from keeper.model.errors import ConfigError
from keeper.model.secret import Secret

MULTICALL3: Final = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Where Multicall3 was deployed on almost every chain."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")


class ChainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[chain]` in keeper.toml."""

    chain_id: Annotated[int, Meta(gt=0)]
    """What the node must say it is; anything else is refused at start."""
    rpc: Secret
    """http(s) URL or path of an IPC socket; `${NAME}` is filled from the environment."""
    ws: Secret | None = None
    """WebSocket URL of the feed that rings the bell; left out, `rpc` is asked for news every
    `block_time`."""
    multicall: Address = MULTICALL3
    call_timeout_s: float = 5.0
    """Deadline of every question to the node."""
    block_time_s: float = 12.0
    """How often a block is expected; the feed is taken for dead after a few of them."""

    def __post_init__(self) -> None:
        """Refuse addresses that no transport could use."""
        _check_scheme("rpc", self.rpc, {"http", "https", "ipc"})
        if self.ws is not None:
            _check_scheme("ws", self.ws, {"ws", "wss"})


class TriggersConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[triggers]` in keeper.toml: what wakes the keeper. Each only says "look now"."""

    every_s: int | None = None
    cron: str | None = None
    """Five fields, UTC."""
    every_blocks: Annotated[int, Meta(gt=0)] | None = None
    events: bool = True
    """Oracle updates, large swaps, deposits and withdrawals."""

    def __post_init__(self) -> None:
        """Refuse a keeper that would sleep for ever."""
        if not (self.every_s or self.cron or self.every_blocks or self.events):
            raise ConfigError(
                "nothing would ever wake the keeper",
                remedy='set every = "1 min", every_blocks, cron, or events = true',
            )
        if self.cron is not None:
            _check_cron(self.cron)


class ServiceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[service]` in keeper.toml: /metrics and /healthz, for this machine only."""

    listen: str = "127.0.0.1:9464"

    def __post_init__(self) -> None:
        """Refuse what other machines could reach."""
        loopback(self.listen)


class BookConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[books]]` in keeper.toml: vaults that share one hedge account."""

    name: str
    """Names it in the journal, in metrics and on the command line: never change it."""
    symbol: str
    """What amounts of the asset are written in, such as ETH."""
    asset: Address
    """The token whose price risk is hedged."""
    oracle: Table
    vaults: tuple[Table, ...]
    venue: Table
    policy: Policy
    limits: Limits

    def __post_init__(self) -> None:
        """Refuse names that metrics cannot carry, and limits that leave no trade."""
        if _NAME.fullmatch(self.name) is None:
            raise ConfigError(
                "a book's name is up to 32 letters, digits, - and _, and starts with a letter",
                value=self.name,
            )
        if not self.vaults:
            raise ConfigError("a book needs a vault", remedy="add [[books.vaults]]")
        if self.limits.min_trade_base > self.limits.max_order_base:
            raise ConfigError(
                "no trade would ever be allowed: min_trade is above max_order",
                min_trade=self.limits.min_trade_base,
                max_order=self.limits.max_order_base,
            )
        _ = self.named_vaults

    @property
    def named_vaults(self) -> Mapping[str, Table]:
        """Return the vaults by their `name`; one without a name is called by type and place."""
        named: dict[str, Table] = {}
        for number, table in enumerate(self.vaults, start=1):
            name = table.entries.get("name", f"{table.entries.get('type')}-{number}")
            if not isinstance(name, str) or _NAME.fullmatch(name) is None or name in named:
                raise table.source.at("name").error(
                    "a vault's name must be a short word, and unique in its book", value=name
                )
            named[name] = table.without("name")
        return named


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of keeper.toml."""

    chain: ChainConfig
    signer: Table
    native_price: Table
    """Oracle of the coin that pays for gas."""
    transactions: TxPolicy
    books: tuple[BookConfig, ...]
    journal: SqliteJournal.Config = SqliteJournal.Config()
    triggers: TriggersConfig = TriggersConfig()
    service: ServiceConfig = ServiceConfig()

    def __post_init__(self) -> None:
        """Refuse books that would fight over a name or over a hedge."""
        if not self.books:
            raise ConfigError("there is nothing to hedge", remedy="add [[books]]")
        twice = [name for name, n in Counter(book.name for book in self.books).items() if n > 1]
        if twice:
            raise ConfigError("two books have one name", name=twice[0])
        for i, book in enumerate(self.books):
            for other in self.books[:i]:
                if book.venue.entries == other.venue.entries:
                    raise ConfigError(
                        "two books have one hedge account: each would undo the other's trades",
                        books=f"{other.name}, {book.name}",
                        remedy="put all their vaults into one book",
                    )

    @property
    def chain_id(self) -> ChainId:
        """Return the chain that everything here is about."""
        return ChainId(self.chain.chain_id)


def load(path: str | Path = "keeper.toml", environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration at *path*, checked, its own paths made absolute.

    `${NAME}` is filled from *environ* (default: this process's), then from `.env` beside the file.

    Raises:
        ConfigError: The file cannot be read, or something in it does not fit; says what and where.

    """
    path = Path(path)
    document = _parse(path)
    source = Source(path.name, environ=environment(path, environ))
    config = convert(document, Config, source)
    journal = path.parent.absolute() / Path(config.journal.path).expanduser()
    return replace(config, journal=replace(config.journal, path=str(journal)))


def environment(path: Path, environ: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """Return what `${NAME}` means beside *path*: the environment, then `.env`.

    Raises:
        ConfigError: There is a `.env` that cannot be read.

    """
    dotenv = path.with_name(".env")
    try:
        # Nothing is interpolated: a `$` in a password is a `$`.
        found = dotenv_values(dotenv, interpolate=False) if dotenv.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(".env cannot be read", path=dotenv, reason=_reason(error)) from None
    base = {name: value for name, value in found.items() if value is not None}
    return base | dict(os.environ if environ is None else environ)


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            "the configuration cannot be read",
            file=path,
            reason=_reason(error),
            remedy="`keeper init` writes one; --config names another",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the configuration is not TOML",
            file=path,
            reason=_reason(error),
            remedy='texts and values with units stand in quotes, as in cooldown = "5 min"',
        ) from error


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _check_cron(expression: str) -> None:
    fields = expression.split()
    if len(fields) != 5:  # noqa: PLR2004  # minute, hour, day, month, weekday
        raise ConfigError(
            "cron must have five fields",
            value=expression,
            remedy='as in cron = "0 * * * *", every full hour, UTC',
        )
    # cron counts weekdays from Sunday, the scheduler from Monday: a number would fire a day late.
    if re.search(r"[0-9]", fields[-1].partition("/")[0]):
        raise ConfigError(
            "cron must name its weekdays",
            value=expression,
            remedy='numbers mean different days in different programs: write "0 8 * * mon-fri"',
        )


def _check_scheme(key: str, url: Secret, schemes: set[str]) -> None:
    endpoint = Endpoint(url.reveal())
    if endpoint.scheme not in schemes:
        raise ConfigError(
            f"chain.{key} has an address of another kind",
            value=endpoint,
            remedy=f"it takes {', '.join(sorted(schemes))}",
        )
