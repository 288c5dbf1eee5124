"""Blocks that follow the wall clock."""

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Self

import pytest
from msgspec import structs

from keeper.cli import devnet_up
from keeper.devnet import actions
from keeper.devnet.world import World

pytestmark = pytest.mark.anvil


class Tended:
    def __init__(self, world: World) -> None:
        self.stop = Event()
        self._thread = Thread(target=self._tend, args=(world,))

    def _tend(self, world: World) -> None:
        devnet_up.tend(world, block_s=0.02, stop=self.stop)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_blocks_come_by_themselves(world: World) -> None:
    first = world.chain.block().number
    with Tended(world):
        assert wait_for(lambda: world.chain.block().number >= first + 3)


def test_somebody_elses_block_in_the_same_moment_is_no_trouble(world: World) -> None:
    with Tended(world):
        for _ in range(10):
            actions.report_price(world, 2_000.0)
        first = world.chain.block().number
        assert wait_for(lambda: world.chain.block().number >= first + 3)


def test_the_feed_repeats_its_price_before_it_goes_stale(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devnet_up, "HEARTBEAT_S", 0.05)
    actions.report_price(world, 2_000.0)

    def rounds() -> int:
        returned = "uint80,int256,uint256,uint256,uint80"
        return int(world.chain.read(world.feed, "latestRoundData()", returned)[0])

    before = rounds()
    with Tended(world):
        assert wait_for(lambda: rounds() > before + 1)
    assert actions.prices(world).feed == 2_000.0


def test_it_ends_when_asked_although_the_chain_is_gone(world: World) -> None:
    gone = structs.replace(world, http_url="http://127.0.0.1:1")
    stop = Event()
    stop.set()
    devnet_up.tend(gone, block_s=0.01, stop=stop)
