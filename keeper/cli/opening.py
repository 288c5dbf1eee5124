"""From `--config` to what a command works on: the configuration, and the journal it names."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from keeper.adapters.candidacy import candidate
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli.setting import Setting
from keeper.config import Config, load
from keeper.model.errors import ConfigError
from keeper.model.lease import Terms
from keeper.ports.acting import ActingJournal, Archive


def configured(setting: Setting, book: str | None = None) -> Config:
    """Return the configuration; *book*, if given, must be one of its books.

    Raises:
        ConfigError: It cannot be read, or has no such book.

    """
    config = load(setting.config)
    names = [entry.name for entry in config.books]
    if book is not None and book not in names:
        raise ConfigError("there is no such book", book=book, known=", ".join(names))
    return config


def symbols(config: Config) -> dict[str, str]:
    """Return what each book's amounts are written in."""
    return {book.name: book.symbol for book in config.books}


@contextmanager
def beside(setting: Setting, book: str | None = None) -> Iterator[tuple[Config, Archive]]:
    """Open the journal to read it, halt, resume or ask, whoever acts on it.

    Raises:
        ConfigError: There is none yet, or it cannot be used.
        Transient: Its database cannot be reached.

    """
    config = configured(setting, book)
    with closing(open_beside(config)) as journal:
        yield config, journal


def open_beside(config: Config) -> Archive:
    """Return the journal, to read it, halt, resume or ask.

    Raises:
        ConfigError: There is none yet, or it cannot be used.
        Transient: Its database cannot be reached.

    """
    if isinstance(config.journal, PostgresConfig):
        from keeper.adapters.stores.postgres.journal import PostgresJournal

        return PostgresJournal.beside(config.journal, config.chain_id)
    return SqliteJournal.beside(config.journal.path, config.chain_id)


@contextmanager
def contending(config: Config, *, adopt: bool = False) -> Iterator[ActingJournal]:
    """Open the journal to act on it whenever this process leads; create it if there is none.

    Raises:
        ConfigError: It cannot be used.
        Transient: Its database cannot be reached.

    """
    with closing(_open_to_act(config, adopt=adopt)) as journal:
        yield journal


@contextmanager
def acting(config: Config, *, adopt: bool = False) -> Iterator[ActingJournal]:
    """Open the journal as the one process that acts on it; create it if there is none.

    Raises:
        ConfigError: Another keeper acts on it, or it cannot be used.
        Transient: Its database cannot be reached.

    """
    with contending(config, adopt=adopt) as journal:
        if journal.hold() is None:
            raise ConfigError(
                "another keeper acts on this journal",
                reason=journal.obstacle(),
                remedy="stop that one first, or give each keeper its own key and journal",
            )
        yield journal


@contextmanager
def looking(config: Config) -> Iterator[Archive]:
    """Open the journal for a look that writes nothing; an empty one if there is none yet."""
    if isinstance(config.journal, PostgresConfig) or config.journal_file.exists():
        with closing(open_beside(config)) as journal:
            yield journal
    else:
        with SqliteJournal.in_memory(config.chain_id) as empty:
            yield empty


def _open_to_act(config: Config, *, adopt: bool) -> ActingJournal:
    me = candidate(config.fingerprint)
    journal = config.journal
    if isinstance(journal, PostgresConfig):
        from keeper.adapters.stores.postgres.journal import PostgresJournal

        return PostgresJournal.contending(journal, config.chain_id, me, adopt=adopt)
    terms = Terms(me, journal.lease_s, adopt)
    return SqliteJournal.contending(
        journal.path, config.chain_id, terms, keep_holds_s=journal.keep_holds_s
    )
