"""The keeper whose node tells it too little, too much or nothing of what happens: hedged once."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from keeper import bootstrap
from keeper.adapters.chain.feed import FeedConfig
from keeper.devnet import actions
from keeper.testing.faultproxy import (
    Drop,
    Duplicate,
    Fault,
    FaultProxy,
    Reorder,
    TruncateLogs,
)
from tests.anvil.conftest import Office, Running, behind_a_proxy

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]


@pytest.fixture
def proxy(office: Office) -> Iterator[FaultProxy]:
    """Without a pool of its own."""
    with behind_a_proxy(office) as proxy:
        yield proxy


def at_rest(office: Office, run: Run) -> Running:
    """Return a keeper that has hedged, listens, and may trade again."""
    running = run(office)
    running.until_quiet()
    running.until(lambda: running.keeper.news.connected)
    running.rest()
    return running


def deposit_and_hedge(running: Running) -> None:
    before, world = running.office.effects(), running.office.world
    actions.deposit(world, world.accounts.alice, 25.0)
    for _ in range(2):
        world.chain.mine()  # a chain goes on
    running.until_hedged(effects=len(before) + 1)
    running.assert_hedged()


def test_r12_a_node_that_loses_every_log_delays_a_hedge_by_a_block_and_prevents_none(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    office.change((f'ws = "{proxy.ws_url}"\n', ""))
    proxy.add(TruncateLogs(method="eth_getLogs", keep=0))
    running = at_rest(office, run)
    deposit_and_hedge(running)
    assert proxy.tallies()[0].struck > 0
    assert not running.decided("Deposit"), "no log told of it; the block did"


def test_r14_a_websocket_that_tells_nothing_any_more_is_noticed_and_what_it_hid_is_hedged(
    office: Office, proxy: FaultProxy, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A person waits for half a minute; three blocks are what is left of it.
    monkeypatch.setattr(bootstrap, "FeedConfig", partial(FeedConfig, silence_s=0.0))
    running = at_rest(office, run)
    assert proxy.ws("silent") > 0
    deposit_and_hedge(running)
    running.until(lambda: running.keeper.news.counters.reconnects > 0)


NEWS: dict[str, tuple[Fault, ...]] = {
    "twice": (Duplicate(method="@newHeads", n=3), Duplicate(method="@logs", n=3)),
    "out of order": (Reorder(method="@newHeads", times=1), Reorder(method="@logs", times=1)),
    "with holes": (Drop(method="@newHeads", probability=0.5), Drop(method="@logs")),
}


@pytest.mark.parametrize("faults", NEWS.values(), ids=NEWS)
def test_r16_news_that_come_twice_late_or_never_lead_to_one_hedge(
    office: Office, proxy: FaultProxy, run: Run, faults: tuple[Fault, ...]
) -> None:
    running = at_rest(office, run)
    proxy.add(*faults)
    deposit_and_hedge(running)
