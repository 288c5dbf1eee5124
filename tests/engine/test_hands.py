import msgspec
import pytest
from msgspec.structs import replace

from keeper.engine.hands import Bid, close, empty, offer_at, sign_and_send
from keeper.engine.tick import tick
from keeper.model.chain import Fees, Message
from keeper.model.errors import Stopped
from keeper.model.events import Halted, Intended, Sent, Settled, Signed
from keeper.model.flow import Mined
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, VENUE, World, desk_of
from keeper.testing.conformance.journal_events import an_intent

INTENT = an_intent(account=KEEPER)
FEES = Fees(30 * 10**9, 10**9)


def bid(world: World) -> Bid:
    order = msgspec.json.encode({"units": 1.0, "worst_price": 1.0, "deadline_s": 0})
    return Bid(Message(VENUE, order, 0, 123_456), 0, FEES, world.head())


def test_bytes_are_signed_then_written_down_then_sent() -> None:
    world = World()
    journal = MemoryJournal()
    journal.append(Intended(INTENT, 0))
    sign_and_send(desk_of(world, journal).hands, INTENT, bid(world))
    intended, signed, sent = journal.events
    assert isinstance(intended, Intended)
    assert isinstance(signed, Signed)
    assert (signed.attempt.purpose, signed.attempt.gas_limit) == ("hedge", 123_456)
    assert isinstance(sent, Sent)
    assert (sent.heard, sent.answer, sent.block_number) == ("answer", "accepted", world.number)


def test_what_a_node_says_is_noted_in_three_kinds() -> None:
    world = World()
    journal = MemoryJournal()
    journal.append(Intended(INTENT, 0))
    hands = desk_of(world, journal).hands
    world.refusal = "intrinsic gas too low"
    sign_and_send(hands, INTENT, bid(world))
    world.refusal, world.deaf = None, True
    sign_and_send(hands, INTENT, msgspec.structs.replace(bid(world), fees=Fees(60 * 10**9, 2)))
    heard = [(e.heard, e.answer) for e in journal.events if isinstance(e, Sent)]
    assert heard[0] == ("refusal", "intrinsic gas too low")
    assert heard[1][0] == "silence"
    assert "connection reset" in heard[1][1]


def test_i10_nothing_is_sent_that_the_journal_did_not_take() -> None:
    world = World()
    journal = MemoryJournal()
    journal.append(Intended(INTENT, 0), Halted("by hand", 0))
    with pytest.raises(Stopped):
        sign_and_send(desk_of(world, journal).hands, INTENT, bid(world))
    assert world.raws == []


def test_an_empty_message_moves_nothing_and_calls_nobody() -> None:
    assert empty(INTENT) == Message(KEEPER, b"", 0, 21_000)


def test_a_first_offer_is_below_the_cap() -> None:
    world = World()
    world.base_fee_wei = 10**15
    hands = desk_of(world, MemoryJournal()).hands
    assert offer_at(hands, INTENT, world.head()).max_fee_wei == hands.cap_wei
    urgent = replace(INTENT, gas_cap_wei=2 * hands.cap_wei)
    assert offer_at(hands, urgent, world.head()).max_fee_wei == 2 * hands.cap_wei


class Heard:
    """What recent blocks paid, made up."""

    def __init__(self, tip_wei: int) -> None:
        self.tip_wei = tip_wei

    def recent_wei(self) -> int:
        return self.tip_wei


def test_g8_an_offer_follows_the_tips_of_others_up_and_not_below_its_own() -> None:
    world = World()
    hands = desk_of(world, MemoryJournal()).hands
    own_wei = hands.policy.tip_wei
    for heard_wei, tip_wei in ((5 * own_wei, 5 * own_wei), (0, own_wei), (1, own_wei)):
        listening = replace(hands, tips=Heard(heard_wei))
        assert offer_at(listening, INTENT, world.head()).tip_wei == tip_wei


def test_g5_what_a_rollup_charged_for_data_is_booked_with_the_gas() -> None:
    world = World()
    journal = MemoryJournal()
    tick(desk_of(world, journal))
    intent = journal.open()[0].intent
    mined = Mined("0x", 1, "0x", 2, True, 100_000, 10**9, (), data_fee_wei=10**17)  # noqa: FBT003  # a row
    close(desk_of(world, journal).hands, intent, "done", "filled", mined=mined)
    (settled,) = [e for e in journal.events if isinstance(e, Settled)]
    assert settled.outcome.gas_usd == pytest.approx((0.0001 + 0.1) * intent.native_price)


def test_an_outcome_without_a_receipt_cost_no_gas() -> None:
    world = World()
    journal = MemoryJournal()
    tick(desk_of(world, journal))
    intent = journal.open()[0].intent
    close(desk_of(world, journal).hands, intent, "failed", "why not")
    settled = journal.events[-1]
    assert isinstance(settled, Settled)
    assert (settled.outcome.gas_used, settled.outcome.gas_usd) == (0, 0.0)
