"""Our keeper as `keeper run` builds it, with a stopwatch at both ends of a reaction.

Real are: the feed's thread and its WebSocket, the mailbox, the loop's thread, the tick with all it
does, the journal on a disk, and the node. Not real are the clock, which follows the chain, and the
price limits, which are wide so that every event needs a trade.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import clock_gettime_ns, perf_counter_ns, pthread_getcpuclockid, thread_time_ns
from typing import Final

from msgspec import Struct

from benchmarks.counting_proxy import Counts
from benchmarks.stage import Stage
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.feed import Feed, FeedConfig
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.transports import open_transport
from keeper.adapters.oracles.chainlink import Chainlink
from keeper.adapters.signers.private_key import PrivateKey
from keeper.adapters.stores.sqlite.journal import SqliteJournal
from keeper.adapters.vaults.erc4626 import Erc4626
from keeper.adapters.vaults.uniswap_v3 import UniswapV3
from keeper.bootstrap import watches_of
from keeper.core.decide import FixedVolatility, Policy, Terms
from keeper.core.limits import Limits
from keeper.core.tx_steps import TxPolicy
from keeper.devnet.world import World
from keeper.engine.announce import Announcer
from keeper.engine.hands import Hands
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.engine.tick import Book, Desk
from keeper.model.chain import ChainId
from keeper.model.errors import Fatal
from keeper.model.events import Decided, Event, Signed
from keeper.model.flow import Rebalance
from keeper.model.units import GWEI, HOUR_S
from keeper.ports.reading import Venue

PATIENCE_S: Final = 20.0
MAX_CORRECTIONS: Final = 5
LIMITS: Final = Limits(
    min_trade_base=0.01,
    cooldown_s=1,
    max_order_base=500,
    max_position_base=1_000,
    max_leverage_x=5,
    max_gas_price_wei=500 * GWEI,
    daily_gas_budget_usd=1e6,
    max_price_age_s=HOUR_S,
    max_block_age_s=HOUR_S,
    max_deviation_fraction=0.05,
    max_slippage_fraction=0.03,
)
POLICY: Final = Policy(risk_aversion_per_usd=1.0, volatility=FixedVolatility(0.8))
"""So averse to risk that the band is narrower than the move of any event."""


class Reaction(Struct, frozen=True):
    """One event, from the log in the feed's hands to the node's yes."""

    total_ns: int
    waited_ns: int
    """The part of it spent waiting for the node."""
    cpu_ns: int
    """Processor time of the loop's thread."""
    write_ns: int
    """The write to the journal in it: decision, intent and signed bytes, with one fsync."""
    asked: Counts
    """Of the node."""

    @property
    def own_ns(self) -> int:
        """Return what is left: Python, threads, and the disk."""
        return self.total_ns - self.waited_ns


Count = Callable[[], Counts]
"""What was asked of the node so far."""


class Stopwatch:
    """Started by the feed, stopped by the node's answer to the broadcast."""

    def __init__(self, mailbox: Mailbox, node: Metered, count: Count) -> None:
        self._mailbox = mailbox
        self._node = node
        self._count = count
        self._armed = False
        self._began_ns = self._waited_ns = self._cpu_ns = 0
        self._asked = Counts()
        self.write_ns = 0
        self.reactions: Queue[Reaction] = Queue()

    def arm(self, thread: Thread) -> None:
        """Let the next bell through, and take its time; *thread* will react, and rests now."""
        clock = pthread_getcpuclockid(thread.ident or 0)
        self._cpu_ns = clock_gettime_ns(clock)
        self._waited_ns = self._node.waited_ns
        self._asked = self._count()
        self._armed = True

    def post(self, name: str) -> None:
        """Stand between the feed and the mailbox; bells of other keepers' events are dropped."""
        if not self._armed:
            return
        self._began_ns = perf_counter_ns()
        self._armed = False
        self._mailbox.post(name)

    def stop(self) -> None:
        """Take the time: the mempool has the transaction."""
        ended_ns = perf_counter_ns()
        reaction = Reaction(
            total_ns=ended_ns - self._began_ns,
            waited_ns=self._node.waited_ns - self._waited_ns,
            cpu_ns=thread_time_ns() - self._cpu_ns,
            write_ns=self.write_ns,
            asked=self._count().since(self._asked),
        )
        self.reactions.put(reaction)


class TimedEvm(Evm):
    """The node, with the stopwatch behind its broadcast."""

    stopwatch: Stopwatch

    def send(self, raw: bytes) -> str:
        """Send, then stop the watch if the mempool accepted."""
        answer = super().send(raw)
        if answer.startswith("0x"):
            self.stopwatch.stop()
        return answer


class TimedJournal(SqliteJournal):
    """The journal, which notes how long the write before a broadcast takes."""

    stopwatch: Stopwatch

    def append(self, *events: Event) -> None:
        began_ns = perf_counter_ns()
        super().append(*events)
        if any(isinstance(event, Signed) for event in events):
            self.stopwatch.write_ns = perf_counter_ns() - began_ns


