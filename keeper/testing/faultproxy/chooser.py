"""Which rules strike a call: the same seed and the same order of calls give the same faults."""

from fnmatch import fnmatchcase
from random import Random
from typing import Any, Final

import msgspec
from msgspec import Struct

from keeper.testing.faultproxy.rules import OF_BATCHES, Fault, checked, name_of
from keeper.testing.faultproxy.transaction import NotATransaction, decode

OF_TRANSACTION: Final = "tx."


class Strike(Struct, frozen=True):
    """A rule that strikes, with the chance it may use up."""

    fault: Fault
    draw: Random


class Tally(Struct, frozen=True):
    """How a rule has fared so far."""

    rule: Fault
    seen: int
    """Calls that it matched."""
    struck: int


class _Armed:
    """One rule with its counters. It draws from its own source: no other rule moves its chance."""

    def __init__(self, fault: Fault, seed: str) -> None:
        self.fault = fault
        self.seen = 0
        self.struck = 0
        self._chance = Random(seed)  # noqa: S311  # faults are to be repeatable, not secret
        self._draw = Random(f"{seed}/within")  # noqa: S311  # same

    def strikes(self, method: str, params: object, *, in_batch: bool) -> bool:
        """Count a call, and tell whether the rule strikes it."""
        if not _concerns(self.fault, method, params, in_batch=in_batch):
            return False
        self.seen += 1
        drawn = self._chance.random()
        if self.seen <= self.fault.after or drawn >= self.fault.probability:
            return False
        if self.fault.times is not None and self.struck >= self.fault.times:
            return False
        self.struck += 1
        return True

    def strike(self) -> Strike:
        return Strike(self.fault, self._draw)


class Chooser:
    """The rules in force, in their order."""

    def __init__(self, seed: int = 0, faults: tuple[Fault, ...] = ()) -> None:
        self._seed = seed
        self._armed: list[_Armed] = []
        self.add(faults)

    def add(self, faults: tuple[Fault, ...]) -> None:
        """Put rules behind those in force.

        Raises:
            ConfigError: One of them cannot strike where it is aimed; none is added.

        """
        for fault in checked(faults):
            seed = f"{self._seed}/{len(self._armed)}/{name_of(fault)}"
            self._armed.append(_Armed(fault, seed))

    def replace(self, faults: tuple[Fault, ...]) -> None:
        """Put rules in the place of those in force, their counters at zero."""
        checked(faults)
        self._armed.clear()
        self.add(faults)

    def strike(self, method: str, params: object, *, in_batch: bool = False) -> tuple[Strike, ...]:
        """Count a call and return the rules that strike it, in their order."""
        return tuple(
            armed.strike()
            for armed in tuple(self._armed)
            if armed.strikes(method, params, in_batch=in_batch)
        )

    def tallies(self) -> tuple[Tally, ...]:
        """Return every rule with its counters."""
        return tuple(Tally(armed.fault, armed.seen, armed.struck) for armed in self._armed)


def _concerns(fault: Fault, method: str, params: object, *, in_batch: bool) -> bool:
    if fault.method.startswith("@") != method.startswith("@"):
        return False
    if isinstance(fault, OF_BATCHES) and not in_batch:
        return False
    return fnmatchcase(method, fault.method) and all(
        _same(_said(params, path), expected) for path, expected in fault.params.items()
    )


def _said(params: object, path: str) -> object:
    """Return what the params say at a path, or under `tx.` the raw transaction in them."""
    if not path.startswith(OF_TRANSACTION):
        return at(params, path)
    try:
        transaction = decode(at(params, "0"))
    except NotATransaction:
        return None
    return at(msgspec.structs.asdict(transaction), path.removeprefix(OF_TRANSACTION))


def _same(found: object, expected: object) -> bool:
    """Compare values; an address may be written in any case."""
    if isinstance(found, str) and isinstance(expected, str):
        return found.lower() == expected.lower()
    return found == expected


def at(value: Any, path: str) -> Any:
    """Return what stands at *path*, keys and indexes with dots between; None if nothing does."""
    for step in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
