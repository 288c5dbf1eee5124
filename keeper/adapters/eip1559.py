"""EIP-1559 transactions: recursive-length prefix, signing digest, signature, sender.

A transaction of type 2 is `0x02 ‖ rlp([chain id, nonce, tip, max fee, gas, to, value, data, access
list, y parity, r, s])`; what is signed is the keccak-256 of the same without the last three. The
access list is always empty here. Signatures are deterministic (RFC 6979) with a low s (EIP-2), so
equal inputs give equal bytes.

Sources: EIP-1559, EIP-2718, EIP-2930; appendix B of the Ethereum yellow paper for the prefixes.
"""

from binascii import unhexlify
from importlib import import_module
from typing import Any, Final

from eth_hash.auto import keccak

from keeper.adapters.words import checksum_address
from keeper.model.chain import Address, SignedTx, UnsignedTx
from keeper.model.errors import BadData, ConfigError

CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Number of points of secp256k1; a private key is a number from 1 to one less."""

_TX_TYPE: Final = b"\x02"
_EMPTY_LIST: Final = b"\xc0"
_STRING: Final = 0x80
_LIST: Final = 0xC0
_SHORT_BELOW: Final = 56
_SIGNATURE_BYTES: Final = 65


def curve() -> Any:
    """Return the coincurve module, which is libsecp256k1; there is no slower stand-in.

    Raises:
        ConfigError: It is not installed.

    """
    try:
        return import_module("coincurve")
    except ImportError:
        raise ConfigError(
            "coincurve is not installed, and without it one signature costs milliseconds",
            remedy="install it: pip install 'coincurve>=21'",
        ) from None


def encode(tx: UnsignedTx) -> bytes:
    """Return the encoded fields of *tx*, access list included, without the list's prefix."""
    message = tx.message
    return b"".join(
        (
            _integer(tx.chain_id),
            _integer(tx.nonce),
            _integer(tx.fees.tip_wei),
            _integer(tx.fees.max_fee_wei),
            _integer(message.gas_limit),
            _string(unhexlify(message.to[2:])),
            _integer(message.value_wei),
            _string(message.data),
            _EMPTY_LIST,
        )
    )


def digest(fields: bytes) -> bytes:
    """Return the 32 bytes to be signed, from the result of `encode`."""
    return keccak(_TX_TYPE + _prefix(len(fields), _LIST) + fields)


def assemble(fields: bytes, signature: bytes) -> SignedTx:
    """Return the transaction of *fields* and *signature*, which is r ‖ s ‖ y parity, 65 bytes.

    Raises:
        BadData: The signature is malformed, or its s is high: no chain accepts it.

    """
    s = int.from_bytes(signature[32:64], "big")
    if len(signature) != _SIGNATURE_BYTES or signature[64] > 1 or 2 * s > CURVE_ORDER:
        raise BadData("the signature is not one that a chain accepts")
    signed = b"".join(
        (
            fields,
            _integer(signature[64]),
            _integer(int.from_bytes(signature[:32], "big")),
            _integer(s),
        )
    )
    raw = _TX_TYPE + _prefix(len(signed), _LIST) + signed
    return SignedTx(hash="0x" + keccak(raw).hex(), raw=raw)


def address_of(public_key: bytes) -> Address:
    """Return the account of an uncompressed public key of 65 bytes."""
    return checksum_address(keccak(public_key[1:])[12:])


def _integer(value: int) -> bytes:
    # Big-endian without leading zeros, so zero is the empty string. A negative number raises
    # OverflowError, which is a programmer's mistake.
    return _string(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _string(data: bytes) -> bytes:
    if len(data) == 1 and data[0] < _STRING:
        return data
    return _prefix(len(data), _STRING) + data


def _prefix(length: int, kind: int) -> bytes:
    if length < _SHORT_BELOW:
        return bytes((kind + length,))
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((kind + _SHORT_BELOW - 1 + len(size),)) + size
