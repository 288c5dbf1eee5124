"""A subscription with somebody behind it: while it is deaf, the nodes are asked again and again."""

from keeper.adapters.chain.bells import Counters
from keeper.adapters.chain.feed import Feed
from keeper.adapters.chain.poller import Poller
from keeper.model.chain import Watch


class News:
    """A `Feed`, and a `Poller` that is needed only while the feed does not listen."""

    def __init__(self, feed: Feed, standby: Poller) -> None:
        self._feed = feed
        self._standby = standby

    @property
    def counters(self) -> Counters:
        """What the feed did so far."""
        return self._feed.counters

    @property
    def connected(self) -> bool:
        """Whether the feed listens now."""
        return self._feed.connected

    def start(self) -> None:
        """Begin to listen; once."""
        self._feed.start()
        self._standby.start()

    def update(self, watches: tuple[Watch, ...]) -> None:
        """Replace the set of watched logs; from any thread, before or after `start`."""
        self._feed.update(watches)
        self._standby.update(watches)

    def stop(self) -> None:
        """Stop; returns within two seconds."""
        self._feed.stop()
        self._standby.stop()
