from typing import Any

import pytest
from eth_account import Account
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.devnet.accounts import published_accounts
from keeper.testing.faultproxy.transaction import NotATransaction, decode

KEY = published_accounts(31_337).deployer.test_key
SENDER = Account.from_key(KEY).address
TARGET = "0x000000000000000000000000000000000000dEaD"

plain = st.fixed_dictionaries(
    {
        "nonce": st.integers(0, 2**64 - 1),
        "gas": st.integers(0, 2**63),
        "value": st.integers(0, 2**128),
        "data": st.binary(max_size=100),
        "to": st.sampled_from([TARGET, ""]),
        "chainId": st.integers(1, 2**31),
    }
)
wei = st.integers(0, 2**100)


@given(plain, wei, st.integers(0, 100), st.sampled_from([0, 1, 2]))
def test_it_says_what_was_signed(fields: dict[str, Any], tip: int, more: int, kind: int) -> None:
    kinds: dict[int, dict[str, Any]] = {
        0: {"gasPrice": tip},
        1: {"gasPrice": tip, "accessList": []},
        2: {"maxPriorityFeePerGas": tip, "maxFeePerGas": tip + more},
    }
    fees = kinds[kind]
    signed = Account.sign_transaction(fields | fees, KEY)
    tx = decode("0x" + signed.raw_transaction.hex())
    assert tx.hash == "0x" + signed.hash.hex()
    assert (tx.kind, tx.sender, tx.chain_id) == (kind, SENDER, fields["chainId"])
    assert (tx.nonce, tx.gas, tx.value_wei) == (fields["nonce"], fields["gas"], fields["value"])
    assert (tx.to, tx.data) == (fields["to"] or None, "0x" + fields["data"].hex())
    assert (tx.max_fee_wei, tx.tip_wei) == (tip + more if kind == 2 else tip, tip)
    assert tx.cost_wei == tx.value_wei + tx.gas * tx.max_fee_wei


def test_a_delegation_is_read_too() -> None:
    authorization = Account.sign_authorization(
        {"chainId": 31_337, "address": TARGET, "nonce": 1}, KEY
    )
    fields = {
        "type": 4, "chainId": 31_337, "nonce": 0, "maxFeePerGas": 5, "maxPriorityFeePerGas": 1,
        "gas": 100_000, "to": TARGET, "value": 0, "data": b"", "accessList": [],
        "authorizationList": [authorization],
    }  # fmt: skip
    tx = decode("0x" + Account.sign_transaction(fields, KEY).raw_transaction.hex())
    assert (tx.kind, tx.sender, tx.max_fee_wei, tx.tip_wei) == (4, SENDER, 5, 1)


def legacy(**more: int) -> str:
    fields = {"nonce": 0, "gasPrice": 7, "gas": 21_000, "to": TARGET, "value": 0, "data": b""}
    return f"0x{Account.sign_transaction(fields | more, KEY).raw_transaction.hex()}"


def test_a_legacy_transaction_without_a_chain_is_valid_on_every_chain() -> None:
    tx = decode(legacy())
    assert (tx.chain_id, tx.sender, tx.tip_wei) == (None, SENDER, 7)
    assert "chainId" not in tx.as_pending()


def test_a_pending_one_is_shown_as_a_node_shows_it() -> None:
    shown = decode(legacy(chainId=5)).as_pending()
    assert (shown["type"], shown["gasPrice"], shown["chainId"]) == ("0x0", "0x7", "0x5")
    assert (shown["from"], shown["blockHash"]) == (SENDER.lower(), None)
    assert "maxFeePerGas" not in shown


@pytest.mark.parametrize("raw", ["", "0x", "0xzz", "0x02", "0x02c0", "0x03c0", "0xc0", None, 5, []])
def test_what_is_no_transaction_is_refused(raw: object) -> None:
    with pytest.raises(NotATransaction):
        decode(raw)


@given(st.integers(0, 109), st.integers(1, 255))
@example(3, 7)  # a gas price of one zero byte
def test_a_flipped_bit_never_passes_for_the_same_transaction(place: int, flip: int) -> None:
    raw = bytearray.fromhex(legacy(chainId=5)[2:])
    raw[place % len(raw)] ^= flip
    try:
        tx = decode("0x" + raw.hex())
    except NotATransaction:
        return
    assert (tx.hash, tx.sender) != (decode(legacy(chainId=5)).hash, SENDER)
