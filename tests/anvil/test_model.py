"""Seeds of the model, played again on a real node."""

import pytest

from benchmarks.anvil_model import Replay
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.devnet.world import World
from keeper.model.chain import ChainId
from keeper.sim.ordeal import script

pytestmark = pytest.mark.anvil


@pytest.mark.parametrize("seed", [1, 4])
def test_a_rehearsed_disaster_ends_as_well_on_a_real_node(world: World, seed: int) -> None:
    with SqliteJournal.in_memory(ChainId(world.chain_id)) as journal:
        outcome = Replay(world, journal).play(script(seed, 60))
    assert outcome.violations == ()
    assert outcome.effects
    assert outcome.intents >= outcome.effects
