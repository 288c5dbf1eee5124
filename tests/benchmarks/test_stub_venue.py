from collections.abc import Generator, Iterator
from typing import Any

import pytest
from msgspec import structs

from benchmarks.stub_venue import ORDERED, POSITION, StubVenue
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.transports import open_transport
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.engine.reader import read_all
from keeper.model.chain import Address, BlockRef, ChainId, Fees, Log
from keeper.model.errors import BadData, CallReverted, Rejected
from keeper.model.flow import Intent
from keeper.model.position import VenueState

ME = Address("0x70997970C51812dc3A010C7d01b50e0d17dc79C8")
VENUE = Address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
BLOCK = BlockRef(number=1, hash="0x1", parent_hash="0x0", timestamp_s=1_000, base_fee_wei=7)
INTENT = Intent("i", "eth", ME, -1.5, False, 1_900.0, 2_000_000_000, 2_000.0, BLOCK)  # noqa: FBT003  # a row


@pytest.fixture
def venue() -> StubVenue:
    return StubVenue(StubVenue.Config(address=VENUE, feed=VENUE), ME)


def answered(read: Generator[Any, Any, VenueState], *answers: tuple[Any, ...]) -> VenueState:
    next(read)
    with pytest.raises(StopIteration) as finished:
        read.send(answers)
    state: VenueState = finished.value.value
    return state


def test_its_price_is_the_feeds(venue: StubVenue) -> None:
    state = answered(venue.read(), (-5 * 10**17,), (1, 2_000 * 10**8, 0, 0, 1))
    assert (state.size_base, state.trade_price, state.mark_price) == (-0.5, 2_000.0, 2_000.0)


def test_a_feed_without_a_price_is_bad_data(venue: StubVenue) -> None:
    read = venue.read()
    next(read)
    with pytest.raises(BadData, match="no price"):
        read.send(((0,), (1, 0, 0, 0, 1)))


def test_an_order_that_rounds_to_nothing_is_refused(venue: StubVenue) -> None:
    with pytest.raises(Rejected, match="nothing"):
        venue.prepare(structs.replace(INTENT, units=1e-20))


def test_other_logs_are_not_its_fills(venue: StubVenue) -> None:
    other = b"\x01".rjust(32)
    assert venue.fill((Log(VENUE, (other,), b"", 0),)) is None
    assert venue.fill((Log(VENUE, (ORDERED.topic, bytes(32)), bytes(96), 0),)) is None


@pytest.fixture
def evm(world: World) -> Iterator[Evm]:
    transport = open_transport(world.ipc_path)
    yield Evm(transport, EvmConfig(ChainId(world.chain_id)))
    transport.close()


@pytest.mark.anvil
def test_an_order_is_simulated_filled_and_read_back(evm: Evm, world: World) -> None:
    me = world.accounts.keeper.address
    venue = StubVenue(StubVenue.Config(address=world.stub_venue, feed=world.feed), me)
    message, head = venue.prepare(INTENT), evm.head()
    promised = venue.preview(INTENT, evm.simulate(me, message, Fees(2 * 10**9, 1), head))
    (receipt,) = world.chain.execute(Tx(me, message.to, message.data))
    mined = evm.mined((receipt["transactionHash"],), evm.head())
    assert mined is not None
    filled = venue.fill(mined.logs)
    assert filled is not None
    assert filled.units == promised.units == -1.5
    state = read_all(evm, evm.head(), {"venue": venue.read()})["venue"]
    assert isinstance(state, VenueState)
    assert state.size_base == -1.5
    # What the benchmark is about: an order that costs the node next to nothing.
    world.chain.execute(Tx(me, message.to, message.data))
    (receipt,) = world.chain.execute(Tx(me, message.to, message.data))
    assert int(receipt["gasUsed"], 16) < 40_000


@pytest.mark.anvil
def test_a_late_order_reverts_and_is_explained(evm: Evm, world: World) -> None:
    me = world.accounts.keeper.address
    venue = StubVenue(StubVenue.Config(address=world.stub_venue, feed=world.feed), me)
    message = venue.prepare(structs.replace(INTENT, deadline_s=1))
    with pytest.raises(CallReverted) as reverted:
        evm.simulate(me, message, Fees(2 * 10**9, 1), evm.head())
    assert venue.explain(reverted.value.data).startswith("0x")
    assert POSITION.name == "position"
