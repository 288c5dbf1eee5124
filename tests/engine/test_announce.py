from keeper.engine.announce import Announcer
from keeper.model.errors import Warned
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


def test_x6_trouble_is_told_with_its_kind_its_time_and_no_key() -> None:
    world = World()
    log = Announcer(MemoryJournal(), WorldClock(world))
    error = Warned("no route to https://u:pass@node.example/v2/KEY", asked="wss://node.example/KEY")
    told = log.troubled(error)
    assert (told.kind, told.at_ms) == ("Warned", world.now_ms)
    assert told.message.startswith("no route to https://node.example [asked=wss://node.example] ")
