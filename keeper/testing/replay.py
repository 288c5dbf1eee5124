"""A chain that replays recorded answers and refuses to make any up.

recorder = Recorder(chain)                      # wrap a real chain
read_all(recorder, block, {"v": vault.read()})
save(recorder.answers, path)                    # a file to keep beside the test
read_all(Replay(load(path)), BLOCK, {"v": vault.read()})
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from keeper.adapters.chain.codec import decode
from keeper.adapters.words import encoder
from keeper.model.chain import Address, Answer, BlockRef, Call
from keeper.model.errors import CallReverted
from keeper.ports.acting import Work, nothing
from keeper.ports.reading import Chain

BLOCK: Final = BlockRef(
    number=19_000_000,
    hash="0x" + "ab" * 32,
    parent_hash="0x" + "aa" * 32,
    timestamp_s=1_705_000_000,
    base_fee_wei=20 * 10**9,
)

Recording: TypeAlias = Mapping[Call, Answer | CallReverted]


class Replay:
    """Answers from a recording; remembers every round it was asked."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.rounds: list[tuple[Call, ...]] = []

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        """Return the one block there is."""
        del meanwhile
        return BLOCK

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """Return what was recorded; an unrecorded call fails the test at once."""
        assert at == BLOCK, f"read at {at}, not at the pinned block"
        self.rounds.append(calls)
        for call in calls:
            assert call in self._recording, f"nobody recorded {call}"
        return tuple(self._recording[call] for call in calls)


class Reverting:
    """Answers every call with a revert."""

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        """Return the one block there is."""
        del meanwhile
        return BLOCK

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """Return one revert per call."""
        return tuple(CallReverted("reverted", to=call.to, block=at.number) for call in calls)


class Recorder:
    """Passes calls on to a chain and keeps what it said."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.answers: dict[Call, Answer | CallReverted] = {}
        self.rounds: list[tuple[Call, ...]] = []

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        """Return the chain's newest block."""
        return self._chain.head(meanwhile)

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """Return what the chain answers."""
        answers = self._chain.answer(calls, at)
        self.rounds.append(calls)
        self.answers.update(zip(calls, answers, strict=True))
        return answers


class _Line(Struct, frozen=True, omit_defaults=True):
    to: Address
    data: str
    returns: tuple[str, ...]
    answer: str = ""
    reverted: bool = False


def save(recording: Recording, path: Path) -> None:
    """Write a recording as JSON, one call a line, answers as the contract encoded them."""
    lines = [msgspec.json.encode(_line(call, answer)) for call, answer in recording.items()]
    path.write_bytes(b"[\n" + b",\n".join(lines) + b"\n]\n")


def load(path: Path) -> dict[Call, Answer | CallReverted]:
    """Return the recording that `save` wrote."""
    lines = msgspec.json.decode(path.read_bytes(), type=list[_Line])
    return {
        Call(to=line.to, data=bytes.fromhex(line.data), returns=line.returns): _answer(line)
        for line in lines
    }


def _line(call: Call, answer: Answer | CallReverted) -> _Line:
    if isinstance(answer, CallReverted):
        return _Line(call.to, call.data.hex(), call.returns, answer.data.hex(), reverted=True)
    return _Line(call.to, call.data.hex(), call.returns, encoder(call.returns)(answer).hex())


def _answer(line: _Line) -> Answer | CallReverted:
    raw = bytes.fromhex(line.answer)
    if line.reverted:
        return CallReverted("reverted", data=raw, to=line.to)
    return decode(line.returns, raw)
