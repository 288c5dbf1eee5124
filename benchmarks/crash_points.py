"""Where a keeper can die and what its network can do meanwhile: the axes of the crash matrix.

A point is a place in the keeper's code at which the kill comes, as in reliability's crash-point
table: before, within or after a journal commit, and before, during or after a call to the node.
Some places are only reached if something happens first: their provocation.
"""

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Final, Literal

from msgspec import Struct

from keeper.testing.faultproxy import (
    Drop,
    Duplicate,
    Fault,
    HttpStatus,
    LoseResponse,
    Malformed,
    NullResult,
    RpcError,
    Stale,
    WrongId,
)

SEND: Final = "eth_sendRawTransaction"
RECEIPT: Final = "eth_getTransactionReceipt"
POOR: Final = "insufficient funds for gas * price + value"
"""Definite words, which the keeper takes as a refusal."""

Provocation = Literal[
    "", "stuck", "refused", "cancelled", "dropped", "withheld", "refusing", "late", "stolen",
    "changed", "busy", "order", "mute", "asked",
]  # fmt: skip
"""What makes a keeper go where it would not by itself."""

_COMMITS: Final[dict[str, Provocation]] = {
    "adopted": "",
    "codeseen": "",
    "held": "",
    "signed-hedge": "",
    "signed-bump": "stuck",
    "signed-renew": "refused",
    "signed-cancel": "cancelled",
    "sent-hedge": "",
    "sent-bump": "stuck",
    "sent-renew": "refused",
    "sent-cancel": "cancelled",
    "sent-resend": "dropped",
    "unseen": "withheld",
    "placed": "order",
    "progressed": "order",
    "settled-done": "",
    "settled-cancelled": "cancelled",
    "settled-refused": "refusing",
    "settled-reverted": "late",
    "settled-abandoned": "mute",
    "settled-displaced": "stolen",
    "halted": "changed",
    "served": "asked",
    "troubled": "busy",
}
"""Every kind of commit of the engine, and what leads there; `served` is a person's request."""

_SENDS: Final[dict[str, Provocation]] = {
    "hedge": "",
    "bump": "stuck",
    "renew": "refused",
    "cancel": "cancelled",
    "resend": "dropped",
}
_TORN: Final = ("signed-hedge", "signed-bump", "signed-cancel", "settled-done")
"""Commits that are also cut in the middle: written, and not yet committed."""


class Point(Struct, frozen=True):
    """One place to die at."""

    name: str
    provocation: Provocation = ""


def _points() -> Iterator[Point]:
    yield Point("start")
    for commit, why in _COMMITS.items():
        yield Point(f"{commit}:before", why)
        if commit in _TORN:
            yield Point(f"{commit}:within", why)
        yield Point(f"{commit}:after", why)
    for kind, why in _SENDS.items():
        for moment in ("before", "unread", "unheard", "after"):
            yield Point(f"send-{kind}:{moment}", why)
    for call in ("rehearse", "sign", "receipt"):
        yield Point(f"{call}:after")


POINTS: Final = tuple(_points())

