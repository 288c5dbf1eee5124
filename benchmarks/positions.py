"""Reading a vault of thousands of Uniswap v3 positions: our adapter beside web3.py.

`scripts/bench positions --json`; what is measured, and how, is in docs/reference/benchmarks.md.
"""

import argparse
import sys
from collections.abc import Callable
from time import perf_counter, perf_counter_ns
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks.figures import Machine, Spread, machine, say, spread
from benchmarks.many_positions import BLOCK_GAS_LIMIT, mint_many
from benchmarks.naive_reader import NaiveReader, Positions, compare
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.transports import open_transport
from keeper.adapters.vaults.uniswap_v3 import UniswapV3
from keeper.devnet.accounts import Account
from keeper.devnet.world import Plan, World, start_world
from keeper.engine.reader import read_all
from keeper.model.chain import ChainId
from keeper.model.errors import BadData, Fatal
from keeper.model.position import VaultState

SIZES: Final = (1_000, 10_000)
TARGETS_MS: Final = {1_000: 10.0, 10_000: 100.0}
ROUNDS: Final = 20
WARM_UP: Final = 2
NAIVE_PATIENCE_NS: Final = 2_000_000_000
ONE_BY_ONE_UP_TO: Final = 1_000
"""More would take web3.py longer than everything else together."""


class Reading(Struct, frozen=True):
    """One way to read all positions of a vault at one block."""

    total_ms: Spread
    """From the question for the newest block to the vault's legs."""
    node_wait_p50_ms: float
    own_share_p50_ms: float
    requests: int


class Size(Struct, frozen=True, kw_only=True):
    """The figures of one number of positions."""

    positions: int
    by_id: Reading
    by_owner: Reading
    """The ids are the owner's, asked again in every read: twice the calls."""
    by_id_multicall3: Reading
    """Without the program that is lent to the node: what a node that refuses it costs."""
    web3_multicall3_ms: Spread
    web3_one_by_one_ms: Spread | None
    times_faster_p50: float
    """By id, against web3.py with Multicall3."""
    target_ms: float | None
    met: bool


class Report(Struct, frozen=True, kw_only=True):
    """The last line of stdout."""

    benchmark: str = "positions"
    sizes: list[Size]
    met: bool
    machine: Machine
    seconds: float


