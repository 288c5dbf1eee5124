"""The local chain, one per test process, as it was built before every test."""

from collections.abc import Iterator

import pytest

from keeper.devnet import actions
from keeper.devnet.world import Plan, World, start_world


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
    world.chain.mine(RUNWAY_BLOCKS - 1)
    actions.move_price(world, actions.prices(world).feed, seconds=12)
    yield world
    world.chain.automine(on=False)
    world.chain.drop_pending()
    world.chain.rewind(taken)
