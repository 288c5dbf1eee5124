import msgspec
import pytest

from keeper.model.chain import Fees, Message, UnsignedTx
from keeper.model.errors import Refused
from keeper.model.units import GWEI
from keeper.sim.chain_model import ChainModel, Weather, known_of, mined_at
from keeper.sim.world import CHAIN, VENUE, Order


def order(
    nonce: int = 0,
    *,
    fee_gwei: int = 50,
    tip_gwei: int = 1,
    units: float = -3.0,
    worst: float = 1_900.0,
    life_s: int = 600,
    gas: int = 200_000,
) -> bytes:
    data = msgspec.json.encode(Order(units, worst, 1_700_000_000 + life_s))
    fees = Fees(fee_gwei * GWEI, tip_gwei * GWEI)
    return msgspec.json.encode(UnsignedTx(CHAIN, nonce, Message(VENUE, data, 0, gas), fees))


def test_a_block_takes_what_the_pool_holds_and_a_reorg_gives_it_back() -> None:
    chain = ChainModel()
    assert chain.submit(order()) == known_of(order()).hash
    chain.mine()
    assert (chain.head.nonce, chain.head.position, chain.pool) == (1, -3.0, ())
    (gone,) = chain.reorg(1)
    assert gone.included[0].units == -3.0
    assert (chain.head.nonce, chain.head.position) == (0, 0.0)
    assert [one.raw for one in chain.pool] == [order()]
    assert chain.head.ref.number == gone.ref.number
    assert chain.head.ref.hash != gone.ref.hash


def test_a_reorg_may_forget_and_never_goes_below_the_first_block() -> None:
    chain = ChainModel()
    chain.submit(order())
    chain.mine()
    assert len(chain.reorg(5, returned=False)) == 1
    assert chain.pool == ()
    chain.mine("oldest")
    assert chain.head.position == -3.0, "a miner remembers"


def test_a_replacement_must_raise_both_fees_by_a_tenth() -> None:
    chain = ChainModel()
    chain.submit(order(fee_gwei=50, tip_gwei=10))
    assert "underpriced" in chain.submit(order(fee_gwei=60, tip_gwei=10))
    assert "underpriced" in chain.submit(order(fee_gwei=54, tip_gwei=11))
    assert chain.submit(order(fee_gwei=50, tip_gwei=10)) == "already known"
    better = order(fee_gwei=55, tip_gwei=11)
    assert chain.submit(better) == known_of(better).hash
    assert [one.raw for one in chain.pool] == [better]


def test_a_node_refuses_what_no_block_could_hold() -> None:
    chain = ChainModel()
    with pytest.raises(Refused, match="intrinsic gas"):
        chain.submit(order(gas=20_999))
    with pytest.raises(Refused, match="priority fee"):
        chain.submit(order(fee_gwei=1, tip_gwei=2))
    chain.submit(order())
    chain.mine()
    assert chain.submit(order(units=-1.0)) == "nonce too low"


def test_miners_choose_among_what_anybody_took_and_nobody_mines_below_the_base_fee() -> None:
    first, second = order(fee_gwei=20), order(fee_gwei=40, tip_gwei=2, units=-4.0)
    for pick, position in (("oldest", -3.0), ("newest", -4.0), ("pool", -4.0), ("none", 0.0)):
        chain = ChainModel()
        chain.submit(first)
        chain.submit(second)
        chain.mine(pick)  # type: ignore[arg-type]  # each of them
        assert chain.head.position == position
    chain = ChainModel(Weather(base_fee_wei=41 * GWEI))
    chain.submit(first)
    chain.submit(second)
    chain.mine("oldest")
    assert chain.head.nonce == 0
    chain.forget()
    assert chain.pool == ()


def test_a_pool_that_forgot_is_reminded_of_what_is_not_mined() -> None:
    chain = ChainModel()
    chain.submit(order())
    chain.mine()
    chain.submit(order(1))
    chain.forget()
    chain.remind()
    assert [one.tx.nonce for one in chain.pool] == [1]
    assert chain.net() == chain.weather.delta + chain.head.position == 7.0


def test_a_nonce_above_a_gap_waits_and_a_block_takes_several_in_a_row() -> None:
    chain = ChainModel()
    chain.submit(order(1))
    chain.mine()
    assert chain.head.nonce == 0
    chain.stranger()
    chain.mine()
    assert (chain.head.nonce, chain.head.position) == (2, -3.0)
    assert chain.head.included[0].units == 0.0


@pytest.mark.parametrize(
    ("mood", "worst", "seconds", "succeeded", "units"),
    [
        ("open", 1_900.0, 12, True, -3.0),
        ("inert", 1_900.0, 12, True, 0.0),
        ("reverting", 1_900.0, 12, False, 0.0),
        ("refusing", 1_900.0, 12, False, 0.0),
        ("open", 2_001.0, 12, False, 0.0),
        ("open", 1_900.0, 601, False, 0.0),
    ],
)
def test_the_venue_keeps_the_bounds_of_an_order_and_has_its_moods(
    mood: str, worst: float, seconds: int, *, succeeded: bool, units: float
) -> None:
    chain = ChainModel(Weather(mood=mood))  # type: ignore[arg-type]  # each of them
    raw = order(worst=worst)
    chain.submit(raw)
    block = chain.mine(seconds=seconds)
    found = chain.receipt(known_of(raw).hash)
    assert found is not None
    mined = mined_at(*found, block.ref)
    assert (mined.succeeded, found[0].units, mined.depth) == (succeeded, units, 1)
    assert bool(mined.logs) == bool(units)


def test_a_simulation_says_why_at_any_block() -> None:
    chain = ChainModel()
    message = known_of(order()).tx.message
    assert chain.would_revert(message, chain.head) is None
    assert "deadline" in (chain.would_revert(message, chain.mine(seconds=700)) or "")
    chain.weather = Weather(mood="refusing")
    assert "closed" in (chain.would_revert(message, chain.mine()) or "")
    buying = known_of(order(units=1.0, worst=1_999.0)).tx.message
    assert "worse" in (chain.would_revert(buying, chain.back(10)) or "")


def test_a_snapshot_holds_everything_and_equal_histories_are_one() -> None:
    chain, other = ChainModel(), ChainModel()
    for one in (chain, other):
        one.submit(order())
        one.mine("none")
    assert chain.key() == other.key()
    before = chain.snapshot()
    chain.mine()
    assert chain.key() != other.key()
    chain.restore(before)
    assert chain.key() == other.key()


def test_only_so_many_blocks_are_found_by_their_hash() -> None:
    chain = ChainModel()
    first = chain.head.ref.hash
    assert chain.find(first) is chain.head
    for _ in range(600):
        chain.mine("none")
    assert chain.find(first) is None
    assert chain.receipt("0x") is None
