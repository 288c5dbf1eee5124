"""A compressed day on a local chain, hedged by the very keeper that `keeper run` starts."""

import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.bootstrap import Keeper, open_node, set_desk
from keeper.config import Config, load
from keeper.core import exposure as exposures
from keeper.demo.ledger import Ledger
from keeper.demo.settings import KEY_VARIABLE, Tuning, keeper_toml
from keeper.demo.summary import Books, Row
from keeper.demo.view import View
from keeper.devnet.scenario import Step, Weather, plan_steps, play
from keeper.devnet.world import Plan, World, start_world
from keeper.engine.tick import Desk, look
from keeper.model.errors import BadData
from keeper.model.flow import Snapshot
from keeper.model.units import GWEI, wei_to_ether
from keeper.sim.memory_journal import MemoryJournal
from keeper.sim.paths import Point, crash_path
from keeper.testing.relay import Relay

BLOCK_S = 288
"""Three hundred blocks of this make a day."""
START_PRICE = 2_000.0
SIGMA = 0.6
OUTAGE_BLOCKS = 8
SETTLING_BLOCKS = 20
PATIENCE_S = 5.0
"""How long the chain waits for a tick. On a real day minutes lie between blocks of this path."""
GLANCE_S = 0.001


class Day(Struct, frozen=True, kw_only=True):
    """What kind of day to play; positions are fractions of it."""

    blocks: int = 300
    seed: int = 7
    points: tuple[Point, ...] | None = None
    """A recorded path instead of an invented one."""
    weather: Weather = Weather()
    tuning: Tuning = Tuning()
    websocket_drops_at: float = 0.22
    node_fails_at: float = 0.70
    node_fails_s: float = 10.0
    """Seconds of this machine's clock; the chain goes on, more slowly."""

    def path(self) -> tuple[Point, ...]:
        """Return the prices of the day."""
        if self.points is not None:
            return self.points
        return crash_path(
            seed=self.seed, steps=self.blocks, step_s=BLOCK_S, start=START_PRICE, sigma=SIGMA
        )


class Played(Struct, frozen=True):
    """What was seen of a day."""

    rows: tuple[Row, ...]
    costs_usd: tuple[float, ...]
    """What the keeper had spent after each block."""
    books: Books
    fee_rate: float
    seconds: float


class ChainTime:
    """A clock that shows the chain's time, so that a compressed day is a day to the keeper."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s

    def now_ms(self) -> int:
        return self.now_s * 1_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


class Observer:
    """Looks at every block beside the keeper, over a connection that never fails."""

    def __init__(self, config: Config, world: World) -> None:
        self._node = open_node(config, world.ipc_path)
        self._desk: Desk = set_desk(config, self._node, MemoryJournal())

    def look(self) -> Snapshot:
        """Return the newest block as the keeper's own adapters read it."""
        (book,) = self._desk.books
        view = look(self._desk, self._desk.chain.head())[book.terms.book]
        if isinstance(view, BadData):
            raise view
        return view

    def close(self) -> None:
        """Hang up."""
        self._node.transport.close()

    def row(self, price: float, ledger: Ledger) -> Row:
        """Return the newest block, valued at the true *price* even if the feed is silent."""
        view = self.look()
        legs = [leg for vault in view.vaults.values() for leg in vault.legs]
        exposure = exposures.net(
            legs, self._desk.books[0].terms.asset, price, view.block.timestamp_s
        )
        gas_price_wei = view.block.base_fee_wei + GWEI
        return Row(
            number=view.block.number,
            at_s=view.block.timestamp_s,
            price=price,
            delta=exposure.delta,
            gamma=exposure.gamma,
            hedge=view.venue.size_base,
            band_outer=ledger.band.outer,
            band_inner=ledger.band.inner,
            gas_gwei=view.block.base_fee_wei / GWEI,
            gas_usd=wei_to_ether(round(ledger.gas_per_trade * gas_price_wei)) * price,
        )


