"""Connections that break, blocks that vanish, fees that jump: one effect, and hedged at the end."""

import signal
import socket
from collections.abc import Callable
from typing import Any

import pytest

from keeper.devnet import actions
from keeper.model.events import Resumed
from keeper.testing.relay import Relay
from tests.anvil.conftest import PATIENCE_S, Office, Running

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]

ONLY_EVENTS = ("every_blocks = 1\n", "")
NO_BODIES = False
TWO_DEEP = ("confirmations = 1", "confirmations = 2")


def host_and_port(url: str) -> tuple[str, int]:
    host, port = url.rpartition("://")[2].split(":")
    return host, int(port)


def test_a_lost_websocket_is_dialled_again_and_what_was_missed_is_hedged(
    office: Office, run: Run
) -> None:
    with Relay(host_and_port(office.world.ws_url)) as relay:
        office.change(ONLY_EVENTS, (office.world.ws_url, f"ws://127.0.0.1:{relay.port}"))
        running = run(office)
        running.until_quiet()
        feed = running.keeper.news
        running.until(lambda: feed.connected)
        before = office.effects()
        running.rest()
        relay.cut()
        running.until(lambda: not feed.connected)
        actions.move_price(office.world, 1_900.0)
        assert not running.decided("missed")
        relay.mend()
        running.until_hedged(effects=len(before) + 1)
        assert running.decided("missed")
        assert feed.counters.backfills > 0
        assert feed.counters.reconnects > 0
        running.assert_hedged()


def test_r17_a_dead_node_is_noted_and_hedged_behind_when_it_lives_again(
    office: Office, run: Run
) -> None:
    with Relay(host_and_port(office.door.url)) as relay:
        office.change((office.door.url, f"http://127.0.0.1:{relay.port}"))
        running = run(office)
        running.until_quiet()
        before, nonce = office.effects(), office.nonce()
        running.rest()
        relay.cut()
        actions.move_price(office.world, 1_900.0)
        running.until(lambda: running.keeper.loop.pulse.troubles >= 3)
        assert [trouble.kind for trouble in running.troubles] == ["Transient"], "one outage"
        assert "the node gave no usable answer" in running.troubles[0].message
        assert (office.effects(), office.nonce("pending")) == (before, nonce)
        relay.mend()
        running.until_hedged(effects=len(before) + 1)
        assert running.beside.halted() is None
        running.assert_hedged()


def test_a_node_that_is_dead_at_the_start_is_waited_for(office: Office, run: Run) -> None:
    with Relay(host_and_port(office.door.url)) as relay:
        office.change((office.door.url, f"http://127.0.0.1:{relay.port}"))
        relay.cut()
        running = run(office)
        running.until(lambda: running.keeper.loop.pulse.troubles >= 2)
        office.assert_nothing_was_sent()
        relay.mend()
        running.until_quiet()
        running.assert_hedged()


def test_c1_a_hedge_that_a_reorg_took_back_is_sent_again_byte_for_byte(
    office: Office, run: Run
) -> None:
    office.change(TWO_DEEP)
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    office.world.chain.mine()
    assert len(office.effects()) == 1
    office.world.chain.reorg(1)
    assert (office.effects(), office.nonce("pending")) == ([], running.attempts[0].nonce)
    running.clock.ahead_s += 11 * 60  # due to be sent again, not to be replaced
    running.keeper.mailbox.post("test")
    running.until(lambda: office.door.sends >= 2)
    running.until_hedged(effects=1)
    assert len(running.beside.intents()) == len(running.attempts) == 1
    assert running.settled[0].outcome.status == "done"


def test_c3_a_reorg_deeper_than_the_confirmations_halts_instead_of_hedging_twice(
    office: Office, run: Run
) -> None:
    running = run(office)
    running.until_sent()
    office.world.chain.mine()
    running.until(lambda: running.settled)
    settled = running.attempts[0]
    office.world.chain.reorg(1)
    assert office.effects() == [], "the vault looks unhedged"
    running.rest()  # only now: the tick that settled may still be deciding
    running.keeper.mailbox.post("test")
    running.until(running.beside.halted)
    assert "took back transactions that were settled" in str(running.beside.halted())
    assert office.door.sends == 1, "a second hedge would double it when the first comes back"
    # Somebody remembers the lost bytes; they are mined, and a person lets it go on.
    office.world.chain.rpc.call("eth_sendRawTransaction", f"0x{settled.raw.hex()}")
    office.world.chain.mine()
    assert len(office.effects()) == 1
    running.beside.append(Resumed("by hand", running.clock.now_ms()))
    running.until_quiet()
    running.assert_hedged()


def test_a_receipt_is_not_believed_before_it_is_deep_enough(office: Office, run: Run) -> None:
    office.change(TWO_DEEP)
    running = run(office)
    running.until_sent()
    head = office.world.chain.mine().number
    running.until(lambda: running.why().block.number == head)
    assert (running.settled, len(office.effects())) == ([], 1)
    office.world.chain.mine()
    running.until(lambda: running.settled)


def test_c11_a_receipt_is_believed_when_the_safe_block_has_reached_it(
    office: Office, run: Run
) -> None:
    office.change(('call_timeout = "2 s"', 'call_timeout = "2 s"\nfinality = "safe"'))
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    chain = office.world.chain
    chain.mine()
    hedged_at = int(chain.rpc.call("eth_blockNumber"), 16)
    while True:
        running.look_again(ticks=2)
        safe = int(chain.rpc.call("eth_getBlockByNumber", "safe", NO_BODIES)["number"], 16)
        if safe >= hedged_at:
            break
        assert running.journal.open()
        for _ in range(8):
            chain.mine()
    running.until(lambda: running.settled)
    assert running.settled[0].outcome.status == "done"
    assert len(office.effects()) == 1