class OurKeeper:
    """A running keeper of the world's vault; used from one thread, which drives the events."""

    def __init__(
        self, stage: Stage, venue: Venue, journal: Path, *, node: str, count: Count | None = None
    ) -> None:
        """Put everything in place; *node* is the socket to speak to.

        *count* says what was asked of the node; left out, the transport's own tally does.
        """
        world = stage.world
        self._stage = stage
        self._mailbox = Mailbox()
        self._transport = Metered(open_transport(node))
        self._stopwatch = Stopwatch(self._mailbox, self._transport, count or self._tally)
        self._evm = TimedEvm(self._transport, EvmConfig(chain_id=ChainId(world.chain_id)))
        self._evm.stopwatch = self._stopwatch
        self._journal = TimedJournal.acting(journal, ChainId(world.chain_id))
        self._journal.stopwatch = self._stopwatch
        self._desk = _desk(stage, venue, self._evm, self._journal)
        self._ticks: Queue[tuple[Decided, ...]] = Queue()
        # In a stage that is rewound the account's past is older than its journal.
        self._loop = Loop(self._desk, self._mailbox, adopt=True, after_tick=self._ticks.put)
        self._feed = Feed(
            FeedConfig(url=world.ws_url, every_blocks=None), self._stopwatch.post, self._evm.foresee
        )
        self._thread = Thread(target=self._loop.run, name="keeper-loop", daemon=True)

    def start(self) -> None:
        """Connect, make the first trade, and begin to listen."""
        self._evm.connect()
        self._thread.start()
        self._next_tick()
        self.settle()
        self._feed.update(watches_of(self._desk))
        self._feed.start()
        while not self._feed.connected:
            self._stage.mine()

    def stop(self) -> None:
        """End both threads and close the journal."""
        self._feed.stop()
        self._loop.stop()
        self._thread.join(PATIENCE_S)
        self._transport.close()
        self._journal.close()

    def react(self, price: float) -> Reaction:
        """Announce *price* in a block of its own, and return how long the keeper took.

        Raises:
            Fatal: It did not trade.

        """
        self._stage.announce(price)
        self._stopwatch.arm(self._thread)
        self._stage.begin_block()
        (decided,) = self._next_tick()
        self._stage.end_block()
        if not isinstance(decided.decision, Rebalance):
            raise Fatal("the keeper did not trade", decision=decided.decision)
        return self._reaction()

    def settle(self) -> None:
        """Mine the trade, have it settled, and leave nothing to wake up for.

        A small correction may follow it: the price that a large trade left is another one.

        Raises:
            Fatal: It does not come to rest.

        """
        for _ in range(MAX_CORRECTIONS):
            self._stage.mine()
            self._mailbox.post("settle")
            self._next_tick()
            if not self._journal.open():
                self._stopwatch.reactions.queue.clear()
                return
        raise Fatal("the keeper does not come to rest", open=self._journal.open())

    def _tally(self) -> Counts:
        by_name = Counter({name: t.requests for name, t in self._transport.tallies.items()})
        return Counts(by_name.total(), by_name)

    def _reaction(self) -> Reaction:
        try:
            return self._stopwatch.reactions.get_nowait()
        except Empty:
            raise Fatal("the mempool did not take the trade") from None

    def _next_tick(self) -> tuple[Decided, ...]:
        try:
            return self._ticks.get(timeout=PATIENCE_S)
        except Empty:
            raise Fatal("the keeper did not tick", halted=self._journal.halted()) from None


def _desk(stage: Stage, venue: Venue, evm: Evm, journal: SqliteJournal) -> Desk:
    world = stage.world
    chain_id = ChainId(world.chain_id)
    hands = Hands(
        chain_id=chain_id,
        log=Announcer(journal, stage.clock),
        network=evm,
        signer=signer_of(world),
        policy=TxPolicy(tip_wei=GWEI, confirmations=1),
        cap_wei=LIMITS.max_gas_price_wei,
    )
    oracle = Chainlink(Chainlink.Config(feed=world.feed, max_age_s=LIMITS.max_price_age_s))
    terms = Terms(book="eth", asset=world.weth, policy=POLICY, limits=LIMITS, tip_wei=GWEI)
    ranges = UniswapV3.Config(
        position_manager=world.uniswap.position_manager, base=world.weth, owner=world.vault
    )
    book = Book(
        terms=terms,
        vaults={
            "idle": Erc4626(Erc4626.Config(address=world.vault, counts="idle")),
            "ranges": UniswapV3(ranges),
        },
        oracle=oracle,
        venue=venue,
    )
    return Desk(chain=evm, native_oracle=oracle, hands=hands, books=(book,))


def signer_of(world: World) -> PrivateKey:
    """Return the signer of the world's keeper account."""
    named = {"KEEPER_KEY": world.accounts.keeper.test_key}
    return PrivateKey(PrivateKey.Config(variable="KEEPER_KEY"), ChainId(world.chain_id), named)
