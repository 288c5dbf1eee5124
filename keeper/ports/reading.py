"""How an adapter reads the chain without touching it.

A read is a generator. It yields the calls it needs, is sent their answers, and returns a value.
The engine runs all reads in lockstep, so every adapter's calls of one round travel in one
multicall, pinned to one block. A call that reverted is raised at the `yield`, as `CallReverted`.

What never changes (tokens, decimals, pool keys) an adapter reads in its first read and keeps, so
that a steady read takes one round.
"""

from collections.abc import Generator
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

from keeper.model.chain import Address, Answer, BlockRef, Call, Log, Message, Watch
from keeper.model.errors import CallReverted
from keeper.model.flow import Fill, Intent, Progress
from keeper.model.market import Quote
from keeper.model.position import VaultState, VenueState
from keeper.ports.acting import Work, nothing

T = TypeVar("T")

Read: TypeAlias = Generator[tuple[Call, ...], tuple[Answer, ...], T]


class Chain(Protocol):
    """Answers calls, all at the same block."""

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        """Return the newest block.

        *meanwhile* is what there is to do until the answer comes: it is called whenever the
        question has left, or not at all, and must not raise.
        """
        ...

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """Return one answer per call, in order.

        A revert is an answer, not a raise; so is an answer of the wrong shape.

        Raises:
            BadData: The block is not known any more (a reorg).
            Transient: The node did not answer.

        """
        ...


class Witness(Protocol):
    """Others who can be asked whether what was read is so."""

    def confirm(self, at: BlockRef) -> None:
        """Return if enough others say the same to everything that was read at *at*.

        Raises:
            BadData: Others say something else.
            Transient: Nobody contradicts, but too few could say anything yet.

        """
        ...


class Vault(Protocol):
    """Something whose exposure is hedged."""

    def read(self) -> Read[VaultState]:
        """Read the vault's legs at whatever block the engine pins."""
        ...

    def watch(self) -> tuple[Watch, ...]:
        """Return the logs that mean its exposure moved; complete after the first read."""
        ...


class Oracle(Protocol):
    """A source of one price."""

    def read(self) -> Read[Quote]:
        """Read the price; a value that no market could have is `BadData`."""
        ...

    def watch(self) -> tuple[Watch, ...]:
        """Return the logs that mean the price moved; complete after the first read."""
        ...


class Amount(Protocol):
    """A number of wei that every book of a chain needs to know."""

    def read(self) -> Read[int]:
        """Read the amount, in wei."""
        ...


class Venue(Protocol):
    """Where the hedge is held: reads, and builds orders without sending them."""

    account: Address
    """Who holds the position."""
    typical_gas: int
    """Gas of one order, before a settled one says better."""

    def read(self) -> Read[VenueState]:
        """Read the hedge account and what a trade would cost."""
        ...

    def watch(self) -> tuple[Watch, ...]:
        """Return the logs that mean the account moved."""
        ...

    def prepare(self, intent: Intent) -> Message:
        """Return the message that would carry out *intent*: bounded in price and time.

        Rounding never enlarges the trade. Nothing is sent.
        """
        ...

    def preview(self, intent: Intent, returned: bytes) -> Fill:
        """Return the fill that a simulation of `prepare(intent)` promised by its return data."""
        ...

    def fill(self, logs: tuple[Log, ...]) -> Fill | None:
        """Return what a mined transaction did for our account; None if it did nothing."""
        ...

    def explain(self, revert: bytes) -> str:
        """Return what the venue's revert data means, in words; hex if it is not known."""
        ...


@runtime_checkable
class OrderVenue(Venue, Protocol):
    """A venue that fills later: a mined transaction leaves an order, and somebody else executes it.

    The order expires with its intent by itself if the venue can do that; it is withdrawn if not.
    """

    def placed(self, logs: tuple[Log, ...]) -> str | None:
        """Return the venue's name of the order that a transaction left; None if it left none."""
        ...

    def progress(self, order: str) -> Read[Progress | None]:
        """Read how far an order has come; None if the venue does not know it at this block.

        Not to know is not to reject: nothing is concluded from it.
        """
        ...

    def withdraw(self, order: str) -> Message:
        """Return the message that takes an open order back; it reverts if there is none."""
        ...
