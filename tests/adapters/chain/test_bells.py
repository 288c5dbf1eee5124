import struct
from collections.abc import Callable
from typing import Any

import pytest

from keeper.adapters.chain.bells import BLOCK, Bells
from keeper.adapters.chain.read_ahead import Named
from keeper.adapters.chain.shapes import WireHead, WireLog
from keeper.adapters.words import checksum
from keeper.model.chain import Log, Watch
from keeper.model.errors import BadData

FEED = checksum(b"\x0f" * 20)
POOL = checksum(b"\xab" * 20)
UPDATED = b"\x01" * 32
SWAPPED = b"\x02" * 32


class Rung(list[str]):
    """What was posted."""


@pytest.fixture
def rung() -> Rung:
    return Rung()


def bells(rung: Rung, *watches: Watch, every: int | None = None) -> Bells:
    made = Bells(rung.append, every)
    made.watch(watches)
    return made


def sent(address: str = FEED, topic: bytes = UPDATED, **changes: Any) -> WireLog:
    fields: dict[str, Any] = {
        "address": address.lower(),
        "topics": [f"0x{topic.hex()}"],
        "data": "0x05",
        "log_index": "0x0",
        "block_hash": "0xaa",
    }
    return WireLog(**(fields | changes))


def block(number: int, branch: str = "a") -> WireHead:
    return WireHead(parent_hash="0x", timestamp="0x1", number=hex(number), hash=f"{branch}{number}")


def watch(
    name: str,
    address: str = FEED,
    topic: bytes = UPDATED,
    loud: Callable[[Log], bool] | None = None,
) -> Watch:
    return Watch(checksum(bytes.fromhex(address[2:])), topic, name, loud or (lambda _log: True))


def test_a_watched_log_rings_by_its_name(rung: Rung) -> None:
    found = bells(rung, watch("price"), watch("swap", POOL, SWAPPED))
    found.log(sent())
    found.log(sent(POOL, SWAPPED, log_index="0x1"))
    assert rung == ["price", "swap"]
    assert found.counters.logs == 2


@pytest.mark.parametrize(
    "log", [sent(POOL, UPDATED), sent(FEED, SWAPPED), sent(topics=[])], ids=["a", "t", "none"]
)
def test_a_log_that_only_the_nodes_filter_lets_through_does_not_ring(
    rung: Rung, log: WireLog
) -> None:
    found = bells(rung, watch("price"), watch("swap", POOL, SWAPPED))
    found.log(log)
    assert rung == []


def test_r16_the_same_log_rings_once(rung: Rung) -> None:
    found = bells(rung, watch("price"))
    found.log(sent())
    found.log(sent())
    assert rung == ["price"]
    assert found.counters.duplicates == 1


def test_logs_and_blocks_that_do_not_say_which_they_are_all_ring(rung: Rung) -> None:
    found = bells(rung, watch("price"), every=1)
    for _ in range(2):
        found.log(sent(block_hash=None, log_index=None))
    assert rung == ["price", "price"]
    for number in (1, 2):
        found.head(WireHead(parent_hash="0x", timestamp="0x1", number=hex(number)))
    assert rung[2:] == [BLOCK, BLOCK]
    assert found.counters.duplicates == 0


def test_a_removed_log_is_news(rung: Rung) -> None:
    found = bells(rung, watch("price"))
    found.log(sent())
    found.log(sent(removed=True))
    assert rung == ["price", "price"]


def test_a_log_may_be_too_quiet(rung: Rung) -> None:
    found = bells(rung, watch("price", loud=lambda log: log.data > b"\x06"))
    found.log(sent())
    found.log(sent(data="0x07", log_index="0x1"))
    assert rung == ["price"]
    assert found.counters.logs == 2


@pytest.mark.parametrize(
    "error",
    [BadData("odd"), ValueError(), IndexError(), KeyError(), TypeError(), struct.error(),
     ZeroDivisionError()],
)  # fmt: skip
def test_a_log_that_cannot_be_judged_rings(rung: Rung, error: Exception) -> None:
    def fail(_log: Log) -> bool:
        raise error

    bells(rung, watch("price", loud=fail)).log(sent())
    assert rung == ["price"]


def test_two_watches_of_one_log_both_ring(rung: Rung) -> None:
    bells(rung, watch("a"), watch("b"), watch("c", loud=lambda _log: False)).log(sent())
    assert rung == ["a", "b"]


def test_every_nth_block_rings(rung: Rung) -> None:
    found = bells(rung, every=3)
    for number in range(10, 20):
        found.head(block(number))
    assert rung == [BLOCK] * 4  # 10, 13, 16, 19
    assert found.counters.heads == 10
    assert found.counters.last_block == 19


def test_r16_a_block_announced_twice_is_one(rung: Rung) -> None:
    found = bells(rung, every=1)
    found.head(block(1))
    found.head(block(1))
    assert rung == [BLOCK]


def test_another_block_at_the_same_height_rings(rung: Rung) -> None:
    found = bells(rung, every=10)
    found.head(block(5))
    found.head(block(5, "b"))
    found.head(block(3, "c"))
    assert rung == [BLOCK] * 3


def test_blocks_may_be_of_no_interest(rung: Rung) -> None:
    bells(rung, every=None).head(block(1))
    assert rung == []


def test_a_pending_block_is_no_block(rung: Rung) -> None:
    bells(rung, every=1).head(WireHead(parent_hash="0x", timestamp="0x1"))
    assert rung == []


def test_the_block_of_the_news_is_told_before_the_bell_rings() -> None:
    heard: list[object] = []
    found = Bells(heard.append, 1, heard.append)
    found.watch((watch("price"),))
    found.head(block(7))
    found.log(sent(block_number="0x8", block_hash="0xbb"))
    found.log(sent(block_number="0x8", block_hash="0xbb", removed=True))
    found.log(sent(block_number=None, block_hash=None))
    named = Named(7, "a7"), BLOCK, Named(8, "0xbb"), "price", "price", "price"
    assert heard == [*named], "a log that a reorg took out names no block"


def test_the_nodes_filter_is_the_union_of_what_is_watched(rung: Rung) -> None:
    found = bells(rung, watch("a"), watch("b"), watch("c", POOL, SWAPPED))
    assert found.log_filter() == {
        "address": [FEED.lower(), POOL.lower()],
        "topics": [["0x" + "01" * 32, "0x" + "02" * 32]],
    }
    found.watch(())
    assert found.log_filter() is None


def test_p9_only_so_much_is_remembered(rung: Rung) -> None:
    found = bells(rung, every=1)
    for number in range(5_000):
        found.head(block(number))
    assert len(found._heard) == 1024