SCENARIOS: Final[dict[str, tuple[Fault, ...]]] = {
    "clean": (),
    "lost": (
        LoseResponse(method=SEND, how="reset", probability=0.4),
        LoseResponse(method=SEND, how="502", probability=0.5),
    ),
    "drops": (Drop(method=SEND, probability=0.6), Drop(method="eth_*", probability=0.05)),
    "duplicates": (Duplicate(method=SEND), Duplicate(method="eth_*", probability=0.2)),
    "garbage": (
        HttpStatus(method="eth_*", code=503, probability=0.08),
        Malformed(method="eth_*", how="html", probability=0.04),
        Malformed(method="eth_*", how="truncated", probability=0.04),
        WrongId(method="eth_*", how="offset", probability=0.04),
        WrongId(method="eth_*", how="stale", probability=0.04),
    ),
    "nulls": (NullResult(method=RECEIPT, probability=0.7),),
    "stale": (Stale(method="eth_*", lag=2, probability=0.5),),
    "reorgs": (),
    "fees": (),
    "evictions": (),
    "refusals": (
        RpcError(method=SEND, message=POOR, probability=0.4),
        RpcError(method=SEND, message=POOR, probability=0.2, reaches_node=True),
    ),
    "mixed": (
        LoseResponse(method=SEND, probability=0.2),
        Drop(method=SEND, probability=0.15),
        Duplicate(method=SEND, probability=0.3),
        HttpStatus(method="eth_*", code=502, probability=0.03),
        Malformed(method="eth_*", how="truncated", probability=0.02),
        WrongId(method="eth_*", how="stale", probability=0.02),
        NullResult(method=RECEIPT, probability=0.3),
        Stale(method="eth_*", lag=2, probability=0.15),
        RpcError(method=SEND, message=POOR, probability=0.15),
    ),
}
"""What the proxy does all the time. Reorgs, fees and evictions are the driver's, see `WEATHER`."""


class Weather(Struct, frozen=True):
    """What happens to the chain itself, as a chance for each block."""

    reorg: float = 0.0
    spike: float = 0.0
    evict: float = 0.0


WEATHER: Final[dict[str, Weather]] = {
    "reorgs": Weather(reorg=0.3),
    "fees": Weather(spike=0.3),
    "evictions": Weather(evict=0.4),
    "mixed": Weather(reorg=0.1, spike=0.1, evict=0.1),
}
WITHHELD: Final = 8
PROVOKED: Final[dict[Provocation, tuple[Fault, ...]]] = {
    "refused": (RpcError(method=SEND, message=POOR, times=1),),
    "cancelled": (RpcError(method=SEND, message=POOR, times=2),),
    "dropped": (Drop(method=SEND, times=1),),
    "withheld": (NullResult(method=RECEIPT, times=WITHHELD),),
    "stolen": (Drop(method=SEND, times=1),),
    "busy": (HttpStatus(method="eth_getBlockByNumber", code=503, times=1),),
}


class Kill(Struct, frozen=True):
    """A point, and which time of reaching it is meant."""

    point: str
    nth: int = 1


class Cell(Struct, frozen=True):
    """One run: keepers on one journal that die at *kills*, one after the other."""

    number: int
    scenario: str
    point: str
    provocation: Provocation
    seed: int
    wants: int
    """Hedges that will be wanted."""
    at: int
    """The want with which the provocation comes."""
    kills: tuple[Kill, ...]


def cells(seeds: int, seed: int, points: tuple[Point, ...] = POINTS) -> tuple[Cell, ...]:
    """Return every point in every scenario, *seeds* times, in an order that chance made."""
    found: list[Cell] = []
    for round_, scenario, point in product(range(seeds), SCENARIOS, points):
        number = len(found)
        chance = Random(f"{seed}/{round_}/{scenario}/{point.name}")  # noqa: S311  # not secret
        wants = chance.choice((2, 2, 3))
        # A code is changed only once it is known.
        at = chance.randrange(point.provocation == "changed", wants)
        found.append(
            Cell(
                number=number,
                scenario=scenario,
                point=point.name,
                provocation=point.provocation,
                seed=chance.getrandbits(32),
                wants=wants,
                at=at,
                kills=_kills(point, at, chance),
            )
        )
    Random(seed).shuffle(found)  # noqa: S311  # same
    return tuple(found)


def _kills(point: Point, at: int, chance: Random) -> tuple[Kill, ...]:
    once = point.provocation or point.name.partition(":")[0] in {"start", "adopted", "codeseen"}
    named = Kill(point.name, 1 if once else at + 1)
    # Every third dies again, wherever it has come to by then.
    again = chance.choice(POINTS).name if chance.random() < 1 / 3 else None
    return (named, *(() if again is None else (Kill(again),)))
