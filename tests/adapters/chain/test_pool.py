"""Several nodes as one chain: what is read where, what is believed, what is sent to whom.

Time is an argument and nothing here waits for it. Two real chains are in test_pool_on_anvil.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from keeper.adapters.chain.anchor import Anchor
from keeper.adapters.chain.member import Member
from keeper.adapters.chain.node_errors import RpcError
from keeper.adapters.chain.pool import Pool, PoolConfig
from keeper.model.chain import Address, Call, Fees, Message
from keeper.model.errors import BadData, CallReverted, ConfigError, Rejected, Transient, Uncertain

ME = Address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
CALL = Call(Address("0x5FbDB2315678afecb367f032d93F642f64180aa3"), b"\xab", ("uint256",))
SILENCE = Transient("the node gave no usable answer", reason="timed out")
SEND = "eth_sendRawTransaction"
RAW = b"\x02\x01"

Make = Callable[..., Pool]


@pytest.fixture
def make(members: list[Member], clock: Any) -> Make:
    def made(**config: Any) -> Pool:
        private = config.pop("private", 0)
        count = len(members) - private
        pool_config = PoolConfig(**config)
        return Pool(members[:count], pool_config, private=members[count:], now_s=clock)

    return made


@pytest.fixture
def pool(make: Make) -> Pool:
    made = make()
    made.connect()
    return made


def serving(pool: Pool) -> str | None:
    return next((one.name for one in pool.report() if one.serving), None)


def prefer(nodes: list[Any], place: int) -> None:
    """Make one node by far the fastest."""
    for number, node in enumerate(nodes):
        node.takes_s = 0.001 if number == place else 0.5


def grow(pool: Pool, nodes: list[Any], number: int) -> None:
    """Let *nodes* come to a height, and be seen there."""
    for node, member in zip(reversed(nodes), reversed(pool._members), strict=False):
        node.number = number
        pool.look_at(member)


class TestConnecting:
    def test_every_endpoint_is_examined(self, pool: Pool, nodes: list[Any]) -> None:
        assert [node.count("eth_chainId") > 0 for node in nodes] == [True] * 3
        assert [one.head for one in pool.report()] == [100] * 3

    def test_r11_an_endpoint_of_another_chain_is_banned_and_the_others_serve(
        self, make: Make, nodes: list[Any]
    ) -> None:
        nodes[0].chain_id = 5
        pool = make()
        pool.connect()
        first, *others = pool.report()
        assert not first.usable
        assert "another chain" in first.trouble
        assert all(one.usable for one in others)
        pool.head()
        pool.send(RAW)
        assert serving(pool) != "node-0"
        assert nodes[0].count(SEND) == 0

    def test_r11_only_other_chains_is_a_mistake_in_the_configuration(
        self, make: Make, nodes: list[Any]
    ) -> None:
        for node in nodes:
            node.chain_id = 5
        with pytest.raises(ConfigError, match="another chain"):
            make().connect()

    def test_c10_whoever_has_another_past_than_the_majority_is_banned(
        self, make: Make, nodes: list[Any]
    ) -> None:
        nodes[0].fork(0, "b")
        pool = make()
        pool.connect()
        assert [pool.head().hash for _ in range(3)] == [nodes[1].hash_at(100)] * 3
        prefer(nodes, 0)
        pool.head()
        pool.head()
        assert not pool.report()[0].usable

    def test_c10_two_pasts_without_a_majority_stop_the_keeper(
        self, make: Make, nodes: list[Any]
    ) -> None:
        nodes[0].fork(0, "b")
        nodes[1].trouble = SILENCE
        with pytest.raises(ConfigError, match="different histories"):
            make().connect()

    def test_c10_a_node_that_comes_later_must_show_the_anchor(
        self, make: Make, nodes: list[Any], clock: Any
    ) -> None:
        nodes[0].trouble = SILENCE
        pool = make()
        pool.connect()
        nodes[0].trouble = None
        nodes[0].fork(30, "b")
        nodes[0].takes_s = 0.0
        for node in nodes[1:]:
            node.trouble = SILENCE
        clock.now_s += 5
        with pytest.raises(Transient, match="no endpoint"):
            pool.head()
        assert "another history" in pool.report()[0].trouble

    def test_who_cannot_tell_the_past_has_no_vote(
        self, make: Make, nodes: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pool = make()
        honest = nodes[1].block
        monkeypatch.setattr(nodes[0], "block", lambda number: honest(number) if number else None)
        for node in nodes:
            node.number = 10
        pool.connect()
        assert pool._anchor is not None
        assert pool._anchor.hash == nodes[1].hash_at(0)

    def test_a_past_that_nobody_can_tell_is_not_made_up(
        self, make: Make, nodes: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        honest = nodes[0].block
        for node in nodes:
            monkeypatch.setattr(
                node, "block", lambda number: honest(number) if number == 100 else "torn"
            )
        pool = make()
        pool.connect()
        assert pool._anchor is None

    def test_a_fork_above_the_anchor_is_no_other_past(self, make: Make, nodes: list[Any]) -> None:
        nodes[0].fork(90, "b")
        pool = make()
        pool.connect()
        assert all(one.usable for one in pool.report())

    def test_the_past_is_agreed_on_anew_before_nodes_drop_it(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        grow(pool, nodes, 9_000)
        pool.head()
        pool.head()
        assert pool._anchor == Anchor(8_936, nodes[0].hash_at(8_936))
        before = [len(node.asked) for node in nodes]
        pool.head()
        assert sum(len(node.asked) for node in nodes) - sum(before) == 1, "once, not at every head"
        for node in nodes:
            node.oldest = 8_000
        for member in pool._members:
            for line in member.transports:
                line.close()
            pool.look_at(member)
        assert pool.head().number == 9_000
        assert [one.usable for one in pool.report()] == [True] * 3

    def test_c10_whoever_has_another_past_than_the_majority_at_the_renewal_is_banned(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        grow(pool, nodes, 9_000)
        nodes[0].fork(8_000, "b")
        pool.head()
        pool.head()
        assert [one.usable for one in pool.report()] == [False, True, True]

    def test_c10_without_a_majority_at_the_renewal_the_old_past_stays(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        """One of them may be on a side branch for a while: no reason to halt."""
        before = pool._anchor
        grow(pool, nodes, 9_000)
        nodes[0].fork(8_000, "b")
        nodes[1].fork(8_000, "c")
        pool.head()
        assert pool.head().number == 9_000
        assert pool._anchor == before

    def test_who_is_behind_does_not_hold_the_renewal_up(self, pool: Pool, nodes: list[Any]) -> None:
        grow(pool, nodes[1:], 9_000)
        pool.look_at(pool._members[0])
        pool.head()
        pool.head()
        assert pool._anchor == Anchor(8_936, nodes[1].hash_at(8_936))

    def test_while_the_others_heads_are_old_nobody_is_asked_for_a_past(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        """A block below the lowest of them would be no newer."""
        for node in nodes:
            node.number = 9_000
        pool.head()
        before = sum(len(node.asked) for node in nodes)
        pool.head()
        assert sum(len(node.asked) for node in nodes) == before + 1

    def test_nobody_at_start_is_transient_and_the_past_is_agreed_on_later(
        self, make: Make, nodes: list[Any], clock: Any
    ) -> None:
        for node in nodes:
            node.trouble = SILENCE
        pool = make()
        with pytest.raises(Transient, match="no endpoint can be used") as caught:
            pool.connect()
        assert "node-2: the node gave no usable answer: timed out" in str(caught.value)
        for node in nodes:
            node.trouble = None
        clock.now_s += 5
        pool.head()  # the first head that anybody showed
        pool.head()
        assert pool._anchor is not None
        assert pool._anchor.hash == nodes[0].hash_at(36)


class TestReading:
    def test_the_fastest_healthy_endpoint_serves(self, make: Make, nodes: list[Any]) -> None:
        prefer(nodes, 2)
        pool = make()
        pool.connect()
        pool.head()
        assert serving(pool) == "node-2"

    def test_all_reads_of_one_decision_come_from_one_endpoint(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        head = pool.head()
        name = serving(pool)
        for node in nodes:
            node.asked.clear()
        pool.answer((CALL,), head)
        pool.nonce(ME)
        pool.nonce(ME, depth=2)
        assert pool.standing(ME, CALL.to, head).nonce == 5
        pool.mined(("0x" + "aa" * 32,), head)
        pool.simulate(ME, Message(CALL.to, b"", 0, 1), Fees(max_fee_wei=2, tip_wei=1), head)
        pool.rehearse(ME, Message(CALL.to, b"", 0, 1), Fees(max_fee_wei=2, tip_wei=1), head)
        asked = {f"node-{place}" for place, node in enumerate(nodes) if node.asked}
        assert asked == {name}

    def test_what_is_read_is_pinned_to_the_heads_hash(self, pool: Pool, nodes: list[Any]) -> None:
        head = pool.head()
        pool.answer((CALL,), head)
        pool.nonce(ME)
        pins = [
            params[1]
            for node in nodes
            for method, params in node.asked
            if method in {"eth_call", "eth_getTransactionCount"}
        ]
        assert pins == [{"blockHash": head.hash, "requireCanonical": True}] * 2

    def test_an_endpoint_that_fails_on_the_way_ends_the_decision(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        head = pool.head()
        failing = int(str(serving(pool))[-1])
        nodes[failing].trouble = SILENCE
        with pytest.raises(Transient):
            pool.answer((CALL,), head)
        with pytest.raises(Transient, match="has failed"):  # and nobody completes it
            pool.answer((CALL,), head)
        assert pool.head() == head
        assert serving(pool) != f"node-{failing}"
        assert pool.answer((CALL,), head) == ((7,),)

    @pytest.mark.parametrize(
        "refusal", [RpcError(3, "execution reverted"), RpcError(-32000, "insufficient funds")]
    )
    def test_a_refused_simulation_is_an_answer_and_the_endpoint_goes_on_serving(
        self, pool: Pool, nodes: list[Any], refusal: RpcError
    ) -> None:
        head = pool.head()
        node = nodes[int(str(serving(pool))[-1])]
        node.trouble = refusal
        with pytest.raises((CallReverted, Rejected)):
            pool.simulate(ME, Message(CALL.to, b"", 0, 1), Fees(max_fee_wei=2, tip_wei=1), head)
        node.trouble = None
        assert pool.answer((CALL,), head) == ((7,),)

    def test_r5_the_next_endpoint_is_asked_at_once_when_one_has_no_head(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        pool.head()
        nodes[int(str(serving(pool))[-1])].trouble = SILENCE
        assert pool.head().number == 100

    def test_r17_all_down_is_one_error_that_names_each_and_asks_nobody_in_a_loop(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        for node in nodes:
            node.trouble = SILENCE
            node.asked.clear()
        for _ in range(50):
            with pytest.raises(Transient, match="no endpoint can be used"):
                pool.head()
        # Three failures each, and then they rest: the clock has hardly moved.
        assert sum(len(node.asked) for node in nodes) < 20

    def test_r17_they_are_read_again_when_they_are_back(
        self, pool: Pool, nodes: list[Any], clock: Any
    ) -> None:
        for node in nodes:
            node.trouble = SILENCE
        for _ in range(10):
            with pytest.raises(Transient):
                pool.head()
        for node in nodes:
            node.trouble = None
        clock.now_s += 60
        assert pool.head().number == 100

    def test_r4_a_limited_endpoint_is_left_alone_as_long_as_it_asks(
        self, pool: Pool, nodes: list[Any], clock: Any
    ) -> None:
        for node in nodes:
            node.trouble = Transient("too many requests", status=429, retry_after_s=30.0)
        with pytest.raises(Transient, match="no endpoint"):
            pool.head()
        asked = sum(len(node.asked) for node in nodes)
        for _ in range(28):
            clock.now_s += 1
            with pytest.raises(Transient, match="asks for patience"):
                pool.head()
        assert sum(len(node.asked) for node in nodes) == asked
        for node in nodes:
            node.trouble = None
        clock.now_s += 2
        assert pool.head().number == 100

    def test_r23_refused_credentials_are_told_without_the_address(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        for node in nodes:
            node.trouble = Transient("the node refuses our credentials", status=401)
        with pytest.raises(Transient) as caught:
            pool.head()
        assert "banned: it refuses our credentials (HTTP 401)" in str(caught.value)

    def test_a_question_before_any_head_looks_first(self, pool: Pool) -> None:
        assert pool.nonce(ME) == 5
        assert serving(pool) is not None
        with pytest.raises(BadData):
            pool.client_version()

    def test_what_the_doctor_asks_is_asked_of_whoever_serves(self, pool: Pool) -> None:
        pool.head()
        assert pool.code_at(ME) == b""
        with pytest.raises(BadData):  # the stub has no such answers: they are passed on
            pool.balance_wei(ME)
        pool.head()
        with pytest.raises(BadData):
            pool.client_version()

    def test_a_node_without_a_history_of_fees_is_as_healthy_as_another(
        self, pool: Pool, nodes: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for node in nodes:
            answer = node.answer

            def without(method: str, params: Any, *, answer: Any = answer) -> Any:
                if method == "eth_feeHistory":
                    raise RpcError(-32601, "the method does not exist", method=method)
                return answer(method, params)

            monkeypatch.setattr(node, "answer", without)
        for _ in range(5):
            pool.head()
            with pytest.raises(Transient):
                pool.recent_tip_wei()
        assert [one.trouble for one in pool.report()] == [""] * 3
        assert [one.error_rate for one in pool.report()] == [0.0] * 3

    def test_questions_are_counted_over_all_connections(self, pool: Pool) -> None:
        pool.head()
        assert pool.tallies["eth_chainId"].requests >= 3


class TestMonotony:
    def test_r8_an_endpoint_behind_by_more_than_the_limit_is_not_read(
        self, pool: Pool, nodes: list[Any], members: list[Member]
    ) -> None:
        pool.head()
        stale = int(str(serving(pool))[-1])
        for place, node in enumerate(nodes):
            node.number = 100 if place == stale else 104
        for member in members:
            pool.look_at(member)
        assert pool.head().number == 104
        assert serving(pool) != f"node-{stale}"
        assert pool.report()[stale].lag_blocks == 4
        assert not pool.report()[stale].usable

    def test_r8_the_last_head_of_a_silent_endpoint_does_not_put_the_others_behind(
        self, pool: Pool, nodes: list[Any], clock: Any
    ) -> None:
        first, *others = pool._members
        nodes[0].number = 200
        pool.look_at(first)
        pool.look_at(others[0])
        pool.look_at(others[1])
        assert [one.usable for one in pool.report()] == [True, False, False]
        nodes[0].trouble = Transient("too many requests", status=429, retry_after_s=3_600.0)
        pool.look_at(first)
        clock.now_s += 45
        pool.look_at(others[0])
        pool.look_at(others[1])
        assert [one.usable for one in pool.report()] == [False, True, True]
        assert pool.head().number == 100

    def test_r9_a_lower_head_is_ignored_and_another_endpoint_is_asked(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        for node in nodes:
            node.number = 105
        pool.head()
        nodes[int(str(serving(pool))[-1])].number = 103
        assert pool.head().number == 105

    def test_r9_if_all_lag_there_is_no_decision(self, pool: Pool, nodes: list[Any]) -> None:
        for node in nodes:
            node.number = 105
        pool.head()
        for node in nodes:
            node.number = 103
        with pytest.raises(Transient, match="behind the others"):
            pool.head()

    def test_c1_a_reorg_that_parent_hashes_prove_is_believed_even_if_lower(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        for number in (101, 102, 103):
            for node in nodes:
                node.number = number
            pool.head()
        for node in nodes:
            node.fork(101, "b")
            node.number = 102
        assert pool.head().hash == nodes[0].hash_at(102)

    def test_r9_a_lower_nonce_is_ignored(self, pool: Pool, nodes: list[Any]) -> None:
        for node in nodes:
            node.nonces = {node.hash_at(101): 6, node.hash_at(102): 5}
            node.number = 101
        pool.head()
        assert pool.nonce(ME) == 6
        for node in nodes:
            node.number = 102
        pool.head()
        assert pool.nonce(ME) == 6

    def test_c1_a_lower_nonce_is_believed_after_a_reorg(self, pool: Pool, nodes: list[Any]) -> None:
        for node in nodes:
            node.nonces = {node.hash_at(101): 6}
            node.number = 101
        pool.head()
        assert pool.nonce(ME) == 6
        for node in nodes:
            node.fork(101, "b")
            node.number = 102
        pool.head()
        assert pool.nonce(ME) == 5

    def test_r22_the_nonce_is_never_that_of_the_pending_block(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        pool.head()
        pool.nonce(ME)
        pool.nonce(ME, depth=3)
        asked = [p[1] for n in nodes for m, p in n.asked if m == "eth_getTransactionCount"]
        assert "pending" not in asked
        assert asked[-1] == hex(97)


class TestQuorum:
    @pytest.fixture
    def pool(self, make: Make, nodes: list[Any]) -> Pool:
        prefer(nodes, 0)
        made = make(quorum=2)
        made.connect()
        return made

    def read(self, pool: Pool) -> Any:
        head = pool.head()
        pool.answer((CALL,), head)
        return head

    def test_what_another_says_too_is_confirmed(self, pool: Pool) -> None:
        pool.confirm(self.read(pool))
        assert serving(pool) == "node-0"

    def test_r18_a_lie_that_one_tells_is_not_acted_on_and_the_liar_is_left(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        nodes[0].value = 8
        head = self.read(pool)
        with pytest.raises(BadData, match="do not confirm") as caught:
            pool.confirm(head)
        assert caught.value.facts["differ"] == "node-1, node-2"
        assert "not what the others say" in pool.report()[0].trouble
        pool.confirm(self.read(pool))
        assert serving(pool) == "node-1"

    def test_r18_one_liar_among_the_witnesses_is_outvoted(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        nodes[1].value = 8
        pool.confirm(self.read(pool))

    def test_r18_with_two_nodes_nobody_knows_who_lies(self, pool: Pool, nodes: list[Any]) -> None:
        nodes[0].value = 8
        nodes[2].trouble = SILENCE
        with pytest.raises(BadData, match="do not confirm"):
            pool.confirm(self.read(pool))
        assert pool.report()[0].usable

    def test_r18_a_lie_about_the_header_is_seen(self, pool: Pool, nodes: list[Any]) -> None:
        honest = nodes[0].block
        nodes[0].block = lambda number: honest(number) | {"timestamp": hex(12 * number + 1)}
        with pytest.raises(BadData, match="do not confirm"):
            pool.confirm(self.read(pool))

    def test_another_block_at_the_height_does_not_confirm(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        for node in nodes[1:]:
            node.fork(99, "b")
        with pytest.raises(BadData, match="do not confirm"):
            pool.confirm(self.read(pool))

    def test_a_witness_that_is_a_block_behind_cannot_confirm(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        nodes[0].number = 101
        nodes[1].trouble = SILENCE
        head = self.read(pool)
        with pytest.raises(Transient, match="too few") as caught:
            pool.confirm(head)
        assert caught.value.facts["agree"] == "node-0"
        nodes[2].number = 101
        pool.confirm(self.read(pool))

    def test_a_block_that_was_not_read_cannot_be_confirmed(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        head = self.read(pool)
        for node in nodes:
            node.number = 101
        pool.head()
        with pytest.raises(BadData, match="nothing was read"):
            pool.confirm(head)

    def test_without_a_quorum_nobody_else_is_asked(self, make: Make, nodes: list[Any]) -> None:
        prefer(nodes, 0)
        pool = make()
        pool.connect()
        head = self.read(pool)
        before = len(nodes[1].asked)
        pool.confirm(head)
        assert len(nodes[1].asked) == before


class Vanishing(Pool):
    """The engine's thread drops who serves between any two looks at it."""

    shown: Any = None

    @property
    def _serving(self) -> Any:
        found, self.shown = self.shown, None
        return found

    @_serving.setter
    def _serving(self, member: Any) -> None:
        self.shown = member


