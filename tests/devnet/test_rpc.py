import socket
import threading

import pytest

from keeper.devnet.rpc import Rpc, rpc
from keeper.devnet.world import World
from keeper.model.errors import Rejected, Transient

pytestmark = pytest.mark.anvil


def test_an_error_of_the_node_is_a_refusal_in_its_words(world: World) -> None:
    with pytest.raises(Rejected) as refusal:
        world.chain.rpc.call("eth_noSuchMethod")
    assert "eth_noSuchMethod" in str(refusal.value)


def test_answers_of_a_batch_come_in_the_order_asked(world: World) -> None:
    one, two = world.accounts.alice.address, world.perp.pool
    codes = world.chain.rpc.batch(
        ("eth_getCode", (two, "latest")), ("eth_chainId", ()), ("eth_getCode", (one, "latest"))
    )
    assert len(codes[0]) > 100
    assert codes[1:] == ["0x7a69", "0x"]


def test_an_empty_batch_asks_nothing() -> None:
    assert Rpc("http://127.0.0.1:1").batch() == []


def test_silence_is_transient() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(Transient):
            Rpc(url).call("eth_chainId")


def test_each_thread_has_its_own_connection(world: World) -> None:
    mine, theirs = rpc(world.http_url), []
    thread = threading.Thread(target=lambda: theirs.append(rpc(world.http_url)))
    thread.start()
    thread.join()
    assert rpc(world.http_url) is mine
    assert theirs[0] is not mine
