"""The only place where concrete things meet: a checked configuration becomes a running keeper.

Read it top to bottom: node, key, books, desk; then the bell, the clock and the loop.
"""

import contextlib

from msgspec import Struct

from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.feed import Feed, FeedConfig
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.poller import Poller, PollerConfig
from keeper.adapters.chain.transports import open_transport
from keeper.adapters.clock import SystemClock
from keeper.adapters.schedule import Schedule
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.config import BookConfig, Config
from keeper.core.decide import Terms
from keeper.engine.announce import Announcer
from keeper.engine.execute import Hands
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.engine.tick import Book, Desk
from keeper.model.chain import Address, Watch
from keeper.model.errors import Transient
from keeper.model.events import Decided
from keeper.ports.acting import Journal, Signer
from keeper.ports.reading import Oracle, Vault, Venue
from keeper.ports.telling import Clock, Sink
from keeper.registry import build


class Node(Struct, frozen=True):
    """One chain through one connection, counted."""

    transport: Metered
    evm: Evm


def open_node(config: Config, rpc: str | None = None) -> Node:
    """Return the configured node; *rpc* speaks to another one in its place (a fork, a relay)."""
    transport = Metered(open_transport(rpc or config.chain.rpc.reveal()))
    evm_config = EvmConfig(
        chain_id=config.chain_id,
        multicall=config.chain.multicall,
        deadline_s=config.chain.call_timeout_s,
    )
    return Node(transport, Evm(transport, evm_config))


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
) -> Desk:
    """Return everything that a tick works on.

    Raises:
        ConfigError: An adapter cannot be made from its table.

    """
    signer = open_signer(config)
    hands = Hands(
        chain_id=config.chain_id,
        log=Announcer(journal, clock or SystemClock(), sinks),
        network=node.evm,
        signer=signer,
        policy=config.transactions,
        cap_wei=min(book.limits.max_gas_price_wei for book in config.books),
    )
    return Desk(
        chain=node.evm,
        native_oracle=build("oracles", config.native_price),
        hands=hands,
        books=tuple(_open_book(book, config, signer.address) for book in config.books),
    )


def _open_book(book: BookConfig, config: Config, account: Address) -> Book:
    terms = Terms(
        book=book.name,
        asset=book.asset,
        policy=book.policy,
        limits=book.limits,
        tip_wei=config.transactions.tip_wei,
    )
    return Book(
        terms=terms,
        vaults={name: build("vaults", table) for name, table in book.named_vaults.items()},
        oracle=build("oracles", book.oracle),
        venue=build("venues", book.venue, account=account),
    )


class Keeper:
    """What `keeper run` starts and stops: a desk, its loop, and all that wakes it."""

    def __init__(
        self,
        config: Config,
        journal: SqliteJournal,
        *,
        clock: Clock | None = None,
        sinks: tuple[Sink, ...] = (),
    ) -> None:
        """Put everything in place; nothing is started and nothing is asked yet.

        Raises:
            ConfigError: Something in *config* cannot be made.

        """
        triggers = config.triggers
        self.node = open_node(config)
        self.desk = set_desk(config, self.node, journal, clock=clock, sinks=sinks)
        self.mailbox = Mailbox()
        self.loop = Loop(self.desk, self.mailbox, after_tick=self._listen_to_what_was_learned)
        self.schedule = Schedule(self.mailbox.post, every_s=triggers.every_s, cron=triggers.cron)
        self.news = _open_news(config, self.mailbox)
        self._events = triggers.events
        self._watched: tuple[Watch, ...] = ()

    def run(self) -> None:
        """Hedge until `stop` is called.

        Raises:
            ConfigError: The node serves another chain than the configured one.

        """
        try:
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

    def _listen_to_what_was_learned(self, _decided: tuple[Decided, ...]) -> None:
        """Say which logs matter: adapters know them once they have read the chain."""
        if not self._events:
            return
        watches = watches_of(self.desk)
        if watches != self._watched:
            self._watched = watches
            self.news.update(watches)


def watches_of(desk: Desk) -> tuple[Watch, ...]:
    """Return every log that should wake the keeper, each once."""
    found: dict[tuple[Address, bytes], Watch] = {}
    for book in desk.books:
        parts: tuple[Oracle | Venue | Vault, ...] = (
            book.oracle,
            book.venue,
            *book.vaults.values(),
        )
        for part in parts:
            found |= {(watch.address, watch.topic): watch for watch in part.watch()}
    return tuple(found.values())


def _open_news(config: Config, mailbox: Mailbox) -> Feed | Poller:
    """Return what rings the bell for blocks and logs: a subscription, or polling without one."""
    chain = config.chain
    if chain.ws is None:
        poller_config = PollerConfig(
            every_s=chain.block_time_s,
            every_blocks=config.triggers.every_blocks,
            deadline_s=chain.call_timeout_s,
        )
        return Poller(open_transport(chain.rpc.reveal()), poller_config, mailbox.post)
    feed_config = FeedConfig(
        url=chain.ws.reveal(),
        every_blocks=config.triggers.every_blocks,
        block_time_s=chain.block_time_s,
        # Deaf for no longer than a block: the loop does not poll while a subscription is meant to.
        longest_backoff_s=chain.block_time_s,
    )
    return Feed(feed_config, mailbox.post)
