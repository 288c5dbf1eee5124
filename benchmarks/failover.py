"""Kills, stops and cuts off the leader of several keepers with one key, and counts what they did.

    scripts/bench failover [--failovers 120] [--seed 7] [--json]

Two and three `keeper run` share one key and one journal: a SQLite file, then a PostgreSQL database
that commits to the disk. Again and again the one that leads is killed (SIGKILL), stopped until
another one leads and then woken (SIGSTOP, SIGCONT), or cut off from the database by a relay that
swallows everything. Prices move and blocks go on all the while. At the end the chain's own logs
are held against the journal:

failovers       times that another keeper led after the one before was hurt
doubles         effects on the chain beyond one per intent, or that no intent explains
lost            intents whose outcome is not what the chain shows, or that never settled
takeover_p99_s  from the blow to the next epoch in the database: longest but one in a hundred
blocked         blows after which nobody could follow before the victim went on: SQLite alone, when
                it was stopped inside a write
"""

import argparse
import json
import math
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from benchmarks import kill9
from benchmarks.keeper_process import LOOK_S
from benchmarks.posts import START_S, Post
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.adapters.stores.postgres.journal import PostgresJournal
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.config import Config, load
from keeper.devnet.world import World, start_world
from keeper.model.errors import Transient
from keeper.model.lease import Tenure
from keeper.model.secret import Secret
from keeper.ports.acting import Archive
from keeper.testing.postgres_relay import Relay
from keeper.testing.postgres_server import Server, running_server

LEASE_S: Final = 1.5
LONGEST_S: Final = LEASE_S + 8.0
"""After this nobody is expected to follow any more."""
QUIET_S: Final = 90.0
CALM_S: Final = 2.0
"""Longest time in office before the next blow; most come sooner."""


class Toll(Struct, frozen=True, kw_only=True):
    """What all of it has cost."""

    failovers: int
    doubles: int
    lost: int
    takeover_p99_s: float
    takeover_p50_s: float
    lease_s: float
    blocked: int
    kills: int
    stops: int
    partitions: int
    in_flight: int
    """Blows that met an open intent."""
    intents: int
    effects: int
    open_intents: int
    halted: int
    outside_band: int
    """Worlds that ended with the net delta outside the band."""
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether nobody could tell from the outside that anybody was hurt."""
        spoiled = self.doubles + self.lost + self.open_intents + self.halted + self.outside_band
        return not spoiled and self.takeover_p99_s <= LEASE_S + 5.0


class Blow(Struct, frozen=True):
    """One blow and what followed."""

    kind: str
    takeover_s: float | None
    was_open: bool


class Weather:
    """Blocks and prices that go on by themselves; the only one who speaks to the chain."""

    def __init__(self, show: kill9.Show) -> None:
        self._show = show
        self._end = threading.Event()
        self.block = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.is_set():
            self._show.go_on(pace_s=0.0)
            self.block.set()
            self._end.wait(kill9.PACE_S)

    def stop(self) -> None:
        """Let the world stand still."""
        self._end.set()
        self._thread.join()


class Arena:
    """Several posts that share one journal, seen from beside."""

    def __init__(self, posts: list[Post], open_journal: Callable[[], Archive]) -> None:
        self.posts = posts
        for post in posts:
            post.start()
        for post in posts:
            post.await_standing()
        self.journal = open_journal()

    def tenure(self) -> Tenure:
        """Return who leads, or led last."""
        while True:
            try:
                found = self.journal.tenure()
            except Transient:  # a file that is locked by a process that stands still
                continue
            if found is not None:
                return found

    def await_leader(self, *, after: int, limit_s: float) -> tuple[Post, int] | None:
        """Return who leads in an epoch beyond *after*, once somebody does."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            tenure = self.tenure()
            if tenure.is_live and tenure.epoch > after:
                pid = int(tenure.holder.split(":")[1])
                for post in self.posts:
                    if post.is_alive and post.pid == pid:
                        return post, tenure.epoch
            time.sleep(LOOK_S)
        return None

    def is_open(self) -> bool:
        """Return whether an intent is open."""
        try:
            return bool(self.journal.open())
        except Transient:
            return False


