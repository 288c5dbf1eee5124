"""The only place where concrete things meet: a checked configuration becomes a running keeper.

Read it top to bottom: node, key, books, desk; then the bell, the clock and the loop.
"""

import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Final

from msgspec import Struct

from keeper.adapters.chain.bells import Foresee, Post
from keeper.adapters.chain.endpoint import names
from keeper.adapters.chain.endpoint_health import HealthPolicy
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.feed import Feed, FeedConfig
from keeper.adapters.chain.member import Line, Member
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.news import News
from keeper.adapters.chain.poller import Poller, PollerConfig
from keeper.adapters.chain.pool import Pool, PoolConfig
from keeper.adapters.chain.tips import HeardTips
from keeper.adapters.chain.transports import open_any, open_transport
from keeper.adapters.clock import SystemClock
from keeper.adapters.guarded import GuardConfig, Guarded
from keeper.adapters.purse import Purse
from keeper.adapters.rollups import OpStack
from keeper.adapters.schedule import Schedule
from keeper.adapters.stores.postgres.config import PostgresConfig
from keeper.config import BookConfig, Config
from keeper.core.decide import Terms
from keeper.engine.announce import Announcer
from keeper.engine.hands import Hands
from keeper.engine.leadership import Leadership
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.engine.tick import Book, Desk
from keeper.model.chain import Address, Watch
from keeper.model.errors import ConfigError, Transient
from keeper.model.events import Decided
from keeper.ports.acting import ActingJournal, Journal, Signer, Tips
from keeper.ports.reading import Amount, Oracle, Vault, Venue
from keeper.ports.telling import Clock, Sink
from keeper.registry import build

TIPS_EVERY_BLOCKS: Final = 10
"""How often it is asked what others pay for priority."""


class Node(Struct, frozen=True):
    """One chain through one connection, counted; or through several nodes, as a pool."""

    transport: Metered | Pool
    evm: Evm | Pool

    @property
    def pool(self) -> Pool | None:
        """Return the pool, if there are several nodes."""
        return self.evm if isinstance(self.evm, Pool) else None


def open_node(config: Config, rpc: str | None = None) -> Node:
    """Return the configured node; *rpc* speaks to another one in its place (a fork, a relay)."""
    chain = config.chain
    if rpc is None and len(chain.rpc) + len(chain.private) > 1:
        pool = _open_pool(config)
        return Node(pool, pool)
    line = open_line(config, rpc or chain.rpc[0].reveal())
    return Node(line.transport, line.evm)


def open_line(config: Config, url: str) -> Line:
    """Return one connection to *url*, speaking the configured chain."""
    transport = Metered(open_transport(url))
    evm_config = EvmConfig(
        chain_id=config.chain_id,
        multicall=config.chain.multicall,
        deadline_s=config.chain.call_timeout_s,
        finality=config.chain.finality,
    )
    return Line(transport, Evm(transport, evm_config))


def _open_pool(config: Config) -> Pool:
    chain = config.chain
    health = HealthPolicy(max_lag_blocks=chain.max_lag_blocks)
    urls = [url.reveal() for url in (*chain.rpc, *chain.private)]
    members = [
        Member(name, (open_line(config, url), open_line(config, url)), health, monotonic)
        for name, url in zip(names(urls), urls, strict=True)
    ]
    pool_config = PoolConfig(
        quorum=chain.quorum,
        look_every_s=chain.block_time_s,
        deadline_s=chain.call_timeout_s,
        public_after_s=chain.public_after_s,
        health=health,
    )
    count = len(chain.rpc)
    return Pool(members[:count], pool_config, private=members[count:])


def open_signer(config: Config) -> Signer:
    """Return the configured signer.

    Raises:
        ConfigError: The key is missing, malformed, or not for this chain.

    """
    signer: Signer = build("signers", config.signer, chain_id=config.chain_id)
    return signer


def set_desk(
    config: Config,
    node: Node,
    journal: Journal,
    *,
    clock: Clock | None = None,
    sinks: tuple[Sink, ...] = (),
    tips: Tips | None = None,
) -> Desk:
    """Return everything that a tick works on.

    Raises:
        ConfigError: An adapter cannot be made from its table.

    """
    signer = open_signer(config)
    _check_account(config, signer.address)
    books = tuple(_open_book(book, config, signer.address) for book in config.books)
    hands = Hands(
        chain_id=config.chain_id,
        log=Announcer(journal, clock or SystemClock(), sinks),
        network=node.evm,
        signer=signer,
        policy=config.transactions,
        cap_wei=min(book.limits.max_gas_price_wei for book in config.books),
        tips=tips,
    )
    return Desk(
        chain=node.evm,
        witness=node.pool,
        native_oracle=build("oracles", config.native_price),
        hands=hands,
        books=books,
        purse=Purse(config.chain.multicall, signer.address),
        data_fee=_data_fee(config, max(book.venue.typical_gas for book in books)),
    )


def _data_fee(config: Config, gas: int) -> Amount | None:
    """Return what reads a rollup's fees beyond gas; None where gas is all."""
    return OpStack(gas) if config.chain.rollup == "op_stack" else None


