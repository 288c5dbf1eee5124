"""The actions of a rehearsed ordeal once more, on a real node with real bytes.

Real are: Anvil and its pool, JSON-RPC, signatures, receipts, `contracts/StubVenue.sol`, the SQLite
journal and the loop. The line in front of the node loses, doubles and refuses as the script says.
Anvil's pool is its own and so are its reorgs, so the same seed takes another course here than on
the model; what must hold of the effects is the same. Lagging views, venue moods and strangers are
left to the model.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from msgspec import Struct

from benchmarks.effects import effects_of
from benchmarks.our_keeper import LIMITS, POLICY, signer_of
from benchmarks.stage import ChainClock
from benchmarks.stub_venue import ORDERED, StubVenue
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.rpc import Transport
from keeper.adapters.chain.transports import open_transport
from keeper.adapters.oracles.chainlink import Chainlink
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.core.decide import Terms
from keeper.core.tx_steps import TxPolicy
from keeper.devnet.chain import BLOCK_S
from keeper.devnet.world import World, start_world
from keeper.devnet.worlds import chainlink
from keeper.engine.announce import Announcer
from keeper.engine.hands import Hands
from keeper.engine.loop import Loop
from keeper.engine.mailbox import Mailbox
from keeper.engine.tick import Book, Desk
from keeper.model.chain import Address, ChainId, Watch
from keeper.model.errors import Refused, Rejected, Uncertain
from keeper.model.events import Event, Halted, Resumed, Signed
from keeper.model.position import Linear, VaultState
from keeper.model.units import ETHER, GWEI
from keeper.ports.reading import Read
from keeper.sim.ordeal import (
    DELIVERIES,
    DELTAS,
    FEES_GWEI,
    INTERRUPTIONS,
    PICKS,
    WAITS_S,
    Action,
    WatchedJournal,
    script,
)
from keeper.sim.world import Crash

CONFIRMATIONS: Final = 2
PRICE: Final = 2_000.0
HEALING_BLOCKS: Final = 80
CALM_GWEI: Final = 1
NEAR_BASE: Final = 0.5
MOST_BYTES_AGAIN: Final = 8
"""Newest attempts that are handed to the node again: older ones are final."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one script."""

    steps: int
    intents: int
    effects: int
    crashes: int
    reorgs: int
    deepest: int
    """Of the reorgs, in blocks."""
    violations: tuple[str, ...]


class _Vault:
    """Holds what the script says."""

    def __init__(self, asset: Address) -> None:
        self._asset = asset
        self.delta = DELTAS[0]

    def read(self) -> Read[VaultState]:
        yield ()
        return VaultState(legs=(Linear(self._asset, self.delta),))

    def watch(self) -> tuple[Watch, ...]:
        return ()


class _Line(Evm):
    """The node behind a line that loses what it is given."""

    gate: Callable[[str], None]
    delivery: str = "plain"
    sent: list[bytes]

    def send(self, raw: bytes) -> str:
        self.gate("send")
        self.sent.append(raw)
        try:
            return self._deliver(raw)
        finally:
            self.gate("sent")

    def _deliver(self, raw: bytes) -> str:
        if self.delivery in {"lost", "swallowed"}:
            raise Uncertain("connection reset")
        if self.delivery == "refused":
            raise Refused("insufficient funds for gas * price + value")
        said = super().send(raw)
        match self.delivery:
            case "unheard" | "elsewhere":
                raise Uncertain("connection reset")
            case "mistaken":
                raise Refused("transaction type not supported")
            case _:
                return said


