"""Lets a real `keeper run` hedge behind a node that never stops misbehaving.

    scripts/bench soak [--minutes 30] [--seed 1] [--json]

Ten blocks a second. Every few seconds the fault proxy changes to another kind of trouble: lost
answers, drops, duplicates, garbage, withheld receipts, stale backends, refusals, all at once; dead
and silent WebSockets; reorgs with what they took out coming back; gas spikes; emptied mempools.
The vault's holdings and the price move all the time. At the end the trouble stops, the keeper comes
to rest, and the chain's logs are held against its journal.

doubles     effects beyond one per intent, or that no intent explains
lost        intents whose outcome in the journal is not what the chain shows, or never came
violations  the journal does not verify, bytes were sent that it does not hold, trading halted, or
            the vault is not hedged at the end
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from benchmarks.crash_points import SCENARIOS
from benchmarks.effects import doubled_and_lost
from benchmarks.kill9 import START_S, Show, Victim, prepare, resting_band
from benchmarks.memory import Sample, Watch, rss_mb, slope_mb_per_h
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.config import Config, load
from keeper.devnet import actions
from keeper.devnet.world import World, start_world
from keeper.devnet.worlds import erc4626
from keeper.model.errors import KeeperError
from keeper.model.events import Troubled
from keeper.model.units import ETHER, GWEI
from keeper.testing.faultproxy import FaultProxy

BLOCK_S: Final = 0.1
CHAIN_BLOCK_S: Final = 2
"""Perp v2 wants its blocks apart; a gas limit of a chain's own time is not what is soaked."""
CONFIRMATIONS: Final = 3
DEEPEST_REORG: Final = 2
BURIED: Final = 4
CALM_WEI: Final = 2 * GWEI
SPIKE_GWEI: Final = (20, 90)
TURN_BLOCKS: Final = 50
"""Between two kinds of trouble."""
MOVE_BLOCKS: Final = 25
"""Between two moves of what is to be hedged."""
STEP: Final = 0.003
PRICES: Final = (1_960.0, 2_040.0)
SETTLING_S: Final = 90.0
WARM_UP: Final = 0.2
"""Share of the samples in which caches and pools fill."""
TRANSACTIONS: Final = """\
[transactions]
displaced_looks = 40
max_reverts_per_hour = 100
intent_life = "10 min"
"""
"""Seven of ten receipts are withheld at times; an hour of chain time passes in three minutes."""


class Toll(Struct, frozen=True, kw_only=True):
    """What the time has cost."""

    minutes: float
    blocks: int
    intents: int
    effects: int
    doubles: int
    lost: int
    open: int
    rss_slope_mb_per_h: float
    violations: int
    rss_slope_last_half_mb_per_h: float
    rss_first_mb: float
    rss_last_mb: float
    attempts: int
    bumped: int
    cancelled: int
    sends: int
    reorgs: int
    calls: int
    faults: int
    blocks_per_s: float
    troubles: int
    """Ticks that ended in an error that the keeper handled."""
    what: tuple[str, ...] = ()
    """The violations in words."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was done twice, lost, left open, or violated."""
        return not (self.doubles or self.lost or self.open or self.violations)


