"""A subscription with somebody behind it, on sockets that are cut."""

import time
from collections.abc import Callable, Iterator

import pytest

from keeper.adapters.chain.bells import BLOCK, MISSED
from keeper.adapters.chain.feed import Feed, FeedConfig
from keeper.adapters.chain.news import News
from keeper.adapters.chain.poller import Poller, PollerConfig
from keeper.adapters.chain.transports import open_transport
from keeper.devnet.world import World
from keeper.testing.relay import Relay

pytestmark = pytest.mark.anvil


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


@pytest.fixture
def relay(world: World) -> Iterator[Relay]:
    port = int(world.ws_url.rpartition(":")[2].strip("/"))
    with Relay(("127.0.0.1", port)) as made:
        yield made


def test_r15_while_the_subscription_is_lost_the_node_is_polled(world: World, relay: Relay) -> None:
    rung: list[str] = []
    config = FeedConfig(url=f"ws://127.0.0.1:{relay.port}", backoff_s=0.01, longest_backoff_s=0.05)
    feed = Feed(config, rung.append)
    standby = Poller(
        open_transport(world.http_url),
        PollerConfig(every_s=0.01),
        rung.append,
        needed=lambda: not feed.connected,
    )
    news = News(feed, standby)
    news.update(())
    news.start()
    until(lambda: news.connected)
    until(lambda: standby._stands_by)
    rung.clear()
    world.chain.mine()
    until(lambda: rung == [BLOCK])
    relay.cut()
    until(lambda: MISSED in rung)
    until(lambda: standby.connected)
    rung.clear()
    world.chain.mine()
    until(lambda: BLOCK in rung)
    assert not news.connected
    relay.mend()
    until(lambda: news.connected)
    assert news.counters.connections == 2
    news.stop()
    assert not news.connected
