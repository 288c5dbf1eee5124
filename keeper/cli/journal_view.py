"""What was tried, for people: one line an intent, or one intent's whole story. Pure."""

from typing import Any, assert_never

from keeper.cli.numbers import moment, plain, signed, usd
from keeper.model.events import (
    Adopted,
    CodeSeen,
    Decided,
    Event,
    Halted,
    Intended,
    Placed,
    Progressed,
    Resumed,
    Sent,
    Settled,
    Signed,
    Troubled,
    Unseen,
)
from keeper.model.flow import Attempt, Intent, Outcome
from keeper.model.records import Entry, Record
from keeper.model.units import GWEI

SHORT_ID = 12
STATUS_WIDTH = 9


def table(records: tuple[Record, ...]) -> str:
    """Return one line for each intent, oldest first."""
    if not records:
        return "no intents yet"
    return "\n".join(_line(record) for record in records)


def story(record: Record, entries: tuple[Entry, ...]) -> str:
    """Return everything that happened to one intent, in order."""
    intent = record.intent
    head = [
        f"intent      {intent.id}",
        f"book        {intent.book}",
        f"account     {intent.account}",
        f"trade       {_trade(intent)}, price limit {usd(intent.worst_price)}"
        + (", reduce only" if intent.reduce_only else ""),
        f"decided at  block {intent.block.number:,} ({intent.block.hash})",
        f"deadline    {moment(intent.deadline_s * 1_000)}",
        f"status      {_status(record.outcome)}",
        "",
    ]
    return "\n".join(head + [f"{entry.seq:>6}  {happening(entry.event)}" for entry in entries])


def document(record: Record, entries: tuple[Entry, ...]) -> dict[str, Any]:
    """Return one intent's story for programs; raw bytes as hex."""
    return {
        "intent": record.intent,
        "at_ms": record.at_ms,
        "attempts": [attempt_document(attempt) for attempt in record.attempts],
        "outcome": record.outcome,
        "settled_at_ms": record.settled_at_ms,
        "events": [{"seq": entry.seq} | event_document(entry.event) for entry in entries],
    }


def event_document(event: Event) -> dict[str, Any]:
    """Return an event for programs; raw bytes as hex."""
    held = attempt_document(event.attempt) if isinstance(event, Signed) else event
    return {"event": type(event).__name__, "holds": held}


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt for programs; raw bytes as hex."""
    return {
        "hash": attempt.hash,
        "raw": f"0x{attempt.raw.hex()}",
        "nonce": attempt.nonce,
        "max_fee_wei": attempt.fees.max_fee_wei,
        "tip_wei": attempt.fees.tip_wei,
        "signed_at_ms": attempt.signed_at_ms,
        "purpose": attempt.purpose,
        "gas_limit": attempt.gas_limit,
    }


def happening(event: Event) -> str:
    """Return one event in one line."""
    match event:
        case Intended(intent=intent, at_ms=at_ms):
            return f"{moment(at_ms)}  intended  {_trade(intent)} of {intent.book}"
        case Signed(attempt=attempt):
            return f"{moment(attempt.signed_at_ms)}  signed    {_attempt(attempt)}"
        case Sent(hash=tx_hash, answer=answer, at_ms=at_ms):
            return f"{moment(at_ms)}  sent      {tx_hash}: {answer}"
        case Settled(outcome=outcome, at_ms=at_ms):
            return f"{moment(at_ms)}  settled   {_status(outcome)}"
        case (
            Placed()
            | Progressed()
            | Unseen()
            | Decided()
            | Adopted()
            | CodeSeen()
            | Halted()
            | Resumed()
            | Troubled()
        ):
            return _aside(event)
        case never:
            assert_never(never)


Aside = Placed | Progressed | Unseen | Decided | Adopted | CodeSeen | Halted | Resumed | Troubled


def _aside(event: Aside) -> str:
    name = type(event).__name__.lower()
    return f"{moment(event.at_ms)}  {name:<9} {_words(event)}"


def _words(event: Aside) -> str:
    match event:
        case Decided(book=book, decision=decision):
            return f"{type(decision).__name__.lower()} on {book}"
        case Adopted(account=account, nonce=nonce):
            return f"next nonce {nonce} of {account}"
        case CodeSeen(address=address, code_hash=code_hash):
            return f"{code_hash} at {address}"
        case Placed() | Progressed() | Unseen():
            return _watched(event)
        case Halted(reason=reason) | Resumed(reason=reason):
            return reason
        case Troubled(kind=kind, message=message):
            return f"{kind}: {message}"
        case never:
            assert_never(never)


def _watched(event: Placed | Progressed | Unseen) -> str:
    match event:
        case Placed(order=order):
            return f"order {order} at the venue"
        case Progressed(progress=progress):
            return f"the venue says that the order is {progress.state}"
        case Unseen(nonce=nonce, block_number=number):
            return f"nonce {nonce} is used, and no receipt is ours at block {number}"
        case never:
            assert_never(never)


def _line(record: Record) -> str:
    intent, outcome = record.intent, record.outcome
    status = "open" if outcome is None else outcome.status
    words = f"{moment(record.at_ms)}  {intent.id[:SHORT_ID]}  {status:<{STATUS_WIDTH}}  "
    words += f"{_trade(intent)} of {intent.book}"
    detail = "" if outcome is None else _outcome(outcome)
    return f"{words}; {detail}" if detail else words


def _trade(intent: Intent) -> str:
    return f"{'buy' if intent.units > 0 else 'sell'} {plain(abs(intent.units))}"


def _attempt(attempt: Attempt) -> str:
    fee, tip = attempt.fees.max_fee_wei / GWEI, attempt.fees.tip_wei / GWEI
    words = f"nonce {attempt.nonce}, up to {plain(fee)} gwei, tip {plain(tip)} gwei"
    what = ", cancels" if attempt.purpose == "cancel" else ""
    return f"{attempt.hash}{what}, {words}"


def _status(outcome: Outcome | None) -> str:
    if outcome is None:
        return "open: the outcome is not known yet"
    detail = _outcome(outcome)
    return f"{outcome.status}; {detail}" if detail else outcome.status


def _outcome(outcome: Outcome) -> str:
    fill = outcome.fill
    if fill is None:
        words = outcome.reason
    else:
        words = f"filled {signed(fill.units)} at {usd(fill.price)}, fee {usd(fill.fee_usd)}"
    return f"{words}, gas {usd(outcome.gas_usd)}" if outcome.gas_used else words
