"""Every transaction we sign is byte for byte the one that eth-account would have signed."""

import sys

import coincurve
import pytest
from eth_account import Account
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.adapters import eip1559
from keeper.model.chain import Address, ChainId, Fees, Message, SignedTx, UnsignedTx
from keeper.model.errors import BadData, ConfigError

KEY = bytes(range(1, 33))

edge_lengths = st.sampled_from([0, 1, 2, 54, 55, 56, 57, 255, 256, 257, 5_000])
calldata = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda size, byte: bytes([byte]) * size, edge_lengths, st.integers(0, 255)),
)
amounts = st.one_of(st.integers(0, 2**16), st.integers(0, 2**256 - 1))
transactions = st.builds(
    UnsignedTx,
    chain_id=st.integers(1, 2**63 - 1).map(ChainId),
    nonce=st.integers(0, 2**64 - 2),
    message=st.builds(
        Message,
        to=st.binary(min_size=20, max_size=20).map(lambda raw: Address("0x" + raw.hex())),
        data=calldata,
        value_wei=amounts,
        gas_limit=st.integers(0, 2**64 - 1),
    ),
    fees=st.builds(Fees, max_fee_wei=amounts, tip_wei=amounts),
)


def usual() -> UnsignedTx:
    return UnsignedTx(
        chain_id=ChainId(31337),
        nonce=5,
        message=Message(
            to=Address("0x00000000000000000000000000000000DeaDBeef"),
            data=b"\xab" * 260,
            value_wei=0,
            gas_limit=2_000_000,
        ),
        fees=Fees(max_fee_wei=10**10, tip_wei=10**9),
    )


def sign(tx: UnsignedTx, key: coincurve.PrivateKey) -> SignedTx:
    fields = eip1559.encode(tx)
    return eip1559.assemble(fields, key.sign_recoverable(eip1559.digest(fields), hasher=None))


def reference(tx: UnsignedTx, key: bytes) -> tuple[bytes, str]:
    signed = Account.sign_transaction(
        {
            "type": 2,
            "chainId": tx.chain_id,
            "nonce": tx.nonce,
            "to": bytes.fromhex(tx.message.to[2:]),
            "data": tx.message.data,
            "value": tx.message.value_wei,
            "gas": tx.message.gas_limit,
            "maxFeePerGas": tx.fees.max_fee_wei,
            "maxPriorityFeePerGas": tx.fees.tip_wei,
        },
        key,
    )
    return bytes(signed.raw_transaction), "0x" + bytes(signed.hash).hex()


@given(tx=transactions, scalar=st.integers(1, eip1559.CURVE_ORDER - 1))
@example(tx=usual(), scalar=1)
@example(tx=usual(), scalar=eip1559.CURVE_ORDER - 1)
def test_bytes_and_hash_equal_those_of_eth_account(tx: UnsignedTx, scalar: int) -> None:
    key = scalar.to_bytes(32, "big")
    signed = sign(tx, coincurve.PrivateKey(key))
    assert (signed.raw, signed.hash) == reference(tx, key)


@given(tx=transactions)
def test_signing_twice_gives_the_same_bytes(tx: UnsignedTx) -> None:
    key = coincurve.PrivateKey(KEY)
    assert sign(tx, key) == sign(tx, key)


@given(scalar=st.integers(1, eip1559.CURVE_ORDER - 1))
def test_an_address_is_the_one_eth_account_derives(scalar: int) -> None:
    key = scalar.to_bytes(32, "big")
    public = coincurve.PrivateKey(key).public_key.format(compressed=False)
    assert eip1559.address_of(public) == Account.from_key(key).address


def test_a_negative_amount_is_a_programmers_mistake() -> None:
    tx = usual()
    negative = UnsignedTx(chain_id=tx.chain_id, nonce=-1, message=tx.message, fees=tx.fees)
    with pytest.raises(OverflowError):
        eip1559.encode(negative)


def mirrored(signature: bytes) -> bytes:
    # (r, n - s) with the other parity is the same signature in the form that EIP-2 forbids.
    high = eip1559.CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + high.to_bytes(32, "big") + bytes([1 - signature[64]])


def test_a_high_s_a_short_signature_and_a_legacy_parity_are_refused() -> None:
    fields = eip1559.encode(usual())
    good = coincurve.PrivateKey(KEY).sign_recoverable(eip1559.digest(fields), hasher=None)
    assert eip1559.assemble(fields, good).raw.startswith(b"\x02\xf9")
    for bad in (mirrored(good), good[:64], good[:64] + b"\x1b", b""):
        with pytest.raises(BadData, match="not one that a chain accepts"):
            eip1559.assemble(fields, bad)


def test_a_missing_coincurve_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coincurve", None)
    with pytest.raises(ConfigError, match=r"pip install 'coincurve>=21'"):
        eip1559.curve()
