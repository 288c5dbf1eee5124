"""A real node with real contracts: what the fakes claim about nodes is true of one at least."""

import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak
from msgspec import structs

from keeper.adapters.chain.bells import BLOCK
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.feed import Feed, FeedConfig
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.poller import Poller, PollerConfig
from keeper.adapters.chain.transports import open_transport
from keeper.devnet import actions
from keeper.devnet.world import World
from keeper.model.chain import Address, Call, ChainId, Fees, Message, Watch
from keeper.model.errors import BadData, CallReverted, ConfigError, Rejected, Transient
from keeper.model.units import GWEI

pytestmark = pytest.mark.anvil

FEES = Fees(max_fee_wei=3 * 10**9, tip_wei=10**9)
NOBODY = Address("0x00000000000000000000000000000000DeaDBeef")
ANSWER_UPDATED = keccak(text="AnswerUpdated(int256,uint256,uint256)")
SLOT0 = ("uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool")
ROUND = ("uint80", "int256", "uint256", "uint256", "uint80")


def call(to: str, signature: str, returns: tuple[str, ...], *args: Any) -> Call:
    kinds = [kind for kind in signature.split("(")[1].rstrip(")").split(",") if kind]
    return Call(Address(to), keccak(text=signature)[:4] + encode(kinds, args), returns)


@pytest.fixture(params=["ipc", "http"])
def metered(request: pytest.FixtureRequest, world: World) -> Iterator[Metered]:
    url = world.ipc_path if request.param == "ipc" else world.http_url
    made = Metered(open_transport(url))
    yield made
    made.close()


@pytest.fixture
def evm(metered: Metered, world: World) -> Evm:
    made = Evm(metered, EvmConfig(ChainId(world.chain_id), Address(world.multicall3)))
    made.connect()
    return made


def book(world: World) -> tuple[Call, ...]:
    """Return twelve reads such as a book needs."""
    me = world.accounts.keeper.address
    return (
        call(world.uniswap.pool, "slot0()", SLOT0),
        call(world.uniswap.pool, "liquidity()", ("uint128",)),
        call(world.perp.pool, "slot0()", SLOT0),
        call(world.feed, "latestRoundData()", ROUND),
        call(world.feed, "decimals()", ("uint8",)),
        call(world.vault, "totalAssets()", ("uint256",)),
        call(world.vault, "ranges()", ("uint256[]",)),
        call(world.weth, "symbol()", ("string",)),
        call(world.weth, "balanceOf(address)", ("uint256",), me),
        call(world.usdc, "balanceOf(address)", ("uint256",), me),
        call(world.perp.clearing_house, "getAccountValue(address)", ("int256",), me),
        call(world.perp.vault, "getFreeCollateral(address)", ("uint256",), me),
    )


def tell(measured: str) -> None:
    """Show a measurement to whoever runs the tests with `-s`."""
    sys.stdout.write(f"\n{measured}\n")


def order(world: World, size: int = 10**16) -> Message:
    data = call(world.stub_venue, "order(int256,uint256,uint256)", (), size, 2**256 - 1, 2**40).data
    return Message(Address(world.stub_venue), data, 0, 200_000)


def signed(world: World, message: Message, nonce: int, fees: Fees = FEES) -> Any:
    keeper = world.accounts.keeper
    return Account.sign_transaction(
        {
            "type": 2, "chainId": world.chain_id, "nonce": nonce, "to": message.to,
            "data": message.data, "value": message.value_wei, "gas": message.gas_limit,
            "maxFeePerGas": fees.max_fee_wei, "maxPriorityFeePerGas": fees.tip_wei,
        },
        keeper.test_key,
    )  # fmt: skip


def test_one_multicall_says_what_single_calls_say(evm: Evm, world: World) -> None:
    head = evm.head()
    calls = book(world)
    together = evm.answer(calls, head)
    assert together == tuple(evm.answer((one,), head)[0] for one in calls)
    assert together[4] == (8,)
    assert together[7] == ("WETH",)


def test_a_chunk_makes_no_difference(metered: Metered, world: World) -> None:
    small = Evm(metered, EvmConfig(ChainId(world.chain_id), Address(world.multicall3), 5))
    large = Evm(metered, EvmConfig(ChainId(world.chain_id), Address(world.multicall3)))
    head = small.head()
    assert small.answer(book(world), head) == large.answer(book(world), head)
    assert metered.tallies["eth_call"].requests == 3 + 1


def test_a_reaction_needs_three_requests_and_little_of_our_own_time(
    evm: Evm, metered: Metered, world: World
) -> None:
    calls, message = book(world), order(world)
    sender = Address(world.accounts.keeper.address)

    def react() -> None:
        head = evm.head()
        evm.answer(calls, head)
        evm.simulate(sender, message, FEES, head)

    react()
    before = sum(tally.requests for tally in metered.tallies.values())
    total_us, own_us = [], []
    for _ in range(300):
        waited_ns, started_ns = metered.waited_ns, time.perf_counter_ns()
        react()
        total_ns = time.perf_counter_ns() - started_ns
        total_us.append(total_ns / 1e3)
        own_us.append((total_ns - (metered.waited_ns - waited_ns)) / 1e3)
    tell(f"head + 12 reads + simulate: p50 {median(total_us):.0f} µs, own {median(own_us):.0f} µs")
    assert sum(tally.requests for tally in metered.tallies.values()) - before == 3 * 300
    assert median(own_us) < 1_500  # about 120 on a quiet machine


