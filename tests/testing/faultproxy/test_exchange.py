"""What happens in which order, with a sleep that takes no time and a kill that kills nobody."""

import asyncio
from typing import Any

import pytest

from keeper.testing.faultproxy.chooser import Chooser
from keeper.testing.faultproxy.exchange import Delivery, Exchange
from keeper.testing.faultproxy.journal import Journal
from keeper.testing.faultproxy.jsonrpc import Answer, Call, Question, result
from keeper.testing.faultproxy.rules import (
    Drop,
    Duplicate,
    Fault,
    HttpStatus,
    Latency,
    LoseResponse,
    Malformed,
    NullResult,
    RpcError,
    Signal,
    Stale,
    UpstreamCall,
)
from keeper.testing.faultproxy.upstream import NodeUnreachable


class Lab:
    """An exchange that writes down what it does."""

    def __init__(self, *faults: Fault, seed: int = 0) -> None:
        self.done: list[Any] = []
        self.journal = Journal()
        self.dead = False
        self.exchange = Exchange(
            Chooser(seed, faults), self.journal, sleep=self._sleep, kill=self._kill
        )

    async def _sleep(self, seconds: float) -> None:
        self.done.append(f"sleep {seconds:g}")

    def _kill(self, pid: int, number: int) -> None:
        self.done.append(f"kill {pid} {number}")

    async def _node(self, call: Call) -> Answer:
        if self.dead:
            raise NodeUnreachable("the node did not answer: dead")
        self.done.append(call.method)
        return result(call.id, "0x64" if call.method == "eth_blockNumber" else call.params)

    def settle(self, *methods: str, is_batch: bool = False) -> Delivery:
        calls = tuple(Call(method, [], number) for number, method in enumerate(methods))

        async def run() -> Delivery:
            arrival = self.exchange.arrive(Question(calls, is_batch), "http")
            return await self.exchange.settle(arrival, self._node)

        return asyncio.run(run())

    def told(self) -> list[str | None]:
        return [entry.told for entry in self.journal.entries()]


def test_latency_comes_before_the_node_or_after_it() -> None:
    lab = Lab(Latency(seconds=2), Latency(seconds=3, when="after"))
    lab.settle("x")
    assert lab.done == ["sleep 2", "x", "sleep 3"]


def test_jitter_is_drawn_from_the_seed() -> None:
    waits = []
    for seed in (1, 1, 2):
        lab = Lab(Latency(seconds=2, jitter_s=1), seed=seed)
        lab.settle("x")
        waits.append(float(lab.done[0].removeprefix("sleep ")))
    assert waits[0] == waits[1] != waits[2]
    assert all(2 <= wait <= 3 for wait in waits)


def test_everything_before_the_node_goes_in_the_order_of_the_rules() -> None:
    lab = Lab(UpstreamCall(call="anvil_reorg"), Signal(pid=99, signal="SIGSTOP"), Drop())
    assert lab.settle("x").silence == "reset"
    assert lab.done == ["anvil_reorg", "kill 99 19"]


def test_everything_after_the_node_happens_although_the_response_is_lost() -> None:
    lab = Lab(
        LoseResponse(how="hang"),
        Signal(pid=99, when="post"),
        UpstreamCall(call="evm_mine", when="after"),
    )
    assert lab.settle("x").silence == "hang"
    assert lab.done == ["x", "kill 99 9", "evm_mine"]
    assert lab.told() == ["nothing"]


def test_the_first_rule_that_ends_a_call_ends_it() -> None:
    lab = Lab(HttpStatus(code=503), Drop())
    assert lab.settle("x").status == 503
    assert lab.told() == ["status 503"]


def test_an_answer_passes_all_its_faults() -> None:
    lab = Lab(Duplicate(n=3), Stale(lag=4), NullResult())
    assert lab.settle("eth_blockNumber").body == b'{"jsonrpc":"2.0","id":0,"result":null}'
    assert lab.journal.entries()[0].reached_node == 3


@pytest.mark.parametrize("reaches", [True, False])
def test_an_rpc_error_reaches_the_node_only_if_it_says_so(*, reaches: bool) -> None:
    lab = Lab(RpcError(message="no", reaches_node=reaches))
    assert b'"message":"no"' in lab.settle("x").body
    assert lab.done == (["x"] if reaches else [])
    assert lab.told() == ["error -32000 no"]


def test_members_of_a_batch_are_asked_one_by_one_and_fail_alone() -> None:
    lab = Lab(RpcError(method="b"), Malformed(method="zzz"))
    delivery = lab.settle("a", "b", "c", is_batch=True)
    assert lab.done == ["a", "c"]
    assert lab.told() == ["result", "error -32000 internal error", "result"]
    assert delivery.body.startswith(b"[")


def test_a_node_that_is_away_is_a_bad_gateway_and_so_noted() -> None:
    lab = Lab()
    lab.dead = True
    assert lab.settle("x").status == 502
    assert lab.told() == ["status 502"]


def test_the_journal_names_the_faults_of_each_call() -> None:
    lab = Lab(Latency(seconds=1), NullResult(method="a"))
    lab.settle("a", "b", is_batch=True)
    assert [entry.faults for entry in lab.journal.entries()] == [
        ["latency", "null_result"], ["latency"],
    ]  # fmt: skip


def test_faults_are_chosen_in_the_order_of_arrival() -> None:
    lab = Lab(Drop(times=1))

    async def run() -> list[Delivery]:
        first, second = (
            lab.exchange.arrive(Question((Call(name),)), "http") for name in ("first", "second")
        )
        late = await lab.exchange.settle(second, lab._node)
        return [await lab.exchange.settle(first, lab._node), late]

    assert [delivery.silence for delivery in asyncio.run(run())] == ["reset", None]
