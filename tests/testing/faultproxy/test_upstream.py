import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from keeper.testing.faultproxy.jsonrpc import Call
from keeper.testing.faultproxy.upstream import (
    Address,
    HttpNode,
    NodeUnreachable,
    WsNode,
    address,
)
from tests.testing.faultproxy.conftest import Stub


def run(work: Callable[[aiohttp.ClientSession], Awaitable[object]]) -> object:
    async def inside() -> object:
        async with aiohttp.ClientSession() as session:
            return await work(session)

    return asyncio.run(inside())


@pytest.mark.parametrize(
    ("url", "ws_url"),
    [
        ("http://127.0.0.1:8545", "ws://127.0.0.1:8545"),
        ("https://node.example/key", "wss://node.example/key"),
    ],
)
def test_a_node_has_its_websocket_at_the_same_place_unless_told_otherwise(
    url: str, ws_url: str
) -> None:
    assert address(url) == Address(url, ws_url)
    assert address(url, "ws://elsewhere").ws_url == "ws://elsewhere"


def test_it_asks_over_http_and_knows_a_refusal_from_a_result(stub: Stub) -> None:
    stub.results["no"] = ValueError("no")

    async def work(session: aiohttp.ClientSession) -> object:
        node = HttpNode(session, address(stub.url))
        whole = await node.ask(Call("echo", [1], "id"))
        return whole, await node.result("echo", 2), await node.result("no")

    assert run(work) == ({"jsonrpc": "2.0", "id": "id", "result": [1]}, [2], None)


@pytest.mark.parametrize("body", [b"no json", b"[]", b""])
def test_a_node_that_says_no_json_object_is_unreachable(body: bytes) -> None:
    async def work(session: aiohttp.ClientSession) -> object:
        async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(NodeUnreachable):
                await HttpNode(session, address(f"http://127.0.0.1:{port}")).ask(Call("x"))
        return None

    run(work)


def test_a_number_that_is_none_is_not_taken_for_zero(stub: Stub) -> None:
    stub.results.update(none=None, word="latest", refused=ValueError("no"))

    async def work(session: aiohttp.ClientSession) -> object:
        node = HttpNode(session, address(stub.url))
        for method in ("none", "word", "refused"):
            with pytest.raises(NodeUnreachable):
                await node.number(method)
        return await node.number("eth_chainId")

    assert run(work) == 31_337


def test_over_a_websocket_questions_cross_and_answers_find_them(stub: Stub) -> None:
    heard: list[object] = []

    async def news(said: object) -> None:
        heard.append(said)

    async def work(session: aiohttp.ClientSession) -> object:
        async with session.ws_connect(stub.ws_url) as end:
            node = WsNode(end, news)
            listening = asyncio.ensure_future(node.listen())
            said = await asyncio.gather(*(node.ask(Call("echo", [n], "same")) for n in range(9)))
            await end.close()
            await listening
            with pytest.raises(NodeUnreachable):
                await node.ask(Call("echo"))
            return said

    said = run(work)
    assert said == [{"jsonrpc": "2.0", "id": "same", "result": [n]} for n in range(9)]
    assert heard == []


def test_a_question_under_way_fails_when_the_node_hangs_up(stub: Stub) -> None:
    stub.on_call = lambda _call: stub.sockets[0].close()

    async def news(_said: object) -> None:
        raise AssertionError

    async def work(session: aiohttp.ClientSession) -> object:
        async with session.ws_connect(stub.ws_url) as end:
            node = WsNode(end, news)
            listening = asyncio.ensure_future(node.listen())
            with pytest.raises(NodeUnreachable):
                await node.ask(Call("echo"))
            await listening
        return None

    run(work)
