"""How the engine changes the world: simulate, sign, send, remember."""

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from keeper.model.chain import Address, BlockRef, Fees, Message, SignedTx, UnsignedTx
from keeper.model.events import Decided, Event, Placed, Progressed
from keeper.model.flow import Attempt, Command, GasState, Intent, Mined, Send, VolState
from keeper.model.lease import Tenure
from keeper.model.records import Entry, Proof, Record, Totals

Work = Callable[[], None]
"""What there is to do while somebody else works on an answer."""


def nothing() -> None:
    """Wait idly."""


class Signer(Protocol):
    """Turns an unsigned transaction into bytes; holds the key and shows it to nobody."""

    address: Address

    def sign(self, tx: UnsignedTx) -> SignedTx:
        """Return the signed bytes and their hash.

        Raises:
            Rejected: The transaction is for another chain than this signer's.

        """
        ...


class Standing(Struct, frozen=True):
    """What must be so before anything is signed."""

    nonce: int
    """The account's next nonce."""
    code_hash: str | None
    """Of the contract to be called; None if there is no code."""


class Rehearsal(Struct, frozen=True):
    """What a message would do at a block, and what must be so before it is signed."""

    returned: bytes
    """By the call itself."""
    standing: Standing
    """Of the sender and of the contract that is called."""


class Tips(Protocol):
    """What others pay for priority."""

    def recent_wei(self) -> int:
        """Return what recent blocks paid, as last heard; asks nobody. 0 if nothing was heard."""
        ...


