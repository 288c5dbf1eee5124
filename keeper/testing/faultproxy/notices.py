"""What becomes of a notification: told, told twice, told later, told wrong, or not at all."""

from collections import deque
from typing import Any, Final

import msgspec

from keeper.testing.faultproxy import damage
from keeper.testing.faultproxy.chooser import Chooser
from keeper.testing.faultproxy.rules import (
    Drop,
    Duplicate,
    Fault,
    Latency,
    Mutate,
    Removed,
    Reorder,
    Stale,
)

Notice = dict[str, Any]
"""An `eth_subscription` object as the node sent it."""

_REMEMBERED: Final = 1024
"""Notifications of each subscription: a greater lag shows none."""


class Notices:
    """The notifications of one connection, in the order in which the node sends them."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._held: list[Notice] = []
        self._past: dict[str, deque[Notice]] = {}
        """By subscription, what the node has sent so far."""

    def arrive(self, kind: str, notice: Notice) -> tuple[float, list[Notice]]:
        """Return how long to wait in seconds, and what to tell then.

        *kind* is what was subscribed to: newHeads, logs, newPendingTransactions.
        """
        self._remember(notice)
        struck = self._chooser.strike(f"@{kind}", [notice["params"].get("result")])
        faults = [strike.fault for strike in struck]
        wait_s = sum(
            strike.fault.seconds + strike.draw.uniform(0, strike.fault.jitter_s)
            for strike in struck
            if isinstance(strike.fault, Latency)
        )
        shown = self._shown(faults, notice)
        if self._holds_back(faults):
            self._held += shown
            return wait_s, []
        late, self._held = self._held, []
        return wait_s, shown + late

    def _holds_back(self, faults: list[Fault]) -> bool:
        reorders = [fault for fault in faults if isinstance(fault, Reorder)]
        if any(fault.times is None and fault.probability == 1 for fault in reorders):
            return not self._held  # each second one: or else nothing would ever be told
        return bool(reorders)

    def _shown(self, faults: list[Fault], notice: Notice) -> list[Notice]:
        # First what the node says, then what becomes of it on the way.
        shown = self._as_of(sum(fault.lag for fault in faults if isinstance(fault, Stale)), notice)
        for fault in faults:
            match fault:
                case Drop():
                    return []
                case Mutate():
                    shown = [_mutated(fault, one) for one in shown]
                case Duplicate():
                    shown = shown * fault.n
                case Removed():
                    shown = [told for one in shown for told in (one, _removed(one))]
                case _:
                    pass
        return shown

    def _remember(self, notice: Notice) -> None:
        name = notice["params"]["subscription"]
        self._past.setdefault(name, deque(maxlen=_REMEMBERED)).append(notice)

    def _as_of(self, lag: int, notice: Notice) -> list[Notice]:
        """Return what was new to the subscription *lag* notifications ago."""
        past = self._past[notice["params"]["subscription"]]
        return [past[-1 - lag]] if len(past) > lag else []


def _mutated(fault: Mutate, notice: Notice) -> Notice:
    params = damage.mutated(fault, notice["params"])
    return {**notice, "params": params}


def _removed(notice: Notice) -> Notice:
    gone = msgspec.json.decode(msgspec.json.encode(notice))
    if isinstance(gone["params"].get("result"), dict):
        gone["params"]["result"]["removed"] = True
    return dict(gone)
