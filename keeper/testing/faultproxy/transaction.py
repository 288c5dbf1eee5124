"""What a raw transaction says: sender, nonce, fees and the rest, read from its bytes."""

from typing import Any, Final

import rlp
from eth_account import Account
from eth_hash.auto import keccak
from eth_keys.exceptions import BadSignature
from msgspec import Struct
from rlp.exceptions import RLPException

from keeper.adapters.words import checksum_address

_LIST: Final = 0xC0
"""An encoding that begins at or above it is a list: a legacy transaction has no type byte."""
_EIP155: Final = 35
_WORD_BYTES: Final = 32
_FEES: Final = ("chain_id", "nonce", "tip", "max_fee", "gas", "to", "value", "data", "access")
_SIGNATURE: Final = ("v", "r", "s")
_FIELDS: Final = {
    0: ("nonce", "price", "gas", "to", "value", "data", *_SIGNATURE),
    1: ("chain_id", "nonce", "price", "gas", "to", "value", "data", "access", *_SIGNATURE),
    2: (*_FEES, *_SIGNATURE),
    4: (*_FEES, "authorizations", *_SIGNATURE),
}
"""What stands where, by type: EIP-155, 2930, 1559, 7702. Blobs come with a sidecar and are left to
the node."""


class NotATransaction(ValueError):
    """The bytes are none."""


class Transaction(Struct, frozen=True, kw_only=True):
    """A signed transaction. A legacy one has its gas price as both fees."""

    hash: str
    raw: str
    kind: int
    sender: str
    nonce: int
    to: str | None
    """None creates a contract."""
    value_wei: int
    gas: int
    max_fee_wei: int
    tip_wei: int
    data: str
    chain_id: int | None
    """None is a legacy transaction that is valid on every chain."""
    v: int
    r: int
    s: int

    @property
    def cost_wei(self) -> int:
        """What its sender must own."""
        return self.value_wei + self.gas * self.max_fee_wei

    def as_pending(self) -> dict[str, Any]:
        """Return it as `eth_getTransactionByHash` shows one that is not in a block."""
        fees = {"gasPrice": hex(self.max_fee_wei)}
        if self.kind >= 2:
            fees |= {
                "maxFeePerGas": hex(self.max_fee_wei),
                "maxPriorityFeePerGas": hex(self.tip_wei),
            }
        chain = {} if self.chain_id is None else {"chainId": hex(self.chain_id)}
        return {
            "hash": self.hash,
            "type": hex(self.kind),
            "from": self.sender.lower(),
            "nonce": hex(self.nonce),
            "to": None if self.to is None else self.to.lower(),
            "value": hex(self.value_wei),
            "gas": hex(self.gas),
            "input": self.data,
            "blockHash": None,
            "blockNumber": None,
            "transactionIndex": None,
            "v": hex(self.v),
            "r": hex(self.r),
            "s": hex(self.s),
            **fees,
            **chain,
        }


def decode(raw: object) -> Transaction:
    """Return what the raw transaction says.

    Raises:
        NotATransaction: It is no transaction of a known type, or its signature is none.

    """
    try:
        encoded = bytes.fromhex(str(raw).removeprefix("0x"))
        kind = encoded[0] if encoded[0] < _LIST else 0
        items = rlp.decode(encoded[1:] if kind else encoded)
        fields = dict(zip(_FIELDS[kind], items, strict=True))
        sender = str(Account.recover_transaction(encoded))
        return _transaction(kind, fields, encoded, sender)
    except (ValueError, TypeError, LookupError, BadSignature, RLPException) as error:
        raise NotATransaction(f"not a transaction: {error}") from error


def _transaction(kind: int, fields: dict[str, Any], encoded: bytes, sender: str) -> Transaction:
    number = {
        name: int.from_bytes(value, "big")
        for name, value in fields.items()
        if isinstance(value, bytes) and len(value) <= _WORD_BYTES
    }
    price = number.get("price", 0)
    v = number["v"]
    # EIP-155: the v of a legacy transaction is 35 or 36 plus twice the chain id, or 27 or 28.
    unbound = kind == 0 and v < _EIP155
    return Transaction(
        hash="0x" + keccak(encoded).hex(),
        raw="0x" + encoded.hex(),
        kind=kind,
        sender=sender,
        nonce=number["nonce"],
        to=checksum_address(fields["to"]) if fields["to"] else None,
        value_wei=number["value"],
        gas=number["gas"],
        max_fee_wei=number.get("max_fee", price),
        tip_wei=number.get("tip", price),
        data="0x" + fields["data"].hex(),
        chain_id=None if unbound else number.get("chain_id", (v - _EIP155) // 2),
        v=v,
        r=number["r"],
        s=number["s"],
    )
