"""Public bugs of other people's transaction machinery, each tried on ours.

docs/reliability/crash-matrix.md says which bugs. Where it is cheap, a bot that does as they did
stands beside the keeper and fails: so the test can.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.crash_child import Life, Reaper
from benchmarks.crash_naive import Naive
from benchmarks.effects import logs_of
from benchmarks.stub_venue import ORDERED
from keeper.adapters.chain.feed import FeedConfig
from keeper.devnet import actions
from keeper.devnet.rpc import Rpc
from keeper.model.chain import ChainId
from keeper.model.units import GWEI
from keeper.testing.faultproxy import (
    FaultProxy,
    LoseResponse,
    Mutate,
    RpcError,
    Stale,
    TruncateLogs,
)
from tests.anvil.conftest import Office, Running

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]

SEND = "eth_sendRawTransaction"
COUNT = "eth_getTransactionCount"
PENDING = {"1": "pending"}


class Bot:
    """The naive bot, on the venue that only remembers, with an account of its own."""

    def __init__(self, office: Office, proxy: FaultProxy, folder: Path) -> None:
        world = office.world
        self._office = office
        self._account = world.accounts.liquidator
        self._life = Life(
            folder=str(folder),
            socket="",
            node=proxy.url,
            key=self._account.test_key,
            multicall=world.multicall3,
            feed=world.feed,
            vault=world.vault,
            weth=world.weth,
            stub=world.stub_venue,
        )
        self._naive = self._born()

    def _born(self) -> Naive:
        line: Any = None
        return Naive(self._life, ChainId(self._office.world.chain_id), Reaper(line, "", nth=1))

    def restart(self) -> None:
        """Forget everything, as a new process would."""
        self.close()
        self._naive = self._born()

    def close(self) -> None:
        self._naive.close()

    def turn(self) -> None:
        self._naive.turn()

    def orders(self) -> int:
        """Return how often it traded, by the chain's logs; one is right."""
        world = self._office.world
        return len(logs_of(world.chain.rpc, world.stub_venue, ORDERED, self._account.address))


@pytest.fixture
def bot(office: Office, proxy: FaultProxy, tmp_path: Path) -> Iterator[Bot]:
    bot = Bot(office, proxy, tmp_path)
    yield bot
    bot.close()


# ---------------------------------------------------------------------- the two nonce wedges


