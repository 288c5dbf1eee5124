"""The pool in front of a real Anvil: it does what geth would, where Anvil does not."""

from collections.abc import Iterator
from contextlib import suppress
from random import Random
from time import sleep
from typing import Any

import pytest
from eth_account import Account

from keeper.devnet.accounts import published_accounts
from keeper.devnet.anvil import Node
from keeper.devnet.rpc import Rpc
from keeper.model.errors import Rejected
from keeper.testing.faultproxy import FaultProxy, PoolSettings

pytestmark = pytest.mark.anvil

GWEI = 10**9
KEY = published_accounts(31_337).deployer.test_key
TARGET = "0x000000000000000000000000000000000000dEaD"


def sign(nonce: int = 0, max_fee: float = 50, tip: float = 1, value: int = 1, **more: Any) -> str:
    """Return a raw transfer; fees in gwei."""
    fields = {
        "nonce": nonce,
        "maxFeePerGas": int(max_fee * GWEI),
        "maxPriorityFeePerGas": int(tip * GWEI),
        "gas": 21_000,
        "to": TARGET,
        "value": value,
        "chainId": 31_337,
        **more,
    }
    return f"0x{Account.sign_transaction(fields, KEY).raw_transaction.hex()}"


SENDER = Account.from_key(KEY).address


@pytest.fixture
def pooled(anvil_node: Node) -> Iterator[FaultProxy]:
    with FaultProxy(anvil_node.http_url, pool="geth") as proxy:
        yield proxy


@pytest.fixture
def bot(pooled: FaultProxy) -> Iterator[Rpc]:
    rpc = Rpc(pooled.url)
    yield rpc
    rpc.close()


@pytest.fixture
def node(anvil_node: Node) -> Iterator[Rpc]:
    rpc = Rpc(anvil_node.http_url)
    yield rpc
    rpc.close()


def send(bot: Rpc, raw: str) -> str:
    return str(bot.call("eth_sendRawTransaction", raw))


def refusal(bot: Rpc, raw: str) -> str:
    with pytest.raises(Rejected) as refused:
        send(bot, raw)
    return str(refused.value.facts["said"])


def status(bot: Rpc, hash_: str) -> str | None:
    receipt = bot.call("eth_getTransactionReceipt", hash_)
    return None if receipt is None else receipt["status"]


def test_what_can_be_mined_goes_to_the_node_at_once(bot: Rpc, node: Rpc) -> None:
    hash_ = send(bot, sign())
    assert node.call("eth_getTransactionByHash", hash_)["blockHash"] is None
    bot.call("evm_mine")
    assert status(bot, hash_) == "0x1"


@pytest.mark.parametrize(("max_fee", "tip"), [(54.9, 2), (100, 1.09), (50, 1), (50, 2), (100, 1)])
def test_a_replacement_must_bid_ten_percent_more_on_both_fees(
    bot: Rpc, max_fee: float, tip: float
) -> None:
    send(bot, sign(value=1))
    said = refusal(bot, sign(max_fee=max_fee, tip=tip, value=2))
    assert said == "replacement transaction underpriced"


def test_a_replacement_that_bids_ten_percent_more_takes_the_place(bot: Rpc, node: Rpc) -> None:
    old = send(bot, sign())
    new = send(bot, sign(max_fee=55, tip=1.1))
    bot.call("evm_mine")
    assert status(bot, new) == "0x1"
    assert status(bot, old) is None
    assert bot.call("eth_getTransactionByHash", old) is None
    assert int(node.call("eth_getTransactionCount", SENDER, "latest"), 16) == 1


def test_what_is_known_is_not_taken_twice(bot: Rpc) -> None:
    raw = sign()
    send(bot, raw)
    assert refusal(bot, raw) == "already known"


def test_a_nonce_that_is_used_is_too_low(bot: Rpc) -> None:
    raw = sign()
    send(bot, raw)
    bot.call("evm_mine")
    assert refusal(bot, raw) == "nonce too low: next nonce 1, tx nonce 0"


def test_a_gapped_nonce_waits_and_follows_when_the_gap_is_filled(
    pooled: FaultProxy, bot: Rpc, node: Rpc
) -> None:
    later = send(bot, sign(nonce=1))
    assert node.call("eth_getTransactionByHash", later) is None
    assert bot.call("eth_getTransactionByHash", later)["nonce"] == "0x1"
    assert bot.call("eth_getTransactionCount", SENDER, "pending") == "0x0"
    sooner = send(bot, sign(nonce=0))
    assert bot.call("eth_getTransactionCount", SENDER, "pending") == "0x2"
    bot.call("evm_mine")
    assert [status(bot, sooner), status(bot, later)] == ["0x1", "0x1"]
    assert pooled.held() == []


