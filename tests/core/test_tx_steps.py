"""One row per line of the table in the module docstring, then the laws."""

from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.tx_steps import (
    Abandon,
    Bump,
    Cancel,
    Close,
    Displace,
    Note,
    OrderStep,
    Renew,
    Resend,
    Settle,
    Step,
    TxPolicy,
    Undone,
    Unsee,
    Wait,
    Withdraw,
    highest,
    next_order_step,
    next_step,
)
from keeper.model.chain import Fees
from keeper.model.errors import ConfigError
from keeper.model.events import Progressed
from keeper.model.flow import Attempt, Facts, Fill, Heard, Mined, Progress, Send
from keeper.testing.conformance.journal_events import BLOCK, an_intent

HEAD = 100
INTENT = an_intent()
POLICY = TxPolicy(tip_wei=1, confirmations=2, resend_after_s=15, bump_after_s=45)
ATTEMPT = Attempt("i", "0xaa", b"", nonce=7, fees=Fees(800, 80), signed_at_ms=0)
VOID = msgspec.structs.replace(ATTEMPT, hash="0xcc", purpose="cancel", fees=Fees(901, 91))
MINED = Mined("0xaa", 1, "0xb", depth=2, succeeded=True, gas_used=1, gas_price_wei=1, logs=())
FRESH = Fees(500, 50)
HIGHER = Fees(901, 91)
"""An eighth above the attempt, rounded up, plus one."""
LATE = INTENT.deadline_s + 1


def sent(heard: Heard, *, at_block: int = HEAD - 1, at_ms: int = 0) -> Send:
    return Send("0xaa", at_ms, heard, at_block)


PENDING = Facts(
    head_number=HEAD,
    chain_time_s=INTENT.deadline_s,
    nonce_mined=7,
    nonce_deep=7,
    mined=None,
    now_ms=0,
    last_sent=sent("answer"),
    refusals=0,
    unseen_at=(),
)


def facts(**changes: object) -> Facts:
    return msgspec.structs.replace(PENDING, **changes)


def step(
    facts: Facts,
    *,
    attempts: tuple[Attempt, ...] = (ATTEMPT,),
    cap_wei: int = 1_000,
    fresh: Fees = FRESH,
) -> Step:
    return next_step(INTENT, attempts, facts, POLICY, fresh=fresh, cap_wei=cap_wei)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"mined": MINED}, Settle(MINED)),
        ({"mined": msgspec.structs.replace(MINED, depth=1)}, Wait()),
        ({"nonce_mined": 8, "nonce_deep": 8}, Unsee()),
        ({"nonce_mined": 8, "nonce_deep": 8, "unseen_at": (HEAD,)}, Wait()),
        ({"nonce_mined": 8, "nonce_deep": 8, "unseen_at": (HEAD - 2, HEAD - 1)}, Displace()),
        ({"nonce_mined": 8, "unseen_at": (HEAD - 1,)}, Wait()),
        ({"now_ms": 44_999, "nonce_mined": 6, "nonce_deep": 6}, Resend()),
        ({"now_ms": 14_999, "nonce_mined": 6, "nonce_deep": 6}, Wait()),
        ({"now_ms": 45_000, "nonce_mined": 6, "nonce_deep": 6}, Undone()),
        ({"chain_time_s": LATE}, Cancel(HIGHER)),
        ({"last_sent": sent("refusal"), "refusals": 2}, Cancel(HIGHER)),
        ({"last_sent": sent("refusal"), "refusals": 1}, Renew(HIGHER)),
        ({"last_sent": sent("refusal", at_block=HEAD), "refusals": 9}, Wait()),
        ({"last_sent": sent("answer"), "refusals": 9}, Wait()),
        ({"now_ms": 45_000}, Bump(HIGHER)),
        ({"last_sent": None}, Resend()),
        ({"last_sent": sent("silence")}, Resend()),
        ({"last_sent": sent("silence", at_block=HEAD)}, Wait()),
        ({"now_ms": 15_000}, Resend()),
        ({"now_ms": 14_999}, Wait()),
        ({"now_ms": 44_999, "last_sent": sent("answer", at_ms=30_000)}, Wait()),
    ],
)
def test_every_row_of_the_table(change: dict[str, object], expected: Step) -> None:
    assert step(facts(**change)) == expected