@pytest.mark.parametrize("alone", [True, False])
def test_a_revert_carries_the_contracts_reason(evm: Evm, world: World, *, alone: bool) -> None:
    broke = call(world.weth, "transfer(address,uint256)", ("bool",), NOBODY, 10**30)
    found = evm.answer((broke,) if alone else (broke, *book(world)), evm.head())[0]
    assert isinstance(found, CallReverted)


@pytest.mark.parametrize("alone", [True, False])
def test_an_address_without_code_does_not_answer(evm: Evm, world: World, *, alone: bool) -> None:
    asked = call(NOBODY, "balanceOf(address)", ("uint256",), NOBODY)
    found = evm.answer((asked,) if alone else (asked, *book(world)), evm.head())[0]
    assert isinstance(found, CallReverted)
    assert "no code or empty answer" in str(found)


def test_reads_stay_at_their_block(evm: Evm, world: World) -> None:
    head = evm.head()
    before = evm.answer(book(world), head)
    actions.move_price(world, 2_300.0)
    assert evm.answer(book(world), head) == before
    assert evm.answer(book(world), evm.head()) != before


@pytest.mark.parametrize("calls", [1, 12])
def test_o10_a_block_that_was_reorganised_away_is_bad_data(
    evm: Evm, world: World, calls: int
) -> None:
    head = evm.head()
    world.chain.reorg(2)
    with pytest.raises(BadData, match="gone"):
        evm.answer(book(world)[:calls], head)
    with pytest.raises(BadData, match="gone"):
        evm.simulate(Address(world.accounts.keeper.address), order(world), FEES, head)
    evm.answer(book(world)[:calls], evm.head())


@pytest.mark.parametrize("calls", [1, 12])
def test_c13_a_block_beyond_the_head_is_no_answer_and_no_old_state(
    evm: Evm, world: World, calls: int
) -> None:
    head = evm.head()
    beyond = structs.replace(head, number=head.number + 10**6, hash="0x" + "13" * 32)
    with pytest.raises(BadData, match="gone"):
        evm.answer(book(world)[:calls], beyond)
    with pytest.raises(Transient):
        evm.standing(Address(world.accounts.keeper.address), Address(world.vault), beyond)
    assert evm.block(beyond.number) is None


def test_a_chain_without_multicall3_is_told_of(metered: Metered, world: World) -> None:
    evm = Evm(metered, EvmConfig(ChainId(world.chain_id), NOBODY))
    with pytest.raises(BadData, match="no Multicall3"):
        evm.answer(book(world), evm.head())


def test_another_chain_is_refused(metered: Metered) -> None:
    with pytest.raises(ConfigError, match="another chain"):
        Evm(metered, EvmConfig(ChainId(1))).connect()


def test_a_simulation_returns_what_the_contract_returns(evm: Evm, world: World) -> None:
    sender = Address(world.accounts.keeper.address)
    evm.simulate(sender, order(world), FEES, evm.head())


def test_a_simulation_that_reverts_carries_its_data(evm: Evm, world: World) -> None:
    sender = Address(world.accounts.keeper.address)
    late = call(world.stub_venue, "order(int256,uint256,uint256)", (), 1, 2**255, 1).data
    with pytest.raises(CallReverted) as caught:
        evm.simulate(sender, Message(Address(world.stub_venue), late, 0, 200_000), FEES, evm.head())
    assert caught.value.data


@pytest.mark.parametrize(
    ("sender", "gas"), [(NOBODY, 200_000), (None, 1_000)], ids=["poor", "too little gas to begin"]
)
def test_a_transaction_that_no_block_could_hold_is_rejected(
    evm: Evm, world: World, sender: Address | None, gas: int
) -> None:
    """Not so a fee cap below the base fee: unlike geth, Anvil 1.7.1 ignores it in `eth_call`."""
    message = Message(order(world).to, order(world).data, 0, gas)
    with pytest.raises(Rejected):
        evm.simulate(sender or Address(world.accounts.keeper.address), message, FEES, evm.head())


def test_gas_that_runs_out_on_the_way_is_a_revert(evm: Evm, world: World) -> None:
    message = Message(order(world).to, order(world).data, 0, 25_000)
    with pytest.raises(CallReverted):
        evm.simulate(Address(world.accounts.keeper.address), message, FEES, evm.head())


