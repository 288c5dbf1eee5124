"""Kill the process at every side effect; the trade must still happen exactly once."""

import contextlib

import msgspec
import pytest

from keeper.engine.execute import settle
from keeper.engine.tick import Desk, tick
from keeper.model.chain import Address, BlockRef, Fees, Log, Message
from keeper.model.errors import Fatal
from keeper.model.events import Halted, Sent, Settled, Signed
from keeper.model.flow import Mined, Rebalance
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, Crash, MortalJournal, Order, World, desk_of

CLOSE = 0.1
"""Inside the band of the world's one book."""


def until_quiet(world: World, desk: Desk, *, oldest: bool = False) -> None:
    """Let the keeper tick and the chain mine until nothing is open; bounded, so a bug fails."""
    for _ in range(40):
        tick(desk)
        if not desk.hands.log.journal.open() and abs(world.position + world.delta) < CLOSE:
            return
        world.mine(oldest=oldest)
        world.now_ms += 60_000
    pytest.fail("an intent stayed open, or the vault unhedged")


def outcomes(journal: MemoryJournal) -> list[str]:
    return [outcome.status for outcome in journal.outcomes()]


@pytest.mark.parametrize("lives", range(12))
@pytest.mark.parametrize("oldest", [True, False])
@pytest.mark.parametrize("mines_while_down", [True, False])
@pytest.mark.parametrize("lose_answers", [True, False])
def test_a_crash_anywhere_never_trades_twice(
    lives: int, *, oldest: bool, mines_while_down: bool, lose_answers: bool
) -> None:
    world = World()
    journal = MortalJournal(world)
    desk = desk_of(world, journal)
    world.lives, world.lose_answers = lives, lose_answers
    with contextlib.suppress(Crash):
        for _ in range(3):
            tick(desk)
            world.now_ms += 60_000
    world.lives = float("inf")
    if mines_while_down:
        world.mine(oldest=oldest)
    until_quiet(world, desk, oldest=oldest)

    assert len({world.pool[h].nonce for h in world.included}) == len(world.included) == 1
    assert abs(world.position + world.delta) < CLOSE
    assert [s for s in outcomes(journal) if s == "done"] == ["done"]
    assert not journal.open()


def test_every_byte_that_was_sent_was_in_the_journal_before() -> None:
    world = World()
    journal = MemoryJournal()
    seen_at_send: list[bool] = []
    remember = world.send

    def send(raw: bytes) -> str:
        seen_at_send.append(any(isinstance(e, Signed) and e.attempt.raw == raw
                                for e in journal.events))  # fmt: skip
        return remember(raw)

    world.send = send  # type: ignore[method-assign]  # a spy in front of the real one
    desk = desk_of(world, journal)
    tick(desk)
    world.now_ms += 60_000
    tick(desk)
    assert seen_at_send == [True, True]


def test_silence_is_not_failure_the_same_bytes_are_sent_again() -> None:
    world = World()
    world.deaf = True
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    assert journal.open()
    world.deaf = False
    world.now_ms += 20_000
    tick(desk)
    first = next(e for e in journal.events if isinstance(e, Signed))
    assert world.raws == [first.attempt.raw]
    assert len([e for e in journal.events if isinstance(e, Sent)]) == 2


def test_a_stuck_transaction_is_replaced_under_its_own_nonce() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.now_ms += 60_000
    tick(desk)
    one, two = (e.attempt for e in journal.events if isinstance(e, Signed))
    assert one.nonce == two.nonce
    assert two.fees.max_fee_wei * 8 >= one.fees.max_fee_wei * 9
    assert two.fees.tip_wei * 8 >= one.fees.tip_wei * 9


def test_the_older_attempt_may_be_the_one_that_is_mined() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.now_ms += 60_000
    tick(desk)
    world.mine(oldest=True)
    until_quiet(world, desk)
    assert outcomes(journal) == ["done"]


def test_a_shallow_receipt_is_not_believed_and_a_reorg_reopens_it() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    tick(desk)
    assert journal.open(), "one confirmation of two"
    world.reorg(1)
    tick(desk)
    assert journal.open()
    until_quiet(world, desk)
    assert outcomes(journal) == ["done"]
    assert abs(world.position + world.delta) < CLOSE


def test_a_reorg_below_what_was_settled_halts_and_heals() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    until_quiet(world, desk)
    settled = dict(world.pool)
    world.reorg(5)
    world.pool.clear()  # no node remembers it
    tick(desk)
    world.now_ms += 60_000
    with pytest.raises(Fatal, match="took back transactions that were settled"):
        tick(desk)
    journal.append(Halted("as the loop does", world.now_ms))
    tick(desk)
    assert len(world.raws) == 2, "no fee helps: nothing is signed against a gap"
    world.pool = settled | world.pool  # somebody remembers
    for _ in range(4):
        world.mine(oldest=True)
    tick(desk)
    assert outcomes(journal) == ["done", "done"]


def test_a_stranger_on_our_nonce_is_fatal_once_it_is_deep() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.strangers = 1
    with pytest.raises(Fatal, match="used elsewhere"):
        tick(desk)
    assert outcomes(journal) == ["displaced"]


