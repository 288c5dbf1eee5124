"""A keeper beside a local chain: its folder, its command line, its loop, and what others see of it.

What is asserted here is seen from outside: nonces and logs on the chain, questions at the node's
front door, the journal through a connection of its own.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from msgspec import Struct

from benchmarks.effects import logs_of
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.adapters.venues.perp_v2 import POSITION_CHANGED
from keeper.bootstrap import Keeper
from keeper.cli.main import cli
from keeper.config import Config, load
from keeper.devnet.world import World
from keeper.engine.loop import Pace
from keeper.model.chain import Address
from keeper.model.events import Decided, Event, Sent, Settled, Troubled
from keeper.model.flow import Attempt, Reasoning
from keeper.model.units import ETHER
from keeper.testing.faultproxy import FaultProxy
from tests.canary import NODE_TOKEN

PATIENCE_S = 30.0
COOLDOWN_S = 3_600
"""So long that nothing trades twice before a test lets the time pass."""
GLANCE_S = 0.01
KEY_VARIABLE = "KEEPER_PRIVATE_KEY"
TOKEN_VARIABLE = "KEEPER_NODE_TOKEN"  # noqa: S105  # a name
TOML = """\
[chain]
chain_id = {world.chain_id}
rpc = "{rpc}"
ws = "{world.ws_url}"
multicall = "{world.multicall3}"
call_timeout = "2 s"
block_time = "1 s"

[signer]
type = "private_key"
variable = "KEEPER_PRIVATE_KEY"

[service]
listen = "127.0.0.1:0"

[journal]
path = "keeper.db"

[native_price]
type = "chainlink"
feed = "{world.feed}"
max_age = "1 h"

[transactions]
tip = "1 gwei"
confirmations = 1
resend_after = "10 min"
bump_after = "20 min"
intent_life = "1 h"

[triggers]
every_blocks = 1
events = true

[[books]]
name = "eth"
symbol = "ETH"
asset = "{world.weth}"

[books.oracle]
type = "chainlink"
feed = "{world.feed}"
max_age = "1 h"

[[books.vaults]]
name = "idle"
type = "erc4626"
address = "{world.vault}"
counts = "idle"

[[books.vaults]]
name = "range"
type = "uniswap_v3"
position_manager = "{world.uniswap.position_manager}"
base = "{world.weth}"
owner = "{world.vault}"

[books.venue]
type = "perp_v2"
clearing_house = "{world.perp.clearing_house}"
base_token = "{world.perp.base_token}"

[books.policy]
hedge_ratio = 1.0
# So averse to risk that a small move of the price is worth a trade.
risk_aversion = "0.005 /USD"
volatility = {{ type = "fixed", sigma = "80 %" }}
horizon = "7 d"

[books.limits]
min_trade = "0.05 ETH"
cooldown = "1 h"
max_order = "300 ETH"
max_position = "400 ETH"
max_leverage = "3 x"
max_gas_price = "400 gwei"
daily_gas_budget = "2000 USD"
max_price_age = "1 h"
max_block_age = "30 d"
max_deviation = "3 %"
max_slippage = "2 %"
"""

Falsify = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any] | None]
"""Takes question and true answer; returns what is said instead, None for a broken line."""


class FrontDoor:
    """An HTTP server in front of the node: notes every question, and lies on request."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self.asked: list[str] = []
        self.falsify: Falsify = lambda _question, answer: answer
        door = self

        class Visit(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                said = door.answer(self.rfile.read(int(self.headers["Content-Length"])))
                if said is None:
                    self.close_connection = True
                    return
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(said)}\r\n\r\n"
                self.wfile.write(head.encode() + said)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Visit)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def sends(self) -> int:
        return self.asked.count("eth_sendRawTransaction")

    def answer(self, body: bytes) -> bytes | None:
        question = json.loads(body)
        batch = question if isinstance(question, list) else [question]
        self.asked += [call["method"] for call in batch]
        line = HTTPConnection(str(self._upstream.hostname), self._upstream.port or 0, timeout=10)
        try:
            line.request("POST", "/", body, {"Content-Type": "application/json"})
            answer = json.loads(line.getresponse().read())
        finally:
            line.close()
        true = answer if isinstance(answer, list) else [answer]
        said = [self.falsify(*pair) for pair in zip(batch, true, strict=True)]
        if None in said:
            return None
        return json.dumps(said if isinstance(question, list) else said[0]).encode()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Done(Struct, frozen=True):
    """A command of the keeper that has ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything, in one line: a block of text breaks where the terminal ends."""
        return " ".join((self.out + self.err).split())


