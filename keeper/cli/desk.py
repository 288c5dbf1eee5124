"""A desk for one command: connected, checked, and closed at the end."""

from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import structs

from keeper.bootstrap import Node, open_node, set_desk
from keeper.config import Config
from keeper.engine.tick import Desk
from keeper.model.errors import Rejected
from keeper.ports.acting import Journal
from keeper.ports.telling import Sink


@contextmanager
def open_desk(
    config: Config, journal: Journal, *, sinks: tuple[Sink, ...] = (), book: str | None = None
) -> Iterator[Desk]:
    """Connect to the node and put everything in place, for *book* alone if it is given.

    Raises:
        ConfigError: The node serves another chain, or an adapter cannot be made.
        Transient: The node did not answer.

    """
    with connected(config) as node:
        desk = set_desk(config, node, journal, sinks=sinks)
        yield desk if book is None else only(desk, book)


@contextmanager
def connected(config: Config) -> Iterator[Node]:
    """Connect to the node; the connection ends with the block.

    Raises:
        ConfigError: The node serves another chain.
        Transient: The node did not answer.

    """
    node = open_node(config)
    try:
        node.evm.connect()
        yield node
    finally:
        node.transport.close()


def only(desk: Desk, book: str) -> Desk:
    """Return the desk with one of its books.

    Raises:
        Rejected: An intent of another book is open: only a tick of that book can settle it.

    """
    others = [o.intent.book for o in desk.hands.log.journal.open() if o.intent.book != book]
    if others:
        raise Rejected(
            "an intent of another book is still open",
            book=others[0],
            remedy="run `keeper tick` without --book, or wait for `keeper run` to settle it",
        )
    return structs.replace(desk, books=tuple(b for b in desk.books if b.terms.book == book))