def _check_account(config: Config, account: Address) -> None:
    if isinstance(config.journal, PostgresConfig) and config.journal.account != account:
        raise ConfigError(
            "the journal is another account's than the key's",
            journal=config.journal.account,
            key=account,
            remedy="each account has a shard of its own: correct account in [journal], or the key",
        )


def _open_book(book: BookConfig, config: Config, account: Address) -> Book:
    terms = Terms(
        book=book.name,
        asset=book.asset,
        policy=book.policy,
        limits=book.limits,
        tip_wei=config.transactions.tip_wei,
        max_reverts_per_hour=config.transactions.max_reverts_per_hour,
    )
    return Book(
        terms=terms,
        vaults={name: build("vaults", table) for name, table in book.named_vaults.items()},
        oracle=build("oracles", book.oracle),
        venue=_open_venue(book, config.guard, account),
    )


def _open_venue(book: BookConfig, guard: GuardConfig | None, account: Address) -> Venue:
    """Return the venue; behind a guard it is the guard that the venue sees as the sender."""
    if guard is None:
        bare: Venue = build("venues", book.venue, account=account)
        return bare
    return Guarded(build("venues", book.venue, account=guard.address), guard.address)


class Keeper:
    """What `keeper run` starts and stops: a desk, its loop, and all that wakes it."""

    def __init__(  # noqa: PLR0913  # what a process has and a test leaves out
        self,
        config: Config,
        journal: ActingJournal,
        *,
        clock: Clock | None = None,
        sinks: tuple[Sink, ...] = (),
        adopt: bool = False,
        say: Callable[[str | None], None] = lambda _obstacle: None,
        tidy: Callable[[], object] = lambda: None,
    ) -> None:
        """Put everything in place; nothing is started and nothing is asked yet.

        *say* is told whenever it changes why this keeper does not lead; None when it does. *tidy*
        is called after every tick, when nobody waits.

        Raises:
            ConfigError: Something in *config* cannot be made.

        """
        triggers = config.triggers
        self.node = open_node(config)
        self.tips = HeardTips(
            self.node.evm, TIPS_EVERY_BLOCKS * config.chain.block_time_s, monotonic
        )
        self.desk = set_desk(config, self.node, journal, clock=clock, sinks=sinks, tips=self.tips)
        self.mailbox = Mailbox()
        self.leadership = Leadership(journal, say)
        self.loop = Loop(
            self.desk,
            self.mailbox,
            leadership=self.leadership,
            adopt=adopt,
            after_tick=self._learn,
        )
        self.schedule = Schedule(self.mailbox.post, every_s=triggers.every_s, cron=triggers.cron)
        self.news = open_news(config, self.mailbox.post, self.node.evm.foresee)
        self._tidy = tidy
        self._events = triggers.events
        self._watched: tuple[Watch, ...] = ()

    def run(self) -> None:
        """Hedge until `stop` is called.

        Raises:
            ConfigError: The node serves another chain than the configured one.

        """
        try:
            if self.node.pool is not None:
                self.node.pool.start()
            # A node that is down now may come back: the loop notes it and goes on looking.
            with contextlib.suppress(Transient):
                self.node.evm.connect()
            self.schedule.start()
            self.news.start()
            self.loop.run()
        finally:
            self.schedule.stop()
            self.news.stop()
            self.node.transport.close()

    def stop(self) -> None:
        """End after the tick that runs now; safe from any thread and from a signal."""
        self.loop.stop()

    def _learn(self, decided: tuple[Decided, ...]) -> None:
        self.tips.listen()
        self._listen_to_what_was_learned(decided)
        self._tidy()

    def _listen_to_what_was_learned(self, _decided: tuple[Decided, ...]) -> None:
        """Say which logs matter: adapters know them once they have read the chain."""
        if not self._events:
            return
        watches = watches_of(self.desk)
        if watches != self._watched:
            self._watched = watches
            self.news.update(watches)


def watches_of(desk: Desk) -> tuple[Watch, ...]:
    """Return every log that should wake the keeper, each once.

    Two parts may watch one contract, each with an ear of its own: what is loud for either rings.
    """
    found: dict[Watch, None] = {}
    for book in desk.books:
        parts: tuple[Oracle | Venue | Vault, ...] = (
            book.oracle,
            book.venue,
            *book.vaults.values(),
        )
        for part in parts:
            found |= dict.fromkeys(part.watch())
    return tuple(found)


def open_news(config: Config, post: Post, foresee: Foresee) -> News | Poller:
    """Return what rings the bell: a subscription with polling behind it, or polling alone."""
    chain = config.chain
    poller_config = PollerConfig(
        every_s=chain.block_time_s,
        every_blocks=config.triggers.every_blocks,
        deadline_s=chain.call_timeout_s,
    )
    polled = open_any(url.reveal() for url in chain.rpc)
    if chain.ws is None:
        return Poller(polled, poller_config, post, foresee)
    feed_config = FeedConfig(
        url=chain.ws.reveal(),
        every_blocks=config.triggers.every_blocks,
        block_time_s=chain.block_time_s,
        # Deaf for no longer than a block: the loop does not poll while a subscription is meant to.
        longest_backoff_s=chain.block_time_s,
    )
    feed = Feed(feed_config, post, foresee)
    standby = Poller(polled, poller_config, post, foresee, needed=lambda: not feed.connected)
    return News(feed, standby)
