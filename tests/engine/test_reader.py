"""Lockstep is the point: however many reads there are, a round is one question to the chain."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.engine.reader import read_all
from keeper.model.chain import Address, Answer, BlockRef, Call
from keeper.model.errors import BadData, CallReverted, Transient
from keeper.model.market import Quote
from keeper.model.position import VaultState
from keeper.ports.acting import Work, nothing
from keeper.ports.reading import Read

BLOCK = BlockRef(number=7, hash="0x07", parent_hash="0x06", timestamp_s=1, base_fee_wei=1)


def call(n: int) -> Call:
    return Call(to=Address("0x" + "11" * 20), data=bytes([n]), returns=("uint256",))


class Echo:
    """Answers each call with its own byte; keeps what it was asked."""

    def __init__(self, reverting: frozenset[int] = frozenset()) -> None:
        self.reverting = reverting
        self.rounds: list[tuple[Call, ...]] = []

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        del meanwhile
        return BLOCK

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        assert at == BLOCK
        self.rounds.append(calls)
        return tuple(
            CallReverted("no", n=c.data[0]) if c.data[0] in self.reverting else (c.data[0],)
            for c in calls
        )


def summing(*rounds: tuple[int, ...]) -> Read[int]:
    total = 0
    for numbers in rounds:
        answers = yield tuple(call(n) for n in numbers)
        total += sum(answer[0] for answer in answers)
    return total


def test_reads_of_unequal_length_share_their_rounds() -> None:
    chain = Echo()
    got = read_all(
        chain, BLOCK, {"a": summing((1,), (2, 3), (4,)), "b": summing((5, 6)), "c": summing()}
    )
    assert got == {"a": 10, "b": 11, "c": 0}
    assert [[c.data[0] for c in r] for r in chain.rounds] == [[1, 5, 6], [2, 3], [4]]


def test_results_come_in_the_order_of_the_reads() -> None:
    got = read_all(Echo(), BLOCK, {"slow": summing((1,), (2,)), "quick": summing()})
    assert list(got) == ["slow", "quick"]


def test_no_reads_ask_nothing() -> None:
    chain = Echo()
    nothing: dict[str, Read[int]] = {}
    assert read_all(chain, BLOCK, nothing) == {}
    assert chain.rounds == []


def test_a_round_without_calls_does_not_reach_the_chain() -> None:
    chain = Echo()
    assert read_all(chain, BLOCK, {"a": summing((), (1,), ())}) == {"a": 1}
    assert len(chain.rounds) == 1


def test_a_revert_nobody_handles_ends_that_read_only() -> None:
    got = read_all(
        Echo(frozenset({2})), BLOCK, {"a": summing((1,), (2,)), "b": summing((3,), (4,))}
    )
    assert isinstance(got["a"], CallReverted)
    assert got["b"] == 7


def handling() -> Read[str]:
    try:
        yield (call(1), call(2))
    except CallReverted as reverted:
        ((last,),) = yield (call(9),)
        return f"{reverted.facts['n']} then {last}"
    return "no revert"


def test_a_read_may_handle_a_revert_and_go_on() -> None:
    assert read_all(Echo(frozenset({2})), BLOCK, {"a": handling()}) == {"a": "2 then 9"}


def raising(error: BaseException, *, after: int) -> Read[int]:
    for _ in range(after):
        yield (call(1),)
    raise error


@pytest.mark.parametrize("after", [0, 1, 2])
def test_bad_data_is_the_result_of_its_read(after: int) -> None:
    bad = BadData("no sense")
    got = read_all(Echo(), BLOCK, {"bad": raising(bad, after=after), "good": summing((1,), (1,))})
    assert got == {"bad": bad, "good": 2}


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("error", [ZeroDivisionError(), Transient("silent"), KeyboardInterrupt()])
def test_any_other_error_is_raised(error: BaseException, after: int) -> None:
    with pytest.raises(type(error)):
        read_all(Echo(), BLOCK, {"a": raising(error, after=after), "b": summing((1,))})


class Failing(Echo):
    def __init__(self, answer: Callable[[], Any]) -> None:
        super().__init__()
        self._answer = answer

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> Any:
        del calls, at
        return self._answer()


def test_a_lost_block_concerns_every_read() -> None:
    def gone() -> None:
        raise BadData("the block is gone")

    with pytest.raises(BadData, match="gone"):
        read_all(Failing(gone), BLOCK, {"a": summing((1,))})


@pytest.mark.parametrize("answers", [(), ((1,), (2,))])
def test_a_chain_that_answers_too_little_or_too_much_is_bad_data(answers: Any) -> None:
    with pytest.raises(BadData, match="one answer per call"):
        read_all(Failing(lambda: answers), BLOCK, {"a": summing((1,))})


def vault() -> Read[VaultState]:
    yield (call(1),)
    return VaultState(legs=())


def quote() -> Read[Quote]:
    yield (call(2),)
    return Quote(source="q", price=1.0, updated_at_s=1, max_age_s=1)


def test_reads_of_different_kinds_travel_together() -> None:
    chain = Echo()
    reads: dict[str, Read[VaultState | Quote]] = {"v": vault(), "q": quote()}
    got = read_all(chain, BLOCK, reads)
    assert isinstance(got["v"], VaultState)
    assert isinstance(got["q"], Quote)
    assert len(chain.rounds) == 1


shapes = st.lists(st.lists(st.lists(st.integers(0, 255), max_size=4).map(tuple), max_size=5))


@given(shapes)
def test_every_read_gets_its_own_answers(shape: list[list[tuple[int, ...]]]) -> None:
    chain = Echo()
    got = read_all(chain, BLOCK, {str(i): summing(*rounds) for i, rounds in enumerate(shape)})
    assert got == {str(i): sum(n for r in rounds for n in r) for i, rounds in enumerate(shape)}
    assert len(chain.rounds) <= max((len(rounds) for rounds in shape), default=0)