def test_a_fee_below_the_base_fee_waits_until_that_falls(bot: Rpc, node: Rpc) -> None:
    bot.call("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    bot.call("evm_mine")
    hash_ = send(bot, sign(max_fee=50))
    assert node.call("eth_getTransactionByHash", hash_) is None
    shown = bot.call("eth_getTransactionByHash", hash_)
    assert (shown["from"], shown["blockHash"]) == (SENDER.lower(), None)
    assert bot.call("eth_getTransactionCount", SENDER, "pending") == "0x1"
    bot.call("evm_mine")
    assert status(bot, hash_) is None
    bot.call("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
    bot.call("evm_mine")
    assert status(bot, hash_) == "0x1"


def test_a_fee_below_the_base_fee_can_be_refused_as_anvil_does(
    pooled: FaultProxy, bot: Rpc
) -> None:
    pooled.set_pool(PoolSettings(hold_below_base_fee=False))
    bot.call("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    assert "less than block base fee" in refusal(bot, sign(max_fee=50))
    assert pooled.held() == []


def test_what_the_base_fee_passes_is_kept_and_mined_later(bot: Rpc, node: Rpc) -> None:
    hash_ = send(bot, sign(max_fee=50))
    bot.call("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    bot.call("evm_mine")
    assert node.call("eth_getTransactionByHash", hash_) is None, "Anvil drops it"
    assert bot.call("eth_getTransactionByHash", hash_)["blockHash"] is None
    bot.call("anvil_setNextBlockBaseFeePerGas", hex(10 * GWEI))
    bot.call("evm_mine")
    assert status(bot, hash_) == "0x1"


def test_what_waits_can_be_outbid_and_then_goes_through(bot: Rpc) -> None:
    bot.call("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    bot.call("evm_mine")
    stuck = send(bot, sign(max_fee=50))
    bumped = send(bot, sign(max_fee=200, tip=2))
    bot.call("evm_mine")
    assert status(bot, bumped) == "0x1"
    assert bot.call("eth_getTransactionByHash", stuck) is None


def test_what_a_reorg_took_out_comes_back_and_is_mined_again(bot: Rpc, node: Rpc) -> None:
    hash_ = send(bot, sign())
    bot.call("evm_mine")
    first = bot.call("eth_getTransactionReceipt", hash_)["blockHash"]
    bot.call("anvil_reorg", 1, [])
    assert status(bot, hash_) is None
    assert node.call("eth_getTransactionByHash", hash_)["blockHash"] is None, "it is there again"
    bot.call("evm_mine")
    assert bot.call("eth_getTransactionReceipt", hash_)["blockHash"] != first


def test_a_reorg_that_nobody_announced_is_noticed(bot: Rpc, node: Rpc) -> None:
    hash_ = send(bot, sign())
    node.call("evm_mine")
    assert status(bot, hash_) == "0x1"
    node.call("anvil_reorg", 1, [])
    assert bot.call("eth_getTransactionByHash", hash_)["blockHash"] is None
    assert node.call("eth_getTransactionByHash", hash_) is not None


def test_orphans_are_lost_if_that_is_asked_for(pooled: FaultProxy, bot: Rpc) -> None:
    hash_ = send(bot, sign())
    bot.call("evm_mine")
    pooled.set_pool(PoolSettings(reinject=False))
    bot.call("anvil_reorg", 1, [])
    assert bot.call("eth_getTransactionByHash", hash_) is None


def test_a_foreign_transaction_in_the_same_nonce_displaces_an_orphan(bot: Rpc) -> None:
    hash_ = send(bot, sign())
    bot.call("evm_mine")
    bot.call("anvil_reorg", 1, [[sign(value=7), 0]])
    assert bot.call("eth_getTransactionByHash", hash_) is None
    assert refusal(bot, sign()) == "nonce too low: next nonce 1, tx nonce 0"


def test_a_relay_that_never_includes_takes_everything_and_shows_nothing(
    pooled: FaultProxy, bot: Rpc, node: Rpc
) -> None:
    pooled.set_pool(PoolSettings(hold_all=True, hidden=True))
    hash_ = send(bot, sign())
    bot.call("evm_mine")
    assert bot.call("eth_getTransactionByHash", hash_) is None
    assert bot.call("eth_getTransactionCount", SENDER, "pending") == "0x0"
    pooled.set_pool(PoolSettings())
    assert node.call("eth_getTransactionByHash", hash_) is not None, "it leaks out after all"


@pytest.mark.parametrize("how", ["anvil_dropTransaction", "anvil_dropAllTransactions"])
def test_what_is_dropped_does_not_come_back(pooled: FaultProxy, bot: Rpc, how: str) -> None:
    hash_ = send(bot, sign())
    bot.call(how, *([hash_] if how == "anvil_dropTransaction" else []))
    assert bot.call("eth_getTransactionByHash", hash_) is None
    assert pooled.held() == []


def test_a_sender_must_own_what_all_that_waits_may_cost(bot: Rpc) -> None:
    bot.call("anvil_setBalance", SENDER, hex(21_000 * 50 * GWEI + 1))
    send(bot, sign())
    said = refusal(bot, sign(nonce=1))
    assert said.startswith("insufficient funds for gas * price + value: balance ")


def test_what_the_node_refuses_for_good_is_not_held(pooled: FaultProxy, bot: Rpc) -> None:
    assert "intrinsic gas too low" in refusal(bot, sign(gas=20_000))
    assert pooled.held() == []


def test_a_refused_replacement_leaves_the_old_one(pooled: FaultProxy, bot: Rpc) -> None:
    hash_ = send(bot, sign())
    assert "intrinsic gas too low" in refusal(bot, sign(max_fee=80, tip=3, gas=20_000))
    assert [tx.hash for tx in pooled.held()] == [hash_]


def test_bytes_that_are_no_transaction_are_refused_by_the_node(bot: Rpc) -> None:
    assert refusal(bot, "0x02")


def test_what_would_go_past_the_pool_is_not_available(bot: Rpc) -> None:
    with pytest.raises(Rejected, match="refused"):
        bot.call("eth_sendRawTransactionSync", sign())


def test_the_journal_says_who_sent_what(pooled: FaultProxy, bot: Rpc) -> None:
    hash_ = send(bot, sign(nonce=0, max_fee=50, tip=1, value=3))
    refusal(bot, sign(nonce=0, max_fee=51, tip=1, value=3))
    first, second = pooled.sends()
    assert first.accepted
    assert not second.accepted
    tx = first.transaction
    assert tx is not None
    assert (tx.hash, tx.sender, tx.nonce, tx.to) == (hash_, SENDER, 0, TARGET)
    assert (tx.max_fee_wei, tx.tip_wei, tx.value_wei, tx.gas) == (50 * GWEI, GWEI, 3, 21_000)


def test_with_automatic_mining_everything_is_mined_in_its_order(bot: Rpc) -> None:
    bot.call("evm_setAutomine", *[True])
    hashes = [send(bot, sign(nonce=nonce)) for nonce in (2, 1, 0)]
    for hash_ in hashes:  # Anvil answers a send before it has mined it
        while (mined := status(bot, hash_)) is None:
            sleep(0.001)
        assert mined == "0x1"


class Weather:
    """A chain with its moods, drawn from a seed, and a sender who remembers what was accepted."""

    def __init__(self, bot: Rpc, seed: int) -> None:
        self._bot = bot
        self._dice = Random(seed)  # noqa: S311  # the same weather every time
        self.accepted: dict[int, tuple[str, float, float]] = {}
        """By nonce: the newest hash that was accepted, with its fees in gwei."""

    def step(self) -> None:
        self._dice.choice(
            [self._send, self._send, self._outbid, self._fee, self._mine, self._turn]
        )()

    def _offer(self, nonce: int, max_fee: float, tip: float) -> None:
        with suppress(Rejected):  # its nonce was used meanwhile, or the bid is too small
            raw = sign(nonce, max_fee, tip, value=self._dice.randrange(1_000))
            self.accepted[nonce] = (send(self._bot, raw), max_fee, tip)

    def _send(self) -> None:
        free = [nonce for nonce in range(1_000) if nonce not in self.accepted]
        self._offer(free[self._dice.randrange(2)], self._dice.uniform(5, 100), 1)

    def _outbid(self) -> None:
        if self.accepted:
            nonce = self._dice.choice(sorted(self.accepted))
            _, max_fee, tip = self.accepted[nonce]
            more = self._dice.uniform(1.05, 1.3)
            self._offer(nonce, max_fee * more, tip * more)

    def _fee(self) -> None:
        gwei = self._dice.choice([1, 10, 50, 200])
        self._bot.call("anvil_setNextBlockBaseFeePerGas", hex(gwei * GWEI))

    def _mine(self) -> None:
        self._bot.call("evm_mine")

    def _turn(self) -> None:
        depth = self._dice.randint(1, 3)
        if int(self._bot.call("eth_blockNumber"), 16) > depth:
            self._bot.call("anvil_reorg", depth, [])

    def clear_up(self) -> None:
        """Fill the gaps, make everything cheap, and mine."""
        for nonce in range(max(self.accepted, default=0)):
            if nonce not in self.accepted:
                self._offer(nonce, 300, 1)
        self._bot.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        for _ in range(2):
            self._bot.call("evm_mine")


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_weather_what_was_accepted_last_is_mined_in_the_end(
    pooled: FaultProxy, bot: Rpc, seed: int
) -> None:
    bot.call("evm_mine")
    weather = Weather(bot, seed)
    for _ in range(40):
        weather.step()
    weather.clear_up()
    assert len(weather.accepted) > 3
    assert {status(bot, hash_) for hash_, *_ in weather.accepted.values()} == {"0x1"}
    assert pooled.held() == []
