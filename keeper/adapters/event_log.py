"""The log that every store keeps: events as JSON, each hashed with the one before it."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

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
from keeper.model.flow import Attempt, GasState, Intent, Send, VolState
from keeper.model.records import Record, Totals
from keeper.model.units import DAY_S
from keeper.ports.acting import History, Open

KEEP_HOLDS_S: Final = 7 * DAY_S
"""How long decisions that changed nothing are kept if nobody says otherwise."""

ENCODER: Final = msgspec.json.Encoder()
DECODER: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(Event)
_VOLATILITY: Final = msgspec.json.Decoder(VolState)
_GAS: Final = msgspec.json.Decoder(GasState)


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


def open_of(intent: Intent, attempts: tuple[Attempt, ...], events: Sequence[Event]) -> Open:
    """Return an unsettled intent with its *attempts* and what else the log says of it, in order."""
    sent = [event for event in events if isinstance(event, Sent)]
    return Open(
        intent=intent,
        attempts=attempts,
        sends=tuple(Send(e.hash, e.at_ms, e.heard, e.block_number) for e in sent),
        unseen_at=tuple(event.block_number for event in events if isinstance(event, Unseen)),
        placed=next((event for event in events if isinstance(event, Placed)), None),
        progressed=next((e for e in reversed(events) if isinstance(e, Progressed)), None),
    )


def history_of(row: Sequence[Any]) -> History:
    """Return what the past of a book means from one row: the fields of `History` in their order.

    The two states are JSON, or None.
    """
    traded_at_ms, gas_usd, gas_used, volatility, gas, reverts, ran_out_of_gas = row
    return History(
        last_trade_at_ms=traded_at_ms,
        gas_usd_24h=gas_usd,
        last_gas_used=gas_used,
        volatility=None if volatility is None else _VOLATILITY.decode(volatility),
        gas=None if gas is None else _GAS.decode(gas),
        reverts_1h=reverts,
        ran_out_of_gas=bool(ran_out_of_gas),
    )


def totals_of(by_status: Mapping[str, int], row: Sequence[Any]) -> Totals:
    """Return the sums over a journal's life: how many intents ended how, or are `open`, and a row.

    The row: transactions, attempts, gas in USD, fees in USD, realized PnL in USD, base traded.
    """
    transactions, attempts, gas_usd, fees_usd, realized_pnl_usd, traded_base = row
    return Totals(
        intents=sum(by_status.values()),
        open_intents=by_status.get("open", 0),
        by_status={status: count for status, count in by_status.items() if status != "open"},
        transactions=transactions,
        attempts=attempts,
        gas_usd=gas_usd,
        fees_usd=fees_usd,
        realized_pnl_usd=realized_pnl_usd,
        traded_base=traded_base,
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
