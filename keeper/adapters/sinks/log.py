"""Events as log lines: for people on a terminal, as JSON everywhere else.

One event is one line on stderr. Raw transactions are left out: they are long, and the journal has
them. Addresses of nodes are cut to their host, because providers put the API key into the path.
"""

from contextlib import suppress
from typing import Any, TextIO, assert_never

import structlog

from keeper.core.redact import redact
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
from keeper.model.flow import Decision, Reasoning

Fields = dict[str, Any]


class Log:
    """A sink that writes one structured line for each event."""

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        renderer = (
            structlog.processors.JSONRenderer()
            if as_json
            else structlog.dev.ConsoleRenderer(colors=stream.isatty())
        )
        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                _redact_fields,
                renderer,
            ],
        )

    def tell(self, event: Event) -> None:
        level, name, fields = line(event)
        self.note(level, name, **fields)

    def note(self, level: str, name: str, **fields: Any) -> None:
        """Write one line that is not an event; a reader who went away is no reason to stop."""
        with suppress(OSError, ValueError):
            getattr(self._logger, level)(name, **fields)


def line(event: Event) -> tuple[str, str, Fields]:
    """Return level, name and fields of the log line of *event*."""
    match event:
        case Decided(decision=decision):
            return _decided(event.book, decision, event.triggers)
        case Settled(outcome=outcome):
            return _settled(event) if outcome.status == "done" else _unsettling(event)
        case Adopted() | CodeSeen() | Halted() | Resumed() | Troubled():
            return _notice(event)
        case Intended() | Signed() | Sent() | Unseen():
            return _transaction(event)
        case Placed() | Progressed():
            return _order(event)
        case never:
            assert_never(never)


def _decided(book: str, decision: Decision, triggers: tuple[str, ...]) -> tuple[str, str, Fields]:
    fields: Fields = {"book": book, "decision": type(decision).__name__.lower()}
    if (reason := getattr(decision, "reason", None)) is not None:
        fields["reason"] = reason
    if (units := getattr(decision, "units", None)) is not None:
        fields["units"] = units
    if decision.why is not None:
        fields |= _numbers(decision.why)
    return "info", "decided", fields | {"triggers": ",".join(triggers)}


def _numbers(why: Reasoning) -> Fields:
    return {
        "block": why.block.number,
        "price": why.exposure.price,
        "delta": why.exposure.delta,
        "hedge": why.hedge,
        "net": why.net,
        "outer": why.band.outer,
    }


def _notice(event: Adopted | CodeSeen | Halted | Resumed | Troubled) -> tuple[str, str, Fields]:
    match event:
        case Adopted(account=account, nonce=nonce):
            return "warning", "adopted", {"account": account, "nonce": nonce}
        case CodeSeen(address=address, code_hash=code_hash):
            return "warning", "codeseen", {"address": address, "code_hash": code_hash}
        case Halted(reason=reason):
            return "critical", "halted", {"reason": reason}
        case Resumed(reason=reason):
            return "warning", "resumed", {"reason": reason}
        case Troubled(kind=kind, message=message):
            return "error", "troubled", {"kind": kind, "message": message}
        case never:
            assert_never(never)


def _transaction(event: Intended | Signed | Sent | Unseen) -> tuple[str, str, Fields]:
    match event:
        case Intended(intent=intent):
            return "info", "intended", {
                "intent": intent.id,
                "book": intent.book,
                "units": intent.units,
                "worst_price": intent.worst_price,
            }  # fmt: skip
        case Signed(attempt=attempt):
            return "info", "signed", {
                "intent": attempt.intent_id,
                "tx": attempt.hash,
                "purpose": attempt.purpose,
                "nonce": attempt.nonce,
                "max_fee_wei": attempt.fees.max_fee_wei,
                "tip_wei": attempt.fees.tip_wei,
            }  # fmt: skip
        case Sent():
            return "info", "sent", {
                "intent": event.intent_id,
                "tx": event.hash,
                "heard": event.heard,
                "answer": event.answer,
            }  # fmt: skip
        case Unseen():
            return "warning", "unseen", {
                "intent": event.intent_id, "nonce": event.nonce, "block": event.block_number,
            }  # fmt: skip
        case never:
            assert_never(never)


def _order(event: Placed | Progressed) -> tuple[str, str, Fields]:
    if isinstance(event, Placed):
        return "info", "placed", {"intent": event.intent_id, "order": event.order}
    fields: Fields = {"intent": event.intent_id, "state": event.progress.state}
    if (fill := event.progress.fill) is not None:
        fields |= {"units": fill.units, "price": fill.price}
    return "info", "progressed", fields


def _settled(event: Settled) -> tuple[str, str, Fields]:
    outcome = event.outcome
    fields: Fields = {
        "intent": outcome.intent_id,
        "status": outcome.status,
        "gas_usd": outcome.gas_usd,
    }
    if outcome.fill is not None:
        fields |= {
            "units": outcome.fill.units,
            "price": outcome.fill.price,
            "fee_usd": outcome.fill.fee_usd,
        }
    return "info", "settled", fields


def _unsettling(event: Settled) -> tuple[str, str, Fields]:
    _, name, fields = _settled(event)
    return "warning", name, fields | {"reason": event.outcome.reason}


def _redact_fields(_logger: object, _method: str, fields: Any) -> Any:
    return {
        key: redact(value) if isinstance(value, str) else value for key, value in fields.items()
    }
