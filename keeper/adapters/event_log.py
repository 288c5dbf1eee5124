"""The log that every store keeps: events as JSON, each hashed with the one before it."""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from keeper.model.chain import Address
from keeper.model.errors import BadData, Fatal
from keeper.model.events import (
    CodeSeen,
    Event,
    Intended,
    Placed,
    Progressed,
    Sent,
    Settled,
    Signed,
    Unseen,
)
from keeper.model.flow import Send
from keeper.model.records import Record
from keeper.ports.acting import Open

ENCODER: Final = msgspec.json.Encoder()
DECODER: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)


class Tip(Struct, frozen=True):
    """The end of the log: what the next event is hashed with."""

    seq: int
    hash: bytes

    def follow(self, data: bytes) -> "Tip":
        """Return the end of the log after an event whose JSON is *data*."""
        return Tip(self.seq + 1, sha256(self.hash + data).digest())


def genesis(chain_id: int | str, created_ms: int | str) -> Tip:
    """Return what the first event is hashed with: the chain and the journal's birth."""
    return Tip(0, sha256(f"keeper journal {chain_id} {created_ms}".encode()).digest())


def decode(data: str, where: object) -> Event:
    """Return the event of *data*.

    Raises:
        BadData: It is not of this version's shape.

    """
    try:
        return DECODER.decode(data)
    except msgspec.MsgspecError as error:
        raise BadData("an event of the journal cannot be read", at=where, reason=error) from error


def record(intent_id: str, begun: str, attempts: list[str], settled: str | None) -> Record:
    """Return an intent's life from the JSON of its events.

    Raises:
        Fatal: The events are of other kinds than their places say.

    """
    intended = decode(begun, intent_id)
    end = None if settled is None else decode(settled, intent_id)
    signed = [decode(data, intent_id) for data in attempts]
    if not isinstance(intended, Intended) or not isinstance(end, Settled | None):
        raise broken("the tables point at events of another kind", intent=intent_id)
    return Record(
        intent=intended.intent,
        at_ms=intended.at_ms,
        attempts=tuple(event.attempt for event in signed if isinstance(event, Signed)),
        outcome=None if end is None else end.outcome,
        settled_at_ms=None if end is None else end.at_ms,
    )


def open_of(found: Record, events: list[Event]) -> Open:
    """Return an unsettled intent from its record and what else the log says of it, in order."""
    sent = [event for event in events if isinstance(event, Sent)]
    return Open(
        intent=found.intent,
        attempts=found.attempts,
        sends=tuple(Send(e.hash, e.at_ms, e.heard, e.block_number) for e in sent),
        unseen_at=tuple(event.block_number for event in events if isinstance(event, Unseen)),
        placed=next((event for event in events if isinstance(event, Placed)), None),
        progressed=next((e for e in reversed(events) if isinstance(e, Progressed)), None),
    )


def newest_code_hash(newest_first: Iterable[Event], address: Address) -> str | None:
    """Return the code hash that was seen last at *address*; None if none was."""
    seen = (event for event in newest_first if isinstance(event, CodeSeen))
    return next((event.code_hash for event in seen if event.address == address), None)


def broken(message: str, **facts: object) -> Fatal:
    """Return the error that somebody or something rewrote the journal."""
    return Fatal(
        message,
        **facts,
        remedy="the journal was edited or its disk is failing: keep a copy, restore a backup",
    )
