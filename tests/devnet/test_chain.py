import time

import pytest

from keeper.devnet import actions
from keeper.devnet.chain import Tx
from keeper.devnet.world import World
from keeper.model.errors import Rejected
from keeper.model.units import GWEI

pytestmark = pytest.mark.anvil


def _gift(world: World) -> Tx:
    who = world.accounts
    return Tx(who.alice.address, who.bob.address, value_wei=1, gas_limit=21_000)


def test_a_submitted_transaction_waits_for_a_block(world: World) -> None:
    (sent,) = world.chain.submit(_gift(world))
    assert world.chain.rpc.call("eth_getTransactionReceipt", sent) is None
    world.chain.mine()
    assert world.chain.rpc.call("eth_getTransactionReceipt", sent)["status"] == "0x1"


def test_transactions_of_a_block_stand_in_the_order_sent(world: World) -> None:
    receipts = world.chain.execute(*(_gift(world) for _ in range(5)))
    assert [int(receipt["transactionIndex"], 16) for receipt in receipts] == [0, 1, 2, 3, 4]
    assert len({receipt["blockHash"] for receipt in receipts}) == 1


def test_automine_makes_a_block_of_each_transaction(world: World) -> None:
    world.chain.automine(on=True)
    height = world.chain.block().number
    sent = world.chain.submit(_gift(world), _gift(world))
    deadline = time.monotonic() + 5
    while world.chain.block().number < height + 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    mined = [world.chain.rpc.call("eth_getTransactionReceipt", each) for each in sent]
    assert [int(each["blockNumber"], 16) - height for each in mined] == [1, 2]


def test_a_block_that_is_being_mined_does_not_survive_a_rewind(world: World) -> None:
    before = world.chain.block()
    for _ in range(20):
        taken = world.chain.snapshot()
        world.chain.automine(on=True)
        world.chain.submit(_gift(world), _gift(world))
        world.chain.automine(on=False)
        assert world.chain.block().number == before.number + 2
        world.chain.rewind(taken)
        assert world.chain.block() == before


def test_time_passes_as_told(world: World) -> None:
    before = world.chain.block()
    world.chain.mine(3, seconds=7)
    after = world.chain.advance(3600)
    assert after.number == before.number + 4
    assert after.timestamp_s == before.timestamp_s + 3 * 7 + 3600


def test_the_base_fee_stays_where_it_was_put(world: World) -> None:
    world.chain.raise_base_fee(80)
    assert world.chain.block().base_fee_wei == 80 * GWEI
    assert world.chain.mine(3).base_fee_wei == 80 * GWEI
    world.chain.raise_base_fee(0.5)
    assert world.chain.mine().base_fee_wei == GWEI // 2


def test_a_transaction_that_offers_less_than_the_base_fee_is_not_mined(world: World) -> None:
    wire = {
        "from": world.accounts.alice.address,
        "to": world.accounts.bob.address,
        "gas": hex(21_000),
        "maxFeePerGas": hex(2 * GWEI),
        "maxPriorityFeePerGas": "0x0",
    }
    sent = world.chain.rpc.call("eth_sendTransaction", wire)
    world.chain.raise_base_fee(3)
    assert world.chain.rpc.call("eth_getTransactionReceipt", sent) is None


def test_a_revert_is_refused_with_its_reason(world: World) -> None:
    broke = Tx(world.accounts.alice.address, world.perp.vault, bytes.fromhex("853828b6"))
    with pytest.raises(Rejected, match="execution reverted"):
        world.chain.execute(broke)


def test_a_reorg_replaces_blocks_and_forgets_their_transactions(world: World) -> None:
    (receipt,) = world.chain.execute(_gift(world))
    world.chain.mine()
    old = world.chain.block()
    new = world.chain.reorg(2)
    assert (new.number, new.hash == old.hash) == (old.number, False)
    assert world.chain.rpc.call("eth_getTransactionReceipt", receipt["transactionHash"]) is None


def test_a_read_pinned_to_a_replaced_block_finds_nothing(world: World) -> None:
    lost = world.chain.mine().hash
    world.chain.reorg(1)
    pin = {"blockHash": lost, "requireCanonical": True}
    with pytest.raises(Rejected):
        world.chain.rpc.call("eth_getBalance", world.accounts.alice.address, pin)


def test_a_rewind_brings_everything_back(world: World) -> None:
    before, prices = world.chain.block(), actions.prices(world)
    taken = world.chain.snapshot()
    actions.move_price(world, 1800)
    actions.hedge(world, world.accounts.keeper, -5)
    world.chain.rewind(taken)
    assert world.chain.block() == before
    assert actions.prices(world) == prices
    with pytest.raises(Rejected):
        world.chain.rewind(taken)


def test_no_block_after_a_rewind_has_the_hash_of_one_before_it(world: World) -> None:
    hashes = set()
    for _ in range(3):
        taken = world.chain.snapshot()
        hashes.add(world.chain.mine().hash)
        world.chain.rewind(taken)
    assert len(hashes) == 3


def test_reads_at_old_blocks_answer_from_then(world: World) -> None:
    height = world.chain.block().number
    actions.move_price(world, 1900)
    asked = {"to": world.feed, "data": "0x50d25bcd"}
    then = world.chain.rpc.call("eth_call", asked, hex(height))
    now = world.chain.rpc.call("eth_call", asked, "latest")
    assert (int(then, 16), int(now, 16)) == (2000 * 10**8, 1900 * 10**8)


def test_an_account_can_be_given_ether(world: World) -> None:
    world.chain.fund(world.accounts.keeper.address, 3)
    assert world.chain.balance_wei(world.accounts.keeper.address) == 3 * 10**18
