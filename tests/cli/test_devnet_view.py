"""What stands where, in words."""

from pathlib import Path

import pytest

from keeper.cli import devnet_view
from keeper.devnet.world import World

pytestmark = pytest.mark.anvil


def test_everything_worth_copying_is_there(world: World) -> None:
    text = devnet_view.text(world, Path("my folder"))
    for needed in (
        world.http_url,
        world.vault,
        world.accounts.keeper.test_key,
        "keeper doctor --config 'my folder/keeper.toml'",
        "keeper devnet move-price 1900 --world 'my folder/world.json'",
    ):
        assert needed in text


def test_programs_get_addresses_by_name(world: World) -> None:
    document = devnet_view.document(world, Path("out"))
    assert document["addresses"]["WETH"] == world.weth
    assert document["config"] == "out/keeper.toml"
    assert world.accounts.keeper.test_key not in str(document)
