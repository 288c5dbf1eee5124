import socket
import threading

import pytest

from keeper.model.errors import ConfigError, Transient
from keeper.testing.faultproxy import Drop, FaultProxy, NullResult, Removed
from tests.testing.faultproxy.conftest import Client, Stub


def test_it_takes_a_free_port_of_the_loopback_interface(proxy: FaultProxy, stub: Stub) -> None:
    assert proxy.url.startswith("http://127.0.0.1:")
    assert proxy.ws_url == proxy.url.replace("http", "ws")
    with FaultProxy(stub.url) as other:
        assert len({proxy.url, other.url, proxy.control.url, other.control.url}) == 4


def test_a_port_that_is_taken_is_said_at_once(stub: Stub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen there.*port={port}"):
            FaultProxy(stub.url, listen=("127.0.0.1", port)).start()


def test_a_rule_that_cannot_strike_is_said_before_it_starts(stub: Stub) -> None:
    before = threading.active_count()
    with pytest.raises(ConfigError, match="cannot strike there"):
        FaultProxy(stub.url, rules=[Removed()]).start()
    assert threading.active_count() == before


def test_closed_it_holds_no_port_and_no_thread(stub: Stub) -> None:
    before = threading.active_count()
    with FaultProxy(stub.url) as proxy:
        address = Client(proxy.url).address
        Client(proxy.url).ask("eth_chainId")
    proxy.close()  # once more harms nobody
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    with pytest.raises(Transient, match="the proxy is not running"):
        proxy.log()
    assert "faultproxy" not in {thread.name for thread in threading.enumerate()}
    assert threading.active_count() <= before + 1, "the stub's own handler may still be ending"


def test_rules_are_given_at_the_start_added_and_replaced(stub: Stub) -> None:
    with FaultProxy(stub.url, rules=[NullResult(method="a")]) as proxy:
        client = Client(proxy.url)
        proxy.add(NullResult(method="b"))
        assert [client.result(method) for method in "abc"] == [None, None, []]
        assert [tally.struck for tally in proxy.tallies()] == [1, 1]
        proxy.replace()
        assert client.result("a") == []


def test_the_same_seed_gives_the_same_run(stub: Stub) -> None:
    runs = []
    for seed in (1, 1, 2):
        with FaultProxy(stub.url, seed=seed, rules=[NullResult(probability=0.5)]) as proxy:
            client = Client(proxy.url)
            runs.append([client.result("x") is None for _ in range(25)])
    assert runs[0] == runs[1] != runs[2]


def test_one_waits_for_calls_instead_of_sleeping(proxy: FaultProxy, client: Client) -> None:
    later = threading.Thread(target=lambda: [client.ask("x", number) for number in range(2)])
    later.start()
    assert [entry.params for entry in proxy.wait_for("x", 2)] == [[0], [1]]
    later.join()


def test_waiting_in_vain_says_what_came_instead(proxy: FaultProxy, client: Client) -> None:
    client.ask("eth_chainId")
    with pytest.raises(Transient, match=r"method=eth_call count=1 seen=\['eth_chainId'\]"):
        proxy.wait_for("eth_call", timeout_s=0.01)


def test_the_journal_can_be_emptied_between_two_phases(proxy: FaultProxy, client: Client) -> None:
    client.ask("eth_chainId")
    proxy.forget()
    assert proxy.log() == []


def test_a_batch_and_its_members_are_in_the_log(proxy: FaultProxy, client: Client) -> None:
    client.batch("a", "b")
    assert [(entry.method, entry.in_batch) for entry in proxy.log()] == [("a", True), ("b", True)]


def test_it_says_where_it_stands(proxy: FaultProxy, stub: Stub) -> None:
    assert repr(proxy) == f"FaultProxy({proxy.url} in front of {stub.url})"
    assert "s3cret" not in repr(FaultProxy("https://node.example/v2/s3cret"))
    assert "not started" in repr(FaultProxy(stub.url, rules=[Drop()]))
