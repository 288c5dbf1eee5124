import pytest

from keeper.model.errors import ConfigError
from keeper.testing.faultproxy import FaultProxy, PoolSettings
from tests.testing.faultproxy.conftest import Client, Stub


def test_it_turns_to_another_node(proxy: FaultProxy, client: Client) -> None:
    other = Stub()
    other.results["eth_chainId"] = "0x1"
    assert client.result("eth_chainId") == "0x7a69"
    proxy.turn_to(other.url, other.ws_url)
    assert client.result("eth_chainId") == "0x1"
    other.close()


def test_an_unknown_action_is_refused_with_the_known_ones(proxy: FaultProxy) -> None:
    with pytest.raises(ConfigError, match="one of normal, silent, blackhole, nosubs, abort"):
        proxy.ws("sleep")  # type: ignore[arg-type] # that is the point


def test_a_pool_that_is_switched_off_forgets_what_it_held(
    proxy: FaultProxy, stub: Stub, client: Client
) -> None:
    stub.results["eth_chainId"] = "0x7a69"
    proxy.set_pool(PoolSettings(hold_all=True))
    assert client.result("eth_chainId") == "0x7a69"
    proxy.set_pool(PoolSettings(mode="none"))
    assert proxy.held() == []


def test_a_pool_outlives_a_node_that_is_away(proxy: FaultProxy, client: Client) -> None:
    proxy.set_pool(PoolSettings())
    proxy.turn_to("http://127.0.0.1:9")
    proxy.set_pool(PoolSettings(price_bump_percent=20))
    assert client.post(client.request("eth_getTransactionReceipt", "0x")).status == 502


def test_stopping_lets_nobody_wait(proxy: FaultProxy, stub: Stub, client: Client) -> None:
    stub.on_call = lambda _call: proxy.close()  # the node has not answered yet
    with pytest.raises(ConnectionError):
        client.ask("eth_chainId")
