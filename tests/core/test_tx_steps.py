"""One row per line of the table in the module docstring, then the laws."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.tx_steps import (
    Abandon,
    Bump,
    Displace,
    Resend,
    Settle,
    Step,
    TxPolicy,
    Undone,
    Wait,
    highest,
    next_step,
)
from keeper.model.chain import Fees
from keeper.model.errors import ConfigError
from keeper.model.flow import Attempt, Facts, Mined

POLICY = TxPolicy(tip_wei=1, confirmations=2, resend_after_s=15, bump_after_s=45)
ATTEMPT = Attempt("i", "0xaa", b"", nonce=7, fees=Fees(800, 80), signed_at_ms=0)
PENDING = Facts(nonce_mined=7, nonce_deep=7, mined=None, now_ms=0)
MINED = Mined("0xaa", 1, "0xb", depth=2, succeeded=True, gas_used=1, gas_price_wei=1, logs=())
FRESH = Fees(500, 50)


def step(facts: Facts, *, attempts: tuple[Attempt, ...] = (ATTEMPT,), cap_wei: int = 1_000) -> Step:
    return next_step(attempts, facts, POLICY, fresh=FRESH, cap_wei=cap_wei)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mined": MINED}, Settle(MINED)),
        ({"mined": msgspec.structs.replace(MINED, depth=1)}, Wait()),
        ({"nonce_mined": 8, "nonce_deep": 8}, Displace()),
        ({"nonce_mined": 8}, Wait()),
        ({"now_ms": 14_999}, Wait()),
        ({"now_ms": 15_000}, Resend()),
        ({"now_ms": 45_000}, Bump(Fees(901, 91))),
        ({"now_ms": 44_999, "nonce_mined": 6, "nonce_deep": 6}, Resend()),
        ({"now_ms": 45_000, "nonce_mined": 6, "nonce_deep": 6}, Undone()),
    ],
)
def test_every_row_of_the_table(change: dict[str, object], expected: Step) -> None:
    assert step(msgspec.structs.replace(PENDING, **change)) == expected


def test_what_was_never_signed_is_abandoned() -> None:
    assert step(PENDING, attempts=()) == Abandon()


def test_at_the_cap_the_same_bytes_are_sent_again() -> None:
    assert step(msgspec.structs.replace(PENDING, now_ms=45_000), cap_wei=900) == Resend()


def test_the_highest_fee_and_the_highest_tip_may_be_of_two_attempts() -> None:
    other = msgspec.structs.replace(ATTEMPT, fees=Fees(700, 90))
    assert highest((ATTEMPT, other)) == Fees(800, 90)


@pytest.mark.parametrize("key", ["tip_wei", "confirmations", "bump_after_s", "intent_life_s"])
def test_a_policy_without_a_limit_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        msgspec.structs.replace(POLICY, **{key: 0})


ages = st.integers(min_value=0, max_value=10**9)
nonces = st.integers(min_value=0, max_value=20)


@given(now_ms=ages, mined=nonces, deep=nonces, depth=st.none() | st.integers(1, 5))
def test_nothing_signed_is_ever_abandoned(
    now_ms: int, mined: int, deep: int, depth: int | None
) -> None:
    found = None if depth is None else msgspec.structs.replace(MINED, depth=depth)
    facts = Facts(nonce_mined=mined, nonce_deep=deep, mined=found, now_ms=now_ms)
    assert not isinstance(step(facts), Abandon)
    if found is not None:
        assert isinstance(step(facts), Settle | Wait), "a receipt of ours beats every suspicion"


@given(now_ms=ages, cap_wei=st.integers(0, 5_000))
def test_the_fee_cap_holds(now_ms: int, cap_wei: int) -> None:
    taken = step(msgspec.structs.replace(PENDING, now_ms=now_ms), cap_wei=cap_wei)
    assert not isinstance(taken, Bump) or taken.fees.max_fee_wei <= cap_wei
