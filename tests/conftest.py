"""The local chain, one per test process, as it was built before every test.

And the end of the run: no secret of the fixtures stands in anything that was written.
"""

import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from keeper.devnet import actions
from keeper.devnet.chain import BLOCK_S
from keeper.devnet.world import Plan, World, start_world
from tests.canary import pytest_runtest_logreport, pytest_sessionfinish

__all__ = ("pytest_runtest_logreport", "pytest_sessionfinish")

# A law holds or not, however long a busy machine takes over an example of it. One tree is tried
# with the same examples each time; `--hypothesis-profile=search` looks for new ones.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", UNTIMED)
settings.register_profile("keeper", UNTIMED, derandomize=True)
settings.load_profile("keeper")


@pytest.fixture(scope="session")
def built_world() -> Iterator[World]:
    """A world for the whole session. Tests take `world`, which is rewound after each of them."""
    with start_world() as world:
        yield world


@pytest.fixture
def world(built_world: World) -> Iterator[World]:
    """Real protocols on a local chain, with WETH as token0. Blocks are mined on request."""
    yield from _rewound(built_world)


@pytest.fixture(scope="session")
def built_flipped_world() -> Iterator[World]:
    with start_world(Plan(weth_is_token0=False)) as world:
        yield world


@pytest.fixture
def flipped_world(built_flipped_world: World) -> Iterator[World]:
    """The same world, except that WETH is token1 of the Uniswap pool."""
    yield from _rewound(built_flipped_world)


RUNWAY_BLOCKS = 10
"""A reorg must not go below the snapshot, which it would destroy."""


def _rewound(world: World) -> Iterator[World]:
    taken = world.chain.snapshot()
    # A keeper does not act on an old block, and the world may be older than its session's start.
    behind_s = int(time.time()) - world.chain.block().timestamp_s
    world.chain.mine(seconds=max(behind_s - RUNWAY_BLOCKS * BLOCK_S, BLOCK_S))
    world.chain.mine(RUNWAY_BLOCKS - 2)
    actions.move_price(world, actions.prices(world).feed, seconds=12)
    yield world
    world.chain.automine(on=False)
    world.chain.drop_pending()
    world.chain.rewind(taken)
