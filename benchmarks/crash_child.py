"""The keeper that dies: the real loop, journal, signer and transport, with a place to end at.

Production code knows nothing of it. Its ports are wrapped here; at the chosen place the process
sends itself SIGKILL, or has the proxy send it while a transaction is on the wire. Between two
blocks it waits for the driver, who owns the clock: so a cell takes as long as its work does.
"""

import os
import signal
import socket
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
from msgspec import Struct

from benchmarks.crash_venue import LateStub
from benchmarks.stub_venue import StubVenue
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.rpc import Transport
from keeper.adapters.chain.transports import open_transport
from keeper.adapters.oracles.chainlink import Chainlink
from keeper.adapters.signers.private_key import PrivateKey
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.vaults.erc4626 import Erc4626
from keeper.core.decide import FixedVolatility, Policy, Terms
from keeper.core.limits import Limits
from keeper.core.tx_steps import TxPolicy
from keeper.engine.announce import Announcer
from keeper.engine.hands import Hands
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.engine.tick import Book, Desk
from keeper.model.chain import Address, BlockRef, ChainId, Fees, Message, SignedTx, UnsignedTx
from keeper.model.events import Decided, Event, Intended, Sent, Settled, Signed
from keeper.model.flow import Hold, Mined
from keeper.model.strategies import FixedBand
from keeper.model.units import GWEI, YEAR_S
from keeper.ports.acting import Rehearsal, Work, nothing

BAND_BASE: Final = 0.5
CONFIRMATIONS: Final = 3
"""One more than the deepest reorg."""
BLOCK_S: Final = 12
LIFE_S: Final = 20 * BLOCK_S
LIMITS: Final = Limits(
    min_trade_base=0.01,
    cooldown_s=1,
    max_order_base=500,
    max_position_base=1_000,
    max_leverage_x=5,
    max_gas_price_wei=500 * GWEI,
    daily_gas_budget_usd=1e9,
    max_price_age_s=YEAR_S,
    max_block_age_s=YEAR_S,
    max_deviation_fraction=0.05,
    max_slippage_fraction=0.03,
)
POLICY: Final = Policy(
    risk_aversion_per_usd=1.0,
    volatility=FixedVolatility(0.8),
    strategy=FixedBand(width_base=BAND_BASE, to="zero"),
)
"""One wanted hedge is one trade, to the exact target."""


class Life(Struct, frozen=True, kw_only=True):
    """What one process needs to know."""

    folder: str
    socket: str
    node: str
    key: str
    multicall: Address
    feed: Address
    vault: Address
    weth: Address
    stub: Address
    naive: bool = False
    late: bool = False
    """Whether the venue fills later."""
    looks: int = 3
    """`displaced_looks`."""
    point: str = ""
    nth: int = 1


class Turn(Struct, frozen=True):
    """The driver's word: look now, at this time."""

    now_ms: int


class Report(Struct, frozen=True):
    """What is left after a turn."""

    open: int
    halted: str | None
    armed: str = ""
    """Not a report but a question: have the proxy kill this process, `pre` or `post`."""


class Line:
    """Messages of one line each, over a socket."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._file = end.makefile("rwb")

    def say(self, message: Struct) -> None:
        self._file.write(msgspec.json.encode(message) + b"\n")
        self._file.flush()

    def hear(self) -> bytes:
        """Return a line; empty if the other end is gone."""
        try:
            return self._file.readline()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class Reaper:
    """Ends this process at the chosen place."""

    def __init__(self, line: Line, point: str, nth: int) -> None:
        self.line = line
        self.point = point
        self._left = nth

    def reach(self, place: str) -> None:
        """Die here if this is the place, and it has been reached often enough."""
        if self.is_due(place):
            die()

    def is_due(self, place: str) -> bool:
        """Count the arrival at *place* if it is the chosen one; return whether its time is now."""
        if place != self.point:
            return False
        self._left -= 1
        return self._left == 0

    def on_the_wire(self, place: str) -> None:
        """Have the proxy end this process while its next transaction is under way."""
        for moment, when in (("unread", "pre"), ("unheard", "post")):
            if self.is_due(f"{place}:{moment}"):
                self.line.say(Report(0, None, armed=when))
                self.line.hear()


def die() -> NoReturn:
    """End as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("the dead do not return")


class Clock:
    """Time as the driver says it."""

    now = 0

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> int:
        return self.now


