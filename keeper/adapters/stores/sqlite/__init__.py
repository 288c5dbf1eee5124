"""The journal in one SQLite file: the embedded default, nothing to install or to run."""

from keeper.adapters.stores.sqlite.journal import SqliteJournal

__all__ = ["SqliteJournal"]