def test_a_transaction_is_sent_mined_and_grows_deep(evm: Evm, world: World) -> None:
    me = Address(world.accounts.keeper.address)
    nonce = evm.nonce(me)
    transaction = signed(world, order(world), nonce)
    tx_hash = f"0x{transaction.hash.hex()}"
    assert evm.send(transaction.raw_transaction) == tx_hash
    assert "already" in evm.send(transaction.raw_transaction)
    assert evm.mined((tx_hash,), evm.head()) is None
    assert evm.nonce(me) == nonce  # pending does not count
    world.chain.mine(1)
    for depth in (1, 2, 3):
        found = evm.mined((NOBODY.ljust(66, "0"), tx_hash), evm.head())
        assert found is not None
        assert (found.depth, found.succeeded) == (depth, True)
        assert [log.address for log in found.logs] == [world.stub_venue]
        world.chain.mine(1)
    assert evm.nonce(me) == nonce + 1
    assert evm.nonce(me, depth=5) == nonce
    assert "nonce too low" in evm.send(transaction.raw_transaction)


def test_a_replacement_is_found_by_either_hash(evm: Evm, world: World) -> None:
    nonce = evm.nonce(Address(world.accounts.keeper.address))
    dearer = Fees(2 * FEES.max_fee_wei, 2 * FEES.tip_wei)
    first, second = (signed(world, order(world), nonce, fees) for fees in (FEES, dearer))
    hashes = f"0x{first.hash.hex()}", f"0x{second.hash.hex()}"
    evm.send(first.raw_transaction)
    evm.send(second.raw_transaction)
    world.chain.mine(1)
    found = evm.mined(hashes, evm.head())
    assert found is not None
    assert found.hash == hashes[1]


def test_a_reorg_unmines(evm: Evm, world: World) -> None:
    transaction = signed(world, order(world), evm.nonce(Address(world.accounts.keeper.address)))
    tx_hash = f"0x{transaction.hash.hex()}"
    evm.send(transaction.raw_transaction)
    world.chain.mine(2)
    head = evm.head()
    assert evm.mined((tx_hash,), head) is not None
    world.chain.reorg(3)
    assert evm.mined((tx_hash,), head) is None
    assert evm.mined((tx_hash,), evm.head()) is None


def test_what_the_doctor_asks(evm: Evm, world: World) -> None:
    assert evm.code_at(Address(world.feed))
    assert evm.code_at(NOBODY) == b""
    assert evm.balance_wei(Address(world.accounts.keeper.address)) > 10**18
    assert evm.client_version().startswith("anvil/")
    head = evm.head()
    assert evm.block(head.number) == head
    assert evm.block(head.number + 10**6) is None


@pytest.fixture(params=["feed", "poller"])
def bell(request: pytest.FixtureRequest, world: World) -> Iterator[tuple[Any, list[str]]]:
    rung: list[str] = []
    made: Feed | Poller
    if request.param == "feed":
        made = Feed(FeedConfig(url=world.ws_url), rung.append)
    else:
        made = Poller(open_transport(world.http_url), PollerConfig(every_s=0.01), rung.append)
    made.update((Watch(Address(world.feed_aggregator), ANSWER_UPDATED, "price"),))
    made.start()
    until(lambda: made.connected)
    yield made, rung
    made.stop()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.001)


def test_blocks_and_prices_ring(bell: tuple[Any, list[str]], world: World) -> None:
    made, rung = bell
    rung.clear()
    actions.report_price(world, 2_010.0)
    until(lambda: {BLOCK, "price"} <= set(rung))
    assert made.counters.logs == 1


def test_news_come_without_the_delay_of_an_unacknowledged_packet(world: World) -> None:
    """Anvil leaves Nagle's algorithm on: an answer that is not acknowledged holds up the news.

    Linux acknowledges quickly as long as we only listen, so each round says something first.
    """
    rung: list[str] = []
    price = Watch(Address(world.feed_aggregator), ANSWER_UPDATED, "price")
    other = Watch(Address(world.weth), ANSWER_UPDATED, "other")
    feed = Feed(FeedConfig(url=world.ws_url), rung.append)
    feed.start()
    until(lambda: feed.connected)
    delays_ms = []
    for step in range(15):
        feed.update((price, other) if step % 2 else (price,))
        time.sleep(0.015)
        rung.clear()
        actions.report_price(world, 2_000.0 + step)
        started = time.perf_counter()
        until(lambda: {BLOCK, "price"} <= set(rung))
        delays_ms.append((time.perf_counter() - started) * 1e3)
    feed.stop()
    tell(f"block mined -> both bells: p50 {median(delays_ms):.2f} ms")
    assert median(delays_ms) < 8  # about 20 without quick acknowledgements


def test_g2_g8_the_tip_is_heard_from_blocks_that_paid_one(evm: Evm, world: World) -> None:
    account = world.accounts.alice.address
    paid = {"from": account, "to": account, "maxPriorityFeePerGas": hex(3 * GWEI)}
    for _ in range(3):
        world.chain.rpc.call("eth_sendTransaction", paid | {"maxFeePerGas": hex(50 * GWEI)})
        world.chain.mine()
    assert evm.recent_tip_wei(blocks=3) == 3 * GWEI
