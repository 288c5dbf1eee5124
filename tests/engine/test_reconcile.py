import pytest

from keeper.engine.reconcile import UnknownHistory, reconcile, warn_of_delegation
from keeper.engine.tick import tick
from keeper.model.errors import Fatal
from keeper.model.events import Adopted, Troubled
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import KEEPER, World, desk_of


def test_a_new_key_on_a_new_journal_adopts_nothing() -> None:
    journal = MemoryJournal()
    reconcile(desk_of(World(), journal).hands, adopt=False)
    assert journal.events == []


def test_nonces_that_were_used_by_hand_are_adopted() -> None:
    world = World()
    world.base_nonce = 7
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    reconcile(desk.hands, adopt=True)
    assert isinstance(journal.events[-1], Adopted)
    assert journal.next_nonce(KEEPER) == 7
    tick(desk)
    assert [tx.nonce for tx in world.pool.values()] == [7]
    reconcile(desk.hands, adopt=True)
    assert len([e for e in journal.events if isinstance(e, Adopted)]) == 1


@pytest.mark.parametrize("traded", [False, True], ids=["empty", "restored from a backup"])
def test_p5_s4_e7_a_history_that_the_journal_does_not_know_is_refused(*, traded: bool) -> None:
    world = World()
    journal = MemoryJournal()
    hands = desk_of(world, journal).hands
    world.base_nonce = 2
    if traded:
        reconcile(hands, adopt=True)
        world.base_nonce = 7
    with pytest.raises(UnknownHistory, match="--adopt") as refused:
        reconcile(hands, adopt=False)
    assert refused.value.facts["journal"] == (2 if traded else "empty")
    assert len(journal.events) == traded


def test_t6_a_journal_ahead_of_its_chain_is_fatal() -> None:
    world = World()
    world.base_nonce = 3
    journal = MemoryJournal()
    hands = desk_of(world, journal).hands
    reconcile(hands, adopt=True)
    reconcile(hands, adopt=True)
    world.base_nonce = 1
    with pytest.raises(Fatal, match="never seen"):
        reconcile(hands, adopt=True)


def test_an_open_intent_is_settled_before_anything_is_compared() -> None:
    world = World()
    journal = MemoryJournal()
    desk = desk_of(world, journal)
    tick(desk)
    world.base_nonce = 9
    reconcile(desk.hands, adopt=True)
    assert not any(isinstance(e, Adopted) for e in journal.events)


def test_t13_code_at_the_keepers_own_address_is_warned_of_and_halts_nothing() -> None:
    world = World()
    journal = MemoryJournal()
    hands = desk_of(world, journal).hands
    warn_of_delegation(hands, world.head())
    assert journal.events == []
    world.delegated_to = "0x7702"
    warn_of_delegation(hands, world.head())
    (warning,) = journal.events
    assert isinstance(warning, Troubled)
    assert "EIP-7702" in warning.message
    assert KEEPER in warning.message
    assert journal.halted() is None
