"""A secp256k1 key held in this process, bound to one chain; what every local signer ends in."""

import re
from typing import Final, NoReturn

from keeper.adapters import eip1559
from keeper.model.chain import Address, ChainId, SignedTx, UnsignedTx
from keeper.model.errors import ConfigError, Fatal, Rejected
from keeper.model.secret import Secret

TEST_CHAIN_IDS: Final = frozenset({1337, 31337, 31338})
"""Ids that only local development chains use: geth's and Anvil's defaults, and Anvil's neighbour
for a second chain beside the first."""

PUBLIC_TEST_ACCOUNTS: Final = frozenset(
    {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
    }
)
"""The first ten accounts of the mnemonic that Anvil and Hardhat print at start: whoever reads their
documentation can sign for them."""

_HEX_DIGITS: Final = 64
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def refuse_what_is_no_variable_name(name: str, key: str) -> None:
    """Refuse a configured variable name that may be the secret itself, put in its place.

    Raises:
        ConfigError: It is not upper case letters, digits and underscores, or it is 64 hex digits.
            The message does not repeat it.

    """
    if _VARIABLE.fullmatch(name) is None or re.fullmatch(r"[0-9A-F]{64}", name):
        raise ConfigError(
            f"{key} is not the name of an environment variable",
            remedy="write a name such as KEEPER_KEY there; the secret itself belongs into .env",
        )


class LocalKey:
    """Signs for one chain. Prints, pickles and compares as nothing that tells the key."""

    __slots__ = ("_chain_id", "_key", "_public", "_recover", "address")

    def __init__(self, secret: Secret, chain_id: ChainId, *, source: str) -> None:
        """Take a hex private key, with or without `0x`; *source* names it in errors.

        Raises:
            ConfigError: It is no private key, or one that everybody knows on a real chain.

        """
        scalar = _scalar(secret)
        if scalar is None:
            raise ConfigError(
                "the private key is malformed",
                source=source,
                remedy="it must be 64 hex digits, with or without 0x, in the curve's range",
            )
        curve = eip1559.curve()
        self._key: Final = curve.PrivateKey(scalar)
        self._recover: Final = curve.PublicKey.from_signature_and_message
        self._public: Final = bytes(self._key.public_key.format(compressed=False))
        self._chain_id: Final = chain_id
        self.address: Address = eip1559.address_of(self._public)
        if self.address in PUBLIC_TEST_ACCOUNTS and chain_id not in TEST_CHAIN_IDS:
            raise ConfigError(
                "this is a public test key: anybody can spend from its account",
                source=source,
                address=self.address,
                chain_id=chain_id,
                remedy="use a key of your own; test keys are for local chains only",
            )

    def sign(self, tx: UnsignedTx) -> SignedTx:
        """Return the signed bytes, after checking that they recover to this account.

        Raises:
            Rejected: The transaction is for another chain.
            Fatal: The signature does not belong to this key: memory or library is broken.

        """
        if tx.chain_id != self._chain_id:
            raise Rejected(
                "this signer is bound to another chain",
                asked=tx.chain_id,
                bound_to=self._chain_id,
                remedy="check chain_id in keeper.toml against the node's",
            )
        fields = eip1559.encode(tx)
        digest = eip1559.digest(fields)
        signature = self._key.sign_recoverable(digest, hasher=None)
        recovered = self._recover(signature, digest, hasher=None)
        if recovered.format(compressed=False) != self._public:
            raise Fatal("a signature does not recover to the signer", address=self.address)
        return eip1559.assemble(fields, signature)

    def __repr__(self) -> str:
        # A traceback with locals may print a signer that failed half-way.
        return f"LocalKey({getattr(self, 'address', 'unusable')})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


def _scalar(secret: Secret) -> bytes | None:
    # Returns None where it could raise, so that no traceback has a frame that holds the text.
    text = secret.reveal().strip().removeprefix("0x")
    if len(text) != _HEX_DIGITS:
        return None
    try:
        scalar = bytes.fromhex(text)
    except ValueError:
        return None
    in_range = len(scalar) == _HEX_DIGITS // 2 and (
        0 < int.from_bytes(scalar, "big") < eip1559.CURVE_ORDER
    )
    return scalar if in_range else None
