"""An auditor that cannot find anything proves nothing: each violation is committed here once."""

import msgspec
import pytest
from msgspec.structs import replace

from keeper.engine.tick import tick
from keeper.model.chain import Fees, Message, UnsignedTx
from keeper.model.errors import Fatal
from keeper.model.events import (
    Adopted,
    Decided,
    Event,
    Halted,
    Intended,
    Resumed,
    Settled,
    Signed,
    Troubled,
)
from keeper.model.flow import Attempt, Intent, Outcome, Purpose, Rebalance, Status
from keeper.model.units import GWEI
from keeper.sim.audit import Auditor, Violation, verified
from keeper.sim.chain_model import ChainModel, Weather, known_of
from keeper.sim.chain_wire import Wire, model_desk
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.ordeal import WatchedJournal
from keeper.sim.world import CHAIN, KEEPER, VENUE, Order

CAP_WEI = 100 * GWEI


class Case:
    """A chain, its auditor, and a clumsy keeper."""

    def __init__(self, weather: Weather | None = None) -> None:
        self.chain = ChainModel(weather)
        self.auditor = Auditor(self.chain, cap_wei=CAP_WEI, confirmations=2)

    def intent(self, name: str = "one") -> Intent:
        head = self.chain.head.ref
        return Intent(name, "eth", KEEPER, -3.0, False, 1_900.0, head.timestamp_s + 600, 2e3, head)  # noqa: FBT003  # a row of values

    def intend(self, name: str = "one") -> Intent:
        intent = self.intent(name)
        self.note(Intended(intent, 0))
        return intent

    def sign(
        self, name: str = "one", nonce: int = 0, gwei: int = 50, purpose: Purpose = "hedge"
    ) -> bytes:
        data = msgspec.json.encode(Order(-3.0, 1_900.0, 1_700_000_600))
        to, data = (VENUE, data) if purpose == "hedge" else (KEEPER, b"")
        fees = Fees(gwei * GWEI, gwei * GWEI // 50)
        raw = msgspec.json.encode(UnsignedTx(CHAIN, nonce, Message(to, data, 0, 200_000), fees))
        self.note(Signed(Attempt(name, known_of(raw).hash, raw, nonce, fees, 0, purpose)))
        return raw

    def settle(self, status: Status, name: str = "one") -> None:
        self.note(Settled(Outcome(name, status, "so it goes", None, 0, 0.0), 0))

    def note(self, *events: Event) -> None:
        self.auditor.note(events)

    def mine(self, raw: bytes, blocks: int = 1) -> None:
        self.chain.submit(raw)
        for _ in range(blocks):
            self.chain.mine()

    def refuses(self, words: str) -> None:
        with pytest.raises(Violation, match=words):
            self.auditor.refuse_violations()


def test_a_hedge_that_goes_well_violates_nothing() -> None:
    case = Case()
    case.intend()
    raw = case.sign()
    case.auditor.tap(known_of(raw))
    case.mine(raw, 2)
    case.settle("done")
    case.note(Troubled("Transient", "", 0))
    case.auditor.look()
    case.auditor.rest()
    case.auditor.refuse_violations()


def test_i1_two_effects_of_one_intent() -> None:
    case = Case()
    case.intend()
    for nonce in (0, 1):
        case.mine(case.sign(nonce=nonce, gwei=50 + 10 * nonce))
    case.auditor.violations.clear()
    case.auditor.look()
    case.refuses("I1: an intent had two effects")
    case.auditor.violations.clear()
    case.auditor.rest()
    case.refuses("I1: an intent had two effects")


@pytest.mark.parametrize("status", ["done", "failed", "cancelled", "abandoned", "displaced"])
def test_i2_an_outcome_of_which_the_chain_knows_nothing(status: Status) -> None:
    case = Case()
    case.intend()
    case.sign()
    case.settle(status)
    case.refuses("I2")


def test_i2_a_shallow_receipt_a_wrong_name_and_a_second_end() -> None:
    case = Case()
    case.intend()
    case.mine(case.sign())
    case.settle("done")
    case.refuses("I2: done: so it goes, 1 deep")
    case.auditor.violations.clear()
    case.settle("done")
    case.refuses("I2: an intent ended twice")


@pytest.mark.parametrize(
    ("mood", "purpose", "truth"),
    [
        ("open", "hedge", "done"),
        ("inert", "hedge", "no_effect"),
        ("reverting", "hedge", "failed"),
        ("open", "cancel", "cancelled"),
    ],
)
def test_i2_only_the_truth_is_accepted(mood: str, purpose: Purpose, truth: Status) -> None:
    every: tuple[Status, ...] = ("done", "no_effect", "failed", "cancelled")
    for told in every:
        case = Case(Weather(mood=mood))  # type: ignore[arg-type]  # each of them
        case.intend()
        case.sign()
        case.mine(case.sign(gwei=60, purpose=purpose), 2)
        case.settle(told)
        assert bool(case.auditor.violations) == (told != truth)


def test_i3_two_open_intents_two_nonces_and_one_nonce_twice() -> None:
    case = Case()
    case.intend("one")
    case.intend("two")
    case.refuses("I3: two intents")
    case.auditor.violations.clear()
    case.sign("one")
    case.sign("two")
    case.refuses("I3: two intents under nonce 0")
    case.auditor.violations.clear()
    case.sign("two", nonce=1, gwei=60)
    case.refuses("I3: an intent under two nonces")


def test_i4_bytes_that_are_not_in_the_journal() -> None:
    case = Case()
    case.chain.stranger()
    case.auditor.tap(case.chain.pool[0])
    case.refuses("I4: bytes left")
    case.auditor.violations.clear()
    case.chain.mine()
    case.auditor.look()
    case.refuses("I4: an unknown transaction")
    case.auditor.violations.clear()
    case.auditor.excuses.add("stranger")
    case.auditor.look()
    case.auditor.refuse_violations()


def test_i5_a_gap_on_the_line() -> None:
    case = Case()
    case.intend()
    raw = case.sign(nonce=1)
    case.auditor.tap(known_of(raw))
    case.refuses("I5: nonce 1 after -1")
    case.auditor.violations.clear()
    case.note(Adopted(KEEPER, 3, 0))
    case.settle("done")
    case.intend("two")
    case.auditor.violations.clear()
    case.auditor.tap(known_of(case.sign("two", nonce=3)))
    case.auditor.refuse_violations()


def test_i6_i7_fees_above_the_cap_and_below_an_eighth_more() -> None:
    case = Case()
    case.intend()
    case.sign(gwei=80)
    case.sign(gwei=85)
    case.refuses("I7")
    case.auditor.violations.clear()
    case.sign(gwei=101)
    case.refuses("I6: a fee above the cap")


def test_i8_a_hedge_on_another_position_unless_belief_was_undone() -> None:
    case = Case()
    case.intend("one")
    intent = case.intent("two")
    case.mine(case.sign("one"), 2)
    case.settle("done", "one")
    case.note(Intended(intent, 0))
    case.mine(case.sign("two", nonce=1))
    case.auditor.look()
    case.refuses("I8")
    case.auditor.violations.clear()
    case.auditor.took_back(case.chain.reorg(3, "pool"))
    assert case.auditor.undone
    case.auditor.look()
    case.auditor.refuse_violations()


def test_i9_i14_decisions_on_numbers_of_two_blocks_or_on_an_older_one() -> None:
    case, inner = Case(), MemoryJournal()
    journal = WatchedJournal(inner, lambda _point: None, lambda _events: None)
    tick(model_desk(case.chain, Wire(case.chain), journal))
    note = next(e for e in inner.events if isinstance(e, Decided))
    assert isinstance(note.decision, Rebalance)
    why = note.decision.why
    case.note(note)
    case.auditor.refuse_violations()
    lie = replace(note.decision, why=replace(why, hedge=1.0))
    case.note(replace(note, decision=lie))
    case.refuses("I9: a decision on numbers of two blocks")
    case.auditor.violations.clear()
    nowhere = replace(why.block, hash="0x", number=99)
    case.note(replace(note, decision=replace(note.decision, why=replace(why, block=nowhere))))
    case.refuses("I9: a decision at a block that never was; I14: block 99 after 100")


def test_i10_i13_what_may_never_be_signed() -> None:
    case = Case()
    case.note(Signed(Attempt("none", "0x", b"", 0, Fees(1, 1), 0)))
    case.refuses("I13: bytes of no open intent")
    case.auditor.violations.clear()
    case.intend()
    case.intend()
    case.refuses("I13: an intent was written down twice")
    case.auditor.violations.clear()
    case.sign(purpose="cancel")
    case.refuses("I13: an intent began with its cancel")
    case.auditor.violations.clear()
    case.sign(gwei=60)
    case.refuses("I13: hedged again while cancelling")
    case.auditor.violations.clear()
    for _ in range(60):
        case.chain.mine()
    case.sign(gwei=70)
    case.refuses("past its deadline")
    case.auditor.violations.clear()
    case.auditor.excuses.add("person")
    case.note(Halted("by hand", 0))
    case.sign(gwei=80, purpose="cancel")
    case.refuses("I10: signed after a halt")
    case.auditor.violations.clear()
    case.note(Resumed("", 0))
    case.sign(gwei=90, purpose="cancel")
    case.auditor.refuse_violations()


@pytest.mark.parametrize(
    "reason", ["the key was used elsewhere", "reverted within an hour", "unexpected TypeError"]
)
def test_i17_a_halt_for_nothing(reason: str) -> None:
    case = Case()
    case.note(Halted(reason, 0))
    case.refuses("I17: halted for")


def test_i2_i17_i18_are_asked_for_at_rest() -> None:
    case = Case()
    case.intend()
    case.mine(case.sign())
    case.auditor.rest()
    case.refuses("I17: 1 intents never ended; I2: .* two stories")
    case.auditor.violations.clear()
    case.chain.reorg(1, returned=False)
    case.auditor.rest()
    case.refuses("I18: the chain's nonce is 0, ours is 1")
    case.auditor.violations.clear()
    case.auditor.undone = True
    case.settle("done")
    case.auditor.rest()
    case.auditor.refuse_violations()


def test_i11_a_journal_that_cannot_be_verified_says_why() -> None:
    def broken() -> None:
        raise Fatal("a table does not follow from the log")

    assert verified(lambda: None) is None
    assert "does not follow" in (verified(broken) or "")
