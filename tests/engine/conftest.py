"""What the tests of the engine ask of a journal and a world in memory."""

from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.world import BLOCK_S, World

CLOSE = 0.1
"""Inside the band of the world's one book."""


def statuses(journal: MemoryJournal) -> list[str]:
    """Return how every closed intent ended, oldest first."""
    return [outcome.status for outcome in journal.outcomes()]


def pass_the_deadline(world: World) -> None:
    """Let blocks come, without any transaction of ours, until the chain's clock is beyond it."""
    for _ in range(600 // BLOCK_S + 1):
        world.mine_nothing()
