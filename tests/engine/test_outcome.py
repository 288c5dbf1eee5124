import pytest

from keeper.engine.tick import Desk, tick
from keeper.model.errors import Fatal, Transient
from keeper.model.events import Decided, Halted, Intended, Resumed, Signed
from keeper.model.flow import Halt, Outcome
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import TYPICAL_GAS, World, desk_of


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def desk(world: World, journal: MemoryJournal) -> Desk:
    return desk_of(world, journal)


def settle(desk: Desk, world: World, journal: MemoryJournal) -> Outcome:
    """Trade, let it be mined and deep; return what became of it."""
    tick(desk)
    world.mine()
    world.mine()
    before = len(journal.outcomes())
    tick(desk)
    return journal.outcomes()[before]


@pytest.mark.parametrize("skew", [-1.0, 1.5])
def test_v8_one_fill_of_another_trade_than_was_meant_stops_everything(
    desk: Desk, world: World, journal: MemoryJournal, skew: float
) -> None:
    world.skew = skew
    with pytest.raises(Fatal, match="another effect than was meant"):
        settle(desk, world, journal)
    (outcome,) = journal.outcomes()
    assert outcome.status == "wrong_effect"
    assert outcome.fill is not None
    assert outcome.fill.units == world.position, "what was filled is kept, wrong as it is"
    assert len(world.raws) == 1


def test_a_smaller_fill_than_was_meant_is_done_and_the_rest_is_decided_afresh(
    desk: Desk, world: World, journal: MemoryJournal
) -> None:
    world.skew = 0.5
    assert settle(desk, world, journal).status == "done"


def test_t9_a_revert_says_why_as_far_as_the_chain_still_tells(
    desk: Desk, world: World, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mined_with(reason: bytes) -> str:
        tick(desk)
        world.revert_reason = reason
        world.mine()
        world.mine()
        tick(desk)
        return next(o.reason for o in reversed(journal.outcomes()) if o.gas_used)

    assert mined_with(b"too little received").endswith("it reverts with: too little received")
    world.revert_reason = None
    world.mine()

    def forgotten(*_: object) -> bytes:
        raise Transient("the node did not answer the call")

    tick(desk)
    world.revert_reason = b"gone"
    world.mine()
    world.mine()
    world.revert_reason = None
    monkeypatch.setattr(world, "simulate", forgotten)
    with pytest.raises(Transient):  # of the next trade; the settlement came first
        tick(desk)
    reverted, not_tried = journal.outcomes()[-2:]
    assert "why is not known: the node did not answer" in reverted.reason
    assert not_tried.status == "abandoned"


def test_a_revert_that_would_not_come_again_says_so(
    desk: Desk, world: World, journal: MemoryJournal
) -> None:
    tick(desk)
    world.revert_reason = b"for a moment"
    world.mine()
    world.revert_reason = None
    world.mine()
    tick(desk)
    assert journal.outcomes()[0].reason.endswith(f"at block {world.number} it would not")


def test_t10_a_trade_that_ran_out_of_gas_gets_half_as_much_again_once(
    desk: Desk, world: World, journal: MemoryJournal
) -> None:
    def limits() -> list[int | None]:
        return [attempt.gas_limit for attempt in journal.attempts()]

    world.order_gas = 2 * TYPICAL_GAS + 1
    outcome = settle(desk, world, journal)
    assert (outcome.status, outcome.gas_used) == ("out_of_gas", 2 * TYPICAL_GAS)
    assert "ran out of gas" in outcome.reason
    assert limits() == [2 * TYPICAL_GAS, 3 * TYPICAL_GAS]
    world.order_gas = 9 * TYPICAL_GAS
    world.mine()
    world.mine()
    tick(desk)
    assert journal.outcomes()[-1].status == "out_of_gas"
    assert limits()[-1] == 3 * TYPICAL_GAS, "once, and never more"


def test_t10_an_attempt_of_an_older_journal_whose_limit_is_unknown_only_reverted(
    desk: Desk, world: World, journal: MemoryJournal
) -> None:
    tick(desk)
    signed = journal.events[-2]
    assert isinstance(signed, Signed)
    attempt = {name: getattr(signed.attempt, name) for name in signed.attempt.__struct_fields__}
    journal.events[-2] = Signed(type(signed.attempt)(**attempt | {"gas_limit": None}))
    world.order_gas = 9 * TYPICAL_GAS
    world.mine()
    world.mine()
    tick(desk)
    assert journal.outcomes()[0].status == "failed"


def test_t9_more_than_three_reverts_within_an_hour_halt_until_a_person_resumes(
    desk: Desk, world: World, journal: MemoryJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What passes every rehearsal, and reverts all the same.
    monkeypatch.setattr(world, "simulate", lambda *asked: asked[1].data)
    world.revert_reason = b"price moved"
    for _ in range(12):
        if journal.halted():
            break
        tick(desk)
        world.mine()
    reverts = [o for o in journal.outcomes() if o.gas_used]
    assert len(reverts) == 4
    assert journal.halted() == "eth: too many transactions reverted within an hour"
    note = next(
        e for e in journal.events if isinstance(e, Decided) and isinstance(e.decision, Halt)
    )
    assert note.decision.why is not None
    (gate,) = (g for g in note.decision.why.gates if g.name == "reverts")
    assert (gate.ok, gate.value, gate.limit) == (False, 4, 3)
    signed = journal.attempts()
    world.mine()
    tick(desk)
    assert len([e for e in journal.events if isinstance(e, Halted)]) == 1, "it is said once"
    assert journal.attempts() == signed
    world.revert_reason = None
    journal.append(Resumed("found it", world.now_ms))
    world.mine()
    tick(desk)
    assert len([e for e in journal.events if isinstance(e, Intended)]) == len(signed) + 1


def test_an_old_revert_does_not_count(desk: Desk, world: World, journal: MemoryJournal) -> None:
    tick(desk)
    world.revert_reason = b"price moved"
    world.mine()
    world.mine()
    tick(desk)
    now_ms = world.now_ms
    assert journal.history("eth", now_ms).reverts_1h == 1
    assert journal.history("eth", now_ms + 3_600_001).reverts_1h == 0
    assert journal.history("btc", now_ms).reverts_1h == 0
    journal.append(Halted("by hand", now_ms))
    assert journal.history("eth", now_ms).reverts_1h == 0