class Stage:
    """The world, the keeper behind its relay, and who watches."""

    def __init__(self, day: Day, world: World, relay: Relay, folder: Path, view: View) -> None:
        netloc = f"127.0.0.1:{relay.port}"
        toml = folder / "keeper.toml"
        toml.write_text(
            keeper_toml(world, rpc=f"http://{netloc}", ws=f"ws://{netloc}", tuning=day.tuning),
            encoding="utf-8",
        )
        config = load(toml, {KEY_VARIABLE: world.accounts.keeper.test_key})
        self.world = world
        self.relay = relay
        self.view = view
        self.ledger = Ledger()
        self.clock = ChainTime(world.chain.block().timestamp_s)
        self.journal = SqliteJournal.acting(config.journal_file, config.chain_id)
        self.keeper = Keeper(config, self.journal, clock=self.clock, sinks=(self.ledger,))
        self.observer = Observer(config, world)
        self.rows: list[Row] = []
        self.costs_usd: list[float] = []

    def play(self, step: Step, news: str, *, pause_s: float | None = None) -> None:
        """Make one block, let the keeper answer it, and look at it from beside."""
        ticks = self.ledger.ticks
        block = play(self.world, step)
        self.clock.now_s = block.timestamp_s
        if pause_s is None:
            self._wait_for_tick(block.number, ticks)
        else:
            time.sleep(pause_s)
        row = self.observer.row(step.price, self.ledger)
        self.rows.append(replace(row, reachable=pause_s is None))
        self.costs_usd.append(self.ledger.cost_usd)
        self.view.show(self.rows, self.ledger, news)

    def is_quiet(self) -> bool:
        """Return whether nothing is open and the net delta is inside its band."""
        return not self.journal.open() and abs(self.rows[-1].net) <= self.ledger.band.outer

    def _wait_for_tick(self, number: int, ticks: int) -> None:
        patience = time.monotonic() + PATIENCE_S
        while time.monotonic() < patience:
            unreadable = self.ledger.block is None and self.ledger.ticks > ticks
            has_seen = (self.ledger.block or 0) >= number
            if unreadable or (has_seen and not self.ledger.is_acting):
                return
            time.sleep(GLANCE_S)


def play_day(day: Day, folder: Path, view: View) -> Played:
    """Start the world and the keeper, play the day, and return what was seen.

    *folder* receives the journal and the keeper.toml that this keeper ran on.
    """
    began = time.monotonic()
    points = day.path()
    plan = Plan(price=points[0].price, base_fee_wei=round(day.weather.base_fee_gwei * GWEI))
    with start_world(plan) as world, Relay(_host_and_port(world.http_url)) as relay:
        stage = Stage(day, world, relay, folder, view)
        runner = Thread(target=stage.keeper.run, name="keeper")
        runner.start()
        view.begin()
        try:
            _play_steps(day, stage, plan_steps(points, day.weather))
        finally:
            view.end()
            stage.keeper.stop()
            runner.join()
        account = stage.keeper.desk.hands.signer.address
        books = stage.ledger.books(world, stage.journal, account)
        fee_rate = stage.observer.look().venue.fee_rate
        stage.observer.close()
        stage.journal.close()
    seconds = time.monotonic() - began
    return Played(tuple(stage.rows), tuple(stage.costs_usd), books, fee_rate, seconds)


def _play_steps(day: Day, stage: Stage, steps: Sequence[Step]) -> None:
    drops_at = round(day.websocket_drops_at * len(steps))
    fails_at = round(day.node_fails_at * len(steps))
    for number, step in enumerate(steps):
        news = _news(step)
        pause_s = None
        if number == drops_at:
            stage.relay.drop()
            news = "the WebSocket drops"
        if number == fails_at:
            stage.relay.cut()
        if fails_at <= number < fails_at + OUTAGE_BLOCKS:
            news = f"the node fails for {day.node_fails_s:.0f} s"
            pause_s = day.node_fails_s / OUTAGE_BLOCKS
        elif number == fails_at + OUTAGE_BLOCKS:
            stage.relay.mend()
        stage.play(step, news, pause_s=pause_s)
    stage.relay.mend()
    calm = replace(steps[-1], transfer=None)
    for _ in range(SETTLING_BLOCKS):
        if stage.is_quiet():
            return
        stage.play(calm, "settling")


def _news(step: Step) -> str:
    if step.transfer is not None:
        verb = "deposits" if step.transfer.weth > 0 else "withdraws"
        return f"{step.transfer.user} {verb} {abs(step.transfer.weth):g} WETH"
    return "" if step.feed_reports else "the price feed is silent"


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 0)
