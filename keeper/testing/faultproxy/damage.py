"""How an answer is damaged: from what the node said to what the client is told. Nothing waits."""

import copy
from random import Random
from typing import Any, Final

from keeper.testing.faultproxy.chooser import Strike
from keeper.testing.faultproxy.jsonrpc import Answer, encode, failure
from keeper.testing.faultproxy.rules import (
    BatchAsObject,
    BatchDropOne,
    BatchShuffle,
    Malformed,
    Mutate,
    NullResult,
    Oversize,
    TruncateLogs,
    WrongId,
    is_deletion,
)

ID_OFFSET: Final = 1000
JSON_TYPE: Final = "application/json"

_HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>"
_TEXT: Final = b"upstream connect error or disconnect/reset before headers"


def answer(struck: tuple[Strike, ...], told: Answer, previous_id: object) -> Answer:
    """Return the answer of one call after the faults that concern its content or its id."""
    for strike in struck:
        match strike.fault:
            case NullResult() if "result" in told:
                told = {**told, "result": None}
            case TruncateLogs() as fault if "result" in told:
                told = {**told, "result": truncated(fault, told["result"])}
            case Mutate() as fault if "result" in told:
                told = mutated(fault, told)
            case WrongId() as fault:
                told = relabelled(fault, told, previous_id)
            case _:
                pass
    return told


def truncated(fault: TruncateLogs, result: Any) -> Any:
    """Return a list, or a receipt's logs, with holes; anything else as it is."""
    if isinstance(result, dict) and isinstance(result.get("logs"), list):
        return {**result, "logs": truncated(fault, result["logs"])}
    if not isinstance(result, list):
        return result
    kept = [
        item
        for number, item in enumerate(result, 1)
        if fault.drop_every is None or number % fault.drop_every
    ]
    kept = kept[: max(0, len(kept) - fault.drop_last)]
    return kept if fault.keep is None else kept[: fault.keep]


def mutated(fault: Mutate, told: Answer) -> Answer:
    """Return a copy in which what stands at the path under `result` is another, or gone.

    A path that leads nowhere changes nothing, except that its last key is added to an object.
    """
    changed = copy.deepcopy(told)
    _put(changed, ["result", *(fault.path.split(".") if fault.path else ())], fault)
    return changed


def _put(inside: Any, steps: list[str], fault: Mutate) -> None:
    first, *rest = steps
    for key in _keys(inside, first, adding=not rest):
        if rest:
            _put(inside[key], rest, fault)
        elif is_deletion(fault):
            del inside[key]
        else:
            inside[key] = fault.value


def _keys(inside: Any, step: str, *, adding: bool) -> list[Any]:
    """Return the keys that a step means, the last ones first, so that deleting moves none."""
    if isinstance(inside, dict):
        return [step] if step in inside or (adding and step != "*") else []
    if not isinstance(inside, list):
        return []
    if step == "*":
        return list(reversed(range(len(inside))))
    return [int(step)] if step.isdecimal() and int(step) < len(inside) else []


def relabelled(fault: WrongId, told: Answer, previous_id: object) -> Answer:
    """Return the answer under an id that is not the question's."""
    asked = told.get("id")
    if fault.how == "missing":
        return {key: value for key, value in told.items() if key != "id"}
    offset = asked + ID_OFFSET if isinstance(asked, int) else f"{asked}-{ID_OFFSET}"
    wrong: object = None
    match fault.how:
        case "offset":
            wrong = offset
        case "string":
            wrong = str(asked) if not isinstance(asked, str) else f"{asked} "
        case "stale":
            wrong = offset if previous_id is None or previous_id == asked else previous_id
        case _:
            pass
    return {**told, "id": wrong}


def batch(struck: tuple[Strike, ...], told: list[Answer]) -> list[Answer] | Answer:
    """Return the answers of a batch after the faults that concern it as a whole."""
    for strike in struck:
        match strike.fault:
            case BatchShuffle():
                told = _shuffled(told, strike.draw)
            case BatchDropOne():
                gone = strike.draw.randrange(len(told)) if told else None
                told = [one for number, one in enumerate(told) if number != gone]
            case BatchAsObject() as fault:
                return failure(None, fault.code, fault.message)
            case _:
                pass
    return told


def _shuffled(told: list[Answer], draw: Random) -> list[Answer]:
    """Return another order than the right one, whenever there is one."""
    turn = draw.randrange(1, len(told)) if len(told) > 1 else 0
    return told[turn:] + told[:turn]


def body(struck: tuple[Strike, ...], told: list[Answer] | Answer) -> tuple[bytes, str]:
    """Return the bytes and their type, after the faults that concern them."""
    raw, kind = encode(told), JSON_TYPE
    for strike in struck:
        match strike.fault:
            case Malformed() as fault:
                raw, kind = _spoilt(fault, told, raw)
            case Oversize() as fault:
                raw = raw.ljust(fault.n_bytes)
            case _:
                pass
    return raw, kind


def _spoilt(fault: Malformed, told: list[Answer] | Answer, raw: bytes) -> tuple[bytes, str]:
    match fault.how:
        case "html":
            return _HTML, "text/html"
        case "text":
            return _TEXT, "text/plain"
        case "empty":
            return b"", JSON_TYPE
        case "truncated":
            return raw[: len(raw) // 2], JSON_TYPE
        case "array":
            return encode([told]), JSON_TYPE
