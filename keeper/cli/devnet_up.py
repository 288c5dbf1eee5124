"""Keeps a local world alive: blocks follow the wall clock, and the feed reports now and then."""

import time
from contextlib import suppress
from threading import Event as Flag
from typing import Final

from keeper.devnet.actions import prices
from keeper.devnet.world import World
from keeper.devnet.worlds import chainlink, perp_v2
from keeper.model.errors import Rejected

HEARTBEAT_S: Final = 120
"""How often the feed repeats its price, so that it does not go stale while nobody moves it."""


def tend(world: World, *, block_s: float, stop: Flag) -> None:
    """Mine a block every *block_s* until *stop* is set; the chain's clock follows this machine's.

    A move of the price may put the chain's clock ahead; it then goes on by a second a block until
    the wall clock has caught up.
    """
    reported_at = time.monotonic()
    try:
        while not stop.wait(block_s):
            if time.monotonic() - reported_at >= HEARTBEAT_S:
                reported_at = time.monotonic()
                _report(world)
            _mine(world)
    finally:
        world.chain.rpc.close()


def _mine(world: World) -> None:
    behind_s = int(time.time()) - world.chain.block().timestamp_s
    # Refused if somebody else mined in the same moment; the next round sees it.
    with suppress(Rejected):
        world.chain.mine(seconds=max(1, behind_s))


def _report(world: World) -> None:
    reporter = world.accounts.deployer.address
    world.chain.submit(
        chainlink.push(world.feed_pair, reporter, prices(world).feed),
        perp_v2.update_index(world.perp, reporter),
    )
