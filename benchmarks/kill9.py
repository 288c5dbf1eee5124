"""Kills a real `keeper run` again and again while prices move, and counts what it did.

    scripts/bench kill9 [--kills 20] [--seed 7] [--json]

Every kill is SIGKILL: the process gets no last word. Half of them come at any time, half within the
few milliseconds in which the keeper answers a block. Blocks go on while it is dead. At the end the
chain's own logs are held against the journal:

doubles  effects on the chain beyond one per intent, or that no intent of the journal explains
lost     intents whose outcome in the journal is not what the chain shows, or that never settled
"""

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from benchmarks.effects import doubled_and_lost, effects_of
from benchmarks.keeper_process import KeeperProcess
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.venues.perp_v2 import POSITION_CHANGED
from keeper.cli import starter
from keeper.config import Config, load
from keeper.devnet.scenario import Step, Weather, plan_steps, play
from keeper.devnet.world import World, start_world
from keeper.model.errors import ConfigError
from keeper.model.units import ETHER
from keeper.ports.acting import Archive
from keeper.sim.paths import crash_path

BLOCK_S: Final = 60
BLOCKS_PER_KILL: Final = 12
PACE_S: Final = 0.2
"""Between two blocks, by this machine's clock: room for a tick and for the journal's fsync."""
REACTION_S: Final = 0.03
"""A keeper that is hit within this long after a block is probably in the middle of something."""
COOLDOWN_S: Final = 1.0
"""The shortest that keeper.toml takes; a keeper that rests is easily killed."""
LONGEST_DEATH_BLOCKS: Final = 3
SETTLING_BLOCKS: Final = 200
START_S: Final = 120.0
"""A disk that others keep busy may hold its fsync back for long."""
QUICK: Final = {
    "resend_after": "1 s",
    "bump_after": "2 s",
    "cooldown": "1 s",
    "every": "1 s",
    "max_gas_price": "400 gwei",
    "daily_gas_budget": "100000 USD",
    "listen": "127.0.0.1:0",
}
"""A day in a minute: what an owner sets in minutes is seconds here."""


class Toll(Struct, frozen=True, kw_only=True):
    """What twenty deaths have cost."""

    kills: int
    in_flight: int
    """Kills that left an intent open: the ones that hurt."""
    intents: int
    effects: int
    bumped: int
    doubles: int
    lost: int
    open_intents: int
    halted: str | None
    final_net: float
    band_outer: float
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether nobody could tell from the outside that anything was killed."""
        return not (self.doubles or self.lost or self.open_intents or self.halted) and (
            abs(self.final_net) <= self.band_outer
        )


class Victim(KeeperProcess):
    """One `keeper run` after the other, all on one journal."""

    def await_start(self) -> None:
        """Return once it has begun to hedge."""
        self.await_word(rb'"started"', START_S)


class Show:
    """The scenario, block by block; after its last one the price stands still."""

    def __init__(self, world: World, kills: int, seed: int) -> None:
        self.world = world
        path = crash_path(
            seed=seed, steps=kills * BLOCKS_PER_KILL, step_s=BLOCK_S, start=2_000.0, sigma=8.0
        )
        steps = plan_steps(path, Weather())
        self._steps: Iterator[Step] = iter(steps)
        self._calm = replace(steps[-1], transfer=None, feed_reports=True)

    def go_on(self, blocks: int = 1, pace_s: float = PACE_S) -> None:
        """Make blocks, by default slowly enough for a keeper that is alive."""
        for _ in range(blocks):
            play(self.world, next(self._steps, self._calm))
            time.sleep(pace_s)

    def delta(self) -> float:
        """Return what the vault holds, by its own contract."""
        chain, vault = self.world.chain, self.world.vault
        ids = chain.read(vault, "ranges()", "uint256[]")
        held = [chain.read(vault, "rangeAmounts(uint256)", "uint256,uint256", i)[0] for i in ids]
        return float((chain.read(vault, "idleAssets()", "uint256") + sum(held)) / ETHER)

    def hedge(self) -> float:
        """Return what the keeper holds at the venue, by the venue's own contract."""
        perp, keeper = self.world.perp, self.world.accounts.keeper.address
        size = "getTakerPositionSize(address,address)"
        held = self.world.chain.read(perp.account_balance, size, "int256", keeper, perp.base_token)
        return float(held / ETHER)

    def net(self) -> float:
        """Return what is not hedged, by the word of both contracts."""
        return self.delta() + self.hedge()

    def effects(self) -> Counter[str]:
        """Return how often each transaction changed the keeper's position."""
        world, keeper = self.world, self.world.accounts.keeper.address
        return effects_of(world.chain.rpc, world.perp.clearing_house, POSITION_CHANGED, keeper)


