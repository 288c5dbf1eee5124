"""Two clocks that must agree: the chain's and this machine's.

Ages of prices are counted by the chain's clock alone, so a wrong clock here makes no price fresh.
The age of the newest block is counted by ours: an old block, or a clock that is ahead, trades
nothing. The other direction would pass unnoticed, so it is told here.
"""

from keeper.engine.announce import Announcer
from keeper.model.chain import BlockRef
from keeper.model.errors import Warned
from keeper.model.units import MS_PER_S

MOST_AHEAD_S = 300
"""A block is stamped a few seconds ahead of a good clock at most; a local chain may be more."""


class Skew:
    """Tells once when the clocks part, and again only after they agreed in between."""

    def __init__(self) -> None:
        self._newest: BlockRef | None = None
        self._parted = False

    def look(self, log: Announcer, head: BlockRef) -> None:
        """Compare the newest block's time with our clock, and with that of the blocks before."""
        went_back_s = self._went_back_s(head)
        ahead_s = head.timestamp_s - log.clock.now_ms() / MS_PER_S
        parted = went_back_s > 0 or ahead_s > MOST_AHEAD_S
        if parted and not self._parted:
            _tell(log, head, went_back_s, ahead_s)
        self._parted = parted

    def _went_back_s(self, head: BlockRef) -> int:
        """Return by how much a later block is stamped earlier, which no honest chain does."""
        newest = self._newest
        if newest is None or head.timestamp_s >= newest.timestamp_s:
            self._newest = head
            return 0
        return newest.timestamp_s - head.timestamp_s if head.number > newest.number else 0


def _tell(log: Announcer, head: BlockRef, went_back_s: int, ahead_s: float) -> None:
    warning = Warned(
        "the chain's clock and this machine's have parted",
        block=head.number,
        timestamp_s=head.timestamp_s,
        ahead_of_us_s=round(ahead_s),
        behind_an_earlier_block_s=went_back_s,
        remedy="set this machine's clock by NTP; if it is right, the node is not to be trusted",
    )
    log.append(log.troubled(warning))
