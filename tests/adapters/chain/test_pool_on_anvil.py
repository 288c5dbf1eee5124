"""Several real nodes: two ways to one chain, a copy of it that stands still, and a stranger."""

from collections.abc import Iterator
from contextlib import ExitStack
from time import monotonic
from typing import Any

import pytest

from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.member import Line, Member
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.pool import Pool, PoolConfig
from keeper.adapters.chain.transports import open_transport
from keeper.devnet.anvil import Options, start_anvil
from keeper.devnet.world import World
from keeper.model.chain import Address, Call, ChainId
from keeper.model.errors import ConfigError, Transient, Uncertain
from keeper.testing.relay import Relay

pytestmark = pytest.mark.anvil

LATEST_ROUND = Call(
    Address("0x" + "0" * 40), bytes.fromhex("50d25bcd"), ("int256",)
)  # latestAnswer()


def pool_of(*urls: str, **config: Any) -> Pool:
    pool_config = PoolConfig(**config)

    def line(url: str) -> Line:
        transport = Metered(open_transport(url))
        return Line(transport, Evm(transport, EvmConfig(chain_id=ChainId(31337))))

    members = [
        Member(f"{place}", (line(url), line(url)), pool_config.health, monotonic)
        for place, url in enumerate(urls)
    ]
    return Pool(members, pool_config)


@pytest.fixture
def relay(world: World) -> Iterator[Relay]:
    port = int(world.http_url.rpartition(":")[2].strip("/"))
    with Relay(("127.0.0.1", port)) as made:
        yield made


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def price(world: World) -> Call:
    return Call(Address(world.feed), LATEST_ROUND.data, LATEST_ROUND.returns)


def usable(pool: Pool) -> list[bool]:
    return [one.usable for one in pool.report()]


def test_c10_a_node_of_the_same_id_and_another_past_is_banned(
    world: World, opened: ExitStack
) -> None:
    stranger = opened.enter_context(start_anvil(Options(chain_id=31337)))
    pool = pool_of(stranger.http_url, world.ipc_path, world.http_url)
    opened.callback(pool.close)
    pool.connect()
    head = pool.head()
    assert head.number == world.chain.block().number
    assert usable(pool) == [False, True, True]
    assert "another history" in pool.report()[0].trouble


def test_c10_one_against_one_nobody_knows_which_chain_is_meant(
    world: World, opened: ExitStack
) -> None:
    stranger = opened.enter_context(start_anvil(Options(chain_id=31337)))
    pool = pool_of(stranger.http_url, world.ipc_path)
    opened.callback(pool.close)
    with pytest.raises(ConfigError, match="different histories"):
        pool.connect()


def test_r8_a_copy_that_stands_still_leaves_the_pool(world: World, opened: ExitStack) -> None:
    copy = opened.enter_context(start_anvil(Options(chain_id=31337, fork_url=world.http_url)))
    pool = pool_of(copy.http_url, world.ipc_path)
    opened.callback(pool.close)
    pool.connect()
    assert usable(pool) == [True, True]
    world.chain.mine(8)
    for member in reversed(pool._members):
        pool.look_at(member)
    assert pool.head().number == world.chain.block().number
    assert usable(pool) == [False, True]


def test_r1_an_endpoint_that_dies_on_the_way_costs_one_decision(
    world: World, relay: Relay, opened: ExitStack
) -> None:
    pool = pool_of(f"http://127.0.0.1:{relay.port}", world.ipc_path)
    opened.callback(pool.close)
    pool.connect()
    for member in pool._members[1:]:
        member.note(lambda health: health.__class__(head=health.head, latency_ms=10_000.0))
    head = pool.head()
    (answer,) = pool.answer((price(world),), head)
    relay.cut()
    with pytest.raises(Transient):
        pool.answer((price(world),), head)
    assert pool.head() == head
    assert pool.answer((price(world),), head) == (answer,)


def test_r18_two_ways_to_one_chain_confirm_each_other(world: World, opened: ExitStack) -> None:
    pool = pool_of(world.ipc_path, world.http_url, quorum=2)
    opened.callback(pool.close)
    pool.connect()
    head = pool.head()
    pool.answer((price(world),), head)
    pool.confirm(head)


def test_r18_a_copy_that_stands_still_cannot_confirm_a_new_block(
    world: World, opened: ExitStack
) -> None:
    copy = opened.enter_context(start_anvil(Options(chain_id=31337, fork_url=world.http_url)))
    pool = pool_of(world.ipc_path, copy.http_url, quorum=2)
    opened.callback(pool.close)
    pool.connect()
    world.chain.mine()
    pool._members[1].note(lambda health: health.__class__(head=health.head, latency_ms=10_000.0))
    head = pool.head()
    pool.answer((price(world),), head)
    with pytest.raises(Transient, match="too few"):
        pool.confirm(head)


def test_c1_a_reorg_is_followed(world: World, opened: ExitStack) -> None:
    pool = pool_of(world.ipc_path, world.http_url)
    opened.callback(pool.close)
    pool.connect()
    before = pool.head()
    world.chain.reorg(1)
    after = pool.head()
    assert after.hash != before.hash
    assert after.number >= before.number


def test_r17_all_down_is_silence_for_a_send_and_no_decision(
    relay: Relay, opened: ExitStack
) -> None:
    pool = pool_of(f"http://127.0.0.1:{relay.port}", f"http://localhost:{relay.port}")
    opened.callback(pool.close)
    pool.connect()
    relay.cut()
    with pytest.raises(Transient, match="no endpoint can be used"):
        pool.head()
    with pytest.raises(Uncertain):
        pool.send(b"\x02")
    relay.mend()
    assert pool.head().number > 0
