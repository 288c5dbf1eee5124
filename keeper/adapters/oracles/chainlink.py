"""Chainlink price feeds, and whatever else answers as AggregatorV3Interface does.

The proxy (`feed`) is read; its aggregator is where bounds live and events come from. A new
aggregator shows as a new phase, the upper part of the round id (`roundId >> 64`); what was
learned from the old one is then read again. `answeredInRound` is deprecated and not used.
The answer's age is not judged here: no clock. `core/prices` does, by the block's own time.
"""

from msgspec import Struct

from keeper.adapters.abi import checksum_address, event, function
from keeper.model.chain import Address, Watch
from keeper.model.errors import BadData, CallReverted
from keeper.model.market import Quote
from keeper.ports.reading import Read

LATEST_ROUND_DATA = function("chainlink_feed", "latestRoundData")
DECIMALS = function("chainlink_feed", "decimals")
AGGREGATOR = function("chainlink_feed", "aggregator")
MIN_ANSWER = function("chainlink_aggregator", "minAnswer")
MAX_ANSWER = function("chainlink_aggregator", "maxAnswer")
ANSWER_UPDATED = event("chainlink_aggregator", "AnswerUpdated")

MAX_DECIMALS = 36
PHASE_SHIFT = 64


class Learned(Struct, frozen=True):
    """What does not change within one phase."""

    phase: int
    decimals: int
    emitter: Address
    """Who emits `AnswerUpdated`: the aggregator, or the feed itself if it has none."""
    bounds: tuple[int, int] | None
    """At or beyond these the aggregator clips, so an answer there is not a price."""


class Chainlink:
    """One feed."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        """`type = "chainlink"` of an oracle in keeper.toml."""

        feed: Address
        """The proxy, not the aggregator behind it."""
        max_age_s: int
        """This feed's heartbeat plus a margin; older answers are stale."""
        min_price: float | None = None
        """A price at or below it is refused. Needed if the aggregator shows no bounds."""
        max_price: float | None = None
        """A price at or above it is refused. Needed if the aggregator shows no bounds."""
        decimals: int | None = None
        """What the feed must say its decimals are; left out, what it says first is held to."""

        def __post_init__(self) -> None:
            """Refuse what could never give a price."""
            checksum_address(self.feed)
            if self.max_age_s <= 0:
                raise ValueError(f"max_age must be positive, not {self.max_age_s} s")
            low, high = self.min_price or 0.0, self.max_price or float("inf")
            if not 0 <= low < high:
                raise ValueError(f"min_price {low} must be below max_price {high}")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._feed = checksum_address(config.feed)
        self._ask = LATEST_ROUND_DATA(self._feed)
        self._learned: Learned | None = None

    def read(self) -> Read[Quote]:
        """Read the newest round; steady, it is one call.

        Raises:
            BadData: No market could have this price, or a person must look at the feed.
            CallReverted: The feed does not answer; it may not be a feed.

        """
        learned = self._learned
        if learned is None:
            learned = yield from self._learn()
        ((round_id, answer, _started_at, updated_at_s, _answered_in),) = yield (self._ask,)
        if round_id >> PHASE_SHIFT != learned.phase:
            learned = yield from self._learn()
        self._learned = learned
        return self._quote(learned, round_id, answer, updated_at_s)

    def watch(self) -> tuple[Watch, ...]:
        if self._learned is None:
            return ()
        emitter = self._learned.emitter
        return (Watch(address=emitter, topic=ANSWER_UPDATED.topic, name=ANSWER_UPDATED.name),)

    def _learn(self) -> Read[Learned]:
        aggregator: Address | None
        try:
            fields, (decimals,), (aggregator,) = yield (
                self._ask,
                DECIMALS(self._feed),
                AGGREGATOR(self._feed),
            )
        except CallReverted:
            # Not a proxy. If it is not a feed either, the next line says so.
            fields, (decimals,) = yield (self._ask, DECIMALS(self._feed))
            aggregator = None
        self._check_decimals(decimals)
        emitter = self._feed if aggregator is None else checksum_address(aggregator)
        bounds = yield from self._read_bounds(emitter)
        return Learned(
            phase=fields[0] >> PHASE_SHIFT, decimals=decimals, emitter=emitter, bounds=bounds
        )

    def _read_bounds(self, aggregator: Address) -> Read[tuple[int, int] | None]:
        try:
            (low,), (high,) = yield (MIN_ANSWER(aggregator), MAX_ANSWER(aggregator))
        except CallReverted:
            low = high = None
        if low is None or high is None:
            if self._config.min_price is None or self._config.max_price is None:
                raise BadData(
                    "the aggregator shows no minAnswer and maxAnswer",
                    remedy="Set min_price and max_price of this oracle in keeper.toml.",
                    feed=self._feed,
                    aggregator=aggregator,
                )
            return None
        if low >= high:
            raise BadData(
                "the aggregator's bounds leave no price", feed=self._feed, low=low, high=high
            )
        return low, high

    def _check_decimals(self, decimals: int) -> None:
        pinned = self._config.decimals
        if pinned is None and self._learned is not None:
            pinned = self._learned.decimals
        if pinned is not None and decimals != pinned:
            raise BadData(
                "the feed's decimals changed",
                remedy="A person must look at the feed. If it is right, set its new decimals in "
                "keeper.toml and restart.",
                feed=self._feed,
                decimals=decimals,
                pinned=pinned,
            )
        if decimals > MAX_DECIMALS:
            raise BadData("implausible decimals", feed=self._feed, decimals=decimals)

    def _quote(self, learned: Learned, round_id: int, answer: int, updated_at_s: int) -> Quote:
        price = answer / 10**learned.decimals
        problem = self._problem(learned, answer, updated_at_s, price)
        if problem:
            raise BadData(problem, feed=self._feed, round_id=round_id, answer=answer, price=price)
        return Quote(
            source=f"chainlink {self._feed}",
            price=price,
            updated_at_s=updated_at_s,
            max_age_s=self._config.max_age_s,
            round_id=round_id,
        )

    def _problem(
        self, learned: Learned, answer: int, updated_at_s: int, price: float
    ) -> str | None:
        low, high = self._config.min_price, self._config.max_price
        if updated_at_s == 0:
            return "the round is not complete"
        if answer <= 0:
            return "the answer is not positive"
        if learned.bounds and not learned.bounds[0] < answer < learned.bounds[1]:
            return "the answer is at the aggregator's bounds"
        if (low is not None and price <= low) or (high is not None and price >= high):
            return "the price is outside the owner's bounds"
        return None
