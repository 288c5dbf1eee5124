"""What a guard adds to a venue, and what it leaves alone."""

from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace

from keeper.adapters.abi import error
from keeper.adapters.chain.codec import decode
from keeper.adapters.guarded import (
    EXECUTE,
    MEANINGS,
    OVERTAKEN,
    OWN_GAS,
    SEQUENCE,
    GuardConfig,
    Guarded,
)
from keeper.model.chain import Address, Answer, Call, Log, Message, Watch
from keeper.model.errors import BadData, CallReverted, ConfigError, Rejected
from keeper.model.flow import Fill, Intent
from keeper.model.position import VenueState
from keeper.ports.reading import Read
from keeper.testing.conformance.journal_events import an_intent

GUARD = Address("0x00000000000000000000000000000000000000A1")
HOUSE = Address("0x00000000000000000000000000000000000000b2")
FIRST, SECOND = Call(HOUSE, b"1", ("uint256",)), Call(HOUSE, b"2", ("uint256",))
FILL = Fill(units=1.0, price=2_000.0, fee_usd=1.0, realized_pnl_usd=0.0)
STATE = VenueState(
    size_base=-3.0,
    open_notional_usd=6_000.0,
    pending_funding_usd=0.0,
    account_value_usd=9_000.0,
    free_collateral_usd=5_000.0,
    margin_ratio=1.5,
    liquidation_price=None,
    mark_price=2_000.0,
    trade_price=2_000.0,
    index_price=2_000.0,
    fee_rate=0.001,
    impact_per_base=0.0,
    initial_margin_ratio=0.1,
)


class TwoRounds:
    """A venue that asks twice, and takes a revert of the second for nothing."""

    account, typical_gas = HOUSE, 100_000

    def read(self) -> Read[VenueState]:
        ((size,),) = yield (FIRST,)
        try:
            ((value,),) = yield (SECOND,)
        except CallReverted:
            value = 0
        return replace(STATE, size_base=float(size), account_value_usd=float(value))

    def watch(self) -> tuple[Watch, ...]:
        return (Watch(HOUSE, b"topic", "Traded"),)

    def prepare(self, intent: Intent) -> Message:
        return Message(HOUSE, b"order " + intent.book.encode(), 0, 630_000)

    def preview(self, intent: Intent, returned: bytes) -> Fill:  # noqa: ARG002  # the port's
        assert returned == b"promise"
        return FILL

    def fill(self, logs: tuple[Log, ...]) -> Fill | None:
        return FILL if logs else None

    def explain(self, revert: bytes) -> str:
        return f"the venue says {revert.hex()}"


class Silent(TwoRounds):
    """A venue that never asks anything."""

    def read(self) -> Read[VenueState]:
        return STATE
        yield


@pytest.fixture
def guarded() -> Guarded:
    return Guarded(TwoRounds(), GUARD)


Asked = Callable[[tuple[Call, ...]], tuple[Answer, ...]]


def ask(reading: Read[VenueState], answer: Asked) -> tuple[VenueState, list[tuple[Call, ...]]]:
    """Drive a read; return its value and what it asked in each round."""
    rounds: list[tuple[Call, ...]] = []
    step: Callable[[], tuple[Call, ...]] = partial(next, reading)
    while True:
        try:
            rounds.append(step())
        except StopIteration as done:
            state: VenueState = done.value
            return state, rounds
        try:
            step = partial(reading.send, answer(rounds[-1]))
        except CallReverted as revert:
            step = partial(reading.throw, revert)


def test_the_count_is_read_in_the_venues_first_round(guarded: Guarded) -> None:
    state, rounds = ask(guarded.read(), lambda calls: tuple((7,) for _ in calls))
    assert state == replace(STATE, size_base=7.0, account_value_usd=7.0, sequence=7)
    assert rounds == [(FIRST, SEQUENCE(GUARD)), (SECOND,)]


def test_a_revert_that_the_venue_handles_stays_the_venues(guarded: Guarded) -> None:
    def answer(calls: tuple[Call, ...]) -> tuple[Answer, ...]:
        if calls == (SECOND,):
            raise CallReverted("no", data=b"")
        return tuple((7,) for _ in calls)

    assert ask(guarded.read(), answer)[0].account_value_usd == 0.0


def test_a_guard_that_does_not_answer_is_no_count_of_zero() -> None:
    with pytest.raises(BadData, match="guard does not answer"):
        ask(Guarded(Silent(), GUARD).read(), lambda _calls: ())

    def nothing_there(_calls: tuple[Call, ...]) -> tuple[Answer, ...]:
        raise CallReverted("no code", data=b"")

    with pytest.raises(CallReverted):
        ask(Guarded(TwoRounds(), GUARD).read(), nothing_there)


def test_an_order_carries_the_count_and_the_intent(guarded: Guarded) -> None:
    intent = replace(an_intent(), sequence=41)
    message = guarded.prepare(intent)
    assert (message.to, message.value_wei) == (GUARD, 0)
    assert message.data.startswith(EXECUTE.selector)
    expected, intent_id, target, data = decode(EXECUTE.inputs, message.data[4:])
    assert (expected, target, data) == (41, HOUSE, b"order eth")
    assert intent_id == bytes.fromhex(intent.id).rjust(32, b"\0")
    # Of what the guard is given it may hand on 63/64.
    assert (message.gas_limit - OWN_GAS) * 63 // 64 >= 630_000


def test_an_intent_from_before_the_guard_is_rejected(guarded: Guarded) -> None:
    with pytest.raises(Rejected, match="number of hedges before it"):
        guarded.prepare(an_intent())


def test_everything_else_is_the_venues(guarded: Guarded) -> None:
    log = Log(HOUSE, (b"topic",), b"", 0)
    assert guarded.account == HOUSE
    assert guarded.typical_gas == 100_000 + OWN_GAS
    assert [watch.name for watch in guarded.watch()] == ["Traded"]
    assert guarded.preview(an_intent(), b"promise") == guarded.fill((log,)) == FILL
    assert guarded.explain(b"\1\2") == "the venue says 0102"


def test_its_own_reverts_say_what_to_do(guarded: Guarded) -> None:
    assert "came first" in guarded.explain(OVERTAKEN.encode_call(3, 4))
    stranger = error("intent_guard", "NotOwner").encode_call(HOUSE)
    assert "another key" in guarded.explain(stranger)
    assert len(MEANINGS) == 3


def test_an_address_that_is_none_is_refused() -> None:
    assert GuardConfig(GUARD).address == GUARD
    with pytest.raises(ConfigError, match="address"):
        GuardConfig(Address("0x12"))


class Later(TwoRounds):
    """A venue that fills later."""

    def placed(self, logs: tuple[Log, ...]) -> str | None:
        return "order" if logs else None

    def progress(self, order: str) -> Read[None]:  # noqa: ARG002  # the port's
        return None
        yield

    def withdraw(self, order: str) -> Message:
        return Message(HOUSE, order.encode(), 0, 100_000)


def test_a_venue_that_fills_later_is_not_guarded() -> None:
    with pytest.raises(ConfigError, match="fills later"):
        Guarded(Later(), GUARD)
