"""What vaults and oracles have in common: they are read, and they say what to watch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from math import isclose, isfinite
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from keeper.engine.reader import read_all
from keeper.model.chain import Answer, BlockRef, Call, Log, Watch
from keeper.model.errors import BadData, CallReverted
from keeper.ports.reading import Chain, Read
from keeper.testing.absurd import Absurd, answers
from keeper.testing.conformance.fixtures import to_be_provided
from keeper.testing.replay import BLOCK, Recording, Replay, Reverting

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

inherited = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    deadline=None,
    max_examples=150,
)


class Readable(Protocol[T_co]):
    """A vault or an oracle."""

    def read(self) -> Read[T_co]:
        """Read it."""
        ...

    def watch(self) -> tuple[Watch, ...]:
        """Return what to watch."""
        ...


def read(chain: Chain, adapter: Readable[T]) -> T | BadData:
    """Read one adapter alone."""
    return read_all(chain, BLOCK, {"it": adapter.read()})["it"]


def numbers(value: object) -> Iterator[float]:
    """Yield every float inside a value of the model."""
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            yield from numbers(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


def alike(a: object, b: object) -> bool:
    """Whether two values of the model are equal, their floats within 1e-12 of each other."""
    if isinstance(a, Struct):
        fields = a.__struct_fields__
        return type(a) is type(b) and all(alike(getattr(a, f), getattr(b, f)) for f in fields)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return isclose(a, b, rel_tol=1e-12)
    return a == b


class ReadingConformance(Generic[T]):
    """Subclass one of its two subclasses; every test below then runs."""

    max_first_rounds: ClassVar[int] = 6
    """Rounds the first read may take; every later one takes one."""

    @pytest.fixture
    def make(self) -> Callable[[], Readable[T]]:
        """Return a function that builds the adapter under test, new each time."""
        to_be_provided("make")

    @pytest.fixture
    def recording(self) -> Recording:
        """Return the answers of one block."""
        to_be_provided("recording")

    @pytest.fixture
    def expected(self) -> T:
        """Return the value at that block, worked out without the adapter."""
        to_be_provided("expected")

    def test_reads_the_recorded_value(
        self, make: Callable[[], Readable[T]], recording: Recording, expected: T
    ) -> None:
        assert alike(read(Replay(recording), make()), expected)

    def test_the_first_read_takes_few_rounds(
        self, make: Callable[[], Readable[T]], recording: Recording
    ) -> None:
        chain = Replay(recording)
        read(chain, make())
        assert len(chain.rounds) <= self.max_first_rounds

    def test_a_steady_read_takes_one_round_and_says_the_same(
        self, make: Callable[[], Readable[T]], recording: Recording
    ) -> None:
        adapter = make()
        first = read(Replay(recording), adapter)
        chain = Replay(recording)
        assert read(chain, adapter) == first
        assert len(chain.rounds) == 1

    def test_two_reads_at_once_do_not_disturb_each_other(
        self, make: Callable[[], Readable[T]], recording: Recording, expected: T
    ) -> None:
        adapter = make()
        reads = {"a": adapter.read(), "b": adapter.read()}
        values = read_all(Replay(recording), BLOCK, reads)
        assert alike(values, {"a": expected, "b": expected})

    def test_every_number_is_finite(
        self, make: Callable[[], Readable[T]], recording: Recording
    ) -> None:
        assert all(map(isfinite, numbers(read(Replay(recording), make()))))

    def test_a_revert_is_bad_data(
        self, make: Callable[[], Readable[T]], recording: Recording
    ) -> None:
        adapter = make()
        assert isinstance(read(Reverting(), adapter), BadData)
        read(Replay(recording), adapter)
        assert isinstance(read(Reverting(), adapter), BadData)

    def test_a_read_that_failed_spoils_no_later_one(
        self, make: Callable[[], Readable[T]], recording: Recording, expected: T
    ) -> None:
        for broken in recording:
            adapter = make()
            gone = {**recording, broken: CallReverted("reverted", to=broken.to)}
            read(_holey(gone), adapter)
            assert alike(read(Replay(recording), adapter), expected)
            read(_holey(gone), adapter)
            assert alike(read(Replay(recording), adapter), expected)

    def test_a_read_that_was_abandoned_spoils_no_later_one(
        self, make: Callable[[], Readable[T]], recording: Recording, expected: T
    ) -> None:
        for rounds in range(self.max_first_rounds):
            adapter = make()
            with suppress(_Silence):
                read(_Silent(recording, after=rounds), adapter)
            assert alike(read(Replay(recording), adapter), expected)

    @inherited
    @given(data=st.data())
    def test_absurd_answers_are_bad_data_or_a_finite_value(
        self, make: Callable[[], Readable[T]], recording: Recording, data: st.DataObject
    ) -> None:
        adapter = make()

        def invent(call: Call) -> Answer | None:
            # Most answers stay true, so that the read gets far.
            absurd = data.draw(st.integers(0, 7)) == 0
            return data.draw(answers(call.returns)) if absurd else None

        for _ in range(3):
            value = read(Absurd(recording, invent), adapter)
            if not isinstance(value, BadData):
                assert all(map(isfinite, numbers(value)))
                self.check_sane(value)

    def check_sane(self, value: T) -> None:
        """Assert what must hold of every value this port returns."""

    def test_watches_name_an_event_and_survive_a_malformed_log(
        self, make: Callable[[], Readable[T]], recording: Recording
    ) -> None:
        adapter = make()
        adapter.watch()
        read(Replay(recording), adapter)
        watches = adapter.watch()
        assert watches
        for watch in watches:
            assert len(watch.topic) == 32
            assert watch.name
            watch.loud(Log(address=watch.address, topics=(watch.topic,), data=b"", index=0))

    def test_an_unknown_key_is_refused(self, make: Callable[[], Readable[T]]) -> None:
        config: type[Any] = type(make()).Config  # type: ignore[attr-defined]
        with pytest.raises(msgspec.ValidationError, match="no_such_key"):
            msgspec.convert({"no_such_key": 1}, config)


def _holey(recording: Recording) -> Chain:
    """Return a chain where a call nobody recorded reverts."""
    return Absurd(recording, lambda _call: None)


class _Silence(Exception):
    """The node fell silent."""


class _Silent(Replay):
    """Answers so many rounds and then no more."""

    def __init__(self, recording: Recording, *, after: int) -> None:
        super().__init__(recording)
        self._after = after

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        if len(self.rounds) >= self._after:
            raise _Silence
        return super().answer(calls, at)