def test_what_is_mined_between_two_questions_is_not_taken_for_a_strangers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    nonce, receipt = world.nonce, world.mined

    def go_on() -> None:
        monkeypatch.undo()
        for _ in range(3):
            world.mine()

    def ask_nonce(account: Address, *, depth: int = 0) -> int:
        answer = nonce(account, depth=depth)
        go_on()
        return answer

    def ask_receipt(hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        answer = receipt(hashes, head)
        go_on()
        return answer

    monkeypatch.setattr(world, "nonce", ask_nonce)
    monkeypatch.setattr(world, "mined", ask_receipt)
    tick(desk)
    tick(desk)
    assert outcomes(journal) == ["done"]


def test_a_receipt_that_lags_behind_the_nonce_is_waited_for() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    lookup = world.mined
    world.mined = lambda *_: None  # type: ignore[method-assign]  # an index that lags
    tick(desk)
    assert journal.open()
    world.mined = lookup  # type: ignore[method-assign]  # and has caught up
    until_quiet(world, desk)
    assert outcomes(journal) == ["done"]


def test_a_mined_transaction_without_an_effect_is_fatal() -> None:
    world = World()
    world.inert = True
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    world.mine()
    with pytest.raises(Fatal, match="without an effect"):
        tick(desk)
    assert outcomes(journal) == ["no_effect"]


def test_logs_of_others_are_not_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.inert = True
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    receipt, elsewhere = world.mined, Log(Address("0x" + "ee" * 20), (b"\x07" * 32,), b"", 0)

    def mined(hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        found = receipt(hashes, head)
        return found and msgspec.structs.replace(found, logs=(elsewhere,))

    monkeypatch.setattr(world, "mined", mined)
    tick(desk)
    world.mine()
    world.mine()
    with pytest.raises(Fatal, match="without an effect"):
        tick(desk)


def test_the_journal_knows_the_next_nonce_better_than_a_node_that_lags(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    until_quiet(world, desk)
    world.delta = 20.0
    monkeypatch.setattr(world, "nonce", lambda _account, depth=0: depth)
    tick(desk)
    first, second = (e.attempt.nonce for e in journal.events if isinstance(e, Signed))
    assert second == first + 1


def test_a_revert_on_inclusion_fails_the_intent_and_the_next_tick_decides_afresh() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    for _ in range(100):
        world.mine_nothing()
    world.mine()
    world.mine()
    tick(desk)
    assert outcomes(journal) == ["failed"]
    until_quiet(world, desk)
    assert outcomes(journal) == ["failed", "done"]


def test_a_refused_simulation_signs_nothing_and_says_why() -> None:
    world = World()
    world.revert_reason = b"CH_NEFCI: not enough collateral"
    journal = MemoryJournal()
    tick(desk_of(world, journal))
    assert world.raws == []
    assert not any(isinstance(e, Signed) for e in journal.events)
    assert "CH_NEFCI" in journal.outcomes()[0].reason


def test_nothing_is_signed_after_a_halt_not_even_a_replacement() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    journal.append(Halted("by hand", world.now_ms))
    world.now_ms += 60_000
    tick(desk)
    assert len([e for e in journal.events if isinstance(e, Signed)]) == 1
    assert len(world.raws) == 2, "the same bytes may be sent again: they are already out"
    world.mine()
    world.mine()
    tick(desk)
    assert outcomes(journal) == ["done"], "what was open before the halt is still settled"


def test_a_halt_between_decision_and_signature_closes_the_intent() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    simulate = world.simulate

    def halt_meanwhile(sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        journal.append(Halted("by hand", world.now_ms))
        return simulate(sender, message, fees, at)

    world.simulate = halt_meanwhile  # type: ignore[method-assign]  # the kill switch, mid-tick
    decided = tick(desk)
    assert isinstance(decided[0].decision, Rebalance)
    assert world.raws == []
    assert outcomes(journal) == ["abandoned"]


def test_an_open_intent_of_an_unknown_book_stops_everything() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    with pytest.raises(Fatal, match="not configured"):
        settle(desk.hands, {}, world.head())


def test_gas_is_booked_at_the_price_of_the_decision() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    until_quiet(world, desk)
    done = next(e.outcome for e in journal.events if isinstance(e, Settled))
    assert done.gas_usd == pytest.approx(100_000 * 10e9 / 1e18 * 2_000)
    assert done.fill is not None
    assert journal.next_nonce(KEEPER) == 1


@pytest.mark.parametrize("promised", [9.0, -20.0, 0.0])
def test_a_simulation_that_fills_another_trade_is_refused(promised: float) -> None:
    world = World()
    journal = MemoryJournal()
    other = msgspec.json.encode(Order(promised, 2_000.0, 0))
    world.simulate = lambda *_: other  # type: ignore[method-assign]  # a venue that fills otherwise
    tick(desk_of(world, journal))
    assert world.raws == []
    assert "another trade" in journal.outcomes()[0].reason