class Trouble:
    """Everything that happens to the keeper's node, block by block."""

    def __init__(self, world: World, proxy: FaultProxy, seed: int) -> None:
        self._world = world
        self._proxy = proxy
        self._chance = Random(seed)  # noqa: S311  # weather, not secrets
        self._spike_left = 0
        self._base_fee_wei = CALM_WEI
        self._at_s = world.chain.block().timestamp_s
        self._price = 2_000.0
        self._since_move = 0
        self.is_calm = False
        self.blocks = self.reorgs = self.calls = self.faults = 0
        self.sent: Counter[str] = Counter()

    def block(self) -> None:
        """Make one block, with whatever comes before it."""
        self.blocks += 1
        self._since_move += 1
        if not self.is_calm:
            if self.blocks % TURN_BLOCKS == 0:
                self._turn()
            self._weather()
        if self.blocks % MOVE_BLOCKS == 0:
            self._move()
        self._mine()

    def calm(self) -> None:
        """End all trouble; blocks go on."""
        self.is_calm = True
        self._spike_left = 0
        self._note()
        self._proxy.replace()
        self._proxy.ws("normal")

    def _turn(self) -> None:
        self._note()
        name = self._chance.choice(tuple(SCENARIOS))
        self._proxy.replace(*SCENARIOS[name])
        self._proxy.ws("normal")
        if self._chance.random() < 0.2:  # noqa: PLR2004  # deaf for half a minute each time
            self._proxy.ws(self._chance.choice(("silent", "abort", "nosubs", "blackhole")))

    def _note(self) -> None:
        """Keep what the proxy's own journal will forget."""
        entries = self._proxy.log()
        self.calls += len(entries)
        self.faults += sum(bool(entry.faults) for entry in entries)
        for send in self._proxy.sends():
            if send.transaction is not None:
                self.sent[send.transaction.hash] += 1
        self._proxy.forget()

    def _weather(self) -> None:
        chance, rpc = self._chance, self._world.chain.rpc
        self._spike_left -= 1
        if self._spike_left <= 0 and chance.random() < 0.01:  # noqa: PLR2004  # every ten seconds
            self._base_fee_wei = chance.randint(*SPIKE_GWEI) * GWEI
            self._spike_left = chance.randint(5, 60)
        if chance.random() < 0.01:  # noqa: PLR2004  # same
            rpc.call("anvil_dropAllTransactions")
        if chance.random() < 0.02 and self._since_move > BURIED:  # noqa: PLR2004  # twice as often
            rpc.call("anvil_reorg", chance.randint(1, DEEPEST_REORG), [])
            self.reorgs += 1

    def _move(self) -> None:
        """Change what the vault holds, and every market's price by a little."""
        who, chance = self._world.accounts, self._chance
        if not self.is_calm:
            self._price *= 1 + chance.uniform(-STEP, STEP)
            self._price = min(PRICES[1], max(PRICES[0], self._price))
            user = chance.choice((who.alice, who.bob)).address
            move = erc4626.deposit if chance.random() < 0.5 else erc4626.withdraw  # noqa: PLR2004  # even odds
            self._world.chain.submit(move(self._world.vault, user, chance.randint(1, 4) * ETHER))
        self._world.chain.submit(*actions.price_move(self._world, self._price))
        self._since_move = 0

    def _mine(self) -> None:
        fee = self._base_fee_wei if self._spike_left > 0 else CALM_WEI
        self._at_s += CHAIN_BLOCK_S
        rpc = self._world.chain.rpc
        rpc.call("anvil_setNextBlockBaseFeePerGas", hex(fee))
        rpc.call("evm_mine", hex(self._at_s))


class Metronome:
    """Ten blocks a second, as long as the machine can."""

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._next_s = time.monotonic()

    def go_on(self, until_s: float) -> None:
        """Make blocks until then."""
        while (now_s := time.monotonic()) < until_s:
            if now_s < self._next_s:
                time.sleep(self._next_s - now_s)
            self._next_s = max(self._next_s + BLOCK_S, now_s)
            self._trouble.block()


def set_up(world: World, proxy: FaultProxy, folder: Path) -> Config:
    """Write the keeper's folder; it speaks to the proxy alone."""
    prepare(world, folder)
    for name in ("keeper.toml", ".env"):
        path = folder / name
        text = path.read_text()
        text = text.replace(world.http_url, proxy.url).replace(world.ws_url, proxy.ws_url)
        text = text.replace("[transactions]\n", TRANSACTIONS)
        text = text.replace("[triggers] ", "[triggers]\nevery_blocks = 1\n# ")
        text = text.replace('max_slippage = "100 bps"', 'max_slippage = "300 bps"')
        text = text.replace("confirmations = 1 ", f"confirmations = {CONFIRMATIONS} ")
        path.write_text(text)
    return load(folder / "keeper.toml", {})


