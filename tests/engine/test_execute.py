"""Kill the process at every side effect; the trade must still happen exactly once."""

import contextlib
import itertools
from typing import Any

import msgspec
import pytest

from keeper.engine.execute import settle
from keeper.engine.reconcile import reconcile
from keeper.engine.tick import Desk, tick
from keeper.model.chain import Address, BlockRef, Fees, Log, Message, SignedTx, UnsignedTx
from keeper.model.errors import Fatal, Transient
from keeper.model.events import Halted, Intended, Sent, Settled, Troubled, Unseen
from keeper.model.flow import Hold, Mined, Rebalance
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import (
    KEEPER,
    Crash,
    MortalJournal,
    Order,
    World,
    WorldSigner,
    desk_of,
    order_of,
)
from tests.engine.conftest import CLOSE, pass_the_deadline, statuses


def until_quiet(world: World, desk: Desk, *, oldest: bool = False) -> None:
    """Let the keeper tick and the chain mine until nothing is open; bounded, so a bug fails."""
    for _ in range(40):
        tick(desk)
        if not desk.hands.log.journal.open() and abs(world.position + world.delta) < CLOSE:
            return
        world.mine(oldest=oldest)
        world.now_ms += 60_000
    pytest.fail("an intent stayed open, or the vault unhedged")