def test_t2_a_base_fee_spike_is_answered_with_a_higher_fee_and_the_same_nonce(
    office: Office, run: Run
) -> None:
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    # The node forgets what no longer pays the base fee.
    office.world.chain.raise_base_fee(40.0)
    assert office.effects() == []
    running.clock.ahead_s += 21 * 60
    running.keeper.mailbox.post("test")
    running.until(lambda: len(running.attempts) == 2)
    running.until_hedged(effects=1)
    first, second = running.attempts
    assert first.nonce == second.nonce
    assert first.fees.max_fee_wei < 40 * 10**9 < second.fees.max_fee_wei
    assert running.settled[0].outcome.status == "done"
    assert office.nonce() == first.nonce + 1


def test_t7_the_replaced_transaction_may_be_the_one_that_is_mined(office: Office, run: Run) -> None:
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    first = running.attempts[0]
    running.clock.ahead_s += 21 * 60
    running.keeper.mailbox.post("test")
    running.until_sent(2)
    assert len(running.attempts) == 2
    # The replacement never reaches this node's pool; the first one does, again.
    office.world.chain.drop_pending()
    office.world.chain.rpc.call("eth_sendRawTransaction", f"0x{first.raw.hex()}")
    running.until_hedged(effects=1)
    assert running.settled[0].outcome.status == "done"
    assert office.nonce() == first.nonce + 1


@pytest.mark.parametrize(
    "words", ["intrinsic gas too low", "transaction type not supported", "insufficient funds"]
)
def test_a_wedge_refused_in_words_is_hedged_within_two_blocks_unattended(
    office: Office, run: Run, words: str
) -> None:
    def refuse(question: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any] | None:
        if question["method"] != "eth_sendRawTransaction" or len(refused) == 2:
            return answer
        refused.append(words)
        office.world.chain.drop_pending()
        return {"jsonrpc": "2.0", "id": question["id"], "error": {"code": -32000, "message": words}}

    refused: list[str] = []
    office.door.falsify = refuse
    running = run(office)
    running.until(lambda: len(refused) == 1)
    running.until(running.journal.open)
    office.world.chain.mine()
    running.until(lambda: len(refused) == 2)
    assert office.effects() == []
    office.world.chain.mine()
    running.until(lambda: office.door.sends == 3)
    running.until_quiet()
    running.assert_hedged()
    assert running.beside.halted() is None
    assert len({attempt.nonce for attempt in running.attempts}) == 1


def test_t8_an_intent_that_is_late_is_cancelled_and_the_next_one_hedges(
    office: Office, run: Run
) -> None:
    office.change(('intent_life = "1 h"', 'intent_life = "5 min"'))
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    # The node forgets it, and its time passes on the chain; the feed still speaks.
    office.world.chain.drop_pending()
    office.world.chain.advance(301)
    actions.report_price(office.world, 2_000.0)
    running.until(lambda: len(running.attempts) == 2)
    hedge, cancel = running.attempts
    assert (cancel.purpose, cancel.nonce) == ("cancel", hedge.nonce)
    running.until(lambda: office.door.sends == 2)
    running.until_quiet()
    statuses = [event.outcome.status for event in running.settled]
    assert statuses[0] == "cancelled"
    assert set(statuses[1:]) == {"done"}
    assert len(office.effects()) == len(statuses) - 1
    running.assert_hedged()


def test_r1_silence_after_a_send_is_not_a_failure(office: Office, run: Run) -> None:
    def swallow(question: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any] | None:
        return None if question["method"] == "eth_sendRawTransaction" else answer

    office.door.falsify = swallow
    running = run(office)
    running.until_sent()  # a block before that would be reason enough to send it again
    running.until_hedged(effects=1)
    assert office.door.sends == 1  # not a second time, before it is due
    assert running.settled[0].outcome.status == "done"
    assert "nothing was heard about the transaction" in str(running.notes.events)


def test_e3_a_key_that_is_used_by_hand_is_noticed_and_its_nonces_are_adopted_when_told_so(
    office: Office, run: Run
) -> None:
    running = run(office)
    running.until_quiet()
    running.stop()
    actions.hedge(office.world, office.world.accounts.keeper, 30.0)
    effects = office.effects()
    refused = office.command("tick")
    assert (refused.code, "does not know of" in refused.said) == (2, True)
    again = Running(office, office.config(), adopt=True)
    again.until_quiet()
    assert "Adopted" in {type(event).__name__ for event in again.notes.events}
    assert len(office.effects()) > len(effects)
    again.assert_hedged()
    again.stop()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_p2_a_keeper_that_waits_for_a_silent_node_still_ends_at_once(
    office: Office, number: signal.Signals, code: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(PATIENCE_S)
        silence = f"http://127.0.0.1:{silent.getsockname()[1]}"
        office.change((office.door.url, silence), ('call_timeout = "2 s"', 'call_timeout = "30 s"'))
        with office.process("run") as keeper, silent.accept()[0]:
            keeper.await_line("started")
            ended, seconds = keeper.stop(number)
    assert ended == code
    assert seconds < 3.0  # below one on an idle machine; it is the 30 that must not be waited for
