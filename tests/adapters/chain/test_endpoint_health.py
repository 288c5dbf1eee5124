"""What an error says about an endpoint, and who is asked next."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from keeper.adapters.chain.endpoint_health import (
    Ban,
    Health,
    HealthPolicy,
    Trouble,
    after_answer,
    after_head,
    after_trouble,
    banned,
    highest_head,
    is_banned,
    is_open,
    ranked,
    trouble_of,
)
from keeper.adapters.chain.node_errors import Foreign
from keeper.model.errors import BadData, CallReverted, ConfigError, KeeperError, Rejected, Transient

POLICY = HealthPolicy()
SILENCE = Transient("the node gave no usable answer", reason="timed out")


def status(code: int, **facts: Any) -> Transient:
    return Transient("the node gave no usable answer", status=code, **facts)


def unsupported(method: str) -> Transient:
    return Transient("refused", code=-32601, text="'the method is not available'", method=method)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (SILENCE, Trouble.SILENT),
        (BadData("no newest block"), Trouble.SILENT),
        (status(500), Trouble.SILENT),
        (CallReverted("it reverts"), Trouble.NONE),
        (Rejected("cannot pay"), Trouble.NONE),
        (status(429), Trouble.LIMITED),
        (status(503, retry_after_s=3.0), Trouble.LIMITED),
        (Transient("refused", code=-32005, text="'limit'"), Trouble.LIMITED),
        (Transient("refused", code=-32000, text="'too many requests'"), Trouble.LIMITED),
        (Transient("refused", code=-32000, text="'internal'"), Trouble.SILENT),
        (unsupported("eth_feeHistory"), Trouble.NONE),
        (unsupported("eth_call"), Trouble.SILENT),
        (status(401), Trouble.DENIED),
        (status(403), Trouble.DENIED),
        (ConfigError("another chain"), Trouble.FOREIGN),
        (Foreign("another chain"), Trouble.FOREIGN),
    ],
)
def test_an_error_says_what_is_wrong_with_the_endpoint(
    error: KeeperError, trouble: Trouble
) -> None:
    assert trouble_of(error) is trouble


def after(*errors: KeeperError, now_s: float = 100.0) -> Health:
    health = Health(head=10, latency_ms=5.0)
    for error in errors:
        health = after_trouble(health, error, now_s, POLICY)
    return health


def test_r5_an_endpoint_that_fails_again_and_again_is_left_alone() -> None:
    assert is_open(after(status(502), status(502)), 100.0)
    assert not is_open(after(status(502), status(502), status(502)), 100.0)
    assert is_open(after(status(502), status(502), status(502)), 101.0)


def test_an_answer_ends_every_trouble_but_a_wait_that_was_asked_for() -> None:
    fine = after_answer(after(SILENCE, SILENCE, SILENCE))
    assert is_open(fine, 100.0)
    assert fine.breaker.failures == 0
    limited = after_answer(after(status(429, retry_after_s=30.0)))
    assert not is_open(limited, 129.0)
    assert is_open(limited, 130.0)


def test_r4_a_limited_endpoint_is_not_read_and_not_banned() -> None:
    health = after(status(429, retry_after_s=30.0))
    assert not is_open(health, 120.0)
    assert not is_banned(health, 120.0)


@pytest.mark.parametrize("code", [401, 403])
def test_r23_refused_credentials_disable_an_endpoint_with_a_reason(code: int) -> None:
    health = after(status(code))
    assert health.ban is not None
    assert str(code) in health.ban.reason
    assert is_banned(health, 100.0 + POLICY.denied_rest_s - 1)
    assert not is_banned(health, 100.0 + POLICY.denied_rest_s)


def test_r11_an_endpoint_of_another_chain_is_banned_for_good() -> None:
    health = after(Foreign("the node serves another chain", found=2))
    assert health.ban == Ban("the node serves another chain")
    assert is_banned(health, 1e12)


def test_c10_an_endpoint_that_lacks_the_anchor_may_still_be_syncing() -> None:
    health = after(Foreign("the node has another history of this chain", found=None))
    assert is_banned(health, 101.0)
    assert not is_banned(health, 100.0 + POLICY.denied_rest_s)


def test_a_revert_says_nothing_against_the_endpoint() -> None:
    assert after(CallReverted("no")) == after()


def test_a_method_that_no_decision_needs_may_be_missing() -> None:
    assert after(*[unsupported("eth_feeHistory")] * 5) == after()


def test_the_last_error_is_kept_in_words() -> None:
    assert after(SILENCE).last_error == "the node gave no usable answer: timed out"
    assert after(BadData("torn")).last_error == "torn"


class TestRanking:
    def rank(self, *everybody: Health, serving: int | None = None, now_s: float = 100.0) -> Any:
        return ranked(everybody, now_s, POLICY, serving)

    def test_the_fastest_is_first_and_the_owners_order_breaks_ties(self) -> None:
        slow, fast = Health(latency_ms=90.0), Health(latency_ms=10.0)
        assert self.rank(slow, fast, fast) == [1, 2, 0]

    def test_two_that_are_about_as_good_do_not_take_turns(self) -> None:
        one, other = Health(latency_ms=10.0), Health(latency_ms=8.0)
        assert self.rank(one, other, serving=0) == [0, 1]
        assert self.rank(one, replace(other, latency_ms=2.0), serving=0) == [1, 0]

    def test_errors_weigh_like_time(self) -> None:
        flaky = Health(latency_ms=10.0, error_rate=0.5)
        assert self.rank(flaky, Health(latency_ms=40.0)) == [1, 0]

    def test_one_that_failed_last_time_comes_after_all_that_did_not(self) -> None:
        failing = after_trouble(Health(latency_ms=1.0), SILENCE, 100.0, POLICY)
        assert self.rank(failing, Health(latency_ms=500.0), serving=0) == [1, 0]

    def test_one_that_is_tried_again_comes_last(self) -> None:
        tried = after(SILENCE, SILENCE, SILENCE, now_s=90.0)
        failing = after(SILENCE)
        assert self.rank(tried, failing) == [1, 0]
        assert self.rank(tried, failing, now_s=90.5) == [1]

    def test_r8_a_lagging_endpoint_leaves_the_pool(self) -> None:
        fast, slow = Health(latency_ms=1.0), Health(head=10, latency_ms=9.0)
        assert self.rank(after_head(fast, 6, 10, 100.0), slow) == [1]
        assert self.rank(after_head(fast, 7, 10, 100.0), slow) == [0, 1]
        assert self.rank(after_head(fast, 12, 10, 100.0), slow) == [0, 1]

    def test_the_head_of_a_banned_endpoint_puts_nobody_behind(self) -> None:
        liar = banned(self.at(10**9), "it lies")
        assert highest_head((liar, self.at(10), Health()), 100.0, 30.0) == 10
        assert highest_head((liar,), 100.0, 30.0) == 0

    def test_r5_the_last_head_of_a_silent_endpoint_puts_nobody_behind(self) -> None:
        silent = self.at(10**9)
        for failures in range(3):
            assert highest_head((silent, self.at(10)), 100.0, 30.0) == 10**9, failures
            silent = after_trouble(silent, SILENCE, 100.0, POLICY)
        assert highest_head((silent, self.at(10)), 100.0, 30.0) == 10

    def test_a_head_from_long_ago_puts_nobody_behind(self) -> None:
        assert highest_head((self.at(11), self.at(10)), 130.0, 30.0) == 11
        newer = replace(self.at(10), head_at_s=131.0)
        assert highest_head((self.at(11), newer), 131.0, 30.0) == 10

    def at(self, number: int) -> Health:
        return after_head(Health(), number, 0, 100.0)

    def test_who_never_showed_a_head_may_be_asked(self) -> None:
        assert self.rank(Health(), Health(head=4)) == [0, 1]


@given(
    errors=st.lists(
        st.sampled_from([SILENCE, status(429), status(401), BadData("x"), CallReverted("y"), None]),
        max_size=60,
    ),
    gap_s=st.floats(min_value=0, max_value=50),
)
def test_whatever_happens_an_endpoint_of_the_right_chain_comes_back(
    errors: list[KeeperError | None], gap_s: float
) -> None:
    health, now_s = Health(), 0.0
    for error in errors:
        now_s += gap_s
        if error is None:
            health = after_answer(health)
        else:
            health = after_trouble(health, error, now_s, POLICY)
        assert 0.0 <= health.error_rate <= 1.0
    assert is_open(health, now_s + 3_600.0)
