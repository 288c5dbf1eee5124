import pytest

from keeper.engine.reconcile import reconcile
from keeper.engine.tick import tick
from keeper.model.errors import Fatal
from keeper.model.events import Adopted
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, World, desk_of


def test_a_new_key_on_a_new_journal_adopts_nothing() -> None:
    journal = MemoryJournal()
    reconcile(desk_of(World(), journal).hands)
    assert journal.events == []


def test_nonces_that_were_used_by_hand_are_adopted() -> None:
    world = World()
    world.base_nonce = 7
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    reconcile(desk.hands)
    assert isinstance(journal.events[-1], Adopted)
    assert journal.next_nonce(KEEPER) == 7
    tick(desk)
    assert [tx.nonce for tx in world.pool.values()] == [7]
    reconcile(desk.hands)
    assert len([e for e in journal.events if isinstance(e, Adopted)]) == 1


def test_a_journal_ahead_of_its_chain_is_fatal() -> None:
    world = World()
    world.base_nonce = 3
    journal = MemoryJournal()
    hands = desk_of(world, journal).hands
    reconcile(hands)
    reconcile(hands)
    world.base_nonce = 1
    with pytest.raises(Fatal, match="never seen"):
        reconcile(hands)


def test_an_open_intent_is_settled_before_anything_is_compared() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.base_nonce = 9
    reconcile(desk.hands)
    assert not any(isinstance(e, Adopted) for e in journal.events)