class MortalJournal(SqliteJournal):
    """The journal, with a death before, within and after every commit."""

    reaper: Reaper
    last_signed = "resend"
    """Until this process signs something, all it sends was signed before."""

    def append(self, *events: Event) -> None:
        names = [name for event in events if (name := self._name(event))]
        for name in names:
            self.reaper.reach(f"{name}:before")
        torn = any(self.reaper.is_due(f"{name}:within") for name in names)
        if torn:
            self._db.set_trace_callback(_die_at_commit)
        super().append(*events)
        for name in names:
            self.reaper.reach(f"{name}:after")

    def serve(self, request_id: int) -> None:
        self.reaper.reach("served:before")
        super().serve(request_id)
        self.reaper.reach("served:after")

    def _name(self, event: Event) -> str:
        match event:
            case Signed():
                self.last_signed = self._signed(event)
                return f"signed-{self.last_signed}"
            case Sent():
                name, self.last_signed = f"sent-{self.last_signed}", "resend"
                return name
            case Settled():
                return _settled(event)
            case Decided(decision=decision):
                return "held" if isinstance(decision, Hold) else ""
            case Intended():
                return ""  # never alone: with its first bytes, or with why there are none
            case _:
                return type(event).__name__.lower()

    def _signed(self, event: Signed) -> str:
        attempt = event.attempt
        if attempt.purpose == "cancel":
            return "cancel"
        pending = next((p for p in self.open() if p.intent.id == attempt.intent_id), None)
        if pending is None:
            return "hedge"
        last = pending.sends[-1].heard if pending.sends else ""
        return "renew" if last == "refusal" else "bump"


def _settled(event: Settled) -> str:
    status = event.outcome.status
    if status == "failed":
        return "settled-reverted" if event.outcome.gas_used else "settled-refused"
    return f"settled-{status}"


def _die_at_commit(statement: str) -> None:
    if statement.startswith("COMMIT"):
        die()


class MortalEvm(Evm):
    """The node, with a death around every call that matters."""

    def __init__(self, transport: Transport, config: EvmConfig, journal: MortalJournal) -> None:
        super().__init__(transport, config)
        self._journal = journal
        self._reaper = journal.reaper

    def send(self, raw: bytes) -> str:
        place = f"send-{self._journal.last_signed}"
        self._reaper.reach(f"{place}:before")
        self._reaper.on_the_wire(place)
        try:
            return super().send(raw)
        finally:
            self._reaper.reach(f"{place}:after")

    def rehearse(
        self, sender: Address, message: Message, fees: Fees, at: BlockRef, meanwhile: Work = nothing
    ) -> Rehearsal:
        passed = super().rehearse(sender, message, fees, at, meanwhile)
        self._reaper.reach("rehearse:after")
        return passed

    def mined(self, hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        found = super().mined(hashes, head)
        if found is not None:
            self._reaper.reach("receipt:after")
        return found


class MortalKey:
    """The signer, with a death while the bytes exist in memory alone."""

    def __init__(self, key: PrivateKey, reaper: Reaper) -> None:
        self._key = key
        self._reaper = reaper
        self.address = key.address

    def sign(self, tx: UnsignedTx) -> SignedTx:
        signed = self._key.sign(tx)
        self._reaper.reach("sign:after")
        return signed


def key_of(life: Life, chain_id: ChainId) -> PrivateKey:
    """Return the signer of a cell's account."""
    return PrivateKey(PrivateKey.Config(variable="KEY"), chain_id, {"KEY": life.key})


def live(life: Life, chain_id: ChainId) -> None:
    """Turn whenever the driver says so, until it hangs up or the place is reached."""
    line = dial(life)
    reaper = Reaper(line, life.point, life.nth)
    clock = Clock()
    path = Path(life.folder) / "keeper.db"
    loop, journal = None, None
    while heard := line.hear():
        clock.now = msgspec.json.decode(heard, type=Turn).now_ms
        if loop is None or journal is None:
            journal = MortalJournal.acting(path, chain_id)
            journal.reaper = reaper
            # Its account has paid its way before it hedged for the first time.
            loop = Loop(_desk(life, chain_id, journal, clock), Mailbox(), adopt=True)
            reaper.reach("start")
        loop.turn(frozenset({"block"}))
        line.say(Report(len(journal.open()), journal.halted()))


def dial(life: Life) -> Line:
    """Connect to the driver."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.connect(life.socket)
    return Line(end)


def _desk(life: Life, chain_id: ChainId, journal: MortalJournal, clock: Clock) -> Desk:
    transport = open_transport(life.node)
    key = MortalKey(key_of(life, chain_id), journal.reaper)
    config = EvmConfig(chain_id=chain_id, multicall=life.multicall, deadline_s=10.0)
    evm = MortalEvm(transport, config, journal)
    policy = TxPolicy(
        tip_wei=GWEI,
        confirmations=CONFIRMATIONS,
        resend_after_s=2 * BLOCK_S,
        bump_after_s=3 * BLOCK_S,
        intent_life_s=LIFE_S,
        displaced_looks=life.looks,
    )
    hands = Hands(
        chain_id=chain_id,
        log=Announcer(journal, clock),
        network=evm,
        signer=key,
        policy=policy,
        cap_wei=LIMITS.max_gas_price_wei,
    )
    oracle = Chainlink(Chainlink.Config(feed=life.feed, max_age_s=YEAR_S))
    make: Any = LateStub if life.late else StubVenue
    venue = make(StubVenue.Config(address=life.stub, feed=life.feed), key.address)
    book = Book(
        terms=Terms("eth", life.weth, POLICY, LIMITS, GWEI),
        vaults={"idle": Erc4626(Erc4626.Config(address=life.vault, counts="idle"))},
        oracle=oracle,
        venue=venue,
    )
    return Desk(chain=evm, native_oracle=oracle, hands=hands, books=(book,))
