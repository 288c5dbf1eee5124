"""JSON-RPC as the keeper speaks it: one question, one answer, checked, and never asked twice.

There are no hidden retries anywhere below this line: a question whose bytes went out is not sent
again, because it may have been a transaction.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from keeper.adapters.chain.endpoint import Endpoint
from keeper.adapters.chain.node_errors import Kind, RpcError, classify
from keeper.adapters.chain.rest import Rest
from keeper.adapters.chain.wire import Wire
from keeper.model.errors import Transient
from keeper.ports.acting import Work, nothing

T = TypeVar("T")

Asked = tuple[str, object]
"""A method and its parameters."""

LARGEST_ANSWER_BYTES: Final = 64 << 20
_LONGEST_REST: Final = 1_024
"""Batches that are asked one by one at most, after they failed again and again."""
OK: Final = 200
"""The HTTP status of an answer; a Unix socket has no other."""
TOO_MANY_REQUESTS: Final = 429


class Transport(Protocol):
    """One node. Not to be shared between threads."""

    @property
    def dials(self) -> int:
        """Connections made so far; a new one may lead to another machine."""
        ...

    @property
    def waited_ns(self) -> int:
        """Time spent waiting for the node, all of it."""
        ...

    def request(self, method: str, params: object, deadline_s: float) -> Raw:
        """Ask once and return the answer's `result`, still JSON.

        *deadline_s* bounds the whole call from now: connecting, writing, every byte of the answer.

        Raises:
            RpcError: The node answered with an error.
            Transient: Nothing usable was heard. The fact `request_left` says whether the node may
                have got the question.

        """
        ...

    def stream(
        self, method: str, params: Iterable[object], deadline_s: float
    ) -> Generator[Raw, None, None]:
        """Ask one question after another; each leaves before the last answer is handed out.

        So the node works on the next while the caller works on the last, and there is never more
        than one under way. No other request may be made meanwhile. The deadline is each one's.
        """
        ...

    def batch(
        self, questions: Sequence[Asked], deadline_s: float, meanwhile: Work = nothing
    ) -> list[Raw | RpcError]:
        """Ask several questions in one request; return the answers in the questions' order.

        *meanwhile* is called once all have left together; it must not raise.
        For reads alone: a node that does not answer the batch as a whole is asked one by one, so
        the node may get a question twice. The deadline is that of all together.

        Raises:
            Transient: As `request`; what else was answered is lost with it.

        """
        ...

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        ...


class _Request(Struct):
    id: int
    method: str
    params: object
    jsonrpc: str = "2.0"


class _Fault(Struct):
    code: int = 0
    message: str = ""
    data: Any = None


class _Envelope(Struct):
    id: Any = None
    result: Raw = Raw()  # its emptiness means the field is missing
    error: _Fault | None = None


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Envelope)
_BATCH_DECODER: Final = msgspec.json.Decoder(list[_Envelope] | _Envelope)


class Malformed(Exception):
    """The bytes are not the answer to the question; `NodeTransport` raises it as `Transient`."""

    def __init__(self, reason: str, **facts: Any) -> None:
        super().__init__(reason)
        self.facts = facts


class Reply(Struct):
    """One message from the node."""

    body: bytes | bytearray
    keeps: bool = True
    """Whether the connection can carry another question."""
    status: int = 200


class Framing(Protocol):
    """How messages are told apart on one kind of connection."""

    endpoint: Endpoint

    def dial(self, deadline: float) -> Wire:
        """Connect, or raise `OSError`."""
        ...

    def frame(self, question: bytes) -> bytes:
        """Return the bytes that carry *question*."""
        ...

    def read(self, wire: Wire, deadline: float) -> Reply:
        """Return the next message; raise `Malformed` or `OSError`."""
        ...


class _Question(Struct):
    id: int
    method: str
    message: bytes
    deadline: float


class NodeTransport:
    """A `Transport` over one connection, kept open.

    It reconnects only while the node cannot have seen the question: the old connection was found
    closed before anything was written, or not one byte of the question was accepted. After any
    trouble the connection is dropped, so a late answer never meets the next question.
    """

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._endpoint = framing.endpoint
        self._wire: Wire | None = None
        self._last_id = 0
        self._under_way: int | None = None
        """The id of a question that was asked and whose answer was not taken in yet."""
        self._waited_before_ns = 0
        self._one_by_one_on = -1
        """Which connection is not trusted with a batch, by its count of `dials`."""
        self._batches = Rest(_LONGEST_REST)
        self.dials = 0

    def __repr__(self) -> str:
        return f"NodeTransport({self._endpoint})"

    @property
    def waited_ns(self) -> int:
        """Time spent waiting for the node, on all connections so far."""
        return self._waited_before_ns + (self._wire.waited_ns if self._wire else 0)

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        self._hang_up()
        self._under_way = None

    def request(self, method: str, params: object, deadline_s: float) -> Raw:
        """See `Transport`."""
        question = self._question(method, params, deadline_s)
        self._say(question)
        return self._hear(question)

    def stream(
        self, method: str, params: Iterable[object], deadline_s: float
    ) -> Generator[Raw, None, None]:
        """See `Transport`."""
        said: _Question | None = None
        for one in params:  # each is made up while the node works on the one before
            question = self._question(method, one, deadline_s)
            answer = self._hear(said) if said else None
            question.deadline = monotonic() + deadline_s
            self._say(question)
            said = question
            if answer is not None:
                yield answer
        if said:
            yield self._hear(said)

    def batch(
        self, questions: Sequence[Asked], deadline_s: float, meanwhile: Work = nothing
    ) -> list[Raw | RpcError]:
        """See `Transport`; a connection that refused a batch gets no other.

        After one without any answer, which may have been any fault, batches rest for a while.
        """
        deadline = monotonic() + deadline_s
        refuses = self._one_by_one_on == self.dials
        if not self._batches.spares() and not refuses:
            answers = self._batch(questions, deadline, meanwhile)
            if answers is not None:
                self._batches.worked()
                return answers
            refuses = True
        answers = [self._single(asked, deadline) for asked in questions]
        if refuses:
            self._one_by_one_on = self.dials
        return answers

    def _batch(
        self, questions: Sequence[Asked], deadline: float, meanwhile: Work
    ) -> list[Raw | RpcError] | None:
        """Ask all at once; return None if the node answered something else than all of them."""
        ids = range(self._last_id + 1, self._last_id + 1 + len(questions))
        self._last_id = ids[-1]
        message = self._framing.frame(encode_batch(ids, questions))
        methods = ", ".join(method for method, _ in questions)
        question = _Question(ids[0], methods, message, deadline)
        try:
            self._say(question)
            meanwhile()
            told = self._listen(question, partial(decode_batch, ids=ids))
        except Transient as silence:
            facts = silence.facts
            if facts["request_left"] and facts.get("status") != TOO_MANY_REQUESTS:
                # Perhaps it was the batch: or else we would ask the same again for ever.
                self._batches.failed()
            raise
        if told is None:
            return None
        return [
            each.result if each.error is None else self._fault(each.error, method)
            for each, (method, _) in zip(told, questions, strict=True)
        ]

    def _single(self, asked: Asked, deadline: float) -> Raw | RpcError:
        try:
            return self.request(*asked, deadline - monotonic())
        except RpcError as error:
            return error

    def _question(self, method: str, params: object, deadline_s: float) -> "_Question":
        deadline = monotonic() + deadline_s
        self._last_id += 1
        message = self._framing.frame(encode(self._last_id, method, params))
        return _Question(self._last_id, method, message, deadline)

    def _say(self, question: "_Question") -> None:
        if self._under_way is not None:  # its asker was interrupted, or had heard enough
            self.close()
        self._under_way = question.id
        try:
            self._send(question.message, question.deadline)
        except OSError as error:
            raise self._unheard(error, question.method) from error

    def _hear(self, question: "_Question") -> Raw:
        read = partial(decode, request_id=question.id, endpoint=self._endpoint)
        answer = self._listen(question, read)
        if answer.error is None:
            return answer.result
        raise self._fault(answer.error, question.method)

    def _listen(self, question: "_Question", read: Callable[[Reply], T]) -> T:
        wire = self._wire
        if wire is None or self._under_way != question.id:
            raise self._unheard(Malformed("something else was asked meanwhile"), question.method)
        try:
            reply = self._framing.read(wire, question.deadline)
            answer = read(reply)
        except Malformed as error:
            raise self._unheard(error, question.method, **error.facts) from None
        except OSError as error:
            raise self._unheard(error, question.method) from error
        self._under_way = None
        if not reply.keeps:
            self.close()
        return answer

    def _fault(self, fault: _Fault, method: str) -> RpcError:
        text = self._endpoint.scrub(fault.message)
        return RpcError(fault.code, text, fault.data, node=self._endpoint, method=method)

    def _send(self, message: bytes, deadline: float) -> None:
        wire = self._wire
        if wire is not None and wire.idle():
            try:
                wire.send(message, deadline)
            except OSError:
                if wire.accepted:  # the node may have read it
                    raise
            else:
                return
        self._hang_up()
        self._wire = self._framing.dial(deadline)
        self.dials += 1
        self._wire.send(message, deadline)

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._waited_before_ns += self._wire.waited_ns
            self._wire.close()
            self._wire = None

    def _unheard(self, reason: Exception, method: str, **facts: Any) -> Transient:
        left = self._wire is not None and self._wire.accepted > 0
        self.close()
        return Transient(
            "the node gave no usable answer",
            remedy="check the node and the network between",
            node=self._endpoint,
            method=method,
            reason=repr(self._endpoint.scrub(str(reason) or type(reason).__name__)),
            request_left=left,
            **facts,
        )


def encode(request_id: int, method: str, params: object) -> bytes:
    """Return the question as JSON."""
    return _ENCODER.encode(_Request(request_id, method, params))


def decode(reply: Reply, request_id: int, endpoint: Endpoint) -> _Envelope:
    """Return the one answer in *reply*: it has a result or an error, and the right id.

    Raises:
        Malformed: It is no answer, or the answer to another question.

    """
    facts = {} if reply.status == OK else {"status": reply.status}
    try:
        answer = _DECODER.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(f"no JSON-RPC answer: {error}", **facts) from None
    if type(answer.id) is not int or answer.id != request_id:
        said = f", saying {endpoint.scrub(answer.error.message)[:200]}" if answer.error else ""
        raise Malformed(f"an answer with the wrong id{said}", **facts)
    if not _is_answer(answer):
        raise Malformed("an answer with neither result nor error", **facts)
    return answer


def encode_batch(ids: Sequence[int], questions: Sequence[Asked]) -> bytes:
    """Return all questions as one JSON array."""
    return _ENCODER.encode([_Request(n, *asked) for n, asked in zip(ids, questions, strict=True)])


def decode_batch(reply: Reply, ids: Sequence[int]) -> list[_Envelope] | None:
    """Return one answer for each of *ids*, in their order; the node may have mixed them.

    None if they are not exactly that, or a gateway refuses arrays: nothing of it is used. Only "too
    busy" for the whole is believed, as the answer to each: to ask one by one would be worse.

    Raises:
        Malformed: It is no answer.

    """
    try:
        told = _BATCH_DECODER.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if reply.status != OK:
            return None
        raise Malformed(f"no JSON-RPC answer: {error}") from None
    if isinstance(told, _Envelope):
        fault = told.error
        is_busy = fault is not None and classify(fault.code, fault.message) is Kind.BUSY
        return [told] * len(ids) if is_busy else None
    found = {each.id: each for each in told if type(each.id) is int and _is_answer(each)}
    if len(told) != len(ids) or found.keys() != {*ids}:
        return None
    return [found[request_id] for request_id in ids]


def _is_answer(envelope: _Envelope) -> bool:
    return envelope.error is not None or bool(memoryview(envelope.result))
