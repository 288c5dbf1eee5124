"""The naive keeper in a process of its own, so that its garbage and its imports burden nobody else.

It waits for an event's log on a pipe and answers with the time that its reaction took.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from time import perf_counter_ns
from typing import Any, Final, Literal

import msgspec

from keeper.devnet.world import World
from keeper.model.errors import Fatal

Setting = Literal["light", "perp_v2"]

_PATIENCE_S: Final = 60.0


class NaiveProcess:
    """The other end of the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def react(self, log: object) -> int:
        """Return the nanoseconds from the log in hand to the node's yes.

        Raises:
            Fatal: It did not get its trade into the mempool.

        """
        self._pipe.send(log)
        return int(self._answer())

    def ready(self) -> None:
        """Wait until it has read what never changes."""
        self._answer()

    def _answer(self) -> Any:
        if not self._pipe.poll(_PATIENCE_S):
            raise Fatal("the naive keeper does not answer")
        try:
            return self._pipe.recv()
        except EOFError:
            raise Fatal("the naive keeper has ended") from None


@contextmanager
def naive_keeper(world: World, setting: Setting, node: str) -> Iterator[NaiveProcess]:
    """Run one against *node*, a URL or the path of a socket, while the block lasts."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=_serve, args=(theirs, msgspec.json.encode(world), setting, node), daemon=True
    )
    process.start()
    theirs.close()
    try:
        naive = NaiveProcess(ours)
        naive.ready()
        yield naive
    finally:
        ours.close()
        process.join(_PATIENCE_S)


def _serve(pipe: Connection, world_json: bytes, setting: Setting, node: str) -> None:
    from web3 import HTTPProvider, IPCProvider  # noqa: PLC0415  # only this process needs it

    from benchmarks.naive_keeper import NaiveKeeper, NaivePerp, NaiveStub  # noqa: PLC0415  # same

    world = msgspec.json.decode(world_json, type=World)
    keeper = NaiveKeeper(
        world,
        world.accounts.liquidator,
        HTTPProvider(node) if node.startswith("http") else IPCProvider(node),
        NaiveStub if setting == "light" else NaivePerp,
    )
    pipe.send("ready")
    while True:
        try:
            log = pipe.recv()
        except EOFError:
            return
        began_ns = perf_counter_ns()
        keeper.react(log)
        pipe.send(perf_counter_ns() - began_ns)