def strike(arena: Arena, kind: str, weather: Weather, random: Random) -> Blow:
    """Hurt the leader at a moment that nobody chose; return what followed."""
    found = arena.await_leader(after=0, limit_s=START_S)
    if found is None:
        raise SystemExit("nobody leads")
    leader, _ = found
    for post in arena.posts:
        post.await_standing()
    if random.random() < 0.5:  # noqa: PLR2004  # every other one
        time.sleep(random.uniform(0.0, CALM_S))
    else:  # probably in the middle of something
        weather.block.clear()
        weather.block.wait(START_S)
        time.sleep(random.uniform(0.0, kill9.REACTION_S))
    epoch = arena.tenure().epoch
    heal = _hurt(leader, kind)
    began = time.monotonic()
    followed = arena.await_leader(after=epoch, limit_s=LONGEST_S)
    took_s = time.monotonic() - began
    was_open = arena.is_open()
    if kind != "kill" and followed is not None:
        time.sleep(random.uniform(0.0, 1.0))  # the new one works while the old one sleeps
    heal()
    return Blow(kind, None if followed is None else took_s, was_open)


def _hurt(post: Post, kind: str) -> Callable[[], None]:
    """Hurt a post; return what heals it."""
    if kind == "kill":
        post.kill()
        return post.start
    if kind == "stop":
        pid = post.pid
        os.kill(pid, signal.SIGSTOP)
        return lambda: os.kill(pid, signal.SIGCONT)
    relay = post.relay
    if relay is None:
        raise SystemExit("there is no way to cut")
    relay.swallow = True

    def mend() -> None:
        relay.cut_all()  # what was on its way when the network broke does not arrive any more
        relay.swallow = False

    return mend


@contextmanager
def arranged(world: World, posts: int, server: Server | None) -> Iterator[tuple[Arena, Config]]:
    """Put the posts in place, on one file or, with *server*, on one database."""
    with ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="keeper-ha-"))
        url = None if server is None else server.new_database()
        places = [_place(world, Path(name), number, url) for number in range(posts)]
        for post in places:
            if post.relay is not None:
                stack.callback(post.relay.close)
            stack.callback(post.kill)
        config = load(places[0].folder / "keeper.toml", os.environ)
        arena = Arena(places, lambda: _beside(config, url))
        stack.callback(arena.journal.close)
        yield arena, config


def _place(world: World, home: Path, number: int, url: str | None) -> Post:
    folder = home / f"p{number}"
    folder.mkdir()
    kill9.prepare(world, folder)
    toml, env = folder / "keeper.toml", folder / ".env"
    text = re.sub(r"(?m)^\[journal\]\n(?:.+\n)*", "", toml.read_text())
    if url is None:
        toml.write_text(f'{text}\n[journal]\npath = "{home}/keeper.db"\nlease = "{LEASE_S} s"\n')
        return Post(folder, None)
    parts = urlsplit(url)
    relay = Relay(folder, Path(parts.query.removeprefix("host=")))
    env.write_text(f"{env.read_text()}\nDATABASE=postgresql://keeper@{parts.path}?host={folder}\n")
    account = world.accounts.keeper.address
    toml.write_text(
        f'{text}\n[journal]\ntype = "postgres"\nurl = "${{DATABASE}}"\naccount = "{account}"\n'
        f'lease = "{LEASE_S} s"\nanswer = "{LEASE_S} s"\n'
    )
    return Post(folder, relay)


