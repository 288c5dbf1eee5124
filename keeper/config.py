"""`keeper.toml` and the environment become one frozen, checked `Config`, or one clear error.

What a key means and which values make sense is said by the Struct of the thing it configures;
`keeper/adapters/tables.py` does the rest. Secrets come from `.env` or the environment alone.
"""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv import dotenv_values
from msgspec import Meta, Struct
from msgspec.json import encode
from msgspec.structs import replace

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.guarded import GuardConfig
from keeper.adapters.health import loopback
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.tables import TAG, Source, Table, convert
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
    rpc: tuple[Secret, ...]
    """http(s) URL or path of an IPC socket, or a list of several; `${NAME}` is filled from the
    environment. The first is preferred where nothing else decides."""
    quorum: Annotated[int, Meta(gt=0)] = 1
    """How many of `rpc` must agree on what was read before a trade that adds risk."""
    max_lag_blocks: Annotated[int, Meta(gt=0)] = 3
    """An endpoint further behind the others is not read."""
    private: tuple[Secret, ...] = ()
    """Endpoints that transactions are sent to first, and that are never read."""
    public_after_s: float = 30.0
    """With `private`: after so long the same bytes are sent to `rpc`, too."""
    ws: Secret | None = None
    """WebSocket URL of the feed that rings the bell; left out, `rpc` is asked for news every
    `block_time`."""
    multicall: Address = MULTICALL3
    call_timeout_s: float = 5.0
    """Deadline of every question to the node."""
    block_time_s: float = 12.0
    """How often a block is expected; the feed is taken for dead after a few of them."""
    finality: Literal["safe", "finalized"] | None = None
    """The node's tag that a receipt must have reached besides `confirmations`."""
    rollup: Literal["op_stack"] | None = None
    """What the chain charges beyond gas; Arbitrum has it inside its gas."""

    def __post_init__(self) -> None:
        """Refuse addresses that no transport could use."""
        for key, urls in (("rpc", self.rpc), ("private", self.private)):
            for url in urls:
                _check_scheme(key, url, {"http", "https", "ipc"})
        _check_endpoints(self)
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
    journal: SqliteJournal.Config | PostgresConfig = SqliteJournal.Config()
    triggers: TriggersConfig = TriggersConfig()
    service: ServiceConfig = ServiceConfig()
    guard: GuardConfig | None = None

    def __post_init__(self) -> None:
        """Refuse books that would fight over a name or over a hedge."""
        if not self.books:
            raise ConfigError("there is nothing to hedge", remedy="add [[books]]")
        twice = [name for name, n in Counter(book.name for book in self.books).items() if n > 1]
        if twice:
            raise ConfigError("two books have one name", name=twice[0])
        if self.chain.private and self.chain.public_after_s >= self.transactions.bump_after_s:
            raise ConfigError(
                "chain.public_after must be below transactions.bump_after",
                remedy="a transaction that is replaced first would never be sent to everybody",
                public_after_s=self.chain.public_after_s,
                bump_after_s=self.transactions.bump_after_s,
            )
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

    @property
    def journal_file(self) -> Path:
        """Return where the journal lies.

        Raises:
            ConfigError: It is not in a file.

        """
        if isinstance(self.journal, PostgresConfig):
            raise ConfigError(
                "this needs a journal in a file", remedy='set type = "sqlite" in [journal]'
            )
        return Path(self.journal.path)

    @property
    def fingerprint(self) -> str:
        """Return a hash of everything here that decides or limits a trade.

        Where the node, the journal, the key and the service are may differ between two hosts that
        keep the same books.
        """
        deciding = (self.chain.chain_id, self.chain.multicall, self.native_price, self.books)
        told = (*deciding, self.transactions, self.triggers)
        return sha256(encode(told, enc_hook=_entries, order="deterministic")).hexdigest()


def load(path: str | Path = "keeper.toml", environ: Mapping[str, str] | None = None) -> Config:
    """Return the configuration at *path*, checked, its own paths made absolute.

    `${NAME}` is filled from *environ* (default: this process's), then from `.env` beside the file.

    Raises:
        ConfigError: The file cannot be read, or something in it does not fit; says what and where.

    """
    path = Path(path)
    document = _parse(path)
    source = Source(path.name, environ=environment(path, environ))
    config = convert(_with_a_journal(document), Config, source)
    if isinstance(config.journal, PostgresConfig):
        return config
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


def _with_a_journal(document: dict[str, Any]) -> dict[str, Any]:
    """Return *document* with the type of its journal written out: a file unless it says more."""
    journal = document.get("journal", {})
    if not isinstance(journal, dict):
        return document
    return document | {"journal": {TAG: "sqlite"} | journal}


def _entries(value: object) -> object:
    if isinstance(value, Source):
        return None  # where a table stands decides nothing
    raise NotImplementedError


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


def _check_endpoints(chain: ChainConfig) -> None:
    if not chain.rpc:
        raise ConfigError("chain.rpc names no node", remedy="write an address, or a list of some")
    urls = [url.reveal() for url in (*chain.rpc, *chain.private)]
    twice = [url for url, n in Counter(urls).items() if n > 1]
    if twice:
        raise ConfigError(
            "one endpoint stands there twice: it would confirm itself", value=Endpoint(twice[0])
        )
    if chain.quorum > len(chain.rpc):
        raise ConfigError(
            "more endpoints must agree than there are: nothing would ever be traded",
            quorum=chain.quorum,
            endpoints=len(chain.rpc),
        )


def _check_scheme(key: str, url: Secret, schemes: set[str]) -> None:
    endpoint = Endpoint(url.reveal())
    if endpoint.scheme not in schemes:
        raise ConfigError(
            f"chain.{key} has an address of another kind",
            value=endpoint,
            remedy=f"it takes {', '.join(sorted(schemes))}",
        )
