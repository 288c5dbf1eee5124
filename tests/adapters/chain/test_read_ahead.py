"""What is asked together with the head, through a node that says what it is told to."""

from typing import Any

import pytest

from keeper.adapters.chain import read_ahead
from keeper.adapters.chain.evm import Evm
from keeper.adapters.chain.member import Member
from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.pool import Pool, PoolConfig
from keeper.adapters.chain.read_ahead import Named, caught_up
from keeper.model.chain import BlockRef, Call
from tests.adapters.chain.test_evm import CONFIG, TARGET, at, block_hash, head

PRICE = Call(TARGET, b"\x01\x02\x03\x04", ("uint256",))
AGE = Call(TARGET, b"\x05\x06\x07\x08", ("uint256",))


class Prices:
    """A node whose answer to a call says at which block it was asked."""

    def __init__(self, telephone: Any) -> None:
        self.telephone = telephone
        self.known: set[str] = set()
        self.pins: list[str] = []
        telephone.answers["eth_call"] = self.price
        self.come_to(5)

    def come_to(self, number: int, branch: str = "a") -> None:
        self.telephone.answers["eth_getBlockByNumber"] = head(number, branch)
        self.known.add(block_hash(number, branch))

    def price(self, _call: Any, pin: Any) -> Any:
        self.pins.append(pin["blockHash"])
        if self.pins[-1] not in self.known:
            return RpcError(-32001, "header not found")
        return f"0x{int(self.pins[-1][3:], 16):064x}"


@pytest.fixture
def node(telephone: Any) -> Prices:
    return Prices(telephone)


@pytest.fixture
def evm(telephone: Any, node: Prices) -> Evm:
    made = Evm(telephone, CONFIG)
    made.connect()
    assert look(made) == 5
    node.pins.clear()
    telephone.asked.clear()
    return made


def look(evm: Evm, call: Call = PRICE) -> Any:
    (answer,) = evm.answer((call,), evm.head())
    assert isinstance(answer, tuple)
    return answer[0]


def test_a_look_at_a_block_that_news_named_is_one_request(evm: Evm, node: Prices) -> None:
    node.come_to(6)
    evm.foresee(Named(6, block_hash(6)))
    assert look(evm) == 6
    assert node.telephone.batches == [["eth_getBlockByNumber", "eth_call"]]
    assert node.telephone.methods == ["eth_getBlockByNumber", "eth_call"]


def test_what_there_is_to_do_is_done_while_the_node_looks(evm: Evm) -> None:
    done: list[None] = []
    evm.foresee(Named(5, block_hash(5)))
    assert evm.head(lambda: done.append(None)) == at(5)
    assert done == [None]


def test_news_is_used_once(evm: Evm, node: Prices) -> None:
    evm.foresee(Named(5, block_hash(5)))
    assert [look(evm), look(evm)] == [5, 5]
    assert len(node.telephone.batches) == 1


def test_what_was_read_at_another_block_than_the_head_is_not_used(evm: Evm, node: Prices) -> None:
    node.come_to(6)
    evm.foresee(Named(6, block_hash(6)))
    node.come_to(7)
    assert look(evm) == 7
    assert [
        params[1]["blockHash"] for method, params in node.telephone.asked if method == "eth_call"
    ] == [
        block_hash(6),
        block_hash(7),
    ]


def test_a_block_that_the_node_does_not_know_costs_a_call(evm: Evm, node: Prices) -> None:
    node.come_to(6)
    evm.foresee(Named(6, block_hash(6, "b")))
    assert look(evm) == 6


def test_another_question_than_the_last_look_began_with_is_asked(evm: Evm, node: Prices) -> None:
    node.come_to(6)
    evm.foresee(Named(6, block_hash(6)))
    assert look(evm, AGE) == 6
    assert node.telephone.methods.count("eth_call") == 2


@pytest.mark.usefixtures("node")
def test_before_the_first_look_nothing_is_asked_ahead(telephone: Any) -> None:
    evm = Evm(telephone, CONFIG)
    evm.connect()
    evm.foresee(Named(5, block_hash(5)))
    assert look(evm) == 5
    assert telephone.batches == []


class TestCatchingUp:
    @pytest.fixture
    def slept(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        pauses: list[float] = []
        monkeypatch.setattr(read_ahead, "sleep", pauses.append)
        return pauses

    def test_a_node_that_hears_later_than_the_news_is_asked_again(
        self, evm: Evm, node: Prices, slept: list[float]
    ) -> None:
        heads = iter((5, 5, 6))
        node.telephone.answers["eth_getBlockByNumber"] = lambda *_: head(next(heads))
        node.known.add(block_hash(6))
        evm.foresee(Named(6, block_hash(6)))
        assert look(evm) == 6
        assert len(slept) == 2

    def test_a_block_that_a_reorg_took_back_is_not_waited_for_long_and_only_once(
        self, evm: Evm, slept: list[float]
    ) -> None:
        evm.foresee(Named(6, block_hash(6)))
        assert [look(evm), look(evm)] == [5, 5]
        assert 0.5 < sum(slept) < 1

    def test_without_news_nobody_waits(self, slept: list[float]) -> None:
        def newest() -> BlockRef:
            return at(5)

        assert caught_up(newest, None) == caught_up(newest, Named(5, "")) == at(5)
        assert slept == []


class TestAPool:
    @pytest.fixture
    def pool(self, members: list[Member], clock: Any) -> Pool:
        made = Pool(members, PoolConfig(), now_s=clock)
        made.connect()
        made.answer((PRICE,), made.head())
        return made

    def test_whoever_serves_is_asked_ahead_and_its_latency_is_not_that_of_the_question(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        (serving,) = (place for place, one in enumerate(pool.report()) if one.serving)
        before = pool.report()
        nodes[serving].takes_s = 5.0
        nodes[serving].asked.clear()
        pool.foresee(Named(100, nodes[serving].hash_at(100)))
        head = pool.head()
        pool.answer((PRICE,), head)
        assert [method for method, _ in nodes[serving].asked] == [
            "eth_getBlockByNumber",
            "eth_call",
        ]
        assert pool.report()[serving].latency_ms == before[serving].latency_ms

    def test_news_of_a_block_that_no_endpoint_has_yet_is_waited_for(
        self, pool: Pool, nodes: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def arrive(_pause_s: float) -> None:
            for node in nodes:
                node.number = 101

        monkeypatch.setattr(read_ahead, "sleep", arrive)
        pool.foresee(Named(101, nodes[0].hash_at(101)))
        assert pool.head().number == 101

    def test_what_there_is_to_do_is_done_while_whoever_serves_looks(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        done: list[None] = []
        (serving,) = (place for place, one in enumerate(pool.report()) if one.serving)
        pool.foresee(Named(100, nodes[serving].hash_at(100)))
        pool.head(lambda: done.append(None))
        assert done == [None]
