"""Whether enough nodes say the same: pure, and the only place that compares their answers.

The first voice is the one that the decision was made on. It is confirmed when, itself included, as
many agree as were asked for; it is refuted when as many agree with each other on something else.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from keeper.model.chain import Answer
from keeper.model.errors import CallReverted

Heard = Sequence[Answer | CallReverted]
Result = Literal["confirmed", "refuted", "unconfirmed"]


class Verdict(Struct, frozen=True):
    """What the others' answers make of the first one's."""

    result: Result
    agree: tuple[str, ...]
    """Who says the same, the first one included."""
    differ: tuple[str, ...]


def weigh(first: str, heard: Heard, others: Mapping[str, Heard], needed: int) -> Verdict:
    """Return whether *needed* voices agree with what was *heard* from *first*.

    A revert is an answer: it agrees with a revert of the same data.
    """
    own = _comparable(heard)
    said = {name: _comparable(answers) for name, answers in others.items()}
    agree = (first, *(name for name, answers in said.items() if answers == own))
    differ = tuple(name for name, answers in said.items() if answers != own)
    if len(agree) >= needed:
        return Verdict("confirmed", agree, differ)
    against = max((sum(said[a] == said[b] for b in differ) for a in differ), default=0)
    return Verdict("refuted" if against >= needed else "unconfirmed", agree, differ)


def majority(votes: Mapping[str, str]) -> str | None:
    """Return what more than half of all say; None if there is no such thing."""
    ((most, count),) = Counter(votes.values()).most_common(1) or [("", 0)]
    return most if 2 * count > len(votes) else None


def _comparable(heard: Heard) -> list[Answer]:
    """Return what may be compared: clients word one and the same revert differently."""
    return [("revert", one.data) if isinstance(one, CallReverted) else one for one in heard]
