import pytest

from keeper.engine.tick import tick
from keeper.model.chain import Address, Fees, Message
from keeper.model.errors import Uncertain
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, VENUE, Crash, MortalJournal, World, desk_of


def test_a_sent_order_moves_the_position_when_it_is_mined_and_a_reorg_takes_it_back() -> None:
    world = World()
    tick(desk_of(world, MemoryJournal()))
    assert world.position == 0.0
    world.mine()
    assert world.position == pytest.approx(-10, abs=0.05)
    world.reorg(1)
    assert world.position == pytest.approx(0.0)
    assert world.nonce(KEEPER) == 0


def test_the_nonce_of_a_depth_is_the_nonce_of_that_time() -> None:
    world = World()
    tick(desk_of(world, MemoryJournal()))
    world.mine()
    assert (world.nonce(KEEPER), world.nonce(KEEPER, depth=1)) == (1, 0)


def test_a_process_dies_when_its_lives_are_spent_before_or_after_a_write() -> None:
    for lives, written in ((0, 0), (1, 1), (3, 4)):
        world = World()
        world.lives = lives
        journal = MortalJournal(world)
        with pytest.raises(Crash):
            tick(desk_of(world, journal))
        assert len(journal.events) == written


def test_a_lost_answer_is_not_a_lost_transaction() -> None:
    world = World()
    world.lose_answers = True
    with pytest.raises(Uncertain):
        world.send(b'{"chain_id":1,"nonce":0,"message":{"to":"a","data":"","value_wei":0,'
                   b'"gas_limit":1},"fees":{"max_fee_wei":1,"tip_wei":1}}')  # fmt: skip
    assert len(world.pool) == 1


def test_a_stranger_has_no_account_here() -> None:
    world = World()
    with pytest.raises(ValueError, match="no account"):
        world.nonce(Address("0x01"))
    with pytest.raises(ValueError, match="simulated at"):
        world.simulate(KEEPER, Message(VENUE, b"", 0, 1), Fees(0, 0), world.head())
