"""A keystore file (Web3 Secret Storage, version 3): the key is encrypted at rest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
from eth_keyfile.keyfile import decode_keyfile_json
from msgspec import Struct

from keeper.adapters.local_key import LocalKey, refuse_what_is_no_variable_name
from keeper.model.chain import Address, ChainId, SignedTx, UnsignedTx
from keeper.model.errors import ConfigError
from keeper.model.secret import Secret

VERSION: Final = 3
CIPHER: Final = "aes-128-ctr"


class Keystore:
    """Signs with the key inside a keystore file, unlocked once at start.

    Unlocking takes a second or so: scrypt is slow on purpose.
    """

    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        """`[signer] type = "keystore"` in keeper.toml."""

        path: str
        password_variable: str
        """Name of the environment variable that holds the password."""

        def __post_init__(self) -> None:
            """Refuse a password that was put where its variable's name belongs."""
            refuse_what_is_no_variable_name(self.password_variable, "password_variable")

    __slots__ = ("_key", "address")

    def __init__(self, config: Config, chain_id: ChainId, environ: Mapping[str, str]) -> None:
        """Open and decrypt the file.

        Raises:
            ConfigError: The file cannot be read or decrypted, the password is missing or wrong,
                or the file names another account than its key has.

        """
        password = Secret(environ.get(config.password_variable, ""))
        del environ  # a traceback that prints locals prints no environment of ours
        if not password.reveal():
            raise ConfigError(
                "the keystore's password is missing",
                variable=config.password_variable,
                remedy=f"put {config.password_variable}=… into .env or the environment",
            )
        keyfile = _keyfile(Path(config.path).expanduser())
        self._key = LocalKey(_decrypt(keyfile, password, config), chain_id, source=config.path)
        self.address = self._key.address
        _check_account(keyfile, self.address, config.path)

    def sign(self, tx: UnsignedTx) -> SignedTx:
        return self._key.sign(tx)

    def __repr__(self) -> str:
        # A traceback with locals may print a signer that failed half-way.
        return f"Keystore({getattr(self, 'address', 'unusable')})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not pickled")


def _keyfile(path: Path) -> dict[str, Any]:
    try:
        keyfile = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as error:
        raise ConfigError(
            "the keystore file cannot be read",
            path=path,
            reason=error.strerror,
            remedy="check `path` of the signer in keeper.toml and the file's permissions",
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise _malformed(path) from None
    # The decoder below never looks at the cipher's name and would decrypt another one to noise.
    crypto = keyfile.get("crypto", keyfile.get("Crypto"))
    cipher = crypto.get("cipher") if isinstance(crypto, dict) else None
    if keyfile.get("version") != VERSION or cipher != CIPHER:
        raise _malformed(path)
    return keyfile


def _decrypt(keyfile: dict[str, Any], password: Secret, config: Keystore.Config) -> Secret:
    error: ConfigError
    try:
        return Secret(bytes(decode_keyfile_json(keyfile, password.reveal().encode())).hex())
    except ValueError:
        error = ConfigError(
            "the keystore cannot be decrypted",
            path=config.path,
            variable=config.password_variable,
            remedy="the password is wrong, or the file is damaged",
        )
    except (KeyError, TypeError, AttributeError, NotImplementedError, AssertionError):
        error = _malformed(Path(config.path))
    # Raised out here, so that no frame of the decryption travels along.
    raise error


def _check_account(keyfile: dict[str, Any], derived: Address, path: str) -> None:
    named = str(keyfile.get("address", "")).lower().removeprefix("0x")
    if named and named != derived[2:].lower():
        raise ConfigError(
            "the keystore names another account than its key has",
            path=path,
            named="0x" + named,
            derived=derived,
            remedy="the file was edited or damaged: restore it from a backup",
        )


def _malformed(path: Path) -> ConfigError:
    return ConfigError(
        "this is not a keystore file",
        path=path,
        remedy="it must be JSON of Web3 Secret Storage version 3, as geth, clef and cast write it",
    )
