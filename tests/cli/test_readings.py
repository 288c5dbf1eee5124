"""What a running keeper is asked."""

import json
from pathlib import Path

import pytest
from msgspec import structs

from keeper.adapters.clock import SystemClock
from keeper.adapters.sinks.progress import Progress
from keeper.adapters.sinks.prometheus import Prometheus
from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.bootstrap import Keeper
from keeper.cli import readings
from keeper.config import TriggersConfig, load
from keeper.devnet.world import World
from keeper.model.events import Decided


@pytest.mark.parametrize(
    ("triggers", "limit_s"),
    [
        (TriggersConfig(every_s=60), 180),
        (TriggersConfig(every_s=5), 30),
        (TriggersConfig(every_s=600, every_blocks=5), 180),
        (TriggersConfig(cron="0 * * * *"), 3 * 3_600),
        (TriggersConfig(cron="0 8,20 * * *"), 36 * 3_600),
        (TriggersConfig(), 86_400),
    ],
)
def test_the_limit_of_silence_follows_the_longest_regular_pause(
    home: Path, triggers: TriggersConfig, limit_s: float
) -> None:
    path = home / "keeper.toml"
    path.write_text(path.read_text().replace("# ws = ", 'ws = "ws://127.0.0.1:1" # '))
    config = structs.replace(load(path, {}), triggers=triggers)
    assert readings.longest_silence_s(config) == limit_s


def test_healthz_is_503_until_a_decision_is_made(rebalance: Decided) -> None:
    progress = Progress(SystemClock(), ("eth-lp",), limit_s=30)
    page = readings.pages(Prometheus(), progress)["/healthz"]
    status, kind, body = page()
    assert (status, kind) == (503, "application/json")
    assert json.loads(body)["healthy"] is False
    progress.tell(rebalance)
    status, _, body = page()
    assert status == 200
    assert json.loads(body)["reason"] == "deciding"


def test_metrics_are_plain_text(rebalance: Decided) -> None:
    metrics = Prometheus()
    metrics.tell(rebalance)
    page = readings.pages(metrics, Progress(SystemClock(), (), limit_s=1))["/metrics"]
    status, kind, body = page()
    assert (status, kind) == (200, "text/plain; version=0.0.4")
    assert b'keeper_net_delta_base{book="eth-lp"} 1.0' in body


@pytest.mark.anvil
def test_a_keepers_own_numbers_are_read(devnet_home: Path, world: World) -> None:
    config = load(devnet_home / "keeper.toml", {})
    with SqliteJournal.in_memory(config.chain_id) as journal:
        keeper = Keeper(config, journal)
        before = readings.read(keeper)
        assert (before.ticks, before.last_tick_at_ms, before.feed_connected) == (0, None, False)
        keeper.loop.turn(frozenset({"test"}))
        after = readings.read(keeper)
        keeper.node.transport.close()
    assert after.ticks == 1
    assert after.requests["eth_call"].count >= 1
    assert after.requests["eth_call"].failures == 0
    assert after.requests["eth_call"].seconds > 0
    assert world.chain_id == 31337
