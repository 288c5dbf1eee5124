"""From the oracle's log in hand to the hedge in the mempool: our keeper and one with web3.py.

`scripts/bench reaction --json`; what is measured, and how, is in docs/reference/benchmarks.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from benchmarks.counting_proxy import CountingProxy, Counts
from benchmarks.figures import Disk, Machine, Spread, disk, machine, p50_ms, say, spread
from benchmarks.naive_process import NaiveProcess, Setting, naive_keeper
from benchmarks.our_keeper import OurKeeper, Reaction
from benchmarks.stage import Stage, open_stage, world_apart
from benchmarks.stub_venue import StubVenue
from keeper.adapters.venues.perp_v2 import PerpV2
from keeper.devnet.world import World
from keeper.ports.reading import Venue

BUILD: Final = Path(__file__).parents[1] / "build"
"""Beside the checkout, and so as a rule on a disk: a temporary directory may be in memory."""
WARM_UP: Final = 4
TURN: Final = 10
"""Events in a row of one keeper; this and all counts of events are even."""
IPC_TURN: Final = 2
COUNTED: Final = 4
RESTED: Final = 10
REST_S: Final = 0.05


class Target(Struct, frozen=True):
    """What a setting is held to; None is not held to anything."""

    p50_ms: float | None
    times_faster: float
    own_p50_ms: float | None
    rpc_requests: int = 4


TARGETS: Final[dict[Setting, Target]] = {
    "light": Target(p50_ms=1.5, times_faster=20, own_p50_ms=None),
    "perp_v2": Target(p50_ms=None, times_faster=4, own_p50_ms=1.5),
}


class Timed(Struct):
    """Samples of one setting."""

    ours: list[Reaction]
    naive_ns: list[int]
    naive_ipc_ns: list[int]
    rested: list[Reaction]


class Counted(Struct, frozen=True):
    """Requests of one reaction, as a proxy saw them."""

    ours: Counts
    """The most that any of the counted reactions asked."""
    naive: Counts
    event: Counts
    """Ours for the whole event: the reaction, and settling it afterwards."""


class Figures(Struct, frozen=True, kw_only=True):
    """The result of one setting."""

    events: int
    ours_ms: Spread
    naive_ms: Spread
    """Over HTTP, as web3.py is mostly used."""
    naive_ipc_ms: Spread
    """Over the same socket as ours, which spares it web3.py's HTTP."""
    ours_rested_p50_ms: float
    """Ours when the machine has slept for 50 ms before the event, and every cache is cold."""
    times_faster_p50: float
    times_faster_than_ipc_p50: float
    own_share_ms: Spread
    """Ours without waiting for the node: Python, threads, disk."""
    own_cpu_ms: Spread
    """Processor time of our loop's thread in it: what others on the machine cannot lengthen."""
    node_wait_p50_ms: float
    journal_p50_ms: float
    """Decision, intent and signed bytes written down with an fsync, before the send."""
    rpc_requests_per_reaction: int
    """Round trips: a batch is one."""
    rpc_calls_per_reaction: int
    """Those inside a batch one by one."""
    rpc_calls: dict[str, int]
    rpc_requests_per_event: int
    naive_rpc_requests_per_reaction: int
    target: Target
    met: bool


