"""What every `Venue` adapter must do, whatever it trades on."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isfinite

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from keeper.model.chain import Address, Answer, BlockRef, Call, Log, Message
from keeper.model.errors import BadData, CallReverted, Rejected
from keeper.model.flow import Fill, Intent
from keeper.model.position import VenueState
from keeper.ports.reading import Venue
from keeper.testing.conformance.fixtures import to_be_provided

BLOCK = BlockRef(
    number=1_000,
    hash="0x" + "ab" * 32,
    parent_hash="0x" + "aa" * 32,
    timestamp_s=1_700_000_000,
    base_fee_wei=10**9,
)
STRANGER = Address("0x000000000000000000000000000000000000dEaD")
MAX_FIRST_ROUNDS = 4
MAX_EXPLANATION = 600

sizes = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).filter(lambda d: abs(d) > 1e-9)
prices = st.floats(min_value=1e-3, max_value=1e7, allow_nan=False)
_inherited = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    deadline=None,
)


class Order(Struct, frozen=True):
    """What a prepared message asks of the venue, as exact numbers."""

    units: Fraction
    """Of the asset; positive buys."""
    worst_price: Fraction
    """The average price, fees included, beyond which the venue refuses."""
    deadline_s: int


class VenueConformance:
    """Subclass and provide the first six fixtures; every test below then runs."""

    @pytest.fixture
    def make(self) -> Callable[[], Venue]:
        """Return a function that builds the adapter under test, new each time."""
        to_be_provided("make")

    @pytest.fixture
    def recording(self) -> Mapping[Call, Answer]:
        """Return the answers of one block."""
        to_be_provided("recording")

    @pytest.fixture
    def expected(self) -> VenueState:
        """Return the state at that block, worked out by hand."""
        to_be_provided("expected")

    @pytest.fixture
    def order_of(self) -> Callable[[Message], Order]:
        """Return a function that decodes a prepared message, without the adapter's help."""
        to_be_provided("order_of")

    @pytest.fixture
    def receipt(self) -> tuple[Log, ...]:
        """Return the logs of a transaction that filled an order of the account."""
        to_be_provided("receipt")

    @pytest.fixture
    def filled(self) -> Fill:
        """Return what that transaction did, worked out by hand."""
        to_be_provided("filled")

    @pytest.fixture
    def venue(self, make: Callable[[], Venue]) -> Venue:
        return make()

    # Reading

    def test_reads_the_recorded_state(
        self, venue: Venue, recording: Mapping[Call, Answer], expected: VenueState
    ) -> None:
        assert read_recorded(venue, recording)[0] == expected

    def test_a_steady_read_takes_one_round(
        self, venue: Venue, recording: Mapping[Call, Answer]
    ) -> None:
        _, first = read_recorded(venue, recording)
        _, second = read_recorded(venue, recording)
        assert first <= MAX_FIRST_ROUNDS
        assert second == 1

    def test_what_is_read_is_finite_or_unknown(
        self, venue: Venue, recording: Mapping[Call, Answer]
    ) -> None:
        state, _ = read_recorded(venue, recording)
        numbers = [getattr(state, name) for name in state.__struct_fields__]
        assert all(isfinite(number) for number in numbers if number is not None)

    def test_a1_a_revert_in_any_round_is_bad_data(
        self, make: Callable[[], Venue], recording: Mapping[Call, Answer]
    ) -> None:
        _, rounds = read_recorded(make(), recording)
        for failing in range(rounds):
            with pytest.raises(BadData):
                read_recorded(make(), recording, revert_in_round=failing)

    # Orders

    def test_preparing_twice_gives_the_same_message(self, make: Callable[[], Venue]) -> None:
        for units in (-1.25, 0.75):
            assert make().prepare(intent(units)) == make().prepare(intent(units))

    def test_preparing_depends_on_nothing_that_was_read(
        self, make: Callable[[], Venue], recording: Mapping[Call, Answer]
    ) -> None:
        # After a crash a bump is prepared before anything is read.
        seasoned = make()
        read_recorded(seasoned, recording)
        assert seasoned.prepare(intent(-1.25)) == make().prepare(intent(-1.25))

    def test_an_order_carries_gas_and_no_coin(self, venue: Venue) -> None:
        message = venue.prepare(intent(-1.25))
        assert message.value_wei == 0
        assert message.gas_limit >= venue.typical_gas

    def test_t17_an_order_expires_with_its_intent(
        self, venue: Venue, order_of: Callable[[Message], Order]
    ) -> None:
        message = venue.prepare(intent(0.5, deadline_s=1_700_000_123))
        assert order_of(message).deadline_s == 1_700_000_123

    @_inherited
    @given(units=sizes, worst_price=prices)
    def test_v7_rounding_never_enlarges_or_turns_a_trade(
        self,
        venue: Venue,
        order_of: Callable[[Message], Order],
        units: float,
        worst_price: float,
    ) -> None:
        order = order_of(venue.prepare(intent(units, worst_price)))
        assert (order.units > 0) == (units > 0)
        assert 0 < abs(order.units) <= abs(Fraction(units))
        assert abs(Fraction(units)) - abs(order.units) < Fraction(1, 10**6) * abs(Fraction(units))

    @_inherited
    @given(units=sizes, worst_price=prices)
    def test_t17_the_bound_is_never_worse_than_the_limit(
        self,
        venue: Venue,
        order_of: Callable[[Message], Order],
        units: float,
        worst_price: float,
    ) -> None:
        order = order_of(venue.prepare(intent(units, worst_price)))
        limit = Fraction(worst_price)
        assert order.worst_price >= limit if units < 0 else order.worst_price <= limit
        assert order.worst_price > 0
        assert abs(order.worst_price - limit) <= limit / 10**4

    @pytest.mark.parametrize("units", [0.0, 1e-40, -1e-40])
    def test_an_order_that_rounds_to_nothing_is_refused(self, venue: Venue, units: float) -> None:
        with pytest.raises(Rejected):
            venue.prepare(intent(units))

    @pytest.mark.parametrize("worst_price", [0.0, -1.0, float("nan"), float("inf")])
    @pytest.mark.parametrize("units", [1.0, -1.0])
    def test_an_order_without_a_limit_is_refused(
        self, venue: Venue, units: float, worst_price: float
    ) -> None:
        with pytest.raises(Rejected):
            venue.prepare(intent(units, worst_price))

    def test_a_purchase_whose_bound_rounds_to_nothing_is_refused(self, venue: Venue) -> None:
        with pytest.raises(Rejected):
            venue.prepare(intent(1.0, 1e-60))

    @_inherited
    @given(returned=st.binary(max_size=31))
    def test_a_preview_of_nonsense_is_bad_data(self, venue: Venue, returned: bytes) -> None:
        with pytest.raises(BadData):
            venue.preview(intent(-1.0), returned)

    # What happened

    def test_a_receipt_decodes_to_its_fill(
        self, venue: Venue, receipt: tuple[Log, ...], filled: Fill
    ) -> None:
        assert venue.fill(receipt) == filled

    def test_v13_a_log_that_is_there_twice_counts_once(
        self, venue: Venue, receipt: tuple[Log, ...], filled: Fill
    ) -> None:
        assert venue.fill((*receipt, *receipt)) == filled

    def test_a_receipt_without_logs_is_no_fill(self, venue: Venue) -> None:
        assert venue.fill(()) is None
        assert venue.fill((Log(address=STRANGER, topics=(), data=b"", index=0),)) is None

    def test_x7_the_logs_of_a_look_alike_contract_are_no_fill(
        self, venue: Venue, receipt: tuple[Log, ...]
    ) -> None:
        assert venue.fill(tuple(replace(log, address=STRANGER) for log in receipt)) is None

    def test_the_logs_of_another_account_are_no_fill(
        self, venue: Venue, receipt: tuple[Log, ...]
    ) -> None:
        stranger = bytes(12) + bytes.fromhex(STRANGER[2:])
        account = bytes(12) + bytes.fromhex(venue.account[2:])
        other = tuple(
            replace(log, topics=tuple(stranger if t == account else t for t in log.topics))
            for log in receipt
        )
        assert other != receipt
        assert venue.fill(other) is None

    def test_its_own_logs_ring_the_bell_and_no_others(
        self, venue: Venue, receipt: tuple[Log, ...]
    ) -> None:
        stranger = bytes(12) + bytes.fromhex(STRANGER[2:])
        watched = {(watch.address, watch.topic): watch for watch in venue.watch()}
        rung = [log for log in receipt if (log.address, log.topics[0]) in watched]
        assert rung
        for log in rung:
            loud = watched[log.address, log.topics[0]].loud
            assert loud(log)
            assert not loud(replace(log, topics=(log.topics[0], *[stranger] * 2)))

    @_inherited
    @given(revert=st.binary(max_size=400))
    def test_an_explanation_is_always_one_short_line(self, venue: Venue, revert: bytes) -> None:
        words = venue.explain(revert)
        assert 0 < len(words) <= MAX_EXPLANATION
        assert words.isprintable()


def intent(
    units: float, worst_price: float = 2_000.0, deadline_s: int = BLOCK.timestamp_s + 60
) -> Intent:
    """Return an intent of the suite's own."""
    return Intent(
        id="c0" * 16,
        book="book",
        account=STRANGER,
        units=units,
        reduce_only=False,
        worst_price=worst_price,
        deadline_s=deadline_s,
        native_price=2_000.0,
        block=BLOCK,
    )


def read_recorded(
    venue: Venue, recording: Mapping[Call, Answer], revert_in_round: int | None = None
) -> tuple[VenueState, int]:
    """Return what a read makes of *recording*, and its rounds; one of them may revert."""
    reading = venue.read()
    rounds = 0
    calls = next(reading)
    while True:
        rounds += 1
        try:
            if rounds - 1 == revert_in_round:
                calls = reading.throw(CallReverted("execution reverted"))
            else:
                calls = reading.send(tuple(recording[call] for call in calls))
        except StopIteration as done:
            return done.value, rounds
