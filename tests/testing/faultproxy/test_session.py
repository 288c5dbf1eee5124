"""What a client over WebSocket sees: calls, notifications, and a connection that goes deaf."""

from collections.abc import Callable
from time import sleep

import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from keeper.testing.faultproxy import (
    Drop,
    Duplicate,
    FaultProxy,
    HttpStatus,
    LoseResponse,
    Malformed,
    Mutate,
    Removed,
    Reorder,
    WrongId,
)
from keeper.testing.faultproxy.session import Session
from tests.testing.faultproxy.conftest import PATIENCE_S, Listener, Stub

Listen = Callable[[], Listener]


@pytest.fixture
def subscribed(stub: Stub, listen: Listen) -> Listener:
    """A client that hears of heads as subscription 0x1 and of logs as 0x2."""
    listener = listen()
    for subscription, kind in (("0x1", "newHeads"), ("0x2", "logs")):
        stub.results["eth_subscribe"] = subscription
        assert listener.ask("eth_subscribe", kind)["result"] == subscription
    return listener


def test_calls_are_answered_under_their_own_ids(listen: Listen) -> None:
    listener = listen()
    assert listener.ask("eth_chainId", id_="one") == {
        "jsonrpc": "2.0", "id": "one", "result": "0x7a69",
    }  # fmt: skip
    assert listener.ask("echo", 5, id_=5)["result"] == [5]


def test_notifications_come_through(stub: Stub, subscribed: Listener) -> None:
    stub.notify("0x1", {"number": "0x5"})
    stub.notify("0x2", {"logIndex": "0x0"})
    assert [subscribed.news(), subscribed.news()] == [{"number": "0x5"}, {"logIndex": "0x0"}]


def test_the_answer_to_a_subscription_goes_before_its_first_news(
    stub: Stub, listen: Listen
) -> None:
    listener = listen()
    stub.results["eth_subscribe"] = "0x1"
    stub.on_call = lambda call: (
        stub.notify("0x1", "early") if call["method"] == "eth_subscribe" else None
    )
    assert listener.ask("eth_subscribe", "newHeads")["result"] == "0x1"
    assert listener.news() == "early"


def test_each_client_has_its_own_subscriptions(stub: Stub, listen: Listen) -> None:
    first, second = listen(), listen()
    stub.results["eth_subscribe"] = "0x1"
    first.ask("eth_subscribe", "newHeads")
    stub.notify("0x1", "head")
    assert first.news() == "head"
    assert second.ask("eth_chainId")["result"] == "0x7a69"


def test_a_notification_comes_twice(proxy: FaultProxy, stub: Stub, subscribed: Listener) -> None:
    proxy.add(Duplicate(method="@logs"))
    stub.notify("0x2", "log")
    assert [subscribed.news(), subscribed.news()] == ["log", "log"]


def test_a_notification_is_missing(proxy: FaultProxy, stub: Stub, subscribed: Listener) -> None:
    proxy.add(Drop(method="@newHeads", times=1))
    stub.notify("0x1", 1)
    stub.notify("0x1", 2)
    assert subscribed.news() == 2


def test_a_notification_comes_after_its_successor(
    proxy: FaultProxy, stub: Stub, subscribed: Listener
) -> None:
    proxy.add(Reorder(method="@newHeads", times=1))
    for head in (1, 2, 3):
        stub.notify("0x1", head)
    assert [subscribed.news() for _ in range(3)] == [2, 1, 3]


def test_a_log_is_taken_back(proxy: FaultProxy, stub: Stub, subscribed: Listener) -> None:
    proxy.add(Removed(method="@logs"))
    stub.notify("0x2", {"logIndex": "0x0", "removed": False})
    assert [subscribed.news()["removed"], subscribed.news()["removed"]] == [False, True]


def test_a_notification_tells_something_else(
    proxy: FaultProxy, stub: Stub, subscribed: Listener
) -> None:
    proxy.add(Mutate(method="@newHeads", path="number", value="0x0"))
    stub.notify("0x1", {"number": "0x5"})
    assert subscribed.news() == {"number": "0x0"}


