"""The local world with its blocks in the benchmark's hand, and a clock that follows them.

Every block is twelve seconds after the one before, and the keeper's wall clock is the newest
block's timestamp: so the mandatory cooldown passes between two events without anybody waiting.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final

import msgspec

from keeper.devnet.chain import BLOCK_S, Tx
from keeper.devnet.world import World, start_world
from keeper.devnet.worlds import chainlink, perp_v2
from keeper.model.errors import Transient
from keeper.model.units import MS_PER_S

PRICES: Final = (2020.0, 1980.0)
"""Alternating, so that each event needs a trade of about three ether."""
_CHUNK: Final = 1 << 16
_PATIENCE_S: Final = 20.0


class ChainClock:
    """A `Clock` whose wall time is the chain's; its monotonic time is real."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s

    def now_ms(self) -> int:
        return self.now_s * MS_PER_S

    def monotonic_ms(self) -> int:
        return int(monotonic() * MS_PER_S)


class Stage:
    """Announces prices and makes blocks, one at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._chain = world.chain
        head = self._chain.block()
        self._base_fee = hex(head.base_fee_wei)
        self.clock = ChainClock(head.timestamp_s)
        self._miner = _Miner(world.ipc_path)
        self.price = 0.0
        """Announced last."""

    def close(self) -> None:
        """Drop the connection to the miner."""
        self._miner.close()

    def other_price(self) -> float:
        """Return the price that was not announced last."""
        return PRICES[self.price == PRICES[0]]

    def announce(self, price: float) -> None:
        """Put a new price into the mempool: the feed's round, and Perp's own copy of it."""
        self.price = price
        reporter = self.world.accounts.deployer.address
        self.submit(
            chainlink.push(self.world.feed_pair, reporter, price),
            perp_v2.update_index(self.world.perp, reporter),
        )

    def newest_log(self) -> Any:
        """Return the feed's log in the newest block."""
        asked = {"address": self.world.feed_aggregator, "fromBlock": "latest"}
        return self._chain.rpc.call("eth_getLogs", asked)[0]

    def submit(self, *txs: Tx) -> None:
        """Put transactions of unlocked accounts into the mempool."""
        self._chain.submit(*txs)

    def begin_block(self) -> None:
        """Ask for a block and do not wait: the answer's bytes are taken in by `end_block`.

        So this thread does nothing while others hear of the block and react.
        """
        self._chain.rpc.call("anvil_setNextBlockBaseFeePerGas", self._base_fee)
        self.clock.now_s += BLOCK_S
        self._miner.ask("evm_mine", hex(self.clock.now_s))

    def end_block(self) -> None:
        """Take in the answer to `begin_block`."""
        self._miner.hear()

    def mine(self) -> None:
        """Make a block of whatever waits in the mempool."""
        self.begin_block()
        self.end_block()


@contextmanager
def world_apart(*, pinned: bool) -> Iterator[World]:
    """Start a world; if *pinned*, the first core is left to the keepers and the rest to the node.

    So a node does not empty the caches of whoever waits for it, as little as one on another machine
    would. It takes two cores and Linux.
    """
    cores = _cores() if pinned else set()
    if len(cores) < 2:  # noqa: PLR2004  # one for each
        with start_world() as world:
            yield world
        return
    first = min(cores)
    os.sched_setaffinity(0, cores - {first})
    try:
        with start_world() as world:
            os.sched_setaffinity(0, {first})
            yield world
    finally:
        os.sched_setaffinity(0, cores)


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if sys.platform == "linux" else set()


@contextmanager
def open_stage(world: World) -> Iterator[Stage]:
    """Yield a stage on which the first of the two prices has been announced."""
    stage = Stage(world)
    try:
        stage.announce(PRICES[0])
        stage.mine()
        yield stage
    finally:
        stage.close()


class _Miner:
    """One JSON-RPC question at a time over the node's socket, asked and heard separately."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_PATIENCE_S)
        self._socket.connect(path)
        self._last_id = 0

    def close(self) -> None:
        self._socket.close()

    def ask(self, method: str, *params: object) -> None:
        self._last_id += 1
        question = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        self._socket.sendall(msgspec.json.encode(question) + b"\n")

    def hear(self) -> Any:
        heard = b""
        while True:
            heard += self._socket.recv(_CHUNK)
            try:
                answer = msgspec.json.decode(heard)
            except msgspec.DecodeError:
                continue
            if "error" in answer:
                raise Transient("the local chain made no block", said=answer["error"])
            return answer["result"]
