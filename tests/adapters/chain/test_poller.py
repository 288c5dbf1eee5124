import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from keeper.adapters.chain.bells import BLOCK, MISSED
from keeper.adapters.chain.poller import Poller, PollerConfig
from keeper.adapters.words import checksum
from keeper.model.chain import Watch

FEED = checksum(b"\x0f" * 20)
WATCH = Watch(FEED, b"\x01" * 32, "price")


class Node:
    """A chain with a height, a branch and some logs, behind a real socket."""

    def __init__(self, fake: Any) -> None:
        self.fake = fake
        self.number = 5
        self.branch = "a"
        self.logs: list[dict[str, Any]] = []
        fake.default = self.answer

    def answer(self, method: str, params: list[Any]) -> Any:
        if method == "eth_getLogs":
            first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
            return [log for log in self.logs if first <= int(log["blockNumber"], 16) <= last]
        return {
            "number": hex(self.number),
            "hash": f"0x{self.branch}{self.number}",
            "parentHash": "0x00",
            "timestamp": "0x1",
            "baseFeePerGas": "0x1",
        }

    def log(self, number: int) -> None:
        self.logs.append(
            {
                "address": FEED.lower(),
                "topics": ["0x" + "01" * 32],
                "data": "0x",
                "logIndex": "0x0",
                "blockHash": f"0xa{number}",
                "blockNumber": hex(number),
            }
        )


@pytest.fixture
def chain(http_node: Any) -> Node:
    return Node(http_node)


@pytest.fixture
def rung() -> list[str]:
    return []


@pytest.fixture
def poller(chain: Node, rung: list[str]) -> Iterator[Poller]:
    made = Poller(chain.fake.transport(), PollerConfig(every_s=0.01, deadline_s=0.2), rung.append)
    made.update((WATCH,))
    made.start()
    until(lambda: rung == [BLOCK])
    yield made
    made.stop()
    assert not made.connected


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def test_a_new_block_rings(poller: Poller, chain: Node, rung: list[str]) -> None:
    chain.number = 6
    until(lambda: rung == [BLOCK, BLOCK])
    assert poller.connected
    assert poller.counters.last_block == 6


def test_a_standing_chain_does_not(poller: Poller, chain: Node, rung: list[str]) -> None:
    asked = len(chain.fake.requests)
    until(lambda: len(chain.fake.requests) > asked + 3)
    assert rung == [BLOCK]
    assert poller.counters.heads == 1


@pytest.mark.usefixtures("poller")
def test_another_block_at_the_same_height_rings(chain: Node, rung: list[str]) -> None:
    chain.branch = "b"
    until(lambda: rung == [BLOCK, BLOCK, MISSED])


@pytest.mark.usefixtures("poller")
def test_watched_logs_of_all_new_blocks_ring(chain: Node, rung: list[str]) -> None:
    chain.log(4)  # before we looked
    chain.log(7)
    chain.number = 9
    until(lambda: rung == [BLOCK, BLOCK, "price"])


def test_without_watches_no_logs_are_asked_for(
    poller: Poller, chain: Node, rung: list[str]
) -> None:
    poller.update(())
    chain.number = 6
    until(lambda: rung == [BLOCK, BLOCK])
    assert "eth_getLogs" not in chain.fake.methods


@pytest.mark.usefixtures("poller")
def test_r13_a_long_gap_is_not_searched(chain: Node, rung: list[str]) -> None:
    chain.log(7)
    chain.number = 5_000
    until(lambda: rung == [BLOCK, BLOCK, MISSED])


def test_trouble_is_counted_and_it_goes_on(poller: Poller, chain: Node, rung: list[str]) -> None:
    chain.fake.hangs_up()
    until(lambda: poller.counters.reconnects == 1)
    until(lambda: poller.connected)
    chain.number = 6
    until(lambda: rung == [BLOCK, BLOCK])
    assert "secret" not in poller.counters.last_error
    assert poller.counters.connections == 2


def test_r13_logs_that_cannot_be_read_ring_anyway(
    poller: Poller, chain: Node, rung: list[str]
) -> None:
    answer = chain.answer
    chain.fake.default = lambda method, params: (
        {"too": "many"} if method == "eth_getLogs" else answer(method, params)
    )
    chain.number = 6
    until(lambda: rung == [BLOCK, BLOCK, MISSED])
    until(lambda: poller.counters.last_error != "")


def test_it_stops_within_a_second_even_when_the_node_is_silent(chain: Node) -> None:
    poller = Poller(chain.fake.transport(), PollerConfig(0.01, deadline_s=0.5), print)
    chain.fake.falls_silent()
    poller.start()
    until(lambda: len(chain.fake.requests) == 1)
    started = time.monotonic()
    poller.stop()
    assert time.monotonic() - started < 1.0


def test_one_that_never_started_can_be_stopped(chain: Node) -> None:
    poller = Poller(chain.fake.transport(), PollerConfig(), print)
    poller.stop()
    assert not poller.connected


def test_r14_one_that_stands_by_asks_nothing_until_it_is_needed_and_then_rings(
    chain: Node, rung: list[str]
) -> None:
    needed: list[bool] = []
    looks: list[int] = []

    def asked() -> bool:
        looks.append(len(chain.fake.requests))
        return bool(needed)

    config = PollerConfig(every_s=0.001, deadline_s=0.2)
    poller = Poller(chain.fake.transport(), config, rung.append, needed=asked)
    poller.start()
    until(lambda: len(looks) > 5)
    assert rung == []
    assert set(looks) == {0}
    needed.append(True)
    until(lambda: rung == [MISSED, BLOCK])
    poller.stop()
