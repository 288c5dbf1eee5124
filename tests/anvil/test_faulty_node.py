"""The keeper behind a node that misbehaves, with a pool like geth's: one effect, and hedged."""

from collections.abc import Callable
from typing import Any

import pytest

from keeper.testing.faultproxy import (
    BatchAsObject,
    BatchDropOne,
    BatchShuffle,
    Drop,
    Duplicate,
    Fault,
    FaultProxy,
    HttpStatus,
    LoseResponse,
    Malformed,
    Mutate,
    NullResult,
    RpcError,
    WrongId,
)
from tests.anvil.conftest import Office, Running

pytestmark = pytest.mark.anvil
Run = Callable[[Office], Running]

SEND = "eth_sendRawTransaction"


LOST: dict[str, Fault] = {
    "R1 reset": LoseResponse(method=SEND, how="reset", times=1),
    "R1 hang": LoseResponse(method=SEND, how="hang", times=1),
    "R1 502": LoseResponse(method=SEND, how="502", times=1),
    "R1 504": LoseResponse(method=SEND, how="504", times=1),
    "R2": Drop(method=SEND, times=1),
    "R3": Duplicate(method=SEND, times=1),
    "R6": Malformed(method=SEND, how="truncated", times=1),
    "R7": WrongId(method=SEND, how="offset", times=1),
    "T14": RpcError(method=SEND, message="address already reserved", times=1, reaches_node=True),
    "T19": Mutate(method=SEND, value="0x" + "19" * 32, times=1),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_r1_r2_r3_r6_r7_t14_t19_whatever_is_said_about_a_send_it_is_one_hedge(
    office: Office, proxy: FaultProxy, run: Run, fault: Fault
) -> None:
    proxy.add(fault)
    running = run(office)
    running.until(lambda: proxy.sends() and proxy.sends()[0].entry.told is not None)
    running.until(running.journal.open)
    running.clock.ahead_s += 11 * 60  # due to be sent again, if it has to be
    running.keeper.mailbox.post("test")
    running.until_hedged(effects=1)
    assert proxy.tallies()[0].struck == 1
    sent = {send.transaction for send in proxy.sends()}
    assert len(sent) == len({attempt.nonce for attempt in running.attempts}) == 1


READS: dict[str, Fault] = {
    "R4": HttpStatus(code=429, retry_after="0", times=2),
    "R5": Malformed(how="html", times=2),
    "R6": Malformed(how="array", times=2),
    "R7": WrongId(how="stale", times=2),
}


@pytest.mark.parametrize("fault", READS.values(), ids=READS)
def test_r4_r5_r6_r7_answers_that_are_none_are_waited_out(
    office: Office, proxy: FaultProxy, run: Run, fault: Fault
) -> None:
    proxy.add(fault)
    running = run(office)
    running.until_hedged(effects=1)
    assert proxy.tallies()[0].struck == 2
    running.until_quiet()
    running.assert_hedged()
    assert running.beside.halted() is None


BATCHES: dict[str, Fault] = {
    "shuffled": BatchShuffle(),
    "short": BatchDropOne(),
    "one error object": BatchAsObject(),
}


@pytest.mark.parametrize("fault", BATCHES.values(), ids=BATCHES)
def test_r19_a_node_that_cannot_answer_batches_is_hedged_with(
    office: Office, proxy: FaultProxy, run: Run, fault: Fault
) -> None:
    proxy.add(fault)
    running = run(office)
    running.until_hedged(effects=1)
    assert proxy.tallies()[0].struck > 0
    running.until_quiet()
    running.assert_hedged()
    assert running.beside.halted() is None


def test_r10_a_receipt_that_is_withheld_leads_to_no_second_hedge(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    proxy.add(NullResult(method="eth_getTransactionReceipt"))
    running = run(office)
    running.until(proxy.sends)
    for _ in range(3):
        office.world.chain.mine()
        running.rest()
        running.look_again()
    assert proxy.tallies()[0].struck > 0
    assert len(office.effects()) == 1
    # Another bid for the same nonce is no second hedge; another nonce would be.
    assert len({send.transaction.nonce for send in proxy.sends() if send.transaction}) == 1


def test_t2_t3_a_stuck_hedge_is_outbid_by_as_much_as_geth_wants(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    office.world.chain.raise_base_fee(40.0)
    assert office.effects() == []
    assert len(proxy.held()) == 1, "what Anvil has forgotten"
    running.clock.ahead_s += 21 * 60
    running.keeper.mailbox.post("test")
    running.until_hedged(effects=1)
    first, second = (send.transaction for send in proxy.sends())
    assert first is not None
    assert second is not None
    assert first.nonce == second.nonce
    assert all(send.accepted or send.entry.told == "result" for send in proxy.sends())


def test_c1_a_hedge_that_a_reorg_took_back_returns_without_being_sent_again(
    office: Office, proxy: FaultProxy, run: Run
) -> None:
    office.change(("confirmations = 1", "confirmations = 2"))
    running = run(office)
    running.until_sent()
    running.until(running.journal.open)
    office.world.chain.mine()
    assert len(office.effects()) == 1
    bot: Any = office.world.chain.rpc
    running.until(lambda: not proxy.held())  # the pool has seen it mined
    bot.call("anvil_reorg", 1, [])
    assert office.effects() == []
    running.until(lambda: office.nonce("pending") == running.attempts[0].nonce + 1)
    running.until_hedged(effects=1)
    assert len(proxy.sends()) == 1
    assert running.settled[0].outcome.status == "done"