class Process:
    """A real process of the keeper, its lines read as they come."""

    def __init__(
        self,
        *words: str,
        cwd: Path | None = None,
        launcher: tuple[str, ...] = ("-m", "keeper"),
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *launcher, *words],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def await_line(self, words: str, within_s: float = PATIENCE_S) -> str:
        """Wait for a line with *words* in it, and return it."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            found = [line for line in self.lines if words in line]
            if found:
                return found[0]
            if not self._reader.is_alive():
                break
            time.sleep(GLANCE_S)
        pytest.fail(f"no {words!r} came; the last lines are {self.lines[-5:]}")

    def wait(self) -> int:
        """Await the end; return the exit code."""
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal, await the end; return the exit code and how many seconds it took."""
        began = time.monotonic()
        self._process.send_signal(number)
        code = self._process.wait(PATIENCE_S)
        return code, time.monotonic() - began

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self.lines.append(line)


class Office:
    """One keeper's folder beside a local world."""

    def __init__(self, folder: Path, world: World, door: FrontDoor) -> None:
        self.folder = folder
        self.world = world
        self.door = door
        self.config_file = folder / "keeper.toml"
        self.text = TOML.format(world=world, rpc=f"{door.url}/v2/${{{TOKEN_VARIABLE}}}")
        self.account = world.accounts.keeper.address
        self.set_key(world.accounts.keeper.test_key)
        self.change()
        self._nonce = self.nonce()

    def set_key(self, key: str) -> None:
        (self.folder / ".env").write_text(f"{KEY_VARIABLE}={key}\n{TOKEN_VARIABLE}={NODE_TOKEN}\n")

    def change(self, *changes: tuple[str, str]) -> None:
        """Replace text of keeper.toml; what is not there exactly once is a mistake of the test."""
        for old, new in changes:
            assert self.text.count(old) == 1, old
            self.text = self.text.replace(old, new)
        self.config_file.write_text(self.text)

    def config(self) -> Config:
        return load(self.config_file, {})

    def command(self, *words: str) -> Done:
        """Run a command of the keeper in this process, and return what a shell would see."""
        done = CliRunner().invoke(cli, [*words, "--config", str(self.config_file)])
        return Done(done.exit_code, done.stdout, done.stderr)

    def process(self, *words: str) -> Process:
        """Start a command of the keeper as a process of its own."""
        return Process(*words, "--config", str(self.config_file))

    def nonce(self, tag: str = "latest") -> int:
        return int(self.world.chain.rpc.call("eth_getTransactionCount", self.account, tag), 16)

    def assert_nothing_was_sent(self) -> None:
        """Neither the node's front door nor the mempool nor the chain saw a transaction."""
        assert self.door.sends == 0
        assert (self.nonce("pending"), self.nonce()) == (self._nonce, self._nonce)

    def hedge(self, trader: Address | None = None) -> float:
        """Return the position at the venue, as the venue's own contract tells it."""
        perp = self.world.perp
        size = self.world.chain.read(
            perp.account_balance,
            "getTakerPositionSize(address,address)",
            "int256",
            trader or self.account,
            perp.base_token,
        )
        return float(size / ETHER)

    def delta(self) -> float:
        """Return the WETH of the vault and its ranges, as the vault's own contract tells it."""
        chain, vault = self.world.chain, self.world.vault
        ids = chain.read(vault, "ranges()", "uint256[]")
        held = [chain.read(vault, "rangeAmounts(uint256)", "uint256,uint256", i)[0] for i in ids]
        return float((chain.read(vault, "idleAssets()", "uint256") + sum(held)) / ETHER)

    def effects(self, trader: Address | None = None) -> list[float]:
        """Return every change of the keeper's position that is on the chain now, in base."""
        world, trader = self.world, trader or self.account
        house = world.perp.clearing_house
        found = logs_of(world.chain.rpc, house, POSITION_CHANGED, trader)
        words = (bytes.fromhex(log["data"][2:66]) for log in found)
        return [int.from_bytes(word, "big", signed=True) / ETHER for word in words]


