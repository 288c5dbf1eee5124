"""Halts a trading keeper from another process, and looks for signatures after that.

    scripts/bench killswitch [--rounds 5] [--json]

The keeper is the one that `keeper run` makes, in a process of its own, hedging prices that never
stand still. `keeper halt` is a process, too. It comes while the keeper trades as it likes, while
the keeper's loop is blocked in a look at the chain, and while it is blocked with the transaction
already rehearsed and not yet signed: in that case the signature is made after the halt, and the
journal refuses it, so that it never leaves.

A signature counts once it is in the journal: nothing is sent that is not. The target is for the
time from the halt's own entry in the journal; how long a new Python takes to write that entry is
the machine's affair, and is told beside it.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from benchmarks.kill9 import Show, prepare
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.bootstrap import Keeper
from keeper.config import Config, load
from keeper.devnet.world import start_world
from keeper.engine.loop import Loop
from keeper.model.chain import BlockRef, SignedTx, UnsignedTx
from keeper.model.events import Halted
from keeper.model.units import MS_PER_S
from keeper.ports.acting import Signer, Work, nothing
from keeper.ports.reading import Chain

Mode = Literal["trading", "blocked_looking", "blocked_signing"]
BLOCKED_S: Final = 3.0
AFTERWARDS_S: Final = 2.5
"""Prices go on moving for so long after a halt."""
PATIENCE_S: Final = 120.0
BLOCK_REAL_S: Final = 0.1
TARGET_MS: Final = 1_000


class Mark(Struct, frozen=True):
    """Something that the keeper's process did, by this machine's clock."""

    what: Literal["signed", "blocked"]
    at_ms: float
    hash: str = ""


class Marks:
    """A file of marks: one process writes, another reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()

    def put(self, what: Literal["signed", "blocked"], hash_: str = "") -> None:
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(Mark(what, time.time() * MS_PER_S, hash_)) + b"\n")

    def all(self) -> list[Mark]:
        lines = self._path.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=Mark) for line in lines]


class SlowKey:
    """The signer, which may fall asleep before it signs."""

    def __init__(self, signer: Signer, marks: Marks, sleep_s: float) -> None:
        self.address = signer.address
        self._signer = signer
        self._marks = marks
        self._sleep_s = sleep_s

    def sign(self, tx: UnsignedTx) -> SignedTx:
        if self._sleep_s:
            self._marks.put("blocked")
            time.sleep(self._sleep_s)
        signed = self._signer.sign(tx)
        self._marks.put("signed", signed.hash)
        return signed


class SlowChain:
    """The chain, which may fall asleep at each look."""

    def __init__(self, chain: Chain, marks: Marks, sleep_s: float) -> None:
        self._chain = chain
        self._marks = marks
        self._sleep_s = sleep_s
        self.answer = chain.answer

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        if self._sleep_s:
            self._marks.put("blocked")
            time.sleep(self._sleep_s)
        return self._chain.head(meanwhile)


def run_keeper(toml: str, marks_path: str, mode: Mode) -> None:
    """Be the keeper, until killed."""
    config, marks = load(Path(toml), {}), Marks(Path(marks_path))
    with SqliteJournal.acting(config.journal_file, config.chain_id) as journal:
        keeper = Keeper(config, journal)
        desk = keeper.desk
        hands = desk.hands
        signer = SlowKey(hands.signer, marks, BLOCKED_S if mode == "blocked_signing" else 0.0)
        chain = SlowChain(desk.chain, marks, BLOCKED_S if mode == "blocked_looking" else 0.0)
        slowed = replace(desk, chain=chain, hands=replace(hands, signer=signer))
        keeper.loop = Loop(slowed, keeper.mailbox)
        keeper.run()


class Round(Struct, frozen=True):
    """One halt."""

    command_ms: float
    """From the start of `keeper halt` to its end: a new Python, and the write."""
    from_start_ms: float
    """From the start of `keeper halt` to the last signature that counts; below zero: before it."""
    from_word_ms: float
    """The same from the time written in the journal's `Halted`."""
    refused: int
    """Signatures that the journal refused."""
    after: int
    """Signatures that count and came after the command had ended."""