class Vaults:
    """Reads the same vault in several ways, and each must say the same."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._transport = Metered(open_transport(world.ipc_path))
        self._naive = NaiveReader(world)

    def close(self) -> None:
        """Drop the connection."""
        self._transport.close()

    def measure(self, holder: Account, ids: tuple[int, ...], rounds: int) -> Size:
        """Return the figures for the positions *ids*, which are all that *holder* has."""
        by_id: dict[str, object] = {"positions": ids}
        by_owner: dict[str, object] = {"owner": holder.address}
        states: list[VaultState] = []
        readings = [
            self._reading(config, states, rounds, lend_code=lend)
            for config, lend in ((by_id, True), (by_owner, True), (by_id, False))
        ]
        if any(state != states[0] for state in states):
            raise Fatal("two ways to read one vault differ", positions=len(ids))
        web3, theirs = self._naive_reading(lambda: self._naive.together(ids))
        compare(theirs, states[0])
        one_by_one = None
        if len(ids) <= ONE_BY_ONE_UP_TO:
            one_by_one, _ = self._naive_reading(lambda: self._naive.one_by_one(ids))
        target_ms = TARGETS_MS.get(len(ids))
        return Size(
            positions=len(ids),
            by_id=readings[0],
            by_owner=readings[1],
            by_id_multicall3=readings[2],
            web3_multicall3_ms=web3,
            web3_one_by_one_ms=one_by_one,
            times_faster_p50=round(web3.p50 / readings[0].total_ms.p50, 1),
            target_ms=target_ms,
            met=target_ms is None or readings[0].total_ms.p50 <= target_ms,
        )

    def _reading(
        self,
        which: dict[str, object],
        states: list[VaultState],
        rounds: int,
        *,
        lend_code: bool,
    ) -> Reading:
        world = self._world
        table = {"position_manager": world.uniswap.position_manager, "base": world.weth, **which}
        vault = UniswapV3(msgspec.convert(table, UniswapV3.Config))
        evm = Evm(self._transport, EvmConfig(ChainId(world.chain_id), lend_code=lend_code))
        evm.connect()
        totals_ns: list[int] = []
        waits_ns: list[int] = []
        requests = 0
        for i in range(WARM_UP + rounds):
            world.chain.mine()  # nobody answers from a cache of the block before
            before, waited_ns = self._requests(), self._transport.waited_ns
            began_ns = perf_counter_ns()
            state = read_all(evm, evm.head(), {"vault": vault.read()})["vault"]
            total_ns = perf_counter_ns() - began_ns
            if isinstance(state, BadData):
                raise state
            states.append(state)
            if i >= WARM_UP:
                totals_ns.append(total_ns)
                waits_ns.append(self._transport.waited_ns - waited_ns)
                requests = self._requests() - before
        own_ns = [total - waited for total, waited in zip(totals_ns, waits_ns, strict=True)]
        return Reading(
            total_ms=spread(totals_ns),
            node_wait_p50_ms=spread(waits_ns).p50,
            own_share_p50_ms=spread(own_ns).p50,
            requests=requests,
        )

    def _requests(self) -> int:
        return sum(tally.requests for tally in self._transport.tallies.values())

    def _naive_reading(self, read: Callable[[], Positions]) -> tuple[Spread, Positions]:
        """Read until a few seconds have gone, at least once."""
        taken_ns: list[int] = []
        while sum(taken_ns) < NAIVE_PATIENCE_NS:
            self._world.chain.mine()
            began_ns = perf_counter_ns()
            found = read()
            taken_ns.append(perf_counter_ns() - began_ns)
        return spread(taken_ns), found


def main(arguments: list[str] | None = None) -> int:
    """Run, tell people on stderr, and print one JSON object."""
    asked = _arguments(arguments)
    began_s = perf_counter()
    sizes: list[Size] = []
    with start_world(Plan(block_gas_limit=BLOCK_GAS_LIMIT)) as world:
        here = machine(world.chain.rpc.call("web3_clientVersion"))
        vaults = Vaults(world)
        holders = (world.accounts.alice, world.accounts.bob)
        for holder, count in zip(holders, asked.sizes, strict=False):
            ids = mint_many(world, holder.address, count)
            sizes.append(vaults.measure(holder, ids, asked.rounds))
            _tell(sizes[-1])
        vaults.close()
    report = Report(
        sizes=sizes,
        met=all(size.met for size in sizes),
        machine=here,
        seconds=round(perf_counter() - began_s, 1),
    )
    say(f"{report.seconds} s in all")
    print(msgspec.json.encode(report).decode())
    return 0


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench positions", description=__doc__)
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: always printed")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="at most two")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    return parser.parse_args(arguments)


def _tell(size: Size) -> None:
    say(f"{size.positions} positions: target {'met' if size.met else 'MISSED'}")
    for name, reading in (
        ("by id", size.by_id),
        ("by owner", size.by_owner),
        ("by id, Multicall3", size.by_id_multicall3),
    ):
        say(
            f"  {name:<19} p50 {reading.total_ms.p50:8.2f} ms, node {reading.node_wait_p50_ms:.2f},"
            f" own {reading.own_share_p50_ms:.2f}, {reading.requests} requests"
        )
    say(f"  {'web3.py, Multicall3':<19} p50 {size.web3_multicall3_ms.p50:8.2f} ms")
    if size.web3_one_by_one_ms is not None:
        say(f"  {'web3.py, each':<19} p50 {size.web3_one_by_one_ms.p50:8.2f} ms")
    say(f"  {size.times_faster_p50} times faster than web3.py with Multicall3")


if __name__ == "__main__":
    sys.exit(main())
