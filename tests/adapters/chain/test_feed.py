"""The feed against a WebSocket node written down here, which can go deaf, dumb and away."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.server import Server, ServerConnection, serve

from keeper.adapters.chain.bells import BLOCK, MISSED
from keeper.adapters.chain.feed import Feed, FeedConfig
from keeper.adapters.words import checksum
from keeper.model.chain import Watch
from keeper.model.errors import ConfigError

FEED = checksum(b"\x0f" * 20)
POOL = checksum(b"\xab" * 20)
PRICE = Watch(FEED, b"\x01" * 32, "price")
SWAP = Watch(POOL, b"\x02" * 32, "swap")


class Node:
    """Speaks JSON-RPC over WebSocket and announces what it is told to."""

    def __init__(self) -> None:
        self.number = 5
        self.logs: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []
        self.lines: list[ServerConnection] = []
        self.mute = False
        self.refuses: set[str] = set()
        self._server: Server = serve(self._talk, "127.0.0.1", 0, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/v3/a-very-secret-api-key"

    @property
    def methods(self) -> list[str]:
        return [request["method"] for request in self.asked]

    def mine(self, *, announce: bool = True) -> None:
        self.number += 1
        if announce:
            self.announce(
                {"number": hex(self.number), "hash": f"0xa{self.number}", "parentHash": "0x",
                 "timestamp": "0x1"}
            )  # fmt: skip

    def emit(self, watch: Watch, *, index: int = 0, announce: bool = True) -> None:
        log = {
            "address": watch.address.lower(),
            "topics": [f"0x{watch.topic.hex()}"],
            "data": "0x",
            "logIndex": hex(index),
            "blockNumber": hex(self.number),
            "blockHash": f"0xa{self.number}",
        }
        self.logs.append(log)
        if announce:
            self.announce(log)

    def announce(self, news: dict[str, Any]) -> None:
        params = {"subscription": "0x1", "result": news}
        self.say({"jsonrpc": "2.0", "method": "eth_subscription", "params": params})

    def say(self, message: Any) -> None:
        self.lines[-1].send(message if isinstance(message, str) else json.dumps(message))

    def cut(self) -> None:
        self.lines[-1].socket.close()

    def stop(self) -> None:
        self._server.shutdown()
        for line in self.lines:
            line.close()
        self._thread.join(5)

    def _talk(self, line: ServerConnection) -> None:
        self.lines.append(line)
        for message in line:
            request = json.loads(message)
            self.asked.append(request)
            if self.mute:
                continue
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": request["id"]}
            if request["method"] in self.refuses:
                answer["error"] = {"code": -32000, "message": "no"}
            else:
                answer["result"] = self._result(request["method"], request["params"])
            line.send(json.dumps(answer))

    def _result(self, method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs":
            first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            return [log for log in self.logs if first <= int(log["blockNumber"], 16) <= last]
        return hex(self.number) if method == "eth_blockNumber" else hex(len(self.asked))


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.stop()


@pytest.fixture
def rung() -> list[str]:
    return []


def config(node: Node, **changes: Any) -> FeedConfig:
    settings: dict[str, Any] = {
        "url": node.url,
        "backoff_s": 0.01,
        "block_time_s": 0.05,
        "silence_s": 30.0,
        "answer_within_s": 0.3,
    }
    return FeedConfig(**(settings | changes))


def listening(node: Node, rung: list[str], **changes: Any) -> Feed:
    feed = Feed(config(node, **changes), rung.append)
    feed.update((PRICE,))
    feed.start()
    until(lambda: feed.connected)
    return feed


@pytest.fixture
def feed(node: Node, rung: list[str]) -> Iterator[Feed]:
    made = listening(node, rung)
    yield made
    made.stop()


@pytest.fixture
def watchful(node: Node, rung: list[str]) -> Iterator[Feed]:
    """A feed that grows suspicious after 0.15 s without a head."""
    made = listening(node, rung, silence_s=0.1)
    yield made
    made.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def test_heads_and_watched_logs_ring(feed: Feed, node: Node, rung: list[str]) -> None:
    node.mine()
    node.emit(PRICE)
    node.emit(SWAP, index=1)
    until(lambda: rung == [BLOCK, "price"])
    assert feed.counters.heads == 1
    assert feed.counters.logs == 1


def test_the_node_is_asked_for_the_watched_logs_only(feed: Feed, node: Node) -> None:
    assert feed.connected
    assert [request["params"] for request in node.asked[:2]] == [
        ["newHeads"],
        ["logs", {"address": [FEED.lower()], "topics": [["0x" + "01" * 32]]}],
    ]


def test_r16_a_log_may_come_before_its_head_and_twice(
    feed: Feed, node: Node, rung: list[str]
) -> None:
    node.number += 1
    node.emit(PRICE)
    node.emit(PRICE)
    node.number -= 1
    node.mine()
    until(lambda: rung == ["price", BLOCK])
    assert feed.counters.duplicates == 1


def test_the_set_of_watches_may_change(feed: Feed, node: Node, rung: list[str]) -> None:
    feed.update((PRICE, SWAP))
    until(lambda: node.methods.count("eth_unsubscribe") == 1)
    assert node.methods[-2:] == ["eth_subscribe", "eth_unsubscribe"]  # never without one
    node.emit(SWAP)
    until(lambda: rung == ["swap"])
    feed.update(())
    until(lambda: node.methods.count("eth_unsubscribe") == 2)
    node.emit(PRICE, index=9)
    node.mine()
    until(lambda: rung == ["swap", BLOCK])


def test_the_same_set_again_costs_nothing(feed: Feed, node: Node, rung: list[str]) -> None:
    asked = len(node.asked)
    feed.update((Watch(FEED, PRICE.topic, "renamed"),))
    node.emit(PRICE)
    until(lambda: rung == ["renamed"])
    assert len(node.asked) == asked


def test_r15_a_lost_connection_is_made_again_and_missed_news_ring(
    feed: Feed, node: Node, rung: list[str]
) -> None:
    node.mine()
    until(lambda: rung == [BLOCK])
    node.cut()
    node.mine(announce=False)
    node.emit(PRICE, announce=False)
    until(lambda: feed.counters.reconnects >= 1 and feed.connected)
    until(lambda: sorted(rung) == [BLOCK, BLOCK, MISSED, "price"])
    node.mine()
    until(lambda: rung.count(BLOCK) == 3)
    assert feed.counters.backfills == 1
    assert feed.counters.connections >= 2


def test_nothing_missed_rings_nothing(feed: Feed, node: Node, rung: list[str]) -> None:
    node.cut()
    until(lambda: feed.counters.reconnects == 1 and feed.connected)
    assert rung == []


def test_r13_missed_logs_that_cannot_be_had_ring_anyway(
    feed: Feed, node: Node, rung: list[str]
) -> None:
    node.refuses.add("eth_getLogs")
    node.number += 1
    node.cut()
    until(lambda: feed.counters.reconnects == 1 and feed.connected)
    assert rung == [MISSED, BLOCK]


def test_without_watched_logs_only_blocks_are_caught_up_with(
    feed: Feed, node: Node, rung: list[str]
) -> None:
    feed.update(())
    node.number += 1
    node.cut()
    until(lambda: feed.counters.reconnects == 1 and feed.connected)
    assert rung == [MISSED, BLOCK]
    assert "eth_getLogs" not in node.methods


def test_a_polite_goodbye_is_a_lost_connection_too(feed: Feed, node: Node) -> None:
    node.lines[-1].close()
    until(lambda: feed.counters.reconnects == 1 and feed.connected)


@pytest.mark.parametrize(
    "message",
    ["no json", "[]", '{"id":99,"result":"0x1"}', '{"id":null,"result":"0x1"}', "{}",
     '{"method":"eth_subscription","params":{"result":5}}', '{"params":{"result":{"topics":1}}}'],
)  # fmt: skip
def test_nonsense_costs_the_connection(feed: Feed, node: Node, message: str) -> None:
    node.say(message)
    until(lambda: feed.counters.reconnects == 1 and feed.connected)
    assert feed.counters.last_error


def test_r14_a_line_that_went_dead_is_replaced(watchful: Feed, node: Node, rung: list[str]) -> None:
    node.mute = True  # TCP is up, pings are answered, nothing else is
    until(lambda: watchful.counters.reconnects >= 1)
    node.mute = False
    until(lambda: len(node.lines) > 1 and watchful.connected)
    assert MISSED in rung


def test_r15_a_subscription_that_died_alone_is_noticed(watchful: Feed, node: Node) -> None:
    node.mine(announce=False)
    until(lambda: watchful.counters.reconnects >= 1 and watchful.connected)
    assert "subscription is dead" in watchful.counters.last_error
    assert watchful.counters.last_block == node.number


def test_an_announcement_that_is_only_late_costs_nothing(
    watchful: Feed, node: Node, rung: list[str]
) -> None:
    node.mine(announce=False)
    until(lambda: node.methods.count("eth_blockNumber") == 2)  # it has become suspicious
    node.number -= 1
    node.mine()
    until(lambda: BLOCK in rung)
    time.sleep(1.2)
    assert watchful.counters.reconnects == 0


def test_a_chain_that_stands_still_keeps_its_line_but_rings(
    watchful: Feed, node: Node, rung: list[str]
) -> None:
    until(lambda: rung.count(MISSED) >= 2)
    assert len(node.lines) == 1
    assert watchful.counters.reconnects == 0


def test_heads_keep_the_watchdog_calm(watchful: Feed, node: Node, rung: list[str]) -> None:
    for _ in range(20):
        node.mine()
        time.sleep(0.02)
    until(lambda: watchful.counters.heads == 20)
    assert MISSED not in rung


def test_a_node_that_refuses_to_subscribe_is_tried_again(node: Node, rung: list[str]) -> None:
    node.refuses.add("eth_subscribe")
    feed = Feed(config(node), rung.append)
    feed.start()
    until(lambda: feed.counters.reconnects >= 2)
    node.refuses.clear()
    until(lambda: feed.connected)
    feed.stop()


def test_nobody_there_is_tried_again_with_growing_pauses(node: Node, rung: list[str]) -> None:
    url = node.url
    node.stop()
    feed = Feed(FeedConfig(url=url, backoff_s=0.05, answer_within_s=0.2), rung.append)
    feed.start()
    time.sleep(0.5)
    feed.stop()
    assert 2 <= feed.counters.reconnects <= 5
    assert feed.counters.last_error
    assert not feed.connected


def test_no_error_shows_the_key(node: Node, rung: list[str], caplog: Any) -> None:
    caplog.set_level("DEBUG")
    feed = listening(node, rung)
    node.say("no json: a-very-secret-api-key")
    until(lambda: feed.counters.reconnects == 1)
    feed.stop()
    ours = [entry.getMessage() for entry in caplog.records if entry.name != "websockets.server"]
    assert "secret" not in "".join([feed.counters.last_error, *ours])


@pytest.mark.parametrize("when", ["connected", "mute", "away"])
def test_it_stops_within_a_second(node: Node, rung: list[str], when: str) -> None:
    feed = listening(node, rung, backoff_s=10.0)
    if when == "mute":
        node.mute = True
        feed.update((SWAP,))
    elif when == "away":
        node.cut()
        until(lambda: not feed.connected)
    started = time.monotonic()
    feed.stop()
    assert time.monotonic() - started < 1.0
    assert not feed._thread.is_alive()
    assert not feed.connected
    feed.update((PRICE,))  # too late, and harmless
    feed.stop()


def test_one_that_never_started_can_be_stopped(node: Node) -> None:
    Feed(config(node), print).stop()


def test_the_feed_needs_a_websocket_address() -> None:
    with pytest.raises(ConfigError, match="write ws://"):
        Feed(FeedConfig(url="http://localhost:8545"), print)


def test_a_system_without_quick_acknowledgements_is_served_too(
    node: Node, rung: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("socket.TCP_QUICKACK", raising=False)
    feed = listening(node, rung)
    node.mine()
    until(lambda: rung == [BLOCK])
    feed.stop()
