"""One endpoint: what is noted of each question, probe and send."""

from typing import Any

import pytest

from keeper.adapters.chain.anchor import Anchor
from keeper.adapters.chain.evm import Evm
from keeper.adapters.chain.member import Member
from keeper.adapters.chain.node_errors import Foreign, RpcError
from keeper.model.errors import ConfigError, Transient, Uncertain

SILENCE = Transient("no answer", reason="timed out")
LIMIT = Transient("too many requests", status=429, retry_after_s=30.0)


@pytest.fixture
def member(members: list[Member]) -> Member:
    return members[0]


@pytest.fixture
def node(nodes: list[Any]) -> Any:
    return nodes[0]


def test_an_answer_is_noted_with_its_time(member: Member) -> None:
    assert member.newest().number == 100
    assert member.health.latency_ms == pytest.approx(20)  # the chain id was asked first
    member.newest()
    assert member.health.latency_ms == pytest.approx(18)


def test_only_the_question_that_all_are_asked_is_timed(member: Member, node: Any) -> None:
    member.newest()
    node.takes_s = 5.0  # a long read of whoever serves
    member.ask(lambda evm: evm.hash_at(5))
    assert member.health.latency_ms == pytest.approx(20)


def test_a_failure_is_noted_and_raised(member: Member, node: Any) -> None:
    node.trouble = SILENCE
    with pytest.raises(Transient):
        member.newest()
    assert member.health.breaker.failures == 1
    assert member.health.last_error == "no answer: timed out"


def test_r11_another_chain_bans_it(member: Member, node: Any) -> None:
    node.chain_id = 5
    with pytest.raises(ConfigError):
        member.ask(Evm.check_chain)
    assert member.health.ban is not None


def test_a_probe_sees_the_head_and_never_raises(member: Member, node: Any) -> None:
    node.number = 105
    assert member.probe() == 105
    node.trouble = SILENCE
    assert member.probe() is None
    assert member.health.breaker.failures == 1


def test_r4_while_it_asks_for_patience_it_is_not_even_probed(
    member: Member, node: Any, clock: Any
) -> None:
    node.trouble = LIMIT
    member.probe()
    asked = len(node.asked)
    for _ in range(29):
        member.probe()
        clock.now_s += 1.0
    assert len(node.asked) == asked
    clock.now_s += 1.0
    member.probe()
    assert len(node.asked) == asked + 1


def test_a_probe_closes_a_breaker_that_has_rested(member: Member, node: Any, clock: Any) -> None:
    node.trouble = SILENCE
    for _ in range(3):
        member.probe()
    node.trouble = None
    member.probe()
    assert member.health.breaker.failures == 3  # it rests: nothing was asked
    clock.now_s += 1.0
    member.probe()
    assert member.health.breaker.failures == 0


def test_r4_writes_are_tried_while_reads_wait(member: Member, node: Any) -> None:
    node.trouble = LIMIT
    member.probe()
    node.trouble = None
    assert member.deliver(b"\x02", 5.0).taken
    assert node.count("eth_sendRawTransaction") == 1


@pytest.mark.parametrize(
    ("text", "taken"), [("already known", True), ("nonce too low", False), ("?", False)]
)
def test_only_a_node_that_has_it_says_that_it_took_it(
    member: Member, node: Any, *, text: str, taken: bool
) -> None:
    node.says_to_send = RpcError(-32000, text)
    said = member.deliver(b"\x02", 5.0)
    assert (said.taken, said.text) == (taken, f"-32000: {text}")


def test_r1_a_send_without_an_answer_is_uncertain_and_leaves_once(
    member: Member, node: Any
) -> None:
    node.says_to_send = SILENCE
    with pytest.raises(Uncertain):
        member.deliver(b"\x02", 5.0)
    assert node.count("eth_sendRawTransaction") == 1
    assert member.health.breaker.failures == 1


def test_a_send_does_not_wait_behind_a_question_that_hangs(member: Member, node: Any) -> None:
    with member._on_the_line, pytest.raises(Uncertain, match="hangs"):
        member.deliver(b"\x02", 0.0)
    assert node.count("eth_sendRawTransaction") == 0


def test_c10_after_a_reconnect_it_must_show_the_anchor_again(member: Member, node: Any) -> None:
    member.expect(Anchor(36, node.hash_at(36)))
    member.newest()
    asked = node.count("eth_getBlockByNumber")
    member.newest()
    assert node.count("eth_getBlockByNumber") == asked + 1
    member.transports[0].close()  # the next connection may lead elsewhere
    node.fork(30, "b")
    with pytest.raises(Foreign, match="another history"):
        member.newest()
    assert member.health.ban is not None
    assert "another history" in member.health.ban.reason


def test_c10_the_line_that_sends_is_checked_like_the_one_that_reads(
    member: Member, node: Any
) -> None:
    member.expect(Anchor(36, node.hash_at(36)))
    node.fork(30, "b")
    member.probe()
    assert member.health.ban is not None


def test_closing_leaves_a_line_in_use_alone(member: Member) -> None:
    reading, sending = member.transports
    with member._on_the_line:
        member.close()
    assert (reading.dials, sending.dials) == (2, 1)
    member.close()
    assert (reading.dials, sending.dials) == (3, 2)
    member.hang_up()
    assert (reading.dials, sending.dials) == (3, 3)
    assert repr(member) == "Member(node-0)"
