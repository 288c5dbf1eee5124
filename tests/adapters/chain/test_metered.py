from typing import Any

import pytest

from keeper.adapters.chain.metered import Metered, Tally, merged
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


def test_a_batch_is_one_request_under_a_name_of_its_own(telephone: Any) -> None:
    telephone.answers |= {"eth_call": "0x", "eth_getCode": RpcError(-32000, "no")}
    metered = Metered(telephone)
    metered.batch([("eth_call", ()), ("eth_call", ())], 1.0)
    assert (metered.tallies["batch"].requests, metered.tallies["batch"].failures) == (1, 0)
    one, other = metered.batch([("eth_call", ()), ("eth_getCode", ())], 1.0)
    assert bytes(one) == b'"0x"'  # type: ignore[arg-type]  # it is no error
    assert isinstance(other, RpcError)
    assert (metered.tallies["batch"].requests, metered.tallies["batch"].failures) == (2, 1)
    telephone.answers["eth_call"] = Transient("no")
    with pytest.raises(Transient):
        metered.batch([("eth_call", ())], 1.0)
    assert (metered.tallies["batch"].requests, metered.tallies["batch"].failures) == (3, 2)
    assert set(metered.tallies) == {"batch"}


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


def test_tallies_of_several_connections_add_up() -> None:
    first = {"a": Tally(1, 1, 10, 5), "b": Tally(2, 0, 20, 10)}
    assert merged([first, {"a": Tally(3, 0, 30, 20)}]) == {
        "a": Tally(4, 1, 40, 25),
        "b": Tally(2, 0, 20, 10),
    }
    assert first["a"] == Tally(1, 1, 10, 5)
    assert merged([]) == {}
