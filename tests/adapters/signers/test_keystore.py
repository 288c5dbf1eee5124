"""A keystore file opens with its password, or says in one sentence why not."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json

from keeper.adapters.signers.keystore import Keystore
from keeper.model.chain import ChainId
from keeper.model.errors import ConfigError
from keeper.testing.conformance.signer import SignerConformance, assert_hidden, signer_frames
from tests.canary import PASSWORD

CANARY = "c0ffee5ecade" + "0123456789abcdef" * 3 + "beef"
CHAIN = ChainId(10)


def keyfile(kdf: Any = "scrypt", **changes: Any) -> dict[str, Any]:
    made = create_keyfile_json(
        bytes.fromhex(CANARY), PASSWORD.encode(), kdf=kdf, iterations=2
    )  # fmt: skip
    return made | {"address": Account.from_key(CANARY).address[2:].lower()} | changes


def build(tmp_path: Path, content: object, password: str | None = PASSWORD) -> Keystore:
    path = tmp_path / "key.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return opened(path, password)


def opened(path: Path, password: str | None = PASSWORD) -> Keystore:
    config = Keystore.Config(path=str(path), password_variable="KEEPER_PASSWORD")  # noqa: S106  # a name
    return Keystore(config, CHAIN, {} if password is None else {"KEEPER_PASSWORD": password})


class TestKeystore(SignerConformance):
    @pytest.fixture
    def signer(self, tmp_path: Path) -> Keystore:
        return build(tmp_path, keyfile())

    @pytest.fixture
    def chain_id(self) -> ChainId:
        return CHAIN

    @pytest.fixture
    def canary(self) -> str:
        return CANARY

    def test_the_password_is_in_nothing_it_shows(self, signer: Keystore) -> None:
        shown = "\n".join(repr(getattr(signer, name)) for name in dir(signer))
        assert_hidden(PASSWORD, repr(signer) + shown)


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_both_key_derivations_open(tmp_path: Path, kdf: str) -> None:
    assert build(tmp_path, keyfile(kdf)).address == Account.from_key(CANARY).address


def test_a_file_without_an_address_opens(tmp_path: Path) -> None:
    content = keyfile()
    del content["address"]
    assert build(tmp_path, content).address == Account.from_key(CANARY).address


def test_a_file_of_eth_account_opens(tmp_path: Path) -> None:
    content = Account.encrypt(bytes.fromhex(CANARY), PASSWORD, kdf="scrypt", iterations=2)
    assert build(tmp_path, content).address == Account.from_key(CANARY).address


@pytest.mark.parametrize("password", [None, ""])
def test_a_missing_password_names_its_variable(tmp_path: Path, password: str | None) -> None:
    with pytest.raises(ConfigError, match=r"password is missing.*KEEPER_PASSWORD"):
        build(tmp_path, keyfile(), password)


def test_a_wrong_password_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="the password is wrong, or the file is damaged"
    ) as caught:
        build(tmp_path, keyfile(), "wrong-horse-canary")
    assert_hidden("wrong-horse-canary", str(caught.value))
    assert_hidden("wrong-horse-canary", signer_frames(caught.value))
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[]",
        "null",
        {},
        {"version": 3},
        {"version": 3, "crypto": []},
        {"version": 3, "crypto": {"kdf": "none"}},
        {"version": 4, "crypto": {}},
        {"version": "3"},
    ],
)
def test_what_is_no_keystore_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ConfigError, match="not a keystore file"):
        build(tmp_path, content)


@pytest.mark.parametrize("part", ["kdf", "cipher", "kdfparams", "cipherparams", "mac"])
def test_a_keystore_that_lost_a_part_is_refused(tmp_path: Path, part: str) -> None:
    content = keyfile()
    del content["crypto"][part]
    with pytest.raises(ConfigError, match="keystore"):
        build(tmp_path, content)


def test_a_damaged_ciphertext_is_refused(tmp_path: Path) -> None:
    content = keyfile()
    content["crypto"]["ciphertext"] = "00" * 32
    with pytest.raises(ConfigError, match="damaged"):
        build(tmp_path, content)


def test_a_missing_file_and_a_directory_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read.*No such file"):
        opened(tmp_path / "absent.json")
    with pytest.raises(ConfigError, match=r"cannot be read.*directory"):
        opened(tmp_path)


def test_a_file_that_names_another_account_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another account") as caught:
        build(tmp_path, keyfile(address="00" * 20))
    assert_hidden(CANARY, str(caught.value))


def test_the_configuration_refuses_a_password_in_place_of_its_name() -> None:
    with pytest.raises(ConfigError) as caught:
        msgspec.convert({"path": "k.json", "password_variable": PASSWORD}, Keystore.Config)
    assert_hidden(PASSWORD, str(caught.value))
