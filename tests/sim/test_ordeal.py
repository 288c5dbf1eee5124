import pytest

from keeper.model.chain import Address
from keeper.model.errors import Fatal
from keeper.sim.audit import Violation
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.ordeal import (
    INTERRUPTIONS,
    RANGES,
    WEIGHTS,
    Action,
    Ordeal,
    confirmations_of,
    script,
)


def test_a_seed_is_one_script_and_every_action_has_its_range() -> None:
    assert script(7, 50) == script(7, 50) != script(8, 50)
    assert {*WEIGHTS, "stranger"} == set(RANGES)
    for action in script(0, 500):
        assert all(
            n < most
            for n, most in zip((action.a, action.b, action.c), RANGES[action.name], strict=True)
        )
    assert {confirmations_of(seed) for seed in range(3)} == {2, 3, 6}


@pytest.mark.parametrize("what", range(len(INTERRUPTIONS)))
@pytest.mark.parametrize("point", range(1, 18))
def test_whatever_meets_the_first_tick_at_whatever_gate_all_ends_well(
    point: int, what: int
) -> None:
    ordeal = Ordeal(MemoryJournal())
    ordeal.act(Action("turn", 0, point, what))
    ordeal.act(Action("turn", 1, point, what))
    ordeal.heal()
    assert ordeal.tally.interruptions
    assert (ordeal.tally.crashes > 0) == (INTERRUPTIONS[what] == "crash")
    done = [
        f.intent.id
        for f in ordeal.auditor.files.values()
        if f.outcome and f.outcome.status == "done"
    ]
    assert done


def test_an_ordeal_without_a_miner_that_is_honest_never_rests() -> None:
    ordeal = Ordeal(MemoryJournal())
    ordeal.chain.mine = lambda *_args, **_kwargs: ordeal.chain.head  # type: ignore[method-assign]  # he is on strike
    with pytest.raises(Violation, match="I17: no rest within"):
        ordeal.heal()


def test_a_violation_ends_the_step_that_committed_it() -> None:
    ordeal = Ordeal(MemoryJournal())
    ordeal.chain.stranger()
    with pytest.raises(Violation, match="I4"):
        ordeal.act(Action("mine"))


def test_a_broken_journal_is_told_at_the_end() -> None:
    def broken() -> None:
        raise Fatal("the log was cut")

    with pytest.raises(Violation, match="I11: the log was cut"):
        Ordeal(MemoryJournal(), broken).heal()


def test_late_bytes_are_only_those_that_were_signed() -> None:
    ordeal = Ordeal(MemoryJournal())
    ordeal.act(Action("late", 3))
    assert ordeal.chain.known == ()
    for action in (Action("delivery", 2), Action("turn"), Action("late")):
        ordeal.act(action)
    assert len(ordeal.chain.pool) == 1
    assert ordeal.journal.next_nonce(Address(ordeal.desk.hands.signer.address)) == 1
    ordeal.journal.serve(0)
    assert ordeal.journal.requests() == ()
