import pytest

from keeper.devnet import actions
from keeper.devnet.scenario import Step, Transfer, Weather, Window, plan_steps, play
from keeper.devnet.world import World
from keeper.model.units import ETHER, GWEI
from keeper.sim.paths import Point, crash_path

PATH = crash_path(seed=1, steps=100, step_s=288, start=2_000.0, sigma=0.5)


def test_every_move_of_the_path_is_a_block() -> None:
    steps = plan_steps(PATH, Weather())
    assert [s.price for s in steps] == [p.price for p in PATH[1:]]
    assert {s.seconds for s in steps} == {288}


def test_spikes_outage_and_transfers_happen_on_schedule() -> None:
    weather = Weather(
        spikes=(Window(0.1, 0.2),),
        feed_outage=Window(0.5, 0.6),
        transfers=((0.3, Transfer("bob", -1.0)), (0.25, Transfer("alice", 2.0))),
    )
    steps = plan_steps(PATH, weather)
    assert [i for i, s in enumerate(steps) if s.base_fee_wei == 150 * GWEI] == list(range(10, 20))
    assert [i for i, s in enumerate(steps) if not s.feed_reports] == list(range(50, 60))
    moved = {i: s.transfer for i, s in enumerate(steps) if s.transfer}
    assert moved == {25: Transfer("alice", 2.0), 30: Transfer("bob", -1.0)}


@pytest.mark.anvil
def test_a_block_moves_every_price_and_carries_the_users(world: World) -> None:
    before = world.chain.read(world.vault, "idleAssets()", "uint256")
    step = Step(price=1_960.0, seconds=288, base_fee_wei=7 * GWEI, transfer=Transfer("alice", 3.0))
    block = play(world, step)
    seen = actions.prices(world)
    assert seen.feed == pytest.approx(1_960.0)
    assert seen.pool == pytest.approx(1_960.0, rel=1e-3)
    assert seen.perp == pytest.approx(1_960.0, rel=1e-3)
    assert block.base_fee_wei == 7 * GWEI
    assert world.chain.read(world.vault, "idleAssets()", "uint256") - before == 3 * ETHER


@pytest.mark.anvil
def test_a_silent_feed_keeps_its_last_price_while_the_pools_move(world: World) -> None:
    play(world, Step(price=1_980.0, seconds=288, base_fee_wei=GWEI, feed_reports=False))
    seen = actions.prices(world)
    assert seen.feed == pytest.approx(2_000.0)
    assert seen.pool == pytest.approx(1_980.0, rel=1e-3)


@pytest.mark.anvil
def test_a_withdrawal_leaves_the_vault(world: World) -> None:
    before = world.chain.read(world.vault, "idleAssets()", "uint256")
    play(world, Step(price=2_000.0, seconds=288, base_fee_wei=GWEI,
                     transfer=Transfer("bob", -2.0)))  # fmt: skip
    assert before - world.chain.read(world.vault, "idleAssets()", "uint256") == 2 * ETHER


def test_a_path_of_one_point_has_no_blocks() -> None:
    assert plan_steps((Point(0, 1.0),), Weather()) == ()
