"""Runs reads in lockstep: one multicall per round for all of them, every round at one block.

A read that meets bad data ends with it and the others go on: one broken vault must not hide the
rest of the book. Whatever else goes wrong (the node is silent, the block is gone, a mistake in
the program) concerns all of them and is raised.
"""

from collections.abc import Mapping
from typing import TypeVar

from keeper.model.chain import Answer, BlockRef, Call
from keeper.model.errors import BadData, CallReverted
from keeper.ports.reading import Chain, Read

T = TypeVar("T")


def read_all(chain: Chain, at: BlockRef, reads: Mapping[str, Read[T]]) -> dict[str, T | BadData]:
    """Run every read to its end; return its value, or the bad data it met, by name.

    Reads of different kinds may travel together: T is then the union of their values.

    Raises:
        BadData: The block itself cannot be read any more.
        Transient: The node did not answer.

    """
    done: dict[str, T | BadData] = {}
    asking: dict[str, tuple[Call, ...]] = {}

    def step(name: str, answers: tuple[Answer | CallReverted, ...] | None) -> None:
        try:
            asking[name] = _resume(reads[name], answers)
        except StopIteration as finished:
            done[name] = finished.value
        except BadData as met:
            done[name] = met

    for name in reads:
        step(name, None)
    while asking:
        this_round, asking = asking, {}
        answers = _ask(chain, at, tuple(call for calls in this_round.values() for call in calls))
        start = 0
        for name, calls in this_round.items():
            step(name, answers[start : start + len(calls)])
            start += len(calls)
    return {name: done[name] for name in reads}


def _ask(chain: Chain, at: BlockRef, calls: tuple[Call, ...]) -> tuple[Answer | CallReverted, ...]:
    answers = chain.answer(calls, at) if calls else ()
    if len(answers) != len(calls):
        raise BadData("not one answer per call", calls=len(calls), answers=len(answers))
    return answers


def _resume(read: Read[T], answers: tuple[Answer | CallReverted, ...] | None) -> tuple[Call, ...]:
    if answers is None:
        return next(read)
    good: list[Answer] = []
    for answer in answers:
        if isinstance(answer, CallReverted):
            return read.throw(answer)
        good.append(answer)
    return read.send(tuple(good))
