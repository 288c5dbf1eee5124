from keeper.engine.announce import Announcer
from keeper.model.events import Event, Resumed
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import World, WorldClock


def test_the_journal_knows_before_anybody_else() -> None:
    journal = MemoryJournal()
    order: list[int] = []

    class Listener:
        def tell(self, event: Event) -> None:
            assert event == Resumed("ok", 1)
            order.append(len(journal.events))

    Announcer(journal, WorldClock(World()), (Listener(),)).append(Resumed("ok", 1))
    assert order == [1]