@pytest.mark.parametrize("lives", range(12))
@pytest.mark.parametrize("oldest", [True, False])
@pytest.mark.parametrize("mines_while_down", [True, False])
@pytest.mark.parametrize("lose_answers", [True, False])
def test_p1_a_crash_anywhere_never_trades_twice(
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
    assert [s for s in statuses(journal) if s == "done"] == ["done"]
    assert not journal.open()


def test_an_intent_that_an_earlier_version_wrote_down_and_never_signed_is_abandoned() -> None:
    world = World()
    told = MemoryJournal()
    tick(desk_of(world, told))
    world = World()
    journal = MemoryJournal()
    journal.append(Intended(told.intents()[0], at_ms=world.now_ms))
    desk = desk_of(world, journal)
    world.mine_nothing()
    tick(desk)
    assert statuses(journal) == ["abandoned"]
    until_quiet(world, desk)
    assert statuses(journal) == ["abandoned", "done"]
    assert len(world.raws) == 1


def test_every_byte_that_was_sent_was_in_the_journal_before() -> None:
    world = World()
    journal = MemoryJournal()
    seen_at_send: list[bool] = []
    remember = world.send

    def send(raw: bytes) -> str:
        seen_at_send.append(any(attempt.raw == raw for attempt in journal.attempts()))
        return remember(raw)

    world.send = send  # type: ignore[method-assign]  # a spy in front of the real one
    desk = desk_of(world, journal)
    tick(desk)
    world.now_ms += 60_000
    tick(desk)
    assert seen_at_send == [True, True]


def test_r2_silence_is_not_failure_the_same_bytes_are_sent_again() -> None:
    world = World()
    world.deaf = True
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    assert journal.open()
    world.deaf = False
    world.now_ms += 20_000
    tick(desk)
    assert world.raws == [journal.attempts()[0].raw]
    assert len([e for e in journal.events if isinstance(e, Sent)]) == 2


def test_t2_a_stuck_transaction_is_replaced_under_its_own_nonce() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.now_ms += 60_000
    tick(desk)
    one, two = journal.attempts()
    assert one.nonce == two.nonce
    assert two.fees.max_fee_wei * 8 >= one.fees.max_fee_wei * 9
    assert two.fees.tip_wei * 8 >= one.fees.tip_wei * 9


def test_t7_the_older_attempt_may_be_the_one_that_is_mined() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.now_ms += 60_000
    tick(desk)
    world.mine(oldest=True)
    until_quiet(world, desk)
    assert statuses(journal) == ["done"]


def test_c1_a_shallow_receipt_is_not_believed_and_a_reorg_reopens_it() -> None:
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
    assert statuses(journal) == ["done"]
    assert abs(world.position + world.delta) < CLOSE


def test_c3_nothing_is_signed_above_a_gap_that_a_deep_reorg_left() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    until_quiet(world, desk)
    before = list(journal.outcomes())
    world.reorg(5)
    assert world.position == pytest.approx(0.0), "the chain shows an unhedged vault"
    with pytest.raises(Fatal, match="took back transactions that were settled"):
        tick(desk)
    assert len(world.raws) == 1, "a second hedge would double it when the first comes back"
    assert journal.outcomes()[: len(before)] == before, "what was settled is not rewritten"
    assert [outcome.status for outcome in journal.outcomes()] == ["done", "abandoned"]
    world.mine()  # the pool gives it back
    world.mine()
    until_quiet(world, desk)
    assert statuses(journal) == ["done", "abandoned"]
    assert len(world.raws) == 1


def test_c3_a_reorg_below_an_open_intent_halts_and_heals() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    until_quiet(world, desk)
    settled = dict(world.pool)
    world.delta = 20.0
    tick(desk)
    world.reorg(5)
    world.pool.clear()  # no node remembers either
    world.now_ms += 60_000
    with pytest.raises(Fatal, match="took back transactions that were settled"):
        tick(desk)
    journal.append(Halted("as the loop does", world.now_ms))
    tick(desk)
    assert len(world.raws) == 2, "no fee helps: nothing is signed against a gap"
    second = {
        journal.open()[0].attempts[0].hash: msgspec.json.decode(world.raws[1], type=UnsignedTx)
    }
    world.pool = settled | second  # somebody remembers
    for _ in range(4):
        world.mine(oldest=True)
    tick(desk)
    assert statuses(journal) == ["done", "done"]


def test_t5_c4_a_stranger_on_our_nonce_is_fatal_once_it_is_deep_at_three_looks() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.strangers = 1
    tick(desk)
    tick(desk)
    assert [type(e) for e in journal.events].count(Unseen) == 1, "one look at one block"
    world.mine_nothing()
    tick(desk)
    world.mine_nothing()
    with pytest.raises(Fatal, match="used elsewhere"):
        tick(desk)
    assert statuses(journal) == ["displaced"]


def test_c4_a_reorg_that_gives_our_nonce_to_a_stranger_halts_without_a_second_hedge() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    tick(desk)
    world.reorg(1)
    world.strangers = 1
    for _ in range(2):
        tick(desk)
        world.mine_nothing()
    with pytest.raises(Fatal, match="used elsewhere"):
        tick(desk)
    assert statuses(journal) == ["displaced"]
    assert len(world.raws) == 1


def test_r10_a_receipt_that_comes_between_two_looks_settles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    for _ in range(3):
        world.mine()
    monkeypatch.setattr(world, "mined", lambda *_: None)  # an index that lags, even at depth
    tick(desk)
    assert any(isinstance(e, Unseen) for e in journal.events)
    monkeypatch.undo()
    world.mine()
    tick(desk)
    assert statuses(journal) == ["done"]
    assert len(world.raws) == 1


def test_e3_a_key_that_was_used_while_nothing_was_open_signs_nothing() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    until_quiet(world, desk)
    world.strangers = 1
    world.delta = 20.0
    with pytest.raises(Fatal, match="used elsewhere"):
        tick(desk)
    assert statuses(journal) == ["done", "abandoned"]
    assert len(world.raws) == 1


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
    assert statuses(journal) == ["done"]
    assert not any(isinstance(e, Unseen) for e in journal.events)


def test_r10_a_receipt_that_lags_behind_the_nonce_is_waited_for() -> None:
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
    assert statuses(journal) == ["done"]


def test_t15_a_mined_transaction_without_an_effect_is_fatal() -> None:
    world = World()
    world.inert = True
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    world.mine()
    with pytest.raises(Fatal, match="without an effect"):
        tick(desk)
    assert statuses(journal) == ["no_effect"]


def test_x7_logs_of_others_are_not_an_effect(monkeypatch: pytest.MonkeyPatch) -> None:
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
    first, second = (attempt.nonce for attempt in journal.attempts())
    assert second == first + 1


def test_t8_past_its_deadline_an_intent_is_cancelled_in_its_own_slot() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    pass_the_deadline(world)
    tick(desk)
    hedge, void = journal.attempts()
    cancel = world.pool[void.hash]
    assert (void.purpose, void.nonce) == ("cancel", hedge.nonce)
    assert cancel.message == Message(KEEPER, b"", 0, 21_000)
    assert void.fees.max_fee_wei * 8 > hedge.fees.max_fee_wei * 9
    world.mine()
    assert statuses(journal) == []
    tick(desk)
    assert journal.open(), "a shallow cancel is not believed: nothing is hedged again before"
    world.mine()
    tick(desk)
    assert statuses(journal) == ["cancelled"]
    assert world.position == 0.0
    until_quiet(world, desk)
    assert statuses(journal) == ["cancelled", "done"]
    assert [attempt.nonce for attempt in journal.attempts()] == [0, 0, 1]


def test_t8_a_hedge_that_wins_against_its_cancel_counts() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    (hedge,) = journal.attempts()
    mined = World.mine
    pass_the_deadline(world)
    tick(desk)
    assert len(journal.attempts()) == 2
    # Another miner had the hedge in a block that is older than the deadline.
    world.number -= 60
    mined(world, oldest=True)
    world.number += 60
    until_quiet(world, desk)
    assert statuses(journal) == ["done"]
    assert list(world.included) == [hedge.hash]


def test_t8_a_reorg_may_exchange_the_cancel_for_the_hedge() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    pass_the_deadline(world)
    tick(desk)
    world.mine()
    tick(desk)
    assert world.position == 0.0, "the cancel is in, at depth one"
    world.reorg(1)
    world.mine(oldest=True)
    world.mine()
    tick(desk)
    # It was too late for the hedge: it reverts, and that is the outcome.
    assert statuses(journal) == ["failed"]


def test_a_cancel_that_is_stuck_is_bid_up_and_never_turns_into_a_hedge() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    pass_the_deadline(world)
    for _ in range(3):
        tick(desk)
        world.mine_nothing()
        world.now_ms += 60_000
    assert [a.purpose for a in journal.attempts()] == ["hedge", "cancel", "cancel", "cancel"]
    tips = [a.fees.tip_wei for a in journal.attempts()]
    assert all(after * 8 > before * 9 for before, after in itertools.pairwise(tips))


@pytest.mark.parametrize(
    "words",
    [
        "intrinsic gas too low: gas 20000, minimum needed 21000",
        "transaction gas limit too high (cap: 16777216, tx: 20000000)",
        "max fee per gas less than block base fee",
        "insufficient funds for gas * price + value",
        "transaction type not supported",
    ],
)
def test_a_wedge_refused_in_words_trades_within_two_blocks_unattended(words: str) -> None:
    world = World()
    world.refusal = words
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    tick(desk)
    assert (world.refused, world.raws) == (1, []), "not twice at the same block"
    assert journal.halted() is None
    world.refusal = None
    world.mine()
    tick(desk)
    assert len(world.raws) == 1, "rehearsed and signed afresh at the next block"
    world.mine()
    assert abs(world.position + world.delta) < CLOSE, "two blocks after the refusal"
    until_quiet(world, desk)
    assert statuses(journal) == ["done"]
    assert {attempt.nonce for attempt in journal.attempts()} == {0}


def test_a_wedge_of_silence_trades_within_two_blocks_with_the_same_bytes() -> None:
    world = World()
    world.deaf = True
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.deaf = False
    world.mine()
    tick(desk)
    world.mine()
    assert abs(world.position + world.delta) < CLOSE
    until_quiet(world, desk)
    assert (statuses(journal), len(journal.attempts())) == (["done"], 1)


def test_r1_a_wedge_of_a_lost_response_is_found_by_its_hash_and_doubles_nothing() -> None:
    world = World()
    world.lose_answers = True
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    assert abs(world.position + world.delta) < CLOSE
    until_quiet(world, desk)
    assert (statuses(journal), len(journal.attempts())) == (["done"], 1)


def test_a_wedge_that_stays_is_cancelled_after_two_refusals_and_the_next_intent_trades() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    world.refusal = "transaction type not supported"
    tick(desk)
    world.mine()
    tick(desk)
    assert [a.purpose for a in journal.attempts()] == ["hedge", "hedge"]
    world.refusal = None
    world.mine()
    tick(desk)
    assert [a.purpose for a in journal.attempts()] == ["hedge", "hedge", "cancel"]
    until_quiet(world, desk)
    assert statuses(journal) == ["cancelled", "done"]


def test_a_wedge_whose_rehearsal_fails_is_cancelled_at_once() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    world.refusal = "insufficient funds for gas * price + value"
    tick(desk)
    world.refusal = None
    world.revert_reason = b"CH_NEFCI: not enough collateral"
    world.mine()
    tick(desk)
    assert [a.purpose for a in journal.attempts()] == ["hedge", "cancel"]
    world.revert_reason = None
    until_quiet(world, desk)
    assert statuses(journal) == ["cancelled", "done"]


def test_t11_a_cancel_that_the_account_cannot_pay_is_sent_again_and_not_bid_up() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    world.refusal = "insufficient funds for gas * price + value"
    for _ in range(6):
        tick(desk)
        world.number += 1
    assert [a.purpose for a in journal.attempts()] == ["hedge", "hedge", "cancel"]
    assert world.refused == 6
    world.refusal = None
    until_quiet(world, desk)
    assert statuses(journal) == ["cancelled", "done"]


@pytest.mark.parametrize("lives", range(14))
@pytest.mark.parametrize("oldest", [True, False])
@pytest.mark.parametrize("mines_while_down", [True, False])
@pytest.mark.parametrize("trouble", ["late", "refused"])
def test_p1_t8_a_crash_anywhere_around_a_cancel_never_trades_twice(
    lives: int, trouble: str, *, oldest: bool, mines_while_down: bool
) -> None:
    world = World()
    journal = MortalJournal(world)
    desk = desk_of(world, journal)
    if trouble == "refused":
        world.refusal = "transaction type not supported"
    tick(desk)
    if trouble == "late":
        pass_the_deadline(world)
    world.lives = lives
    with contextlib.suppress(Crash):
        for _ in range(3):
            world.mine_nothing()
            tick(desk)
            world.now_ms += 60_000
            world.refusal = None
    world.lives = float("inf")
    world.refusal = None
    if mines_while_down:
        world.mine(oldest=oldest)
    until_quiet(world, desk, oldest=oldest)
    nonces = [world.pool[h].nonce for h in world.included]
    assert sorted(nonces) == list(range(len(nonces))), "one nonce after the other, each once"
    assert abs(world.position + world.delta) < CLOSE
    assert [s for s in statuses(journal) if s == "done"] == ["done"]
    assert not journal.open()


def test_c2_a_reorg_that_includes_it_again_with_another_outcome_counts_at_depth() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    tick(desk)
    assert world.position != 0.0
    world.reorg(1)
    world.revert_reason = b"price moved"
    world.mine()
    world.mine()
    tick(desk)
    reverted = journal.outcomes()[0]
    assert (reverted.status, reverted.gas_used) == ("failed", 100_000)
    assert "price moved" in reverted.reason
    world.revert_reason = None
    until_quiet(world, desk)
    assert statuses(journal)[-1] == "done"


def test_t16_a_refused_simulation_signs_nothing_and_says_why() -> None:
    world = World()
    world.revert_reason = b"CH_NEFCI: not enough collateral"
    journal = MemoryJournal()
    tick(desk_of(world, journal))
    assert world.raws == []
    assert journal.attempts() == []
    assert "CH_NEFCI" in journal.outcomes()[0].reason


def test_e1_nothing_is_signed_after_a_halt_not_even_a_replacement() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    journal.append(Halted("by hand", world.now_ms))
    world.now_ms += 60_000
    tick(desk)
    assert len(journal.attempts()) == 1
    assert len(world.raws) == 2, "the same bytes may be sent again: they are already out"
    world.mine()
    world.mine()
    tick(desk)
    assert statuses(journal) == ["done"], "what was open before the halt is still settled"


def test_a_halt_between_decision_and_signature_closes_the_intent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    simulate = world.simulate

    def halt_meanwhile(sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        journal.append(Halted("by hand", world.now_ms))
        return simulate(sender, message, fees, at)

    world.simulate = halt_meanwhile  # type: ignore[method-assign]  # the kill switch, mid-tick
    monkeypatch.setattr(WorldSigner, "sign", None)  # it is not even asked
    decided = tick(desk)
    assert isinstance(decided[0].decision, Rebalance)
    assert world.raws == []
    assert statuses(journal) == ["abandoned"]


def halt_at_the_signature(
    monkeypatch: pytest.MonkeyPatch, world: World, journal: MemoryJournal
) -> None:
    sign = WorldSigner.sign

    def halt_meanwhile(signer: WorldSigner, tx: UnsignedTx) -> SignedTx:
        journal.append(Halted("by hand", world.now_ms))
        return sign(signer, tx)

    monkeypatch.setattr(WorldSigner, "sign", halt_meanwhile)


class TestSigningWhileTheChainRehearses:
    """From the second trade on the nonce is known before."""

    @pytest.fixture
    def signed(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """The nonces that were signed for, in turn."""
        nonces: list[int] = []
        sign = WorldSigner.sign

        def noted(signer: WorldSigner, tx: UnsignedTx) -> SignedTx:
            nonces.append(tx.nonce)
            return sign(signer, tx)

        monkeypatch.setattr(WorldSigner, "sign", noted)
        return nonces

    @pytest.fixture
    def second(self, signed: list[int]) -> tuple[World, MemoryJournal, Desk]:
        """A keeper whose second trade is due."""
        world, journal = World(), MemoryJournal()
        desk = desk_of(world, journal)
        tick(desk)
        for _ in range(3):
            world.mine()
        tick(desk)
        assert statuses(journal) == ["done"]
        world.delta = 25.0
        signed.clear()
        return world, journal, desk

    def test_each_trade_is_signed_once(
        self, second: tuple[World, MemoryJournal, Desk], signed: list[int]
    ) -> None:
        world, journal, desk = second
        tick(desk)
        assert signed == [1]
        assert world.raws == [a.raw for a in journal.attempts()]

    def test_bytes_of_a_refused_rehearsal_are_nowhere_and_their_nonce_is_free(
        self, second: tuple[World, MemoryJournal, Desk], signed: list[int]
    ) -> None:
        world, journal, desk = second
        world.revert_reason = b"paused"
        tick(desk)
        assert (signed, len(world.raws), statuses(journal)) == ([1], 1, ["done", "failed"])
        assert [a.nonce for a in journal.attempts()] == [0]
        world.revert_reason = None
        world.mine()
        tick(desk)
        assert [a.nonce for a in journal.attempts()] == [0, 1]

    def test_a_halt_before_the_answer_wins(
        self, second: tuple[World, MemoryJournal, Desk], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world, journal, desk = second
        simulate = world.simulate

        def halt_meanwhile(*asked: Any) -> bytes:
            journal.append(Halted("by hand", world.now_ms))
            return simulate(*asked)

        monkeypatch.setattr(world, "simulate", halt_meanwhile)
        tick(desk)
        assert len(world.raws) == 1
        assert journal.outcomes()[-1].reason == "halted: by hand"

    def test_a_signer_that_fails_is_told_when_it_counts(
        self, second: tuple[World, MemoryJournal, Desk], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world, journal, desk = second

        def broken(_signer: WorldSigner, _tx: UnsignedTx) -> SignedTx:
            raise Fatal("a signature does not recover to the signer")

        monkeypatch.setattr(WorldSigner, "sign", broken)
        with pytest.raises(Fatal, match="does not recover"):
            tick(desk)
        assert (len(world.raws), journal.outcomes()[-1].status) == (1, "abandoned")


def test_i10_a_halt_between_the_last_look_and_the_commit_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    halt_at_the_signature(monkeypatch, world, journal)
    tick(desk)
    assert (world.raws, journal.attempts()) == ([], [])
    assert statuses(journal) == ["abandoned"]
    assert journal.outcomes()[0].reason == "halted: by hand"
    assert not any(isinstance(e, Troubled) for e in journal.events), "a halt is not a crash"


@pytest.mark.parametrize("late", [True, False])
def test_i10_a_halt_during_a_replacement_leaves_the_old_bytes_watched(
    monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    if late:
        pass_the_deadline(world)
    world.now_ms += 60_000
    halt_at_the_signature(monkeypatch, world, journal)
    tick(desk)
    assert (len(journal.attempts()), len(world.raws)) == (1, 1)
    world.mine()
    world.mine()
    tick(desk)
    assert statuses(journal) == (["failed"] if late else ["done"])


def test_after_a_halt_a_late_intent_is_not_cancelled_but_watched() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    journal.append(Halted("by hand", world.now_ms))
    pass_the_deadline(world)
    tick(desk)
    assert len(journal.attempts()) == 1


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


class Elsewhere(WorldSigner):
    """The signer of another account."""

    address = Address("0x" + "77" * 20)


def with_signer(desk: Desk, signer: WorldSigner) -> Desk:
    return msgspec.structs.replace(desk, hands=msgspec.structs.replace(desk.hands, signer=signer))


def test_e6_a_new_key_watches_what_the_old_one_left_and_trades_only_afterwards() -> None:
    world, journal = World(), MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine_nothing()
    rotated = with_signer(desk, Elsewhere())
    (held,) = tick(rotated)
    assert isinstance(held.decision, Hold)
    assert "still open" in held.decision.reason
    world.mine()
    world.mine()
    tick(rotated)
    assert statuses(journal) == ["done"]
    assert len(world.pool) == 1


def test_e6_a_new_key_never_signs_for_the_old_ones_nonce() -> None:
    world, journal = World(), MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    pass_the_deadline(world)
    with pytest.raises(Fatal, match="belongs to another key"):
        tick(with_signer(desk, Elsewhere()))
    assert len(journal.attempts()) == 1
    assert journal.open(), "it is still watched"


class Absent(WorldSigner):
    """A signer that is down."""

    def sign(self, tx: UnsignedTx) -> SignedTx:
        raise Transient("the signer did not answer", nonce=tx.nonce)


def test_x2_a_signer_that_is_down_burns_no_nonce_and_loses_no_hedge() -> None:
    world, journal = World(), MemoryJournal()
    desk = desk_of(world, journal)
    for _ in range(3):
        with pytest.raises(Transient, match="did not answer"):
            tick(with_signer(desk, Absent()))
        world.mine()
    assert journal.attempts() == []
    assert world.raws == []
    until_quiet(world, desk)
    assert [attempt.nonce for attempt in journal.attempts()] == [0]
    assert world.included


def test_e7_a_deleted_journal_cannot_trade_twice() -> None:
    world = World()
    tick(desk_of(world, MemoryJournal()))  # sent, not mined; then somebody deletes the journal
    world.mine_nothing()
    fresh = MemoryJournal()
    desk = desk_of(world, fresh)
    reconcile(desk.hands, adopt=True)
    tick(desk)
    assert [tx.nonce for tx in world.pool.values()] == [0, 0], "one of the two can be mined"
    world.mine(oldest=True)
    assert abs(world.position + world.delta) < CLOSE
    with contextlib.suppress(Fatal):
        for _ in range(6):
            tick(desk)
            world.mine()
    assert abs(world.position + world.delta) < CLOSE
    assert len(world.included) == 1


def test_v5_a_fill_that_is_not_deep_is_not_traded_on() -> None:
    world, journal = World(), MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.mine()
    world.position = 0.0  # what is read lags behind the fill
    (held,) = tick(desk)
    assert isinstance(held.decision, Hold)
    assert "still open" in held.decision.reason
    assert len(world.raws) == 1


def test_a2_what_changes_before_inclusion_is_hedged_afterwards() -> None:
    world, journal = World(), MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.delta = 4.0  # a withdrawal that is mined first
    until_quiet(world, desk)
    assert statuses(journal) == ["done", "done"]
    assert [order_of(tx).units > 0 for tx in world.pool.values()] == [False, True]
