from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.testing.faultproxy.pool import Account, Pool, PoolSettings
from keeper.testing.faultproxy.transaction import Transaction

RICH = Account(nonce=0, balance_wei=10**30)
CHAIN = 1


def tx(nonce: int = 0, max_fee: int = 100, tip: int = 10, **more: Any) -> Transaction:
    fields: dict[str, Any] = {
        "hash": f"0x{nonce}-{max_fee}-{tip}", "raw": "0x", "kind": 2, "sender": "0xA",
        "nonce": nonce, "to": None, "value_wei": 0, "gas": 21_000, "max_fee_wei": max_fee,
        "tip_wei": tip, "data": "0x", "chain_id": CHAIN, "v": 0, "r": 0, "s": 0,
    }  # fmt: skip
    return Transaction(**fields | more)


def refusal(pool: Pool, new: Transaction, account: Account = RICH, **how: Any) -> str | None:
    return pool.refusal(new, account, CHAIN, PoolSettings(**how))


def holding(*held: Transaction) -> Pool:
    pool = Pool()
    for one in held:
        pool.put(one)
    return pool


fees = st.integers(1, 10**12)


@given(fees, fees, fees, fees)
def test_a_replacement_is_taken_exactly_if_both_fees_rise_by_ten_percent(
    fee: int, tip: int, more_fee: int, more_tip: int
) -> None:
    tip = min(fee, tip)
    new_fee, new_tip = fee + more_fee, min(tip + more_tip, fee + more_fee)
    enough = all(
        new > old and new >= old * 110 // 100 for old, new in ((fee, new_fee), (tip, new_tip))
    )
    said = refusal(holding(tx(0, fee, tip)), tx(0, new_fee, new_tip, hash="0xnew"))
    assert (said is None) is enough
    assert said in {None, "replacement transaction underpriced"}


def test_ten_percent_is_enough_and_a_little_less_is_not() -> None:
    pool = holding(tx(0, 1_000, 100))
    assert refusal(pool, tx(0, 1_100, 110)) is None
    assert refusal(pool, tx(0, 1_099, 110)) is not None
    assert refusal(pool, tx(0, 1_100, 109)) is not None
    assert refusal(pool, tx(0, 1_001, 101), price_bump_percent=0) is None
    assert refusal(pool, tx(0, 1_000, 100, hash="0xsame"), price_bump_percent=0) is not None


@pytest.mark.parametrize(
    ("new", "account", "words"),
    [
        (tx(0), RICH, "already known"),
        (tx(3), Account(4, 10**30), "nonce too low: next nonce 4, tx nonce 3"),
        (tx(1, chain_id=5), RICH, "invalid chain id for signer: have 5 want 1"),
        (tx(1, 10, 11), RICH, "max priority fee per gas higher than max fee per gas"),
        (tx(1, 10, 0), RICH, "gas tip cap 0, minimum needed 1"),
        (tx(1), Account(0, 5), "insufficient funds for gas * price + value: balance 5, tx cost"),
        (tx(1), Account(0, 21_000 * 199), "queued cost 2100000, tx cost 2100000, overshot 21000"),
    ],
)
def test_it_refuses_in_the_words_of_geth(new: Transaction, account: Account, words: str) -> None:
    assert words in str(refusal(holding(tx(0)), new, account))


def test_a_transaction_for_every_chain_is_taken() -> None:
    assert refusal(Pool(), tx(chain_id=None)) is None


def test_a_replacement_is_not_counted_beside_the_one_it_replaces() -> None:
    account = Account(0, 21_000 * 150)
    assert refusal(holding(tx(0, 100)), tx(0, 150, 20), account) is None


@given(st.sets(st.integers(0, 12)), st.integers(0, 12))
def test_what_can_be_mined_has_no_gap_and_what_is_passed_cannot(nonces: set[int], at: int) -> None:
    pool = holding(*(tx(nonce) for nonce in nonces))
    ready = [one.nonce for one in pool.executable("0xA", at)]
    assert ready == list(range(at, at + len(ready)))
    assert at + len(ready) not in nonces
    assert {one.nonce for one in pool.passed("0xA", at)} == {n for n in nonces if n < at}


def test_it_finds_shows_and_lets_go() -> None:
    first, second = tx(0), tx(1, sender="0xB")
    pool = holding(second, first)
    assert pool.find(first.hash) == first
    assert pool.put(tx(0, 200, 20)) == first
    assert pool.find(first.hash) is None
    pool.remove(first)  # it was replaced: what took its place stays
    assert len(pool.content()) == 2
    pool.clear("0xA")
    assert (pool.content(), pool.senders()) == ([second], ["0xB"])
    pool.clear()
    assert pool.senders() == []
