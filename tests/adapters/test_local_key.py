"""A key signs for one chain, is checked on each signature, and tells nobody what it is."""

import pickle
from collections.abc import Mapping

import pytest
from eth_account import Account

from keeper.adapters import eip1559
from keeper.adapters.local_key import (
    PUBLIC_TEST_ACCOUNTS,
    TEST_CHAIN_IDS,
    LocalKey,
    refuse_what_is_no_variable_name,
)
from keeper.model.chain import Address, ChainId, Fees, Message, UnsignedTx
from keeper.model.errors import ConfigError, Fatal
from keeper.model.secret import Secret
from keeper.testing.conformance.signer import assert_hidden, signer_frames

MNEMONIC = "test test test test test test test test test test test junk"
CANARY = "c0ffee5ecade" + "0123456789abcdef" * 3 + "beef"
MAINNET = ChainId(1)
LOCAL = ChainId(31337)


def known_keys() -> Mapping[str, str]:
    Account.enable_unaudited_hdwallet_features()
    accounts = [
        Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
        for index in range(10)
    ]
    return {account.address: account.key.hex() for account in accounts}


def test_the_public_test_accounts_are_those_of_the_well_known_mnemonic() -> None:
    assert set(known_keys()) == set(PUBLIC_TEST_ACCOUNTS)


@pytest.mark.parametrize("chain_id", [1, 10, 42161, 8453, 11155111])
def test_a_public_test_key_is_refused_on_a_real_chain(chain_id: int) -> None:
    for address, key in known_keys().items():
        with pytest.raises(ConfigError, match="public test key") as caught:
            LocalKey(Secret(key), ChainId(chain_id), source="KEEPER_KEY")
        assert caught.value.facts["address"] == address
        assert_hidden(key, str(caught.value))


@pytest.mark.parametrize("chain_id", sorted(TEST_CHAIN_IDS))
def test_a_public_test_key_works_on_a_local_chain(chain_id: int) -> None:
    for address, key in known_keys().items():
        assert LocalKey(Secret(key), ChainId(chain_id), source="KEEPER_KEY").address == address


@pytest.mark.parametrize("text", [CANARY, "0x" + CANARY, CANARY.upper(), f"  {CANARY}\n"])
def test_a_key_is_read_with_or_without_its_prefix(text: str) -> None:
    assert LocalKey(Secret(text), MAINNET, source="K").address == Account.from_key(CANARY).address


@pytest.mark.parametrize(
    "bad",
    [
        CANARY[:-1],
        CANARY + "00",
        "g" + CANARY[1:],
        CANARY[:-2] + "é0",
        f"{CANARY[:-2]}  ",
        " ".join(CANARY[i : i + 2] for i in range(0, 64, 2)),
        f"{CANARY[:31]}  {CANARY[33:]}",
        "0x0x" + CANARY[2:],
    ],
)
def test_a_malformed_key_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(ConfigError, match="malformed") as caught:
        LocalKey(Secret(bad), MAINNET, source="KEEPER_KEY")
    assert "KEEPER_KEY" in str(caught.value)
    assert_hidden(CANARY[:24], str(caught.value))
    assert_hidden(CANARY[:24], signer_frames(caught.value))
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize("scalar", [0, eip1559.CURVE_ORDER, 2**256 - 1])
def test_a_number_outside_the_curve_is_no_key(scalar: int) -> None:
    with pytest.raises(ConfigError, match="malformed"):
        LocalKey(Secret(f"{scalar:064x}"), MAINNET, source="K")


def test_x3_a_signature_of_another_key_never_leaves() -> None:
    key = LocalKey(Secret(CANARY), LOCAL, source="K")
    stranger = LocalKey(Secret("11" * 32), LOCAL, source="K")
    object.__setattr__(key, "_key", stranger._key)
    tx = UnsignedTx(
        chain_id=LOCAL,
        nonce=0,
        message=Message(to=Address("0x" + "00" * 20), data=b"", value_wei=0, gas_limit=21_000),
        fees=Fees(max_fee_wei=1, tip_wei=1),
    )
    with pytest.raises(Fatal, match="does not recover"):
        key.sign(tx)


def test_a_key_is_not_pickled_and_its_repr_is_its_account() -> None:
    key = LocalKey(Secret(CANARY), LOCAL, source="K")
    assert repr(key) == f"LocalKey({key.address})"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize("name", ["KEEPER_KEY", "K", "ABC"])
def test_an_ordinary_variable_name_is_accepted(name: str) -> None:
    refuse_what_is_no_variable_name(name, "variable")


@pytest.mark.parametrize(
    "secret", [CANARY, "0x" + CANARY, CANARY.upper(), "hunter2-Passw0rd", "hunter2passw0rd", ""]
)
def test_a_secret_in_place_of_a_variables_name_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ConfigError, match="not the name of an environment variable") as caught:
        refuse_what_is_no_variable_name(secret, "variable")
    if secret:
        assert_hidden(secret, str(caught.value))