class Report(Struct, frozen=True, kw_only=True):
    """The last line of stdout."""

    benchmark: str = "reaction"
    settings: dict[Setting, Figures]
    met: bool
    pinned: bool
    """Whether the keepers had the first core for themselves and the node the others."""
    disk: Disk
    machine: Machine
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    """Run, tell people on stderr, and print one JSON object."""
    asked = _arguments(arguments)
    began_s = perf_counter()
    BUILD.mkdir(exist_ok=True)
    with (
        world_apart(pinned=asked.pinned) as world,
        tempfile.TemporaryDirectory(dir=BUILD) as folder,
    ):
        here = machine(world.chain.rpc.call("web3_clientVersion"))
        there = disk(Path(folder))
        settings: dict[Setting, Figures] = {}
        events: dict[Setting, int] = {"light": asked.events, "perp_v2": asked.perp_events}
        for setting, count in events.items():
            settings[setting] = _measure(world, setting, count, Path(folder))
            _tell(setting, settings[setting])
    report = Report(
        settings=settings,
        met=all(figures.met for figures in settings.values()),
        pinned=asked.pinned,
        disk=there,
        machine=here,
        seconds=round(perf_counter() - began_s, 1),
    )
    say(f"journal on {there.filesystem}; {report.seconds} s in all")
    print(msgspec.json.encode(report).decode())
    return 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench reaction", description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: always printed")
    parser.add_argument("--events", type=int, default=200, help="of the light setting")
    parser.add_argument("--perp-events", type=int, default=60, help="of the perp_v2 setting")
    parser.add_argument(
        "--pinned",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the keepers on the first core, the node on the others",
    )
    asked = parser.parse_args(arguments)
    asked.events += asked.events % 2
    asked.perp_events += asked.perp_events % 2
    return asked


def _measure(world: World, setting: Setting, events: int, folder: Path) -> Figures:
    with open_stage(world) as stage:
        venue = _venue(world, setting)
        ours = OurKeeper(stage, venue, folder / f"{setting}.db", node=world.ipc_path)
        with (
            naive_keeper(world, setting, world.http_url) as naive,
            naive_keeper(world, setting, world.ipc_path) as naive_ipc,
            _started(ours),
        ):
            timed = _time(stage, ours, (naive, naive_ipc), events)
        return _figures(setting, timed, _count(stage, setting, folder))


@contextmanager
def _started(ours: OurKeeper) -> Iterator[OurKeeper]:
    try:
        ours.start()
        yield ours
    finally:
        ours.stop()


def _venue(world: World, setting: Setting) -> Venue:
    account = world.accounts.keeper.address
    if setting == "light":
        return StubVenue(StubVenue.Config(address=world.stub_venue, feed=world.feed), account)
    perp = world.perp
    config = PerpV2.Config(clearing_house=perp.clearing_house, base_token=perp.base_token)
    return PerpV2(config, account)


def _time(
    stage: Stage, ours: OurKeeper, rivals: tuple[NaiveProcess, NaiveProcess], events: int
) -> Timed:
    """Let the keepers react in turns, each to events of its own.

    Every turn has an even number of events: the price is then back where each keeper left it, and
    the next event needs a trade again.
    """
    naive, naive_ipc = rivals
    _our_turn(stage, ours, WARM_UP)
    for rival in rivals:
        _naive_turn(stage, rival, WARM_UP)
    timed = Timed([], [], [], [])
    for start in range(0, events, TURN):
        count = min(TURN, events - start)
        if start // TURN % 2:
            timed.naive_ns += _naive_turn(stage, naive, count)
        timed.ours += _our_turn(stage, ours, count)
        if not start // TURN % 2:
            timed.naive_ns += _naive_turn(stage, naive, count)
        timed.naive_ipc_ns += _naive_turn(stage, naive_ipc, IPC_TURN)
    timed.rested = _our_turn(stage, ours, RESTED, rest_s=REST_S)
    return timed


def _our_turn(stage: Stage, ours: OurKeeper, events: int, *, rest_s: float = 0.0) -> list[Reaction]:
    reactions: list[Reaction] = []
    for _ in range(events):
        sleep(rest_s)
        reactions.append(ours.react(stage.other_price()))
        ours.settle()
    return reactions


def _naive_turn(stage: Stage, naive: NaiveProcess, events: int) -> list[int]:
    return [_naive_reacts(stage, naive, stage.other_price()) for _ in range(events)]


def _naive_reacts(stage: Stage, naive: NaiveProcess, price: float) -> int:
    stage.announce(price)
    stage.mine()
    took_ns = naive.react(stage.newest_log())
    stage.mine()
    return took_ns