def test_a_silent_connection_answers_pings_and_nothing_else(
    proxy: FaultProxy, stub: Stub, subscribed: Listener
) -> None:
    assert proxy.ws("silent") == 1
    stub.notify("0x1", "unheard")
    subscribed.send("eth_chainId", id_=1)
    assert subscribed.answers_pings()
    proxy.ws("normal")
    assert subscribed.ask("eth_blockNumber", id_=2)["id"] == 2
    assert "eth_chainId" not in stub.methods()


def test_a_black_hole_answers_not_even_pings(proxy: FaultProxy, subscribed: Listener) -> None:
    (session,) = proxy._service.sessions
    assert isinstance(session, Session)
    proxy.ws("blackhole")
    unanswered = subscribed.end.ping()
    subscribed.send("eth_chainId", id_=1)
    while session.ignored < 2:
        sleep(0.001)
    assert not unanswered.is_set()
    proxy.ws("normal")
    assert subscribed.ask("eth_blockNumber", id_=2)["id"] == 2
    assert proxy.log("eth_chainId") == []


def test_a_connection_without_news_still_answers(
    proxy: FaultProxy, stub: Stub, subscribed: Listener
) -> None:
    proxy.ws("nosubs")
    stub.notify("0x1", "unheard")
    assert subscribed.ask("eth_chainId", id_=3)["id"] == 3


def test_an_aborted_connection_is_reset(proxy: FaultProxy, subscribed: Listener) -> None:
    proxy.ws("abort")
    with pytest.raises(ConnectionClosedError):
        subscribed.end.recv(timeout=PATIENCE_S)


def test_a_new_connection_is_whole_unless_it_is_told_otherwise(
    proxy: FaultProxy, listen: Listen
) -> None:
    listen()
    proxy.ws("blackhole")
    assert listen().ask("eth_chainId")["result"] == "0x7a69"
    proxy.ws("nosubs", new=True)
    proxy.ws("abort", new=True)
    with pytest.raises((ConnectionClosedError, ConnectionResetError)):
        listen().ask("eth_chainId")


@pytest.mark.parametrize("fault", [Drop(), LoseResponse(how="502"), HttpStatus(code=503)])
def test_a_gateway_that_fails_hangs_up(
    proxy: FaultProxy, listen: Listen, fault: Drop | LoseResponse | HttpStatus
) -> None:
    listener = listen()
    proxy.add(fault)
    listener.send("eth_chainId")
    with pytest.raises(ConnectionClosedError):
        listener.read()


def test_a_call_that_hangs_holds_nothing_else_up(proxy: FaultProxy, listen: Listen) -> None:
    listener = listen()
    proxy.add(LoseResponse(method="slow", how="hang"))
    listener.send("slow", id_=1)
    assert listener.ask("eth_chainId", id_=2)["id"] == 2


def test_an_answer_may_be_malformed_or_bear_a_wrong_id(proxy: FaultProxy, listen: Listen) -> None:
    listener = listen()
    proxy.add(WrongId(method="a"), Malformed(method="b", how="text"))
    assert listener.ask("a", id_=1)["id"] == 1001
    listener.send("b")
    assert str(listener.end.recv(timeout=PATIENCE_S)).startswith("upstream connect error")


def test_a_node_that_is_not_there_refuses_the_handshake(
    proxy: FaultProxy, listen: Listen, stub: Stub
) -> None:
    proxy.turn_to(stub.url, "ws://127.0.0.1:9")
    with pytest.raises(InvalidStatus, match="502"):
        listen()


def test_when_the_node_hangs_up_the_client_is_hung_up_on(stub: Stub, subscribed: Listener) -> None:
    for end in stub.sockets:
        end.close()
    with pytest.raises(ConnectionClosedError):
        subscribed.end.recv(timeout=PATIENCE_S)


def test_a_goodbye_is_answered(listen: Listen) -> None:
    listener = listen()
    listener.end.close()
    assert listener.end.close_code == 1000
