from typing import Any

import pytest

from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.node_errors import RpcError
from keeper.model.errors import Transient


def test_requests_are_counted_by_method(telephone: Any) -> None:
    telephone.answers["eth_call"] = "0x"
    metered = Metered(telephone)
    for method in ("eth_chainId", "eth_call", "eth_call"):
        metered.request(method, (), 1.0)
    assert {name: tally.requests for name, tally in metered.tallies.items()} == {
        "eth_chainId": 1,
        "eth_call": 2,
    }
    assert metered.tallies["eth_call"].failures == 0
    assert metered.tallies["eth_call"].total_ns > 0


@pytest.mark.parametrize("error", [Transient("no"), RpcError(3, "no")])
def test_failures_are_counted_and_passed_on(telephone: Any, error: Exception) -> None:
    telephone.answers["eth_call"] = error
    metered = Metered(telephone)
    with pytest.raises(type(error)):
        metered.request("eth_call", (), 1.0)
    assert metered.tallies["eth_call"].failures == metered.tallies["eth_call"].requests == 1


def test_waiting_for_the_node_is_a_part_of_the_time(ipc_node: Any) -> None:
    metered = Metered(ipc_node.transport())
    metered.request("eth_chainId", (), 5.0)
    tally = metered.tallies["eth_chainId"]
    assert 0 < tally.waited_ns < tally.total_ns
    assert tally.waited_ns == metered.waited_ns


def test_it_is_a_transport_itself(ipc_node: Any) -> None:
    metered = Metered(ipc_node.transport())
    assert bytes(metered.request("eth_chainId", (), 5.0)) == b'"0x1"'
    metered.close()
    metered.request("eth_chainId", (), 5.0)
    assert metered.dials == 2


def test_a_stream_is_counted_question_by_question(ipc_node: Any) -> None:
    metered = Metered(ipc_node.transport())
    assert len(list(metered.stream("eth_call", [(), (), ()], 5.0))) == 3
    tally = metered.tallies["eth_call"]
    assert (tally.requests, tally.failures) == (3, 0)
    ipc_node.says("0x1")
    ipc_node.hangs_up()
    with pytest.raises(Transient):
        list(metered.stream("eth_call", [(), (), ()], 5.0))
    assert (tally.requests, tally.failures) == (5, 1)
    assert tally.waited_ns == metered.waited_ns
