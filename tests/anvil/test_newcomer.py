"""A newcomer's first hour: every command of the README, in its order, each a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.anvil.conftest import Process

pytestmark = pytest.mark.anvil

README = Path(__file__).parents[2] / "README.md"
CONFIG = ("--config", "my-keeper/keeper.toml")
KEEPER = str(Path(sys.executable).with_name("keeper"))
BLOCK_S = "0.2"
PATIENCE_S = 40.0


class Seen(Struct, frozen=True):
    """What `keeper status` tells of a book."""

    hedge: float
    net: float
    outer: float

    @property
    def is_hedged(self) -> bool:
        return self.hedge != 0.0 and abs(self.net) <= self.outer


class Newcomer:
    """A person in an empty folder, with two more terminals open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.toml = folder / "my-keeper" / "keeper.toml"
        self.typed = {"devnet up"}

    def says(self, *words: str, code: int = 0) -> str:
        """Type a command, await its end, and return what it printed."""
        self.typed.add(" ".join(words))
        # Nothing of this machine's own settings may help.
        environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        run = subprocess.run(
            [KEEPER, *words],
            cwd=self.folder,
            env=environ | {"HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert run.returncode == code, f"{words}: {run.stdout}{run.stderr}"
        return run.stdout + run.stderr

    def asks(self, *words: str) -> str:
        """Type a command about the keeper of this folder."""
        return self.says(*words, *CONFIG)

    def reads(self, *words: str) -> dict[str, Any]:
        """Return a command's answer as a program reads it."""
        document: dict[str, Any] = json.loads(self.asks(*words, "--json"))
        return document

    def sees(self) -> Seen:
        """Return the numbers of the last decision; before the first one, nothing is hedged."""
        (book,) = self.reads("status")["books"]
        if not book["seen"]:
            return Seen(hedge=0.0, net=inf, outer=0.0)
        why = book["seen"]["decision"]["why"]
        return Seen(hedge=why["hedge"], net=why["net"], outer=why["band"]["outer"])

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.asks("status")


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    """Somebody who has typed `keeper devnet up` in the first terminal."""
    with Process("devnet", "up", "--block-time", BLOCK_S, cwd=tmp_path) as devnet:
        devnet.await_line("keeper.toml")
        yield Newcomer(tmp_path)
        code, seconds = devnet.stop(signal.SIGINT)
        assert code in {0, 130}
        assert seconds < 5


def test_the_first_hour_of_a_newcomer(newcomer: Newcomer) -> None:
    prepare(newcomer)
    newcomer.typed.add(" ".join(("run", *CONFIG)))
    with Process("run", *CONFIG, cwd=newcomer.folder) as keeper:
        watch_it_hedge(newcomer, keeper)
        take_over(newcomer)
        code, seconds = keeper.stop(signal.SIGINT)
    assert code == 130
    assert seconds < 2.0  # below one on an idle machine
    assert newcomer.reads("status")["running_pid"] is None
    assert "hashes agree" in newcomer.asks("doctor")
    assert readme_commands() <= newcomer.typed


def readme_commands() -> set[str]:
    """Return every `keeper` command that the README has in a block to copy."""
    prefix = ".venv/bin/keeper "
    lines = README.read_text(encoding="utf-8").splitlines()
    found = {line.removeprefix(prefix) for line in lines if line.startswith(prefix)}
    assert "devnet up" in found
    return found


def prepare(newcomer: Newcomer) -> None:
    """From nothing to a configuration that would trade."""
    said = newcomer.says("init", "--devnet", "keeper-devnet/world.json", "--out", "my-keeper")
    assert "wrote my-keeper/keeper.toml" in said
    assert (newcomer.toml.with_name(".env").stat().st_mode & 0o077) == 0
    # The port of the README may be taken on a machine that runs tests.
    text = newcomer.toml.read_text()
    assert text.count("127.0.0.1:9464") == 1
    newcomer.toml.write_text(text.replace("127.0.0.1:9464", "127.0.0.1:0"))
    checked = newcomer.asks("doctor")
    assert "✗" not in checked
    assert "none yet; the first start makes" in checked
    rehearsed = newcomer.asks("tick", "--dry-run")
    assert "SELL" in rehearsed
    assert "would fill" in rehearsed
    assert not newcomer.toml.with_name("keeper.db").exists()


def watch_it_hedge(newcomer: Newcomer, keeper: Process) -> None:
    """Make things happen, and ask what it made of them."""
    started = json.loads(keeper.await_line('"started"'))
    newcomer.until(lambda: newcomer.sees().hedge < 0)
    newcomer.says("devnet", "move-price", "1900")
    newcomer.says("devnet", "deposit", "alice", "5")
    newcomer.says("devnet", "deposit", "bob", "20")
    newcomer.until(lambda: newcomer.sees().is_hedged)
    assert f"process {keeper.pid}" in newcomer.asks("status")
    assert "gates" in newcomer.asks("why")
    listed = newcomer.asks("journal", "list")
    assert "filled" in listed
    assert "failed" not in listed
    assert "hashes and tables agree" in newcomer.asks("journal", "verify")
    with urllib.request.urlopen(f"http://{started['metrics']}", timeout=5) as page:
        assert b"keeper_" in page.read()


def take_over(newcomer: Newcomer) -> None:
    """Every word that a person may say while it runs."""
    assert "rebalance: done" in newcomer.asks("rebalance")
    assert abs(newcomer.sees().net) < 0.5
    newcomer.asks("halt", "a look at the numbers")
    assert newcomer.reads("status")["halted"] == "a look at the numbers"
    assert "trading is halted" in newcomer.says("rebalance", *CONFIG, code=6)
    newcomer.asks("resume")
    assert "flatten: done" in newcomer.asks("flatten")
    assert abs(newcomer.sees().hedge) < 1e-9
    assert newcomer.reads("status")["halted"] == "flattened by hand"
    newcomer.asks("resume")
    newcomer.until(lambda: newcomer.sees().hedge < 0)