class Rounds:
    """A keeper in one mode, halted and resumed."""

    def __init__(self, config: Config, toml: Path, show: Show, marks: Marks) -> None:
        self._config = config
        self._toml = toml
        self._show = show
        self._marks = marks

    def play(self, mode: Mode, chance: Random) -> Round:
        """Let it trade, halt it, look, and resume it."""
        began_ms = time.time() * MS_PER_S
        self._until(lambda: self._journalled(began_ms), "did not trade")
        if mode == "trading":
            self._go_on(chance.uniform(0.5, 2.5))
        else:
            seen = self._blocked()
            self._until(lambda: self._blocked() > seen, "was not blocked")
        start_ms = time.time() * MS_PER_S
        self._command("halt", "bench")
        end_ms = time.time() * MS_PER_S
        self._go_on(AFTERWARDS_S + (BLOCKED_S if mode != "trading" else 0.0))
        signed = [mark for mark in self._marks.all() if mark.what == "signed"]
        counted = self._journalled(0.0)
        word_ms = self._word_ms()
        last_ms = max(mark.at_ms for mark in counted)
        self._command("resume", "bench")
        return Round(
            command_ms=round(end_ms - start_ms, 1),
            from_start_ms=round(last_ms - start_ms, 1),
            from_word_ms=round(last_ms - word_ms, 1),
            refused=sum(m.at_ms > word_ms for m in signed)
            - sum(m.at_ms > word_ms for m in counted),
            after=sum(mark.at_ms > end_ms for mark in counted),
        )

    def _command(self, *words: str) -> None:
        command = [sys.executable, "-m", "keeper", *words, "--config", str(self._toml)]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  # our own
        if done.returncode:
            raise SystemExit(f"keeper {words[0]}: {done.stderr.decode()}")

    def _go_on(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self._show.go_on(pace_s=BLOCK_REAL_S)

    def _until(self, condition: Callable[[], object], complaint: str) -> None:
        deadline_s = time.monotonic() + PATIENCE_S
        while not condition():
            if time.monotonic() > deadline_s:
                raise SystemExit(f"the keeper {complaint}")
            self._show.go_on(pace_s=BLOCK_REAL_S)

    def _blocked(self) -> int:
        return sum(mark.what == "blocked" for mark in self._marks.all())

    def _journalled(self, since_ms: float) -> list[Mark]:
        with SqliteJournal.beside(self._config.journal_file, self._config.chain_id) as journal:
            known = {a.hash for record in journal.intents(1_000_000) for a in record.attempts}
        return [m for m in self._marks.all() if m.hash in known and m.at_ms >= since_ms]

    def _word_ms(self) -> int:
        with SqliteJournal.beside(self._config.journal_file, self._config.chain_id) as journal:
            entries = journal.entries(last=1_000)
        return max(e.event.at_ms for e in entries if isinstance(e.event, Halted))


def measure(rounds: int, seed: int) -> dict[str, Any]:
    """Halt a keeper *rounds* times in every mode."""
    results: dict[str, list[Round]] = {}
    for mode in get_args(Mode):
        with tempfile.TemporaryDirectory(prefix="keeper-halt-") as name, start_world() as world:
            folder = Path(name)
            config = prepare(world, folder)
            SqliteJournal.acting(config.journal_file, config.chain_id).close()
            marks = Marks(folder / "marks")
            args = (str(folder / "keeper.toml"), str(folder / "marks"), mode)
            keeper = multiprocessing.get_context("spawn").Process(target=run_keeper, args=args)
            keeper.start()
            try:
                show = Show(world, kills=100, seed=seed)
                stage = Rounds(config, folder / "keeper.toml", show, marks)
                chance = Random(seed)  # noqa: S311  # moments, not secrets
                results[mode] = [stage.play(mode, chance) for _ in range(rounds)]
                print(mode, results[mode], file=sys.stderr)
            finally:
                keeper.kill()
                keeper.join()
    return _figures(results)


def _figures(results: dict[str, list[Round]]) -> dict[str, Any]:
    every = [one for rounds in results.values() for one in rounds]
    modes = {
        mode: {
            "last_signature_ms": max(one.from_start_ms for one in rounds),
            "last_signature_after_the_word_ms": max(one.from_word_ms for one in rounds),
            "refused_by_the_journal": sum(one.refused for one in rounds),
            "signatures_after": sum(one.after for one in rounds),
        }
        for mode, rounds in results.items()
    }
    last_ms = max(one.from_word_ms for one in every)
    return {
        "halts": len(every),
        "last_signature_ms": max(one.from_start_ms for one in every),
        "last_signature_after_the_word_ms": last_ms,
        "signatures_after": sum(one.after for one in every),
        "command_max_ms": max(one.command_ms for one in every),
        "target_ms": TARGET_MS,
        "load_1min": round(os.getloadavg()[0], 2),
        "met": last_ms <= TARGET_MS and not any(one.after for one in every),
        "modes": modes,
    }


def main() -> None:
    """Print the figures; end with 1 if a signature came too late."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="halts in each of three situations")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args()
    figures = measure(chosen.rounds, chosen.seed)
    if chosen.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<20}{value}")
    sys.exit(0 if figures["met"] else 1)


if __name__ == "__main__":
    main()
