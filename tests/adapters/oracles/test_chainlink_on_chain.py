"""A feed on the local chain that says whatever a feed can say."""

from collections.abc import Callable
from typing import Any

import pytest

from keeper.adapters.chain.evm import Evm
from keeper.adapters.oracles.chainlink import Chainlink
from keeper.devnet import actions
from keeper.devnet.world import World
from keeper.engine.reader import read_all
from keeper.model.chain import Address
from keeper.model.errors import BadData
from keeper.model.market import Quote
from keeper.testing.replay import Recorder

pytestmark = pytest.mark.anvil

Connect = Callable[[World], Evm]


def feed_of(world: World, **changes: Any) -> Chainlink:
    usual: dict[str, Any] = {"feed": world.feed, "max_age_s": 3_600}
    return Chainlink(Chainlink.Config(**(usual | changes)))


def look(evm: Evm, oracle: Chainlink) -> Quote | BadData:
    return read_all(evm, evm.head(), {"q": oracle.read()})["q"]


def quote(evm: Evm, oracle: Chainlink) -> Quote:
    got = look(evm, oracle)
    assert isinstance(got, Quote), got
    return got


def refusal(evm: Evm, oracle: Chainlink) -> str:
    got = look(evm, oracle)
    assert isinstance(got, BadData)
    return str(got)


def test_the_price_is_the_feeds(world: World, evm_of: Connect) -> None:
    evm = evm_of(world)
    block = actions.report_price(world, 1_987.65)
    got = quote(evm, feed_of(world))
    assert got.price == 1_987.65
    assert got.updated_at_s == block.timestamp_s
    assert got.round_id >> 64 == 1
    assert got.max_age_s == 3_600


def test_a_steady_read_is_one_call(world: World, evm_of: Connect) -> None:
    evm, oracle = evm_of(world), feed_of(world)
    quote(evm, oracle)
    actions.report_price(world, 1_990.0)
    chain = Recorder(evm)
    read_all(chain, evm.head(), {"q": oracle.read()})
    assert [len(calls) for calls in chain.rounds] == [1]


def test_an_old_answer_is_passed_on_with_its_age(world: World, evm_of: Connect) -> None:
    evm = evm_of(world)
    before = world.chain.block().timestamp_s
    world.chain.advance(86_400)
    got = quote(evm, feed_of(world))
    assert evm.head().timestamp_s - got.updated_at_s >= 86_400
    assert got.updated_at_s <= before


def test_an_answer_from_the_future_is_passed_on_with_its_time(
    world: World, evm_of: Connect
) -> None:
    later = world.chain.block().timestamp_s + 10_000
    actions.set_feed(world, 2_000 * 10**8, updated_at_s=later)
    assert quote(evm_of(world), feed_of(world)).updated_at_s == later


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (0, "not positive"),
        (-1, "not positive"),
        (-(2**255), "not positive"),
        (1, "aggregator's bounds"),
        (10**15, "aggregator's bounds"),
        (2**255 - 1, "aggregator's bounds"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_o2_an_impossible_answer_is_bad_data(
    world: World, evm_of: Connect, answer: int, sentence: str, *, known: bool
) -> None:
    evm, oracle = evm_of(world), feed_of(world)
    if known:
        quote(evm, oracle)
    actions.set_feed(world, answer)
    assert sentence in refusal(evm, oracle)
    actions.report_price(world, 2_000.0)
    assert quote(evm, oracle).price == 2_000.0


def test_o3_a_round_that_is_not_complete_is_bad_data(world: World, evm_of: Connect) -> None:
    actions.set_feed(world, 2_000 * 10**8, updated_at_s=0)
    assert "not complete" in refusal(evm_of(world), feed_of(world))


def test_the_owners_bounds_are_kept(world: World, evm_of: Connect) -> None:
    evm, oracle = evm_of(world), feed_of(world, min_price=1_000.0, max_price=3_000.0)
    assert quote(evm, oracle).price == 2_000.0
    actions.report_price(world, 999.0)
    assert "owner's bounds" in refusal(evm, oracle)
    actions.report_price(world, 3_001.0)
    assert "owner's bounds" in refusal(evm, oracle)


def emitted(world: World, since: int) -> list[tuple[str, bytes]]:
    logs = world.chain.rpc.call("eth_getLogs", {"fromBlock": hex(since + 1), "toBlock": "latest"})
    return [(log["address"], bytes.fromhex(log["topics"][0][2:])) for log in logs]


def test_o9_a_new_phase_is_followed(world: World, evm_of: Connect) -> None:
    evm, oracle = evm_of(world), feed_of(world)
    quote(evm, oracle)
    (before,) = oracle.watch()
    assert before.address == world.feed_aggregator
    after = actions.new_phase(world, 2_100.0)
    got = quote(evm, oracle)
    assert got.price == 2_100.0
    assert got.round_id >> 64 == 2
    (watch,) = oracle.watch()
    assert watch.address == after.feed_aggregator != world.feed_aggregator
    since = world.chain.block().number
    actions.report_price(after, 2_101.0)
    assert (watch.address.lower(), watch.topic) in emitted(world, since)


def test_o4_a_new_phase_with_other_decimals_needs_a_person(world: World, evm_of: Connect) -> None:
    evm, oracle = evm_of(world), feed_of(world)
    quote(evm, oracle)
    actions.new_phase(world, 2_100.0, decimals=18)
    assert "decimals changed" in refusal(evm, oracle)
    assert "decimals changed" in refusal(evm, oracle)


def test_o4_decimals_are_held_to_the_configuration(world: World, evm_of: Connect) -> None:
    assert "decimals changed" in refusal(evm_of(world), feed_of(world, decimals=18))
    assert quote(evm_of(world), feed_of(world, decimals=8)).price == 2_000.0


def test_an_aggregator_may_be_read_directly(world: World, evm_of: Connect) -> None:
    oracle = feed_of(world, feed=world.feed_aggregator)
    assert quote(evm_of(world), oracle).price == 2_000.0
    assert [w.address for w in oracle.watch()] == [world.feed_aggregator]


@pytest.mark.parametrize("address", ["vault", "weth", "multicall3"])
def test_a_contract_that_is_no_feed_is_bad_data(
    world: World, evm_of: Connect, address: str
) -> None:
    refusal(evm_of(world), feed_of(world, feed=getattr(world, address)))


def test_an_address_without_code_is_bad_data(world: World, evm_of: Connect) -> None:
    nobody = Address("0x" + "00" * 19 + "ff")
    assert "no code" in refusal(evm_of(world), feed_of(world, feed=nobody))


def test_o9_a_feed_whose_code_disappears_is_bad_data(world: World, evm_of: Connect) -> None:
    evm, oracle = evm_of(world), feed_of(world)
    quote(evm, oracle)
    world.chain.rpc.call("anvil_setCode", world.feed, "0x")
    world.chain.mine()
    refusal(evm, oracle)
