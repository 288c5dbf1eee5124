"""A private key from the environment (or `.env`): simple, and as safe as the process around it."""

from collections.abc import Mapping
from typing import NoReturn

from msgspec import Struct

from keeper.adapters.local_key import LocalKey, refuse_what_is_no_variable_name
from keeper.model.chain import ChainId, SignedTx, UnsignedTx
from keeper.model.errors import ConfigError
from keeper.model.secret import Secret


class PrivateKey:
    """Signs with the key that an environment variable holds."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        """`[signer] type = "private_key"` in keeper.toml; the key itself never stands there."""

        variable: str
        """Name of the environment variable that holds the key in hex."""

        def __post_init__(self) -> None:
            """Refuse a key that was put where its variable's name belongs."""
            refuse_what_is_no_variable_name(self.variable, "variable")

    __slots__ = ("_key", "address")

    def __init__(self, config: Config, chain_id: ChainId, environ: Mapping[str, str]) -> None:
        """Read the key once.

        Raises:
            ConfigError: It is missing, malformed, or a public test key on a real chain.

        """
        secret = Secret(environ.get(config.variable, ""))
        del environ  # a traceback that prints locals prints no environment of ours
        if not secret.reveal().strip():
            raise ConfigError(
                "the private key is missing",
                variable=config.variable,
                remedy=f"put {config.variable}=0x… into .env or the environment, never into "
                "keeper.toml",
            )
        self._key = LocalKey(secret, chain_id, source=config.variable)
        self.address = self._key.address

    def sign(self, tx: UnsignedTx) -> SignedTx:
        return self._key.sign(tx)

    def __repr__(self) -> str:
        # A traceback with locals may print a signer that failed half-way.
        return f"PrivateKey({getattr(self, 'address', 'unusable')})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer is not pickled")