def prepare(world: World, folder: Path) -> Config:
    """Write the keeper.toml and .env of a newcomer to *folder*, made quick; return what it says."""
    answers = starter.of_world(world)
    texts = starter.files(replace(answers, risk_aversion="1 /USD"))
    toml = texts["keeper.toml"].replace(
        "[transactions]\n", '[transactions]\nresend_after = ""\nbump_after = ""\n'
    )
    for key, value in QUICK.items():
        toml, found = re.subn(rf'(?m)^{key} = ".*?"', f'{key} = "{value}"', toml)
        if found != 1:
            raise SystemExit(f"keeper.toml has {key} {found} times")
    starter.write(folder, texts | {"keeper.toml": toml})
    return load(folder / "keeper.toml", os.environ)


def torture(
    victim: Victim, show: Show, config: Config, *, kills: int, random: Random
) -> Iterator[bool]:
    """Kill the keeper *kills* times at moments that nobody chose; yield whether that hurt."""
    for _ in range(kills):
        # Now and then it does not even come to its first tick.
        lives = random.random() < 0.8  # noqa: PLR2004  # four in five
        victim.start()
        if lives:
            victim.await_start()
            show.go_on(random.randrange(1, BLOCKS_PER_KILL - LONGEST_DEATH_BLOCKS))
        if random.random() < 0.5:  # noqa: PLR2004  # every other one
            time.sleep(random.uniform(0.0, 1.0))
        else:
            time.sleep(COOLDOWN_S)
            show.go_on(pace_s=random.uniform(0.0, REACTION_S))
        victim.kill()
        yield _has_open(config)
        show.go_on(random.randrange(LONGEST_DEATH_BLOCKS + 1))


def _has_open(config: Config) -> bool:
    try:
        with SqliteJournal.beside(config.journal_file, config.chain_id) as journal:
            return bool(journal.open())
    except ConfigError:
        return False  # the first one died before it had made a journal


def settle(victim: Victim, show: Show, config: Config) -> float:
    """Let it live until nothing is open and it is inside the band; return the outer band."""
    victim.start()
    victim.await_start()
    outer = 0.0
    with SqliteJournal.beside(config.journal_file, config.chain_id) as journal:
        for _ in range(SETTLING_BLOCKS):
            show.go_on(2)
            if (band := resting_band(journal)) is None:
                continue
            outer = band
            if abs(show.net()) <= outer:
                break
    if victim.stop(START_S):
        raise SystemExit("keeper run did not end cleanly")
    return outer


def resting_band(journal: Archive) -> float | None:
    """Return the outer edge of the newest decision; None while something is open, or before one."""
    (note,) = journal.decisions() or (None,)
    if note is None or note.decision.why is None or journal.open():
        return None
    return note.decision.why.band.outer


def account(show: Show, config: Config, *, hurt: list[bool], outer: float, seconds: float) -> Toll:
    """Hold the chain against the journal.

    Raises:
        Fatal: The journal's own hashes do not agree.

    """
    with SqliteJournal.acting(config.journal_file, config.chain_id) as journal:
        return weigh(journal, show, hurt=hurt, outer=outer, seconds=seconds)


def weigh(journal: Archive, show: Show, *, hurt: list[bool], outer: float, seconds: float) -> Toll:
    """Hold the chain against *journal*.

    Raises:
        Fatal: The journal's own hashes do not agree.

    """
    effects = show.effects()
    journal.verify()
    records, halted = journal.intents(last=1_000_000), journal.halted()
    doubles, lost = doubled_and_lost(effects, records)
    return Toll(
        kills=len(hurt),
        in_flight=sum(hurt),
        intents=len(records),
        effects=effects.total(),
        bumped=sum(len(record.attempts) > 1 for record in records),
        doubles=doubles,
        lost=lost,
        open_intents=sum(record.outcome is None for record in records),
        halted=halted,
        final_net=show.net(),
        band_outer=outer,
        seconds=round(seconds, 1),
    )


def measure(kills: int, seed: int) -> Toll:
    """Play the whole scenario on a world of its own."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="keeper-kill9-") as name, start_world() as world:
        folder = Path(name)
        config = prepare(world, folder)
        victim, show = Victim(folder), Show(world, kills, seed)
        try:
            random = Random(seed)  # noqa: S311  # moments, not secrets
            hurt = []
            for one in torture(victim, show, config, kills=kills, random=random):
                hurt.append(one)
                print(f"kill {len(hurt)}", "in flight" if one else "", file=sys.stderr)
            outer = settle(victim, show, config)
        finally:
            victim.kill()
        seconds = time.monotonic() - began
        return account(show, config, hurt=hurt, outer=outer, seconds=seconds)


def main() -> None:
    """Print what it has cost; end with 1 if it has cost anything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args()
    toll = measure(chosen.kills, chosen.seed)
    if chosen.json:
        print(json.dumps(asdict(toll)))
    else:
        for name, value in asdict(toll).items():
            print(f"{name:<14}{value}")
    sys.exit(0 if toll.is_clean else 1)


if __name__ == "__main__":
    main()