def _count(stage: Stage, setting: Setting, folder: Path) -> Counted:
    """Repeat a few events with a proxy between each keeper and the node."""
    world = stage.world
    parts = urlsplit(world.http_url)
    listening = str(folder / f"{setting}.ipc")
    with (
        CountingProxy(world.ipc_path, listening) as socket_proxy,
        CountingProxy((str(parts.hostname), int(parts.port or 0)), ("127.0.0.1", 0)) as http_proxy,
        naive_keeper(world, setting, f"http://127.0.0.1:{http_proxy.port}") as naive,
    ):
        ours = OurKeeper(
            stage,
            _venue(world, setting),
            folder / f"{setting}-counted.db",
            node=listening,
            count=socket_proxy.counts,
        )
        with _started(ours):
            return _count_each(stage, ours, naive, socket_proxy, http_proxy)


def _count_each(
    stage: Stage,
    ours: OurKeeper,
    naive: NaiveProcess,
    socket_proxy: CountingProxy,
    http_proxy: CountingProxy,
) -> Counted:
    most, whole, naives = Counts(), Counts(), Counts()
    for _ in range(COUNTED):
        price = stage.other_price()
        before, naive_before = socket_proxy.counts(), http_proxy.counts()
        most = most.most(ours.react(price).asked)
        ours.settle()
        whole = whole.most(socket_proxy.counts().since(before))
        _naive_reacts(stage, naive, price)
        naives = naives.most(http_proxy.counts().since(naive_before))
    return Counted(ours=most, event=whole, naive=naives)


def _figures(setting: Setting, timed: Timed, counted: Counted) -> Figures:
    target = TARGETS[setting]
    ours = spread([reaction.total_ns for reaction in timed.ours])
    own = spread([reaction.own_ns for reaction in timed.ours])
    naive, naive_ipc = spread(timed.naive_ns), spread(timed.naive_ipc_ns)
    times_faster = naive.p50 / ours.p50
    return Figures(
        events=len(timed.ours),
        ours_ms=ours,
        naive_ms=naive,
        naive_ipc_ms=naive_ipc,
        ours_rested_p50_ms=p50_ms([reaction.total_ns for reaction in timed.rested]),
        times_faster_p50=round(times_faster, 1),
        times_faster_than_ipc_p50=round(naive_ipc.p50 / ours.p50, 1),
        own_share_ms=own,
        own_cpu_ms=spread([reaction.cpu_ns for reaction in timed.ours]),
        node_wait_p50_ms=p50_ms([reaction.waited_ns for reaction in timed.ours]),
        journal_p50_ms=p50_ms([reaction.write_ns for reaction in timed.ours]),
        rpc_requests_per_reaction=counted.ours.requests,
        rpc_calls_per_reaction=counted.ours.calls.total(),
        rpc_calls=dict(counted.ours.calls),
        rpc_requests_per_event=counted.event.requests,
        naive_rpc_requests_per_reaction=counted.naive.requests,
        target=target,
        met=times_faster >= target.times_faster
        and counted.ours.requests <= target.rpc_requests
        and (target.p50_ms is None or ours.p50 <= target.p50_ms)
        and (target.own_p50_ms is None or own.p50 <= target.own_p50_ms),
    )


def _tell(setting: Setting, figures: Figures) -> None:
    say(f"{setting}: {figures.events} events, target {'met' if figures.met else 'MISSED'}")
    for name, each in (
        ("ours", figures.ours_ms),
        ("  own share", figures.own_share_ms),
        ("  own CPU", figures.own_cpu_ms),
        ("web3.py, HTTP", figures.naive_ms),
        ("web3.py, IPC", figures.naive_ipc_ms),
    ):
        say(f"  {name:<14} p50 {each.p50:8.2f}   p90 {each.p90:8.2f}   p99 {each.p99:8.2f} ms")
    say(
        f"  after 50 ms of sleep p50 {figures.ours_rested_p50_ms:.2f} ms;"
        f" {figures.times_faster_p50} times faster ({figures.times_faster_than_ipc_p50} over IPC);"
        f" RPC requests {figures.rpc_requests_per_reaction} against"
        f" {figures.naive_rpc_requests_per_reaction}, with {figures.rpc_calls_per_reaction} calls;"
        f" journal {figures.journal_p50_ms:.2f} ms"
    )


if __name__ == "__main__":
    sys.exit(main())