class Replay:
    """One world, one journal, one process at a time."""

    def __init__(self, world: World, journal: SqliteJournal) -> None:
        self._world, self._chain = world, world.chain
        self._inner = journal
        self._clock = ChainClock(self._chain.block().timestamp_s)
        self._vault = _Vault(world.weth)
        self._points = 0
        self._interruption = ""
        self._log: list[Event] = []
        self._crashes = self._reorgs = self._deepest = 0
        self._first_block = self._chain.block().number
        self._first_nonce = self._nonce()
        self._base_fee_wei = CALM_GWEI * GWEI
        self._violations: list[str] = []
        self._sent: list[bytes] = []
        self._transport: Transport = open_transport(world.ipc_path)
        self._journal = WatchedJournal(journal, self._gate, self._log.extend)
        self._line, self._loop = self._process()

    def play(self, actions: tuple[Action, ...]) -> Outcome:
        """Let it all happen, then heal; return what is seen on the chain and in the journal."""
        self._announce()
        for action in actions:
            play = getattr(self, f"_{action.name}", None)
            if play is not None:
                play(action)
        self._heal()
        effects = self._effects()
        self._judge(effects)
        self._transport.close()
        return Outcome(
            steps=len(actions),
            intents=len(self._inner.intents(last=1_000_000)),
            effects=sum(effects.values()),
            crashes=self._crashes,
            reorgs=self._reorgs,
            deepest=self._deepest,
            violations=tuple(self._violations),
        )

    # ------------------------------------------------------------------ the process

    def _process(self) -> tuple[_Line, Loop]:
        world = self._world
        line = _Line(self._transport, EvmConfig(chain_id=ChainId(world.chain_id)))
        line.gate, line.sent = self._gate, self._sent
        line.connect()
        hands = Hands(
            chain_id=ChainId(world.chain_id),
            log=Announcer(self._journal, self._clock),
            network=line,
            signer=signer_of(world),
            policy=TxPolicy(tip_wei=GWEI, confirmations=CONFIRMATIONS),
            cap_wei=LIMITS.max_gas_price_wei,
        )
        oracle = Chainlink(Chainlink.Config(feed=world.feed, max_age_s=LIMITS.max_price_age_s))
        terms = Terms(book="eth", asset=world.weth, policy=POLICY, limits=LIMITS, tip_wei=GWEI)
        account = world.accounts.keeper.address
        venue = StubVenue(StubVenue.Config(address=world.stub_venue, feed=world.feed), account)
        book = Book(terms=terms, vaults={"held": self._vault}, oracle=oracle, venue=venue)
        desk = Desk(chain=line, native_oracle=oracle, hands=hands, books=(book,))
        return line, Loop(desk, Mailbox())

    def _turn(self, action: Action) -> None:
        self._points = action.b
        self._interruption = INTERRUPTIONS[action.c]
        try:
            self._loop.turn(frozenset({"block"}))
        except Crash:
            self._crashes += 1
            delivery = self._line.delivery
            self._line, self._loop = self._process()
            self._line.delivery = delivery
        self._points = 0

    def _gate(self, point: str) -> None:
        if not self._points:
            return
        self._points -= 1
        if self._points:
            return
        match self._interruption:
            case "crash":
                raise Crash(point)
            case "halt":
                self._halt(Action("halt"))
            case _:
                self._chain_mine()

    def _restart(self, _action: Action) -> None:
        self._line, self._loop = self._process()

    # ------------------------------------------------------------------ the world

    def _chain_mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            head = self._chain.block()
            seconds = max(BLOCK_S, self._clock.now_s + BLOCK_S - head.timestamp_s)
            block = self._chain.mine(seconds=seconds, base_fee_wei=self._base_fee_wei)
            self._clock.now_s = block.timestamp_s

    def _mine(self, action: Action) -> None:
        if PICKS[action.a] == "none":
            self._chain.drop_pending()
        self._chain_mine(action.b + 1)

    def _reorg(self, action: Action) -> None:
        depth = min(action.a + 1, self._chain.block().number - self._first_block - 1)
        if depth <= 0:
            return
        self._reorgs += 1
        self._deepest = max(self._deepest, depth)
        self._chain.reorg(depth)
        if not action.c:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the node what was signed, as other nodes would that remember it."""
        signed = [event.attempt.raw for event in self._log if isinstance(event, Signed)]
        for raw in signed[-MOST_BYTES_AGAIN:]:
            self._submit(raw)

    def _submit(self, raw: bytes) -> None:
        with suppress(Rejected):  # known, used or underpriced: nobody acts on a node's words
            self._chain.rpc.call("eth_sendRawTransaction", f"0x{raw.hex()}")

    def _late(self, action: Action) -> None:
        signed = [event.attempt.raw for event in self._log if isinstance(event, Signed)]
        if action.a < len(signed):
            self._submit(signed[-1 - action.a])

    def _forget(self, _action: Action) -> None:
        self._chain.drop_pending()

    def _wait(self, action: Action) -> None:
        self._clock.now_s += WAITS_S[action.a]

    def _fee(self, action: Action) -> None:
        self._base_fee_wei = FEES_GWEI[action.a] * GWEI

    def _move(self, action: Action) -> None:
        self._vault.delta = DELTAS[action.a]

    def _delivery(self, action: Action) -> None:
        self._line.delivery = DELIVERIES[action.a]

    def _halt(self, _action: Action) -> None:
        self._tell(Halted("by hand", self._clock.now_ms()))

    def _resume(self, _action: Action) -> None:
        self._tell(Resumed("by hand", self._clock.now_ms()))

    def _tell(self, event: Event) -> None:
        self._inner.append(event)
        self._log.append(event)

    def _announce(self) -> None:
        """Let the feed say its price anew: it must not be older than an hour."""
        world = self._world
        self._chain.submit(chainlink.push(world.feed_pair, world.accounts.deployer.address, PRICE))
        self._chain_mine()

    # ------------------------------------------------------------------ the end

    def _heal(self) -> None:
        self._line.delivery, self._base_fee_wei = "plain", CALM_GWEI * GWEI
        for _ in range(HEALING_BLOCKS):
            self._hand_over()
            self._announce()
            self._turn(Action("turn"))
            if self._inner.halted() is not None:
                self._resume(Action("resume"))
            if not self._inner.open() and abs(self._vault.delta + self._position()) < NEAR_BASE:
                return
        self._violations.append(f"I17: no rest; {self._log[-2:]}")

    def _judge(self, effects: Counter[str]) -> None:
        """Hold the chain against the journal."""
        self._inner.verify()
        records = self._inner.intents(last=1_000_000)
        hashes = {a.hash: record.intent.id for record in records for a in record.attempts}
        by_intent: Counter[str] = Counter()
        for tx_hash, times in effects.items():
            self._expect(tx_hash in hashes, f"I4: {tx_hash} is not in the journal")
            by_intent[hashes.get(tx_hash, "")] += times
        self._expect(max(by_intent.values(), default=0) <= 1, "I1: an intent had two effects")
        done = {r.intent.id for r in records if r.outcome and r.outcome.status == "done"}
        open_ids = {r.intent.id for r in records if r.outcome is None}
        self._expect(not open_ids, "I17: an intent never ended")
        if self._deepest < CONFIRMATIONS:
            self._expect(done == set(by_intent), "I2: journal and chain tell two stories")
        known = {a.raw for record in records for a in record.attempts}
        self._expect(set(self._sent) <= known, "I4: bytes left that are not in the journal")
        nonces = {a.nonce for record in records for a in record.attempts}
        gapless = nonces == set(range(self._first_nonce, self._nonce()))
        self._expect(gapless, f"I5, I18: {sorted(nonces)} and the chain's is {self._nonce()}")

    def _expect(self, holds: object, message: str) -> None:
        if not holds:
            self._violations.append(message)

    def _nonce(self) -> int:
        account = self._world.accounts.keeper.address
        return int(self._chain.rpc.call("eth_getTransactionCount", account, "latest"), 16)

    def _position(self) -> float:
        world = self._world
        account = world.accounts.keeper.address
        size = self._chain.read(world.stub_venue, "position(address)", "int256", account)
        return float(size / ETHER)

    def _effects(self) -> Counter[str]:
        """Return how often each transaction changed the keeper's position."""
        world, keeper = self._world, self._world.accounts.keeper.address
        venue, since = world.stub_venue, self._first_block
        return effects_of(self._chain.rpc, venue, ORDERED, keeper, since=since)


def replay_all(seeds: range, steps: int) -> Iterator[tuple[int, Outcome]]:
    """Play each seed on a world that is rewound before it; yield what became of it."""
    with start_world() as world:
        for seed in seeds:
            taken = world.chain.snapshot()
            with SqliteJournal.in_memory(ChainId(world.chain_id)) as journal:
                yield seed, Replay(world, journal).play(script(seed, steps))
            world.chain.drop_pending()
            world.chain.rewind(taken)
