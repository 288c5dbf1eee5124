"""From `--config` to what a command works on: the configuration, and the journal beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli.setting import Setting
from keeper.config import Config, load
from keeper.model.errors import ConfigError


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


def journal_path(config: Config) -> Path:
    """Return where the journal lies."""
    return Path(config.journal.path)


@contextmanager
def beside(setting: Setting, book: str | None = None) -> Iterator[tuple[Config, SqliteJournal]]:
    """Open the journal to read it, halt, resume or ask, whoever acts on it.

    Raises:
        ConfigError: There is none yet, or it cannot be used.

    """
    config = configured(setting, book)
    with SqliteJournal.beside(journal_path(config), config.chain_id) as journal:
        yield config, journal


@contextmanager
def acting(config: Config) -> Iterator[SqliteJournal]:
    """Open the journal as the one process that acts on it; create it if there is none.

    Raises:
        ConfigError: Another keeper acts on it, or it cannot be used.

    """
    with SqliteJournal.acting(
        journal_path(config), config.chain_id, keep_holds_s=config.journal.keep_holds_s
    ) as journal:
        yield journal


@contextmanager
def looking(config: Config) -> Iterator[SqliteJournal]:
    """Open the journal for a look that writes nothing; an empty one if there is none yet."""
    path = journal_path(config)
    if path.exists():
        with SqliteJournal.beside(path, config.chain_id) as journal:
            yield journal
    else:
        with SqliteJournal.in_memory(config.chain_id) as journal:
            yield journal