def test_t16_a_send_that_the_node_refuses_wedges_no_nonce_and_is_hedged_within_two_blocks(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    proxy.add(RpcError(method=SEND, message="insufficient funds for gas", times=1))
    running = run(office)
    running.until_sent()
    office.world.chain.mine()
    running.until_sent(2)
    assert office.effects() == []
    office.world.chain.mine()
    assert len(office.effects()) == 1
    running.until_hedged(effects=1)
    assert running.beside.halted() is None
    assert len({attempt.nonce for attempt in running.attempts}) == 1


@pytest.mark.parametrize("how", ["reset", "502"])
def test_r1_a_send_whose_answer_is_lost_wedges_no_nonce_and_is_hedged_within_two_blocks(
    office: Office, proxy: FaultProxy, run: Run, how: Any
) -> None:
    proxy.add(LoseResponse(method=SEND, how=how, times=1))
    running = run(office)
    running.until_sent()
    office.world.chain.mine(2)
    assert len(office.effects()) == 1
    running.until_hedged(effects=1)
    assert running.beside.halted() is None
    assert [event.outcome.status for event in running.settled] == ["done"]


# ---------------------------------------------------------------------- counters and nonces


def test_counter_drift_a_trade_that_is_refused_before_it_is_signed_uses_up_no_nonce(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    rehearsal = {"0.from": office.account}
    proxy.add(RpcError(method="eth_call", code=3, message="no", params=rehearsal, times=3))
    running = run(office)
    for refused in range(1, 4):
        running.until(lambda n=refused: len(running.settled) == n)  # type: ignore[misc]  # bound now
        office.world.chain.mine()
    before = office.nonce()
    running.until_hedged(effects=1)
    assert running.attempts[0].nonce == before
    assert office.nonce() == before + 1


def test_cached_nonce_a_key_used_elsewhere_while_it_runs_signs_nothing_above_the_strangers(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    running = run(office)
    running.until_quiet()
    sent = len(proxy.sends())
    actions.hedge(office.world, office.world.accounts.keeper, 30.0)  # by hand, with the same key
    running.rest()
    running.look_again()
    running.until(running.beside.halted)
    assert "the keeper's key was used elsewhere" in str(running.beside.halted())
    assert len(proxy.sends()) == sent


def test_nonce_gap_a_pending_count_that_is_wrong_wedges_only_the_bot_that_asks_for_it(
    office: Office, proxy: FaultProxy, run: Run, bot: Bot
) -> None:
    proxy.add(Mutate(method=COUNT, params=PENDING, value="0x63"))
    running = run(office)
    running.until_hedged(effects=1)
    bot.turn()
    office.world.chain.mine(3)
    bot.turn()
    assert bot.orders() == 0, "it waits for nonces that nobody will use"


def test_load_balancer_a_backend_that_lags_lets_no_nonce_be_used_twice(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    office.change(("confirmations = 1", "confirmations = 3"))
    running = run(office)
    running.until_quiet()
    hedged = len(office.effects()) + 1
    proxy.add(Stale(method="eth_*", lag=2, probability=0.5))
    running.rest()
    actions.move_price(office.world, 1_900.0)
    for _ in range(12):
        office.world.chain.mine()
        running.keeper.mailbox.post("test")
        running.until(proxy.log)
    proxy.replace()
    running.until_hedged(effects=hedged)
    running.until_quiet()
    running.assert_hedged()
    sends = [send.transaction for send in proxy.sends() if send.transaction is not None]
    by_nonce = {send.nonce: {s.data for s in sends if s.nonce == send.nonce} for send in sends}
    assert all(len(datas) == 1 for datas in by_nonce.values())
    assert sorted(by_nonce) == list(range(min(by_nonce), max(by_nonce) + 1))


def test_bad_nonce_loop_a_node_that_says_nonce_too_low_for_long_is_not_hammered(
    office: Office, proxy: FaultProxy, run: Run, bot: Bot
) -> None:
    proxy.add(RpcError(method=SEND, message="nonce too low"))
    running = run(office)
    running.until_sent()
    for _ in range(10):
        office.world.chain.mine()
        running.look_again()
    ours = len(proxy.sends())
    assert ours == 1
    for _ in range(10):
        bot.turn()
    assert len(proxy.sends()) - ours > 10 * ours
    proxy.replace()
    running.clock.ahead_s += 11 * 60
    running.look_again()
    running.until_hedged(effects=1)
    assert len({attempt.nonce for attempt in running.attempts}) == 1


# ---------------------------------------------------------------------- fates that were misjudged


def test_pending_after_drop_a_transaction_that_pools_forgot_is_sent_again_byte_for_byte(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    running = run(office)
    running.until_sent()
    pools = Rpc(proxy.url)
    pools.call("anvil_dropAllTransactions")
    pools.close()
    office.world.chain.mine()
    assert (proxy.held(), office.effects()) == ([], [])
    running.clock.ahead_s += 11 * 60
    running.keeper.mailbox.post("test")
    running.until_sent(2)
    first, second = (send.transaction for send in proxy.sends())
    assert first == second
    running.until_hedged(effects=1)


def test_timed_out_is_not_rejected_an_answer_that_is_lost_doubles_only_the_bots_trade(
    office: Office, proxy: FaultProxy, run: Run, bot: Bot
) -> None:
    proxy.add(LoseResponse(method=SEND, times=1))
    running = run(office)
    running.until_hedged(effects=1)
    proxy.replace(LoseResponse(method=SEND, times=1))
    bot.turn()
    office.world.chain.mine()
    assert bot.orders() == 2


def test_restart_duplicates_a_new_process_finds_the_old_ones_transaction(
    office: Office, run: Run, bot: Bot
) -> None:
    bot.turn()
    bot.restart()
    bot.turn()
    office.world.chain.mine()
    assert bot.orders() == 2
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    running.stop()
    again = run(office)
    again.until_hedged(effects=1)
    assert len({attempt.nonce for attempt in again.attempts}) == 1


def test_stale_eth_call_a_state_from_before_the_trade_trades_again_only_in_the_bot(
    office: Office, proxy: FaultProxy, run: Run, bot: Bot
) -> None:
    bot.turn()
    office.world.chain.mine()
    bot.turn()  # it has its receipt
    assert bot.orders() == 1
    bot.restart()
    proxy.add(Stale(method="eth_call", lag=1))
    bot.turn()
    office.world.chain.mine()
    assert bot.orders() == 2
    proxy.replace()

    chain = office.world.chain
    began_at = chain.block().number
    running = run(office)
    running.until_quiet()
    effects, sends = office.effects(), len(proxy.sends())
    # What it is shown in the next three blocks is from before its first trade.
    proxy.add(Stale(method="eth_call", lag=chain.block().number - began_at + 3))
    running.rest()
    for troubles in range(3):
        chain.mine()
        running.keeper.mailbox.post("test")
        running.until(lambda n=troubles: running.keeper.loop.pulse.troubles > n)  # type: ignore[misc]  # bound now
    proxy.replace()
    running.look_again()
    assert (office.effects(), len(proxy.sends())) == (effects, sends)


# ---------------------------------------------------------------------- fees, logs, news


def test_zero_tip_a_node_that_suggests_none_is_not_asked(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    for method in ("eth_maxPriorityFeePerGas", "eth_gasPrice"):
        proxy.add(Mutate(method=method, value="0x0"))
    running = run(office)
    running.until_hedged(effects=1)
    (send,) = proxy.sends()
    assert send.transaction is not None
    assert send.transaction.tip_wei == GWEI


def test_log_holes_logs_that_a_node_leaves_out_delay_nothing(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    proxy.add(TruncateLogs(method="eth_getLogs", keep=0))
    running = run(office)
    running.until_quiet()
    before = len(office.effects())
    running.rest()
    actions.move_price(office.world, 1_900.0)
    running.until_hedged(effects=before + 1)
    running.until_quiet()
    running.assert_hedged()


@pytest.mark.parametrize("action", ["silent", "nosubs"])
def test_deaf_websocket_a_connection_that_says_nothing_more_is_found_out(
    office: Office,
    proxy: FaultProxy,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    action: Any,
) -> None:
    monkeypatch.setattr("keeper.bootstrap.FeedConfig", partial(FeedConfig, silence_s=1.0))
    running = run(office)
    running.until_quiet()
    running.until(lambda: running.keeper.news.connected)
    before = len(office.effects())
    assert proxy.ws(action) == 1
    running.rest()
    actions.move_price(office.world, 1_900.0)
    # Nobody wakes it: it must find out by itself that its bell is broken.
    running.until_hedged(effects=before + 1)
    running.until_quiet()
    running.assert_hedged()