def test_a_report_from_another_thread_may_meet_a_change_of_who_serves(
    members: list[Member], clock: Any
) -> None:
    pool = Vanishing(members, PoolConfig(), now_s=clock)
    pool._serving = members[1]
    assert serving(pool) == "node-1"
    assert serving(pool) is None


class TestSending:
    def sent(self, nodes: list[Any]) -> list[list[str]]:
        return [[p[0] for m, p in node.asked if m == SEND] for node in nodes]

    def test_the_same_bytes_go_to_every_endpoint(self, pool: Pool, nodes: list[Any]) -> None:
        for node in nodes:
            node.says_to_send = RpcError(-32000, "nonce too low")  # so that all are waited for
        told = pool.send(RAW)
        assert self.sent(nodes) == [["0x0201"]] * 3
        assert told.count("nonce too low") == 3

    def test_r4_a_limited_endpoint_is_sent_to_all_the_same(
        self, pool: Pool, nodes: list[Any]
    ) -> None:
        for node in nodes:
            node.trouble = Transient("too many requests", status=429, retry_after_s=30.0)
        with pytest.raises(Transient):
            pool.head()
        for node in nodes:
            node.trouble = None
        assert pool.send(RAW) == "0xtaken"

    def test_r2_silence_of_all_is_uncertain(self, pool: Pool, nodes: list[Any]) -> None:
        for node in nodes:
            node.says_to_send = SILENCE
        with pytest.raises(Uncertain):
            pool.send(RAW)
        assert self.sent(nodes) == [["0x0201"]] * 3

    def test_t12_a_private_endpoint_gets_it_alone_and_later_all_get_the_same_bytes(
        self, make: Make, nodes: list[Any], clock: Any
    ) -> None:
        pool = make(private=1, public_after_s=30.0)
        pool.connect()
        for node in nodes:
            node.says_to_send = RpcError(-32000, "?")
            node.takes_s = 0.0
        pool.send(RAW)
        assert self.sent(nodes) == [[], [], ["0x0201"]]
        clock.now_s += 29
        pool.send(RAW)
        assert self.sent(nodes)[:2] == [[], []]
        clock.now_s += 1
        pool.send(RAW)
        assert self.sent(nodes) == [["0x0201"], ["0x0201"], ["0x0201"] * 3]

    def test_t12_a_private_endpoint_is_never_read(self, make: Make, nodes: list[Any]) -> None:
        pool = make(private=1)
        pool.connect()
        head = pool.head()
        pool.answer((CALL,), head)
        pool.nonce(ME)
        assert nodes[2].asked == []
        assert len(pool.report()) == 2


def test_its_threads_look_at_every_head_until_it_is_closed(
    make: Make, nodes: list[Any], members: list[Member]
) -> None:
    pool = make(look_every_s=0.001)
    pool.start()
    while any(member.health.head is None for member in members):
        pass  # each is looked at by a thread of its own; a hang ends with the test's time-out
    pool.close()
    watchers = [one for one in threading.enumerate() if one.name == "keeper-endpoint"]
    for one in watchers:
        one.join(5)
    assert not any(one.is_alive() for one in watchers)
    assert all(node.count("eth_chainId") >= 1 for node in nodes)