class Offset:
    """This machine's clock, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead_s = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_s * 1_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


class Notes:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)


class Running:
    """A keeper at work in a thread of its own, and the test beside it."""

    def __init__(self, office: Office, config: Config, *, adopt: bool = False) -> None:
        self.office = office
        self.clock = Offset()
        self.notes = Notes()
        self.journal = SqliteJournal.acting(config.journal_file, config.chain_id)
        self.beside = SqliteJournal.beside(config.journal_file, config.chain_id)
        self.keeper = Keeper(
            config, self.journal, clock=self.clock, sinks=(self.notes,), adopt=adopt
        )
        # A person's second is a long time in a test.
        self.keeper.loop._pace = Pace(poll_s=0.02, retry_s=0.1)
        self._thread = Thread(target=self.keeper.run, name="keeper")
        self._thread.start()

    @property
    def troubles(self) -> list[Troubled]:
        return [event for event in self.notes.events if isinstance(event, Troubled)]

    @property
    def settled(self) -> list[Settled]:
        return [event for event in self.notes.events if isinstance(event, Settled)]

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts of the newest intent, as others read them."""
        return self.beside.intents(1)[0].attempts

    def decided(self, trigger: str | None = None) -> list[Decided]:
        """Return the decisions so far, or those that *trigger* led to."""
        found = [event for event in self.notes.events if isinstance(event, Decided)]
        return [event for event in found if trigger is None or trigger in event.triggers]

    def why(self) -> Reasoning:
        """Return the reasoning behind the newest decision."""
        why = self.decided()[-1].decision.why
        assert why is not None
        return why

    def until(self, condition: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Wait for *condition*; fail with the keeper's last words if it does not come."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"it did not come; the last notes are {self.notes.events[-3:]}")
            time.sleep(GLANCE_S)

    def look_again(self, ticks: int = 1) -> None:
        """Wake the keeper and wait for so many *ticks* more; the first may have begun already."""
        pulse = self.keeper.loop.pulse
        enough = pulse.ticks + ticks
        self.keeper.mailbox.post("test")
        self.until(lambda: pulse.ticks >= enough)

    def until_quiet(self) -> None:
        """Mine what the keeper sends, and let time pass, until nothing is open and it holds."""

        def quiet() -> bool:
            if self.journal.open():
                self.office.world.chain.mine()
                return False
            self.rest()
            self.look_again()
            return not self.journal.open() and self._holds(self.decided()[-1])

        self.until(quiet)

    def until_sent(self, times: int = 1) -> None:
        """Wait until the node has answered to so many transactions."""
        self.until(lambda: sum(isinstance(e, Sent) for e in self.notes.events) >= times)

    def until_hedged(self, effects: int) -> None:
        """Mine until the keeper's position has changed *effects* times, and all is settled."""

        def hedged() -> bool:
            if self.journal.open():
                self.office.world.chain.mine()
            return len(self.office.effects()) >= effects and not self.journal.open()

        self.until(hedged)
        assert len(self.office.effects()) == effects

    def rest(self) -> None:
        """Let the cooldown pass, by the keeper's clock."""
        self.clock.ahead_s += COOLDOWN_S

    def assert_hedged(self) -> None:
        """The vault's own contract and the venue's agree that the sum is inside the band."""
        net = self.office.delta() + self.office.hedge()
        # A jump from far away ends on the very edge, which moves a little with every block.
        assert abs(net) < 1.01 * self.why().band.outer

    def stop(self) -> None:
        self.keeper.stop()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        self.beside.close()
        self.journal.close()

    def _holds(self, note: Decided) -> bool:
        reason = getattr(note.decision, "reason", "")
        if self.beside.halted() is not None:
            return bool(reason.startswith("halted"))
        return bool(reason == "inside the band")


@contextmanager
def open_office(folder: Path, world: World) -> Iterator[Office]:
    door = FrontDoor(world.http_url)
    try:
        yield Office(folder, world, door)
    finally:
        door.close()


@pytest.fixture
def office(tmp_path: Path, world: World) -> Iterator[Office]:
    """A keeper's folder beside the world, with every question to the node noted."""
    with open_office(tmp_path, world) as opened:
        yield opened


@contextmanager
def behind_a_proxy(office: Office, pool: Literal["none", "geth"] = "none") -> Iterator[FaultProxy]:
    """Put a node that misbehaves on request before the office's own, for HTTP and WebSocket."""
    world = office.world
    with FaultProxy(world.http_url, ws_upstream=world.ws_url, pool=pool) as proxy:
        office.change((office.door.url, proxy.url), (world.ws_url, proxy.ws_url))
        yield proxy


@pytest.fixture
def proxy(office: Office) -> Iterator[FaultProxy]:
    """The node that misbehaves on request, with a pool of transactions like geth's."""
    with behind_a_proxy(office, pool="geth") as proxy:
        yield proxy


@pytest.fixture
def run() -> Iterator[Callable[[Office], Running]]:
    """Start keepers; they are stopped at the end."""
    started: list[Running] = []

    def start(office: Office) -> Running:
        started.append(Running(office, office.config()))
        return started[-1]

    yield start
    for running in started:
        running.stop()
