"""What becomes of one question: faults before the node, the node, faults after it, the answer."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from msgspec import Struct

from keeper.core.redact import redact
from keeper.testing.faultproxy import damage
from keeper.testing.faultproxy.chooser import Chooser, Strike
from keeper.testing.faultproxy.journal import Entry, Journal, verdict
from keeper.testing.faultproxy.jsonrpc import Answer, Call, Question, failure
from keeper.testing.faultproxy.rules import (
    Drip,
    Drop,
    Duplicate,
    HttpStatus,
    Latency,
    LoseResponse,
    RpcError,
    Signal,
    Silence,
    Stale,
    UpstreamCall,
    name_of,
)
from keeper.testing.faultproxy.stale import StaleNode
from keeper.testing.faultproxy.upstream import Ask, NodeRefused, NodeUnreachable

BAD_GATEWAY: Final = 502


class Delivery(Struct, frozen=True, kw_only=True):
    """What leaves for the client, by whatever it came."""

    silence: Literal["reset", "hang"] | None = None
    """Instead of an answer: the connection is reset, or stays open and still."""
    status: int = 200
    headers: dict[str, str] = {}
    body: bytes = b""
    kind: str = damage.JSON_TYPE
    drip: Drip | None = None


class Member:
    """One call of a question, with what happens to it."""

    def __init__(
        self, call: Call, struck: tuple[Strike, ...], entry: Entry, previous_id: object
    ) -> None:
        self.call = call
        self.struck = struck
        self.entry = entry
        self.previous_id = previous_id
        self.answer: Answer | None = None
        """Set early if the answer does not depend on the node."""


class Arrival(Struct, frozen=True):
    """A question whose faults are chosen: they depend on the order of arrival alone."""

    members: tuple[Member, ...]
    is_batch: bool


class Exchange:
    """Chooses the faults of each question and carries them out."""

    def __init__(
        self,
        chooser: Chooser,
        journal: Journal,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        kill: Callable[[int, int], None] = os.kill,
    ) -> None:
        self._chooser = chooser
        self._journal = journal
        self._sleep = sleep
        self._kill = kill
        self._previous_id: object = None

    def arrive(self, question: Question, transport: Literal["http", "ws"]) -> Arrival:
        """Choose what will happen, and write down that the question came."""
        return Arrival(
            tuple(self._member(call, transport, question) for call in question.calls),
            question.is_batch,
        )

    def _member(self, call: Call, transport: Literal["http", "ws"], question: Question) -> Member:
        batched = question.is_batch
        struck = self._chooser.strike(call.method, call.params, in_batch=batched)
        names = [name_of(strike.fault) for strike in struck]
        entry = self._journal.open(call, transport, names, in_batch=batched)
        previous, self._previous_id = self._previous_id, call.id
        return Member(call, struck, entry, previous)

    async def settle(self, arrival: Arrival, ask: Ask) -> Delivery:
        """Carry it out; *ask* reaches the node."""
        told = "nothing"
        try:
            for stage in (self._before, self._at_node, self._after):
                early = [await stage(member, ask) for member in arrival.members]
                if (delivery := next(filter(None, early), None)) is not None:
                    told = told if delivery.silence else f"status {delivery.status}"
                    return delivery
            told = ""
            return _delivery(arrival)
        except NodeUnreachable as error:
            delivery = _from_gateway(error)
            told = f"status {delivery.status}"
            return delivery
        finally:
            for member in arrival.members:
                said = verdict(member.answer) if member.answer is not None else "nothing"
                await self._journal.close(member.entry, told or said)

    async def _before(self, member: Member, ask: Ask) -> Delivery | None:
        early = None
        for strike in member.struck:
            match strike.fault:
                case Drop() as fault:
                    early = early or _silent(fault.how)
                case HttpStatus() as fault:
                    early = early or _refused(fault)
                case RpcError() as fault:
                    member.answer = failure(member.call.id, fault.code, fault.message, fault.data)
                case Latency(when="before") | Signal(when="pre") | UpstreamCall(when="before"):
                    await self._meanwhile(strike, ask)
                case _:
                    pass
        return early

    async def _at_node(self, member: Member, ask: Ask) -> None:
        faults = [strike.fault for strike in member.struck]
        errors = [fault for fault in faults if isinstance(fault, RpcError)]
        if errors and not any(error.reaches_node for error in errors):
            return
        for fault in faults:
            if isinstance(fault, Stale):
                ask = StaleNode(ask, fault.lag).ask
        repeats = [fault for fault in faults if isinstance(fault, Duplicate)]
        answers = []
        for _ in range(max((fault.n for fault in repeats), default=1)):
            answers.append(await ask(member.call))
            self._journal.heard(member.entry, answers[-1])
        if member.answer is None:
            first = any(fault.answer == "first" for fault in repeats)
            member.answer = answers[0 if first else -1]

    async def _after(self, member: Member, ask: Ask) -> Delivery | None:
        late = None
        for strike in member.struck:
            match strike.fault:
                case LoseResponse() as fault:
                    late = late or _silent(fault.how)
                case Latency(when="after") | Signal(when="post") | UpstreamCall(when="after"):
                    await self._meanwhile(strike, ask)
                case _:
                    pass
        if member.answer is not None:
            member.answer = damage.answer(member.struck, member.answer, member.previous_id)
        return late

    async def _meanwhile(self, strike: Strike, ask: Ask) -> None:
        match strike.fault:
            case Latency() as fault:
                await self._sleep(fault.seconds + strike.draw.uniform(0, fault.jitter_s))
            case Signal() as fault:
                with contextlib.suppress(ProcessLookupError):  # it has gone by itself
                    self._kill(fault.pid, signal.Signals[fault.signal])
            case UpstreamCall() as fault:
                await ask(Call(fault.call, fault.arguments, 1))
            case _:
                pass


def _from_gateway(error: NodeUnreachable) -> Delivery:
    """Hand on what a gateway said; where nothing listens, say what a gateway would."""
    if isinstance(error, NodeRefused):
        return Delivery(status=error.status, headers=error.headers, body=error.body)
    return Delivery(status=BAD_GATEWAY, body=redact(str(error)).encode(), kind="text/plain")


def _silent(how: Silence) -> Delivery:
    if how in {"reset", "hang"}:
        return Delivery(silence="reset" if how == "reset" else "hang")
    return Delivery(status=int(how), body=b"<html>bad gateway</html>", kind="text/html")


def _refused(fault: HttpStatus) -> Delivery:
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return Delivery(status=fault.code, headers=headers, body=fault.body.encode(), kind="text/plain")


def _delivery(arrival: Arrival) -> Delivery:
    """Return the answers as bytes; a fault that struck several calls of a batch acts once."""
    struck = {id(s.fault): s for member in arrival.members for s in member.struck}
    once = tuple(struck.values())
    answers = [member.answer for member in arrival.members if member.answer is not None]
    told = damage.batch(once, answers) if arrival.is_batch else answers[0]
    body, kind = damage.body(once, told)
    drip = next((s.fault for s in once if isinstance(s.fault, Drip)), None)
    return Delivery(body=body, kind=kind, drip=drip)
