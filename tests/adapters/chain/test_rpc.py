"""What holds over HTTP, TLS and Unix sockets alike."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.rpc import NodeTransport, Reply
from keeper.model.errors import KeeperError, Transient

SEND = "eth_sendRawTransaction"
HIDDEN = "a-very-secret-api-key"


def ask(transport: Any, method: str = "eth_chainId", deadline_s: float = 5.0) -> bytes:
    raw: Raw = transport.request(method, (), deadline_s)
    return bytes(raw)


def test_an_answer_is_returned_as_json(node: Any) -> None:
    node.says("0x7a69")
    assert ask(node.transport()) == b'"0x7a69"'


def test_null_is_an_answer(node: Any) -> None:
    node.says(None)
    assert ask(node.transport()) == b"null"


def test_one_connection_carries_many_questions(node: Any) -> None:
    transport = node.transport()
    for _ in range(5):
        ask(transport)
    assert node.connections == transport.dials == 1
    assert len({request["id"] for request in node.requests}) == 5


def test_an_answer_of_many_packets_is_whole(node: Any) -> None:
    node.says("0x" + "ab" * 400_000)
    assert len(ask(node.transport())) == 800_004


def test_an_error_keeps_code_text_and_data(node: Any) -> None:
    node.fails(3, "execution reverted", "0x1234")
    transport = node.transport()
    with pytest.raises(RpcError) as caught:
        ask(transport)
    assert (caught.value.code, caught.value.text) == (3, "execution reverted")
    assert caught.value.data == "0x1234"
    ask(transport)
    assert node.connections == 1  # an error is an answer: the connection is sound


@pytest.mark.parametrize("wrong", [None, ..., 999, "1", True, 1.0, [1]])
def test_r7_a_wrong_id_is_refused_and_the_connection_dropped(node: Any, wrong: Any) -> None:
    node.says("0x1", id=wrong)
    transport = node.transport()
    with pytest.raises(Transient, match="wrong id"):
        ask(transport)
    assert ask(transport) == b'"0x1"'
    assert node.connections == 2


def test_an_error_without_an_id_is_shown(node: Any) -> None:
    node.says(..., id=None, error={"code": -32005, "message": "over your limit"})
    with pytest.raises(Transient, match="over your limit"):
        ask(node.transport())


@pytest.mark.parametrize(
    "body",
    [b"[]", b'[{"id":1,"result":"0x1"}]', b'{"id":1', b'{"id":1}', b"<html>}", b"null", b'"0x1"',
     b'{"id":1,"result":"0x1"}{"id":1,"result":"0x2"}', b'{"id":1,"error":"no"}', b"{\xff}"],
)  # fmt: skip
def test_r6_what_is_no_answer_is_refused_and_not_asked_again(node: Any, body: bytes) -> None:
    def step(connection: Any, _request: Any) -> bool:
        node.write(connection, body)
        return False

    node.then(step)
    transport = node.transport()
    with pytest.raises(Transient, match="no usable answer"):
        ask(transport)
    assert len(node.requests) == 1
    assert ask(transport) == b'"0x1"'


def test_r6_a_closed_connection_in_mid_answer_is_an_error(node: Any) -> None:
    head = b"" if node.kind == "ipc" else b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    node.sends(head + b'{"jsonrpc":"2.0","id":1,"resu', keeps=False)
    with pytest.raises(Transient, match=r"closed before the answer's end|EOF"):
        ask(node.transport())
    assert len(node.requests) == 1


@pytest.mark.parametrize("method", ["eth_call", SEND])
def test_r21_a_question_that_went_out_is_never_sent_again(node: Any, method: str) -> None:
    transport = node.transport()
    ask(transport)
    node.hangs_up()
    with pytest.raises(Transient) as caught:
        ask(transport, method)
    assert caught.value.facts["request_left"] is True
    assert node.methods.count(method) == 1
    assert node.connections == 1


def test_a_connection_that_was_closed_while_idle_is_replaced(node: Any) -> None:
    node.closes_when_idle()
    transport = node.transport()
    ask(transport)
    time.sleep(0.05)
    ask(transport, SEND)
    assert node.methods == ["eth_chainId", SEND]
    assert transport.dials == 2


def test_bytes_that_nobody_asked_for_cost_the_connection(node: Any) -> None:
    def step(connection: Any, request: Any) -> bool:
        node.write(connection, b'{"id":%d,"result":"0x1"}' % request["id"])
        time.sleep(0.02)
        return bool(node.write(connection, b'{"id":%d,"result":"0xbad"}' % (request["id"] + 1)))

    node.then(step)
    transport = node.transport()
    ask(transport)
    time.sleep(0.08)
    assert ask(transport) == b'"0x1"'
    assert node.connections == 2


LONG_S = 4.0
"""Far beyond the deadlines here, and short of a drip or a silence that is sat out."""


def test_silence_ends_at_the_deadline(node: Any) -> None:
    node.falls_silent()
    transport = node.transport()
    started = time.monotonic()
    with pytest.raises(Transient, match="deadline"):
        ask(transport, deadline_s=0.2)
    assert 0.15 < time.monotonic() - started < LONG_S


def test_r7_a_late_answer_never_meets_the_next_question(node: Any) -> None:
    def late(connection: Any, request: Any) -> bool:
        time.sleep(0.15)
        return bool(node.write(connection, b'{"id":%d,"result":"0xold"}' % request["id"]))

    node.then(late)
    transport = node.transport()
    with pytest.raises(Transient):
        ask(transport, deadline_s=0.1)
    assert ask(transport) == b'"0x1"'


def test_r20_a_drip_ends_at_the_same_deadline(node: Any) -> None:
    node.drips(b'{"jsonrpc":"2.0","id":1,"result":"0x' + b"0" * 500, every_s=0.01)
    started = time.monotonic()
    with pytest.raises(Transient, match="deadline"):
        ask(node.transport(), deadline_s=0.3)
    assert time.monotonic() - started < LONG_S


def test_r20_an_answer_has_a_largest_size(node: Any) -> None:
    node.says("0x" + "00" * (1 << 20))
    with pytest.raises(Transient, match="too large"):
        ask(node.transport())


def test_nobody_listening_is_known_not_to_have_got_the_question(node: Any) -> None:
    transport = node.transport()
    node.stop()
    with pytest.raises(Transient) as caught:
        ask(transport, SEND, deadline_s=1.0)
    assert caught.value.facts["request_left"] is False


def test_a_large_question_waits_for_a_slow_reader(node: Any) -> None:
    transport = node.transport()
    raw = transport.request("eth_call", ["0x" + "ab" * 3_000_000], 10.0)
    assert bytes(raw) == b'"0x1"'
    assert len(node.requests[0]["params"][0]) == 6_000_002


def test_time_spent_waiting_is_counted_over_all_connections(node: Any) -> None:
    transport = node.transport()
    node.falls_silent()
    with pytest.raises(Transient):
        ask(transport, deadline_s=0.1)
    node.falls_silent()
    with pytest.raises(Transient):
        ask(transport, deadline_s=0.1)
    assert 0.15e9 < transport.waited_ns < 0.6e9


def test_an_interrupted_question_does_not_leave_its_answer_behind(node: Any) -> None:
    def interrupt(*_args: object) -> bytes:
        raise KeyboardInterrupt

    transport = node.transport()
    ask(transport)
    framing = transport._framing
    read, framing.read = framing.read, interrupt
    with pytest.raises(KeyboardInterrupt):
        ask(transport)
    framing.read = read
    assert ask(transport) == b'"0x1"'
    assert node.connections == 2


def test_no_error_and_no_repr_shows_a_credential(node: Any) -> None:
    node.fails(-32000, f"project {HIDDEN} has no such method")
    node.says(..., id=None, error={"code": 1, "message": f"key {HIDDEN} is over its limit"})
    node.sends(b"%s is not HTTP\r\n\r\n" % HIDDEN.encode(), keeps=False)
    node.hangs_up()
    transport = node.transport()
    shown = [repr(transport)]
    for _ in range(4):
        with pytest.raises(KeeperError) as caught:
            ask(transport)
        shown += [str(caught.value), repr(caught.value), repr(caught.value.facts)]
    hidden = [] if node.kind == "ipc" else [HIDDEN]  # a socket's path holds no key
    assert not [text for text in shown for secret in hidden if secret in text]


def test_a_stream_asks_the_next_before_it_hands_out_the_last(node: Any) -> None:
    node.default = lambda _method, params: params[0]
    transport = node.transport()
    answers = transport.stream("eth_call", [["a"], ["b"], ["c"]], 5.0)
    assert node.requests == []
    assert bytes(next(answers)) == b'"a"'
    wait_for(lambda: len(node.requests) == 2)  # and it works on that one now
    assert [bytes(one) for one in answers] == [b'"b"', b'"c"']
    assert node.connections == 1
    assert list(transport.stream("eth_call", [], 5.0)) == []


def test_a_stream_that_is_left_early_does_not_leave_an_answer_behind(node: Any) -> None:
    node.default = lambda _method, params: params[0] if params else "0x1"
    transport = node.transport()
    next(transport.stream("eth_call", [["a"], ["b"]], 5.0))
    assert ask(transport) == b'"0x1"'
    assert node.connections == 2


def test_a_stream_ends_with_the_first_error(node: Any) -> None:
    node.says("0x1")
    node.fails(3, "execution reverted")
    answers = node.transport().stream("eth_call", [(), (), ()], 5.0)
    next(answers)
    with pytest.raises(RpcError):
        next(answers)
    assert len(node.requests) == 2


@pytest.mark.parametrize("meddle", ["close", "ask"])
def test_something_else_in_the_middle_of_a_stream_is_an_error(node: Any, meddle: str) -> None:
    transport = node.transport()
    answers = transport.stream("eth_call", [(), ()], 5.0)
    next(answers)
    if meddle == "ask":
        ask(transport)
    else:
        transport.close()
    with pytest.raises(Transient, match="meanwhile"):
        next(answers)
    assert ask(transport) == b'"0x1"'


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


class Pipe:
    """A wire that breaks when it is written to, before or after the first byte."""

    def __init__(self, accepts: int | None) -> None:
        self.accepts = accepts
        self.accepted = 0
        self.waited_ns = 0
        self.closed = False

    def idle(self) -> bool:
        return True

    def send(self, message: bytes, deadline: float) -> None:
        assert deadline > 0
        if self.accepts is not None:
            self.accepted = self.accepts
            raise BrokenPipeError("broken")
        self.accepted = len(message)

    def close(self) -> None:
        self.closed = True


class Pipes:
    """A framing that hands out prepared wires."""

    endpoint = Endpoint("http://node.example")

    def __init__(self, *pipes: Pipe) -> None:
        self.pipes = list(pipes)
        self.answered = 0

    def dial(self, _deadline: float) -> Any:
        return self.pipes.pop(0)

    def frame(self, question: bytes) -> bytes:
        return question

    def read(self, _wire: object, _deadline: float) -> Reply:
        self.answered += 1
        return Reply(b'{"id":%d,"result":"0x1"}' % self.answered)


def test_a_question_of_which_no_byte_was_accepted_goes_out_anew() -> None:
    first, second = Pipe(None), Pipe(None)
    transport = NodeTransport(Pipes(first, second))
    ask(transport)
    first.accepts = 0
    assert ask(transport, SEND) == b'"0x1"'
    assert first.closed
    assert transport.dials == 2


def test_one_accepted_byte_is_enough_not_to_send_again() -> None:
    first, second = Pipe(None), Pipe(None)
    transport = NodeTransport(Pipes(first, second))
    ask(transport)
    first.accepts = 1
    with pytest.raises(Transient) as caught:
        ask(transport, SEND)
    assert caught.value.facts["request_left"] is True
    assert second.accepted == 0


BATCH: tuple[tuple[str, list[str]], ...] = (
    ("eth_call", ["0xca"]),
    ("eth_getTransactionCount", ["0xme"]),
    ("eth_getCode", []),
)
ALONE = [method for method, _ in BATCH]


def named(node: Any) -> Any:
    """Let every answer say what it answers."""
    node.default = lambda method, params: f"{method}{params}"
    return node.transport()


def ask_batch(transport: Any, deadline_s: float = 5.0) -> list[Any]:
    answers = transport.batch(BATCH, deadline_s)
    return [each if isinstance(each, RpcError) else bytes(each).decode() for each in answers]


ANSWERS = [f'"{method}{params}"' for method, params in BATCH]


def test_a_batch_is_one_request_and_its_answers_come_in_the_order_of_the_questions(
    node: Any,
) -> None:
    transport = named(node)
    ask(transport)
    assert ask_batch(transport) == ask_batch(transport) == ANSWERS
    ask(transport)
    assert node.methods == ["eth_chainId", ALONE, ALONE, "eth_chainId"]
    assert node.connections == 1
    ids = [call["id"] for call in (*node.requests[1], *node.requests[2])]
    assert len({*ids, node.requests[0]["id"], node.requests[3]["id"]}) == 8


def test_an_error_in_a_batch_is_the_answer_to_its_question_alone(node: Any) -> None:
    def refuse(answers: list[Any]) -> Any:
        error = {"code": 3, "message": "execution reverted", "data": "0x12"}
        return [{"id": answers[0]["id"], "error": error}, *answers[1:]]

    transport = named(node)
    node.says_to_batch(refuse)
    revert, *others = ask_batch(transport)
    assert (revert.code, revert.text, revert.data) == (3, "execution reverted", "0x12")
    assert revert.facts["method"] == "eth_call"
    assert others == ANSWERS[1:]
    assert node.methods == [ALONE]


def test_r19_answers_in_another_order_are_matched_by_id(node: Any) -> None:
    transport = named(node)
    node.says_to_batch(lambda answers: answers[::-1])
    assert ask_batch(transport) == ANSWERS
    assert node.methods == [ALONE]


def change_id(*, value: Any) -> Any:
    return lambda answers: [answers[0] | {"id": value}, *answers[1:]]


NOT_THE_BATCH: dict[str, Any] = {
    "short": lambda answers: answers[:-1],
    "empty": lambda _answers: [],
    "one too many": lambda answers: [*answers, answers[0] | {"id": 999}],
    "one twice": lambda answers: [answers[0], answers[0], answers[2]],
    "wrong id": change_id(value=999),
    "no id": change_id(value=None),
    "id as text": change_id(value="1"),
    "id as truth": change_id(value=True),
    "id as list": change_id(value=[1]),
    "neither result nor error": lambda answers: [{"id": answers[0]["id"]}, *answers[1:]],
    "one error object": lambda _answers: {
        "id": None, "error": {"code": -32600, "message": "batch requests are not allowed"},
    },
    "one answer": lambda answers: answers[0],
}  # fmt: skip


@pytest.mark.parametrize("spoil", NOT_THE_BATCH.values(), ids=NOT_THE_BATCH)
def test_r19_what_does_not_answer_the_batch_is_not_used_and_each_is_asked_alone(
    node: Any, spoil: Any
) -> None:
    transport = named(node)
    node.says_to_batch(spoil)
    assert ask_batch(transport) == ANSWERS
    assert node.methods == [ALONE, *ALONE]
    # The connection is remembered, and the next one is another chance.
    assert ask_batch(transport) == ANSWERS
    assert node.methods == [ALONE, *ALONE, *ALONE]
    transport.close()
    ask(transport)
    assert ask_batch(transport) == ANSWERS
    assert node.methods[-2:] == ["eth_chainId", ALONE]


def test_r19_errors_of_single_questions_after_a_refused_batch_are_answers(node: Any) -> None:
    transport = named(node)
    node.says_to_batch(NOT_THE_BATCH["one error object"])
    node.fails(3, "execution reverted")
    revert, *others = ask_batch(transport)
    assert revert.code == 3
    assert others == ANSWERS[1:]


@pytest.mark.parametrize("status", [b"400 Bad Request", b"405 No", b"413 Too Large"])
def test_r19_a_gateway_that_refuses_arrays_in_html_is_asked_one_by_one(
    http_node: Any, status: bytes
) -> None:
    transport = named(http_node)
    http_node.sends(b"HTTP/1.1 %s\r\nContent-Length: 6\r\n\r\n<html>" % status)
    assert ask_batch(transport) == ANSWERS
    assert http_node.methods == [ALONE, *ALONE]


def test_r4_too_busy_for_a_batch_is_too_busy_for_each_of_it(node: Any) -> None:
    transport = named(node)
    busy = {"id": None, "error": {"code": -32005, "message": "rate limit reached"}}
    node.says_to_batch(lambda _answers: busy)
    assert [error.code for error in ask_batch(transport)] == [-32005] * 3
    assert node.methods == [ALONE]
    assert ask_batch(transport) == ANSWERS
    assert node.methods == [ALONE, ALONE]


def test_r4_after_too_many_requests_it_is_a_batch_again(http_node: Any) -> None:
    transport = named(http_node)
    http_node.sends(b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(Transient) as caught:
        transport.batch(BATCH, 5.0)
    assert (caught.value.facts["status"], caught.value.facts["retry_after_s"]) == (429, 3.0)
    assert ask_batch(transport) == ANSWERS
    assert http_node.methods == [ALONE, ALONE]


@pytest.mark.parametrize(
    "body", [b"<html>}", b"{\xff}", b'[{"id":1,"result":"0x1"}]]', b"[1]", b"7"]
)
def test_r6_what_is_no_answer_to_a_batch_is_refused(node: Any, body: bytes) -> None:
    def step(connection: Any, _request: Any) -> bool:
        node.write(connection, body)
        return False

    node.then(step)
    with pytest.raises(Transient, match="no usable answer") as caught:
        ask_batch(named(node))
    assert caught.value.facts["method"] == "eth_call, eth_getTransactionCount, eth_getCode"
    assert node.methods == [ALONE]


def test_a_batch_in_silence_is_given_up_and_the_next_connection_asks_one_by_one(
    node: Any,
) -> None:
    transport = named(node)
    node.falls_silent()
    with pytest.raises(Transient, match="deadline"):
        ask_batch(transport, deadline_s=0.2)
    ask(transport)
    assert ask_batch(transport) == ANSWERS
    assert node.methods == [ALONE, "eth_chainId", *ALONE]


def test_after_a_silence_batches_come_back_later_each_time(node: Any) -> None:
    """One packet that was lost is no reason to pay three round trips for ever."""
    transport = named(node)
    for rest in (2, 4):
        node.falls_silent()
        with pytest.raises(Transient, match="deadline"):
            ask_batch(transport, deadline_s=0.2)
        node.requests.clear()
        for _ in range(rest):
            assert ask_batch(transport) == ANSWERS
        assert node.methods == ALONE * rest
    node.requests.clear()
    assert ask_batch(transport) == ANSWERS
    assert node.methods == [ALONE]
    node.falls_silent()
    with pytest.raises(Transient, match="deadline"):
        ask_batch(transport, deadline_s=0.2)
    node.requests.clear()
    for _ in range(3):
        assert ask_batch(transport) == ANSWERS
    assert node.methods == [*ALONE, *ALONE, ALONE], "an answer ends the count"


def test_a_node_that_was_not_reached_has_not_refused_a_batch(ipc_node: Any) -> None:
    transport, path = named(ipc_node), Path(ipc_node.url)
    away = path.rename(path.with_name("away.ipc"))
    with pytest.raises(Transient) as caught:
        ask_batch(transport)
    assert caught.value.facts["request_left"] is False
    away.rename(path)
    ask(transport)
    assert ask_batch(transport) == ANSWERS
    assert ipc_node.methods == ["eth_chainId", ALONE]


def test_the_deadline_is_that_of_a_refused_batch_and_its_questions_together(node: Any) -> None:
    transport = named(node)
    node.says_to_batch(NOT_THE_BATCH["one error object"])
    node.falls_silent()
    started = time.monotonic()
    with pytest.raises(Transient, match="deadline"):
        ask_batch(transport, deadline_s=0.3)
    assert time.monotonic() - started < LONG_S
    assert node.methods == [ALONE, "eth_call"]
