"""One cell of the crash matrix: keepers that die, a person who restarts them, and the reckoning."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.crash_child import BAND_BASE, LIFE_S, Life, Line, Report, Turn
from benchmarks.crash_points import WEATHER, Cell, Weather
from benchmarks.crash_stage import Stage
from benchmarks.crash_zygote import Zygote
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.model.chain import ChainId
from keeper.model.errors import KeeperError
from keeper.model.events import Resumed
from keeper.testing.faultproxy import Signal

SEND: Final = "eth_sendRawTransaction"
NOISY_BLOCKS: Final = 24
"""With faults, for each want; then they end."""
CALM_BLOCKS: Final = 40
KILLED: Final = -9
STUCK_GWEI: Final = 60
STUCK_BLOCKS: Final = 6
PATIENCE_S: Final = 120.0


class Verdict(Struct, frozen=True, kw_only=True):
    """What a cell has cost."""

    cell: Cell
    kills: int
    fired: bool
    """Whether the chosen place was reached."""
    effects: int
    intents: int
    attempts: int
    sends: int
    doubles: int
    lost: int
    open_intents: int
    halts: int
    """Unexpected ones."""
    trouble: str = ""
    """What is wrong with the journal."""

    @property
    def is_clean(self) -> bool:
        return not (self.doubles or self.lost or self.open_intents or self.halts or self.trouble)


class Victim:
    """One process after the other, each with its own place to die at."""

    def __init__(self, stage: Stage, zygote: Zygote, cell: Cell, life: Life) -> None:
        self._stage = stage
        self._zygote = zygote
        self._kills = list(cell.kills)
        self._life = life
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(life.socket)
        self._listener.listen(1)
        self._listener.settimeout(PATIENCE_S)
        self._line: Line | None = None
        self._pid = 0
        self.kills = 0

    def turn(self) -> Report | None:
        """Let it look at the newest block; None if it died over that."""
        line = self._line or self._start()
        line.say(Turn(self._stage.now_ms()))
        while heard := line.hear():
            report = msgspec.json.decode(heard, type=Report)
            if not report.armed:
                return report
            self._stage.proxy.add(
                Signal(
                    method=SEND,
                    pid=self._pid,
                    when="pre" if report.armed == "pre" else "post",
                    times=1,
                )
            )
            line.say(Turn(0))
        self._bury()
        return None

    def _start(self) -> Line:
        kill = self._kills[0] if self._kills else None
        life = msgspec.structs.replace(
            self._life, point=kill.point if kill else "", nth=kill.nth if kill else 1
        )
        self._pid = self._zygote.spawn(life)
        end, _ = self._listener.accept()
        end.settimeout(PATIENCE_S)
        self._line = Line(end)
        return self._line

    def _bury(self) -> None:
        code = self._zygote.wait(self._pid)
        if code != KILLED:
            raise SystemExit(f"a keeper ended with {code} in {self._life.folder}")
        self._hang_up()
        self._kills.pop(0)
        self.kills += 1

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def stop(self) -> None:
        """End it; it does not come back."""
        if self._line is not None:
            self._hang_up()
            self._zygote.wait(self._pid)
        self._listener.close()


class Play:
    """The course of one cell."""

    def __init__(self, stage: Stage, victim: Victim, cell: Cell, journal: Path) -> None:
        self._stage = stage
        self._victim = victim
        self._cell = cell
        self._journal = journal
        self._chance = Random(cell.seed)  # noqa: S311  # weather, not secrets
        self._weather = WEATHER.get(cell.scenario, Weather())
        self._provoke = False
        self._sent_before = 0
        self.halts: list[str] = []
        self.lost = 0

    def run(self) -> None:
        """Want one hedge after the other."""
        for number in range(self._cell.wants):
            self._provoke = number == self._cell.at
            self._sent_before = self._stage.sends().total()
            self._stage.disturb(self._cell, provoked=self._provoke)
            self._stage.change_vault(self._chance)
            if self._provoke and self._cell.provocation == "changed":
                self._stage.change_code()
            if self._provoke and self._cell.provocation == "asked":
                self._ask()
            if not self._until_quiet(NOISY_BLOCKS) and not self._after_the_storm():
                self.lost += 1
                return  # what comes after it tells nothing more
        self._stage.calm()
        self._until_quiet(CALM_BLOCKS)

    def _after_the_storm(self) -> bool:
        self._stage.calm()
        self._weather = Weather()
        quiet = self._until_quiet(CALM_BLOCKS)
        self._weather = WEATHER.get(self._cell.scenario, Weather())
        return quiet

    def _until_quiet(self, blocks: int) -> bool:
        """Go on, block by block, until nothing is open and vault and venue agree."""
        for _ in range(blocks):
            report = self._turn()
            if report.halted is not None:
                self._be_a_person(report.halted)
            elif not report.open and self._stage.is_hedged(BAND_BASE):
                return True
            self._next_block()
        return False

    def _turn(self) -> Report:
        """Have it look; restart it as often as it dies, at this block or at the next."""
        while (report := self._victim.turn()) is None:
            if self._chance.random() < 0.5:  # noqa: PLR2004  # nobody restarts it at once every time
                self._next_block()
        return report

    def _next_block(self) -> None:
        stage, late = self._stage, False
        if self._provoke and stage.sends().total() > self._sent_before:
            match self._cell.provocation:
                case "stuck":
                    stage.spike(STUCK_GWEI, STUCK_BLOCKS)
                case "late":
                    late = True
                case "stolen":
                    stage.use_key_elsewhere()
                case _:
                    pass
            self._provoke = self._cell.provocation not in {"stuck", "late", "stolen"}
        stage.weather(self._weather, self._chance)
        stage.mine(seconds=LIFE_S + 60) if late else stage.mine()

    def _ask(self) -> None:
        """Ask for a trade by hand, which the policy wants too: it must be made once."""
        chain_id = ChainId(self._stage.world.chain_id)
        if not self._journal.exists():
            SqliteJournal.acting(self._journal, chain_id).close()
        with SqliteJournal.beside(self._journal, chain_id) as journal:
            journal.request("rebalance")

    def _be_a_person(self, halted: str) -> None:
        """Resume; what nobody provoked is written down."""
        if self._cell.provocation not in {"changed", "stolen"}:
            self.halts.append(halted)
        with SqliteJournal.beside(self._journal, ChainId(self._stage.world.chain_id)) as journal:
            journal.append(Resumed("by the driver", self._stage.now_ms()))


def play(stage: Stage, zygote: Zygote, cell: Cell, *, naive: bool = False) -> Verdict:
    """Play one cell to its end and hold the chain against the journal."""
    with _folder() as folder:
        stage.begin(cell)
        life = stage.life(cell, str(folder), str(folder / "line"))
        life = msgspec.structs.replace(life, naive=naive)
        victim = Victim(stage, zygote, cell, life)
        play_ = Play(stage, victim, cell, folder / "keeper.db")
        try:
            play_.run()
        finally:
            victim.stop()
        return _reckon(stage, victim, cell, play_, None if naive else folder / "keeper.db")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="keeper-crash-") as name:
        yield Path(name)


def _reckon(stage: Stage, victim: Victim, cell: Cell, play_: Play, path: Path | None) -> Verdict:
    effects = stage.effects()
    surplus = max(0, len(effects) - cell.wants)
    lost = max(play_.lost, cell.wants - len(effects))
    verdict = Verdict(
        cell=cell,
        kills=victim.kills,
        fired=victim.kills > 0,
        effects=len(effects),
        intents=0,
        attempts=0,
        sends=sum(stage.sends().values()),
        doubles=surplus,
        lost=lost,
        open_intents=0,
        halts=len(play_.halts),
        trouble="; ".join(sorted(set(play_.halts))),
    )
    if path is None:
        return verdict
    return _audited(verdict, path, stage, [hash_ for hash_, _ in effects])


def _audited(verdict: Verdict, path: Path, stage: Stage, seen: list[str]) -> Verdict:
    """Add what the journal says: one effect for each intent that is done, none for any other."""
    trouble = [verdict.trouble] if verdict.trouble else []
    with SqliteJournal.acting(path, ChainId(stage.world.chain_id)) as journal:
        try:
            journal.verify()
        except KeeperError as error:
            trouble.append(str(error))
        records = journal.intents(last=1_000)
        if (nonce := stage.nonce()) != (bound := journal.next_nonce(stage.account)):
            trouble.append(f"the chain's nonce is {nonce}, the journal's {bound}")
    per_intent = 0
    for record in records:
        hits = sum(seen.count(attempt.hash) for attempt in record.attempts)
        per_intent += max(0, hits - 1)
        done = record.outcome is not None and record.outcome.status == "done"
        if done != (hits > 0):
            trouble.append(f"{record.intent.id} is {record.outcome} with {hits} effects")
    known = {attempt.hash for record in records for attempt in record.attempts}
    strangers = sum(hash_ not in known for hash_ in seen)
    if unsaved := set(stage.sends()) - known:
        trouble.append(f"sent without being in the journal: {sorted(unsaved)}")
    return msgspec.structs.replace(
        verdict,
        intents=len(records),
        attempts=len(known),
        doubles=max(verdict.doubles, per_intent + strangers),
        open_intents=sum(record.outcome is None for record in records),
        trouble="; ".join(trouble),
    )
