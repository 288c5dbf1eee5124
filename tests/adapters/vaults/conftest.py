"""Both orientations of a pool."""

import pytest

from keeper.devnet.world import World


@pytest.fixture(params=["world", "flipped_world"])
def either_world(request: pytest.FixtureRequest) -> World:
    """WETH is token0 of the pool in one, token1 in the other."""
    world: World = request.getfixturevalue(request.param)
    return world