def soak(world: World, proxy: FaultProxy, folder: Path, minutes: float, seed: int) -> Toll:
    """Let it run, then come to rest, then count."""
    config = set_up(world, proxy, folder)
    victim, show = Victim(folder), Show(world, kills=1, seed=seed)
    trouble = Trouble(world, proxy, seed)
    began_s = time.monotonic()
    try:
        victim.start()
        victim.await_start()
        watch = Watch(victim.pid)
        metronome = Metronome(trouble)
        for minute in range(1, ceil(minutes) + 1):
            metronome.go_on(min(began_s + 60 * minute, began_s + 60 * minutes))
            _say(config, trouble, minute, rss_mb(victim.pid))
        lasted_s, troubled_blocks = time.monotonic() - began_s, trouble.blocks
        samples = watch.stop()
        trouble.calm()
        outer = _settle(config, show, metronome)
        if victim.stop(START_S):
            raise SystemExit("keeper run did not end cleanly")
    finally:
        victim.kill()
    trouble.calm()
    facts = _account(config, show, trouble, outer)
    warm = samples[int(len(samples) * WARM_UP) :]
    return Toll(
        minutes=round(lasted_s / 60, 2),
        blocks=trouble.blocks,
        rss_slope_mb_per_h=round(slope_mb_per_h(warm), 2),
        rss_slope_last_half_mb_per_h=round(slope_mb_per_h(samples[len(samples) // 2 :]), 2),
        rss_first_mb=_rss(warm[:1]),
        rss_last_mb=_rss(warm[-1:]),
        sends=trouble.sent.total(),
        reorgs=trouble.reorgs,
        calls=trouble.calls,
        faults=trouble.faults,
        blocks_per_s=round(troubled_blocks / lasted_s, 2),
        **facts,
    )


def _rss(samples: list[Sample]) -> float:
    return round(samples[0].rss_mb, 2) if samples else 0.0


def _say(config: Config, trouble: Trouble, minute: int, resident_mb: float) -> None:
    with SqliteJournal.beside(config.journal_file, config.chain_id) as journal:
        intents, halted = len(journal.intents(last=1_000_000)), journal.halted()
    said = f"minute {minute}: {trouble.blocks} blocks, {intents} intents, {resident_mb:.1f} MB"
    print(f"{said}, halted: {halted}" if halted else said, file=sys.stderr)


def _settle(config: Config, show: Show, metronome: Metronome) -> float:
    """Wait until nothing is open and the vault is hedged; return the outer band."""
    outer = 0.0
    deadline_s = time.monotonic() + SETTLING_S
    with SqliteJournal.beside(config.journal_file, config.chain_id) as journal:
        while time.monotonic() < deadline_s:
            metronome.go_on(time.monotonic() + 1.0)
            if (band := resting_band(journal)) is None:
                continue
            outer = band
            if abs(show.net()) <= outer:
                break
    return outer


def _account(config: Config, show: Show, trouble: Trouble, outer: float) -> dict[str, Any]:
    """Hold the chain against the journal."""
    what: list[str] = []
    effects = show.effects()
    with SqliteJournal.acting(config.journal_file, config.chain_id) as journal:
        try:
            journal.verify()
        except KeeperError as error:
            what.append(f"the journal does not verify: {error}")
        records, halted = journal.intents(last=1_000_000), journal.halted()
        entries = journal.entries(last=1_000_000)
    if halted is not None:
        what.append(f"halted: {halted}")
    known = {attempt.hash for record in records for attempt in record.attempts}
    what += [f"sent without being in the journal: {one}" for one in set(trouble.sent) - known]
    net = show.net()
    if abs(net) > outer:
        what.append(f"not hedged at the end: net {net}, band {outer}")
    doubles, lost = doubled_and_lost(effects, records)
    statuses = Counter(record.outcome.status for record in records if record.outcome)
    return {
        "intents": len(records),
        "effects": effects.total(),
        "doubles": doubles,
        "lost": lost,
        "open": sum(record.outcome is None for record in records),
        "violations": len(what),
        "attempts": len(known),
        "bumped": sum(len(record.attempts) > 1 for record in records),
        "cancelled": statuses["cancelled"],
        "troubles": sum(isinstance(entry.event, Troubled) for entry in entries),
        "what": tuple(what),
    }


def measure(minutes: float, seed: int) -> Toll:
    """Soak a keeper in a world of its own."""
    with tempfile.TemporaryDirectory(prefix="keeper-soak-") as name, start_world() as world:
        world.chain.mine(2 * BURIED)
        actions.move_price(world, 2_000.0)
        with FaultProxy(world.http_url, ws_upstream=world.ws_url, seed=seed, pool="geth") as proxy:
            return soak(world, proxy, Path(name), minutes, seed)


def main() -> None:
    """Print what it has cost; end with 1 if it has cost anything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    chosen = parser.parse_args()
    toll = measure(chosen.minutes, chosen.seed)
    if chosen.json:
        print(json.dumps(asdict(toll)))
    else:
        for name, value in asdict(toll).items():
            print(f"{name:<30}{value}")
    sys.exit(0 if toll.is_clean else 1)


if __name__ == "__main__":
    main()
