import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.core.fees import expected_price_wei, first_offer, recent_tip_wei, replacement
from keeper.model.chain import Fees

wei = st.integers(min_value=1, max_value=10**15)


def test_a_first_offer_survives_six_full_blocks() -> None:
    assert first_offer(base_fee_wei=100, tip_wei=3, cap_wei=1_000) == Fees(203, 3)


def test_a_first_offer_stays_below_the_cap() -> None:
    assert first_offer(base_fee_wei=100, tip_wei=300, cap_wei=250) == Fees(250, 250)


def test_the_expected_price_is_base_fee_and_tip() -> None:
    assert expected_price_wei(base_fee_wei=100, tip_wei=3) == 103


@given(fee=wei, tip=wei)
def test_a_replacement_is_enough_for_any_node(fee: int, tip: int) -> None:
    old = Fees(max(fee, tip), min(fee, tip))
    new = replacement(old, Fees(1, 1), cap_wei=10**18)
    assert new is not None
    assert new.max_fee_wei * 8 > old.max_fee_wei * 9
    assert new.tip_wei * 8 > old.tip_wei * 9


def test_a_replacement_follows_the_market_up() -> None:
    assert replacement(Fees(80, 8), Fees(500, 50), cap_wei=1_000) == Fees(500, 50)


def test_a_replacement_above_the_cap_is_none() -> None:
    assert replacement(Fees(800, 8), Fees(1, 1), cap_wei=900) is None
    assert replacement(Fees(800, 8), Fees(1, 1), cap_wei=901) == Fees(901, 10)


@pytest.mark.parametrize(
    ("rewards_wei", "tip_wei"),
    [((), 0), ((0, 0), 0), ((5,), 5), ((0, 3, 0, 1, 2), 2), ((9, 1), 9)],
)
def test_g2_the_tip_is_the_middle_of_what_was_paid_and_empty_blocks_say_nothing(
    rewards_wei: tuple[int, ...], tip_wei: int
) -> None:
    assert recent_tip_wei(rewards_wei) == tip_wei