def _beside(config: Config, url: str | None) -> Archive:
    if url is None or not isinstance(config.journal, PostgresConfig):
        return SqliteJournal.beside(config.journal_file, config.chain_id)
    near = msgspec.structs.replace(config.journal, url=Secret(url), answer_s=30.0)
    return PostgresJournal.beside(near, config.chain_id)


def settle(arena: Arena, show: kill9.Show) -> float:
    """Let them live until nothing is open and the hedge is inside the band; return its edge."""
    deadline = time.monotonic() + QUIET_S
    outer = 0.0
    while time.monotonic() < deadline:
        show.go_on(2)
        if (band := kill9.resting_band(arena.journal)) is None:
            continue
        outer = band
        if abs(show.net()) <= outer:
            break
    return outer


def play(posts: int, server: Server | None, blows: int, seed: int) -> tuple[list[Blow], kill9.Toll]:
    """Strike *blows* times in a world of its own; return them, and what chain and journal say."""
    random = Random(seed)  # noqa: S311  # moments, not secrets
    kinds = cycle(("kill", "stop") if server is None else ("partition", "stop", "kill"))
    struck: list[Blow] = []
    began = time.monotonic()
    with start_world() as world, arranged(world, posts, server) as (arena, _):
        show = kill9.Show(world, blows * 4, seed)
        weather = Weather(show)
        try:
            for kind in (next(kinds) for _ in range(blows)):
                struck.append(strike(arena, kind, weather, random))
                print(posts, "postgres" if server else "sqlite", struck[-1], file=sys.stderr)
        finally:
            weather.stop()
        outer = settle(arena, show)
        for post in arena.posts:
            post.await_standing()
            post.end()
        hurt = [blow.was_open for blow in struck]
        seconds = time.monotonic() - began
        toll = kill9.weigh(arena.journal, show, hurt=hurt, outer=outer, seconds=seconds)
    return struck, toll


def measure(failovers: int, seed: int) -> Toll:
    """Play two and three posts on both stores."""
    each = math.ceil(failovers / 4)
    struck: list[Blow] = []
    tolls: list[kill9.Toll] = []
    with running_server(durable=True) as server:
        for number, (posts, store) in enumerate(((2, None), (3, None), (2, server), (3, server))):
            blows, toll = play(posts, store, each, seed + number)
            struck += blows
            tolls.append(toll)
            print(posts, "postgres" if store else "sqlite", toll, file=sys.stderr)
    took_s = sorted(blow.takeover_s for blow in struck if blow.takeover_s is not None)
    return Toll(
        failovers=len(took_s),
        doubles=sum(toll.doubles for toll in tolls),
        lost=sum(toll.lost for toll in tolls),
        takeover_p99_s=round(took_s[math.ceil(0.99 * len(took_s)) - 1], 3),
        takeover_p50_s=round(took_s[len(took_s) // 2], 3),
        lease_s=LEASE_S,
        blocked=len(struck) - len(took_s),
        kills=sum(blow.kind == "kill" for blow in struck),
        stops=sum(blow.kind == "stop" for blow in struck),
        partitions=sum(blow.kind == "partition" for blow in struck),
        in_flight=sum(blow.was_open for blow in struck),
        intents=sum(toll.intents for toll in tolls),
        effects=sum(toll.effects for toll in tolls),
        open_intents=sum(toll.open_intents for toll in tolls),
        halted=sum(toll.halted is not None for toll in tolls),
        outside_band=sum(abs(toll.final_net) > toll.band_outer for toll in tolls),
        seconds=round(sum(toll.seconds for toll in tolls), 1),
    )


def main() -> None:
    """Print what it has cost; end with 1 if it has cost anything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--failovers", type=int, default=120)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args()
    toll = measure(chosen.failovers, chosen.seed)
    if chosen.json:
        print(json.dumps(asdict(toll)))
    else:
        for name, value in asdict(toll).items():
            print(f"{name:<16}{value}")
    sys.exit(0 if toll.is_clean else 1)


if __name__ == "__main__":
    main()
