from typing import Any

import pytest

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.rpc import NodeTransport
from keeper.adapters.chain.transport_ipc import IpcFraming
from keeper.model.errors import Transient


def ask(transport: Any) -> bytes:
    return bytes(transport.request("eth_chainId", (), 2.0))


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_an_answer_ends_with_its_brace_with_or_without_a_newline(ipc_node: Any, end: bytes) -> None:
    ipc_node.sends(b'{"jsonrpc":"2.0","id":1,"result":{"a":{}}}' + end)
    assert ask(ipc_node.transport()) == b'{"a":{}}'


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_batch_ends_with_its_bracket_wherever_it_is_cut(ipc_node: Any, end: bytes) -> None:
    parts = (b'[{"id":1,"result":[[1]', b',"]"]}', b',{"id":2,"result":7}', b"]" + end)

    def in_parts(connection: Any, _request: Any) -> bool:
        for part in parts:
            connection.sendall(part)
        return True

    ipc_node.then(in_parts)
    answers = ipc_node.transport().batch([("eth_call", ()), ("eth_call", ())], 2.0)
    assert [bytes(answer) for answer in answers] == [b'[[1],"]"]', b"7"]


def test_a_brace_at_the_end_of_a_packet_is_not_the_end_of_the_answer(ipc_node: Any) -> None:
    def in_two_parts(connection: Any, _request: Any) -> bool:
        connection.sendall(b'{"jsonrpc":"2.0","id":1,"result":[{"a":1}')
        connection.sendall(b',{"b":"}"}')
        connection.sendall(b"]}\n")
        return True

    ipc_node.then(in_two_parts)
    assert ask(ipc_node.transport()) == b'[{"a":1},{"b":"}"}]'


def test_indented_answers_are_read(ipc_node: Any) -> None:
    ipc_node.drips(b'{\n "id": 1,\n "result": {\n "a": 1 }\n}\n', every_s=0.001)
    assert ask(ipc_node.transport()) == b'{\n "a": 1 }'


def test_garbage_is_refused_at_once(ipc_node: Any) -> None:
    ipc_node.sends(b"hello\n")
    with pytest.raises(Transient, match="starts with b'h'"):
        ask(ipc_node.transport())


def test_a_socket_that_is_not_there_is_transient() -> None:
    transport = NodeTransport(IpcFraming(Endpoint("/no/such/node.ipc"), 1 << 20))
    with pytest.raises(Transient, match="No such file") as caught:
        ask(transport)
    assert caught.value.facts["request_left"] is False