def test_c11_a_receipt_however_deep_waits_for_the_tag_of_its_chain() -> None:
    soft = msgspec.structs.replace(MINED, depth=1_000, final=False)
    assert step(facts(mined=soft)) == Wait()
    assert step(facts(mined=soft, now_ms=10**9, chain_time_s=LATE)) == Wait()
    hard = msgspec.structs.replace(soft, final=True)
    assert step(facts(mined=hard)) == Settle(hard)


@pytest.mark.parametrize(
    "change",
    [
        {"now_ms": 45_000},
        {"chain_time_s": LATE, "now_ms": 15_000},
        {"last_sent": sent("refusal"), "refusals": 1},
        {"last_sent": sent("refusal"), "refusals": 2},
    ],
)
def test_at_the_cap_the_same_bytes_are_sent_again(change: dict[str, object]) -> None:
    assert step(facts(**change), cap_wei=900) == Resend()


@pytest.mark.parametrize(
    ("change", "fresh", "expected"),
    [
        ({"chain_time_s": LATE}, FRESH, Wait()),
        ({"chain_time_s": LATE, "now_ms": 45_000}, FRESH, Cancel(Fees(1015, 104))),
        ({"last_sent": sent("refusal")}, FRESH, Resend()),
        ({"last_sent": sent("refusal")}, Fees(1_200, 50), Cancel(Fees(1_200, 104))),
        ({"now_ms": 15_000}, FRESH, Resend()),
    ],
)
def test_what_is_being_cancelled_is_never_hedged_again(
    change: dict[str, object], fresh: Fees, expected: Step
) -> None:
    found = step(facts(**change), attempts=(ATTEMPT, VOID), cap_wei=5_000, fresh=fresh)
    assert found == expected


def test_a_refused_cancel_is_signed_again_only_at_a_higher_fee() -> None:
    facts = msgspec.structs.replace(PENDING, last_sent=sent("refusal"))
    highest_wei = VOID.fees.max_fee_wei
    for risen_wei, signs in ((highest_wei, False), (highest_wei + 1, True)):
        fresh = Fees(risen_wei, VOID.fees.tip_wei)
        step = next_step(INTENT, (ATTEMPT, VOID), facts, POLICY, fresh=fresh, cap_wei=10**6)
        assert isinstance(step, Cancel) is signs


def test_steps_and_their_policy_cannot_be_changed() -> None:
    for kind in {*get_args(Step), *get_args(OrderStep), TxPolicy}:
        assert kind.__struct_config__.frozen, kind


def test_a_policy_is_written_by_name_and_has_the_documented_defaults() -> None:
    with pytest.raises(TypeError):
        TxPolicy(1)  # type: ignore[call-arg]
    with pytest.raises(msgspec.ValidationError, match="bribe"):
        msgspec.convert({"tip_wei": 1, "bribe": 2}, TxPolicy)
    assert TxPolicy(tip_wei=1) == TxPolicy(
        tip_wei=1,
        confirmations=2,
        resend_after_s=15,
        bump_after_s=45,
        intent_life_s=600,
        max_refusals=2,
        displaced_looks=3,
        max_reverts_per_hour=3,
    )


def test_what_was_never_signed_is_abandoned() -> None:
    assert step(PENDING, attempts=()) == Abandon()


def test_the_highest_fee_and_the_highest_tip_may_be_of_two_attempts() -> None:
    other = msgspec.structs.replace(ATTEMPT, fees=Fees(700, 90))
    assert highest((ATTEMPT, other)) == Fees(800, 90)


@pytest.mark.parametrize(
    "key",
    ["tip_wei", "confirmations", "bump_after_s", "intent_life_s", "max_refusals",
     "displaced_looks", "max_reverts_per_hour"],
)  # fmt: skip
def test_a_policy_without_a_limit_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        msgspec.structs.replace(POLICY, **{key: 0})


FILL = Fill(-1.5, 2_000.0, 0.0, 0.0)
REST = Progress("open", None)
DONE = Progress("filled", FILL)
LIFE = POLICY.intent_life_s


def order_step(
    progress: Progress | None, seen: Progress | None, *, depth: int = 1, late_s: int = 0
) -> OrderStep:
    head = msgspec.structs.replace(
        BLOCK, number=HEAD + depth - 1, timestamp_s=INTENT.deadline_s + late_s
    )
    noted = None if seen is None else Progressed(INTENT.id, seen, HEAD, 0)
    return next_order_step(INTENT, progress, noted, head, POLICY)


