"""How the engine changes the world: simulate, sign, send, remember."""

from typing import Protocol

from msgspec import Struct

from keeper.model.chain import Address, BlockRef, Fees, Message, SignedTx, UnsignedTx
from keeper.model.events import Event
from keeper.model.flow import Attempt, Command, GasState, Intent, Mined, VolState


class Signer(Protocol):
    """Turns an unsigned transaction into bytes; holds the key and shows it to nobody."""

    address: Address

    def sign(self, tx: UnsignedTx) -> SignedTx:
        """Return the signed bytes and their hash.

        Raises:
            Rejected: The transaction is for another chain than this signer's.

        """
        ...


class Network(Protocol):
    """Where transactions go."""

    def nonce(self, account: Address, *, depth: int = 0) -> int:
        """Return the account's next nonce *depth* blocks below the newest; never `pending`."""
        ...

    def simulate(self, sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        """Run *message* at block *at* with *fees* and return what it returns.

        Raises:
            CallReverted: It reverts; `data` holds the reason.
            Rejected: The sender cannot pay for it.
            Transient: The node did not answer.

        """
        ...

    def send(self, raw: bytes) -> str:
        """Broadcast; return what the node said. Sending the same bytes twice is harmless.

        An error text is an answer, not a verdict: it is returned. Only the chain decides.

        Raises:
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


class Open(Struct, frozen=True):
    """An unsettled intent with all its attempts, oldest first."""

    intent: Intent
    attempts: tuple[Attempt, ...]


class Request(Struct, frozen=True):
    """Something a person asked for while another process runs the keeper."""

    id: int
    command: Command


class Journal(Protocol):
    """Durable memory of what was tried. It never says what is held: the chain does."""

    def append(self, *events: Event) -> None:
        """Return only once all *events* would survive a crash, in one transaction.

        Raises:
            Fatal: A constraint that makes a double impossible was about to break.

        """
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

    def halted(self) -> str | None:
        """Return why trading is stopped, or None."""
        ...

    def requests(self) -> tuple[Request, ...]:
        """Return what people asked for and nobody served yet."""
        ...

    def serve(self, request_id: int) -> None:
        """Mark a request as served."""
        ...
