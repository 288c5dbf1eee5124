import pytest

from keeper.devnet import actions
from keeper.devnet.calldata import topic
from keeper.devnet.world import World
from keeper.devnet.worlds import chainlink
from keeper.model.errors import Rejected

pytestmark = pytest.mark.anvil

ROUND = "uint80,int256,uint256,uint256,uint80"


def _latest(world: World) -> tuple[int, ...]:
    found: tuple[int, ...] = world.chain.read(world.feed, "latestRoundData()", ROUND)
    return found


def test_a_round_is_started_and_finished_in_its_block(world: World) -> None:
    head = actions.report_price(world, 2345.67)
    _, answer, started_at, updated_at, _ = _latest(world)
    assert answer == 234_567_000_000
    assert started_at == updated_at == head.timestamp_s


def test_a_round_id_is_the_phase_and_the_round(world: World) -> None:
    before = _latest(world)
    actions.report_price(world, 2001)
    after = _latest(world)
    assert after[0] == before[0] + 1
    assert after[0] >> 64 == 1
    assert after[4] == after[0]


def test_old_rounds_stay_readable_across_phases(world: World) -> None:
    old = _latest(world)
    actions.new_phase(world, 1999)
    new = _latest(world)
    assert new[0] >> 64 == 2
    found = world.chain.read(world.feed, "getRoundData(uint80)", ROUND, old[0])
    assert found == old


def test_the_aggregator_and_not_the_proxy_emits_the_answer(world: World) -> None:
    (receipt,) = world.chain.execute(
        chainlink.push(world.feed_pair, world.accounts.deployer.address, 1987)
    )
    updated = topic("AnswerUpdated(int256,uint256,uint256)")
    (log,) = [log for log in receipt["logs"] if log["topics"][0] == updated]
    assert log["address"] == world.feed_aggregator.lower()
    assert int(log["topics"][1], 16) == 1987 * 10**8


def test_a_round_that_does_not_exist_reverts(world: World) -> None:
    with pytest.raises(Rejected):
        world.chain.read(world.feed, "getRoundData(uint80)", ROUND, (1 << 64) + 10_000)


def test_a_feed_says_what_it_is(world: World) -> None:
    assert world.chain.read(world.feed, "decimals()", "uint8") == 8
    assert world.chain.read(world.feed, "description()", "string") == "ETH / USD"
    bounds = [
        world.chain.read(world.feed_aggregator, f"{name}()", "int192")
        for name in ("minAnswer", "maxAnswer")
    ]
    assert bounds == [1, 10**15]


def test_times_in_the_future_can_be_written(world: World) -> None:
    later = world.chain.block().timestamp_s + 10_000
    actions.set_feed(world, 1, updated_at_s=later)
    assert _latest(world)[3] == later