@pytest.mark.parametrize(
    ("progress", "seen", "more", "expected"),
    [
        (None, None, {}, Wait()),
        (None, REST, {"late_s": 10**6, "depth": 10**4}, Wait()),
        (None, DONE, {"depth": 9}, Wait()),
        (REST, None, {}, Note(REST)),
        (DONE, REST, {"late_s": 9}, Note(DONE)),
        (DONE, DONE, {"depth": 1}, Wait()),
        (DONE, DONE, {"depth": 2}, Close(DONE)),
        (REST, DONE, {"depth": 2}, Note(REST)),
        (REST, REST, {"depth": 9}, Wait()),
        (REST, REST, {"late_s": 1}, Withdraw(0)),
        (REST, REST, {"late_s": LIFE - 1}, Withdraw(0)),
        (REST, REST, {"late_s": LIFE}, Withdraw(1)),
    ],
)
def test_v1_every_row_of_the_orders_table(
    progress: Progress | None, seen: Progress | None, more: dict[str, int], expected: OrderStep
) -> None:
    assert order_step(progress, seen, **more) == expected


@given(seen=st.sampled_from((None, REST, DONE)), depth=st.integers(1, 10**6), late_s=st.integers())
def test_v12_not_found_is_never_rejected_by_time_alone(
    seen: Progress | None, depth: int, late_s: int
) -> None:
    assert order_step(None, seen, depth=depth, late_s=late_s) == Wait()


def test_c3_an_order_whose_transaction_a_deep_reorg_took_back_is_for_a_person() -> None:
    assert next_order_step(INTENT, None, None, BLOCK, POLICY, lost=True) == Undone()
    assert next_order_step(INTENT, REST, None, BLOCK, POLICY, lost=True) == Note(REST)


ages = st.integers(min_value=0, max_value=10**9)
nonces = st.integers(min_value=0, max_value=20)
sends = st.none() | st.builds(
    Send,
    st.just("0xaa"),
    ages,
    st.sampled_from(("answer", "refusal", "silence")),
    st.integers(0, 2 * HEAD),
)
anything = st.builds(
    Facts,
    head_number=st.integers(0, 2 * HEAD),
    chain_time_s=st.integers(INTENT.deadline_s - 9, INTENT.deadline_s + 9),
    nonce_mined=nonces,
    nonce_deep=nonces,
    mined=st.none() | st.builds(msgspec.structs.replace, st.just(MINED), depth=st.integers(1, 5)),
    now_ms=ages,
    last_sent=sends,
    refusals=st.integers(0, 5),
    unseen_at=st.lists(st.integers(0, 2 * HEAD), max_size=3).map(tuple),
)
tries = st.sampled_from(((ATTEMPT,), (ATTEMPT, VOID)))


@given(facts=anything, attempts=tries)
def test_nothing_signed_is_ever_abandoned(facts: Facts, attempts: tuple[Attempt, ...]) -> None:
    taken = step(facts, attempts=attempts)
    assert not isinstance(taken, Abandon)
    if facts.mined is not None:
        assert isinstance(taken, Settle | Wait), "a receipt of ours beats every suspicion"


@given(facts=anything, attempts=tries, cap_wei=st.integers(0, 5_000))
def test_t3_g4_every_replacement_is_an_eighth_above_all_before_and_below_the_cap(
    facts: Facts, attempts: tuple[Attempt, ...], cap_wei: int
) -> None:
    taken = step(facts, attempts=attempts, cap_wei=cap_wei)
    if isinstance(taken, Bump | Renew | Cancel):
        top = highest(attempts)
        assert top.max_fee_wei * 9 < taken.fees.max_fee_wei * 8 <= cap_wei * 8
        assert top.tip_wei * 9 < taken.fees.tip_wei * 8


@given(facts=anything)
def test_t8_a_cancelled_hedge_is_never_signed_again(facts: Facts) -> None:
    assert not isinstance(step(facts, attempts=(ATTEMPT, VOID)), Bump | Renew)


@given(facts=anything, said=sends)
def test_what_a_node_says_never_closes_an_intent(facts: Facts, said: Send | None) -> None:
    closing = Abandon | Settle | Displace
    other = msgspec.structs.replace(facts, last_sent=said)
    one, two = step(facts), step(other)
    assert isinstance(one, closing) == isinstance(two, closing)
    if isinstance(one, closing):
        assert one == two


@given(facts=anything)
def test_r10_a_nonce_is_given_up_only_after_looks_at_different_blocks(facts: Facts) -> None:
    if isinstance(step(facts), Displace):
        assert facts.mined is None
        assert len({*facts.unseen_at, facts.head_number}) >= POLICY.displaced_looks
