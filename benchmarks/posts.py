"""One of several hosts that keep the same books: its folder, process and way to the database."""

from pathlib import Path
from typing import Final

from benchmarks.keeper_process import KeeperProcess
from keeper.testing.postgres_relay import Relay

START_S: Final = 60.0


class Post(KeeperProcess):
    """One host: a folder with its keeper.toml, its process, and its way to the database."""

    def __init__(self, folder: Path, relay: Relay | None) -> None:
        super().__init__(folder)
        self.relay = relay

    def await_standing(self) -> None:
        """Return once its keeper has asked for the lease."""
        self.await_word(rb'"(standing by|leading)"', START_S)

    def end(self) -> None:
        """End it as a person would.

        Raises:
            SystemExit: It had ended by itself, or did not end well.

        """
        if not self.is_alive:
            raise SystemExit(f"a keeper ended by itself: {self.last_words()}")
        if self.stop(START_S):
            raise SystemExit(f"a keeper did not end well: {self.last_words()}")