class Network(Protocol):
    """Where transactions go."""

    def nonce(self, account: Address, *, depth: int = 0) -> int:
        """Return the account's next nonce *depth* blocks below the newest; never `pending`."""
        ...

    def standing(self, account: Address, target: Address, at: BlockRef) -> Standing:
        """Return where *account* and the contract *target* stand at block *at*, by its hash.

        Raises:
            Transient: The node did not answer, or does not know the block.

        """
        ...

    def simulate(self, sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        """Run *message* at block *at* with *fees* and return what it returns.

        Raises:
            CallReverted: It reverts; `data` holds the reason.
            Rejected: The sender cannot pay for it.
            Transient: The node did not answer.

        """
        ...

    def rehearse(
        self, sender: Address, message: Message, fees: Fees, at: BlockRef, meanwhile: Work = nothing
    ) -> Rehearsal:
        """Do as `simulate` and `standing` in one look.

        *meanwhile* is what there is to do while the chain works on it: it is called once the
        question has left, or not at all, and must not raise.

        Raises:
            KeeperError: As they do, and first what `simulate` would raise.

        """
        ...

    def send(self, raw: bytes) -> str:
        """Broadcast; return what the node said. Sending the same bytes twice is harmless.

        An error text is an answer, not a verdict: it is returned. Only the chain decides.

        Raises:
            Refused: The node refused the bytes in definite words. It is an answer all the same:
                another node, or an earlier broadcast, may have what this one did not take.
            Uncertain: Nothing was heard; the node may have the transaction.

        """
        ...

    def mined(self, hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        """Return where any of *hashes* stands, looked up by receipt; None if none is mined."""
        ...


class History(Struct, frozen=True):
    """What the past means for the next decision of one book."""

    last_trade_at_ms: int | None
    gas_usd_24h: float
    last_gas_used: int | None
    volatility: VolState | None
    gas: GasState | None = None
    reverts_1h: int = 0
    """Transactions mined and reverted within an hour, and since the last halt or resume."""
    ran_out_of_gas: bool = False
    """Whether one of the last 24 hours did."""


class Open(Struct, frozen=True):
    """An unsettled intent with all its attempts, oldest first."""

    intent: Intent
    attempts: tuple[Attempt, ...]
    sends: tuple[Send, ...] = ()
    """Every time one of them was handed over, oldest first."""
    unseen_at: tuple[int, ...] = ()
    """Newest blocks at which `Unseen` was written."""
    placed: Placed | None = None
    """The order that it left at the venue."""
    progressed: Progressed | None = None
    """The newest that the venue said of it."""


class Request(Struct, frozen=True):
    """Something a person asked for while another process runs the keeper."""

    id: int
    command: Command


class Journal(Protocol):
    """Durable memory of what was tried. It never says what is held: the chain does."""

    def append(self, *events: Event) -> None:
        """Return only once all *events* would survive a crash, in one transaction.

        Raises:
            Stopped: Something signed is among them, and the last word on trading is `Halted`.
            Fatal: A constraint that makes a double impossible was about to break.
            Fenced: Another keeper leads; nothing was written.
            Transient: The database could not be asked; nothing was written.
            Uncertain: Its answer was lost; the next use of the journal finds out first.

        """
        ...

    def make_ready(self) -> None:
        """Do what makes the next `append` shorter and changes nothing, while there is time."""
        ...

    def knows(self, intent_id: str) -> bool:
        """Return whether an intent of this id was ever written down."""
        ...

    def open(self) -> tuple[Open, ...]:
        """Return unsettled intents, oldest first."""
        ...

    def next_nonce(self, account: Address) -> int | None:
        """Return one more than the highest nonce bound or adopted; None if there is none."""
        ...

    def history(self, book: str, now_ms: int) -> History:
        """Return what the past of *book* means for its next decision."""
        ...

    def code_hash(self, address: Address) -> str | None:
        """Return the newest `CodeSeen` of *address*; None if there is none."""
        ...

    def halted(self) -> str | None:
        """Return why trading is stopped, or None."""
        ...

    def requests(self) -> tuple[Request, ...]:
        """Return what people asked for and nobody served yet."""
        ...

    def serve(self, request_id: int) -> None:
        """Mark a request as served."""
        ...


class Archive(Journal, Protocol):
    """A journal as people use it, beside the keeper that acts."""

    def request(self, command: Command) -> int:
        """Ask the acting keeper for *command*; return the id to wait for."""
        ...

    def is_served(self, request_id: int) -> bool:
        """Return whether the acting keeper has carried out a request."""
        ...

    def decisions(self, book: str | None = None, last: int = 1) -> tuple[Decided, ...]:
        """Return the *last* decisions of *book*, or of every book, oldest first."""
        ...

    def intents(self, last: int = 20) -> tuple[Record, ...]:
        """Return the *last* intents, oldest first."""
        ...

    def intent(self, prefix: str) -> Record | None:
        """Return the intent whose id starts with *prefix*; None if there is not exactly one."""
        ...

    def entries(self, *, intent_id: str | None = None, last: int = 100) -> tuple[Entry, ...]:
        """Return the *last* events of the log, or of one intent, oldest first; no holds."""
        ...

    def totals(self) -> Totals:
        """Return sums over the whole life of the journal."""
        ...

    def verify(self) -> Proof:
        """Check the log's hashes, and that every table follows from the log.

        Raises:
            Fatal: Something was changed behind the journal's back.

        """
        ...

    def tenure(self) -> Tenure | None:
        """Return who leads, or led last; None if nobody ever did."""
        ...

    def close(self) -> None:
        """Let go of the lease, if it is held, and of the database."""
        ...


class Lease(Protocol):
    """The right to act on one journal: held by one keeper at a time, fenced by its epoch.

    Whoever holds it may append; every append checks it in its own transaction, so that a keeper
    that was paused, cut off or declared dead writes nothing more. What it says between two appends
    is only advice.
    """

    def hold(self) -> int | None:
        """Renew the lease, or take it over if nobody holds it; return its epoch if it is ours.

        An epoch that differs from the last one returned means that others may have acted since.

        Raises:
            Transient: The database could not be asked.

        """
        ...

    def let_go(self) -> None:
        """Let another keeper lead at once."""
        ...

    def obstacle(self) -> str | None:
        """Return who leads, or why this keeper must not, as of the last `hold`; None if it does."""
        ...


class ActingJournal(Archive, Lease, Protocol):
    """A journal together with the right to act on it."""
