"""What a node's JSON becomes: blocks, receipts, logs, quantities. Every field used is checked.

No error repeats a text that is not hex: a gateway may say our own API key where a number belongs.
"""

from binascii import unhexlify
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from eth_hash.auto import keccak
from msgspec import Raw, Struct

from keeper.adapters.words import checksum
from keeper.model.chain import Address, BlockRef, Log, Receipt
from keeper.model.errors import BadData
from keeper.ports.acting import Standing

T = TypeVar("T")


class WireLog(Struct, rename="camel"):
    """A log as sent; the block's fields are null while it is pending."""

    address: str
    topics: list[str]
    data: str
    log_index: str | None = None
    block_number: str | None = None
    block_hash: str | None = None
    removed: bool = False

    def log(self) -> Log:
        """Return it as the model's value; raises `BadData`."""
        return Log(
            address=address(self.address),
            topics=tuple(unhex(topic) for topic in self.topics),
            data=unhex(self.data),
            index=quantity(self.log_index) if self.log_index else 0,
        )


class WireHead(Struct, rename="camel"):
    """A block's header as sent; number and hash are null while it is pending."""

    parent_hash: str
    timestamp: str
    number: str | None = None
    hash: str | None = None
    base_fee_per_gas: str | None = None
    gas_limit: str | None = None

    def ref(self) -> BlockRef:
        """Return it as the model's value; raises `BadData`."""
        if self.number is None or self.hash is None:
            raise BadData("the node answered with a pending block")
        if self.base_fee_per_gas is None:
            raise BadData(
                "the block has no base fee",
                remedy="only chains with EIP-1559 fees are served",
                number=self.number,
            )
        return BlockRef(
            number=quantity(self.number),
            hash=hex_word(self.hash),
            parent_hash=hex_word(self.parent_hash),
            timestamp_s=quantity(self.timestamp),
            base_fee_wei=quantity(self.base_fee_per_gas),
            gas_limit=None if self.gas_limit is None else quantity(self.gas_limit),
        )


class _WireReceipt(Struct, rename="camel"):
    transaction_hash: str
    block_number: str | None
    block_hash: str | None
    status: str
    gas_used: str
    effective_gas_price: str
    logs: list[WireLog]
    l1_fee: str = msgspec.field(default="0x0", name="l1Fee")
    """Of OP stack chains alone."""


class _WireFeeHistory(Struct):
    reward: list[list[str]] | None = None


_FEE_HISTORY: Final = msgspec.json.Decoder(_WireFeeHistory)
_HEAD: Final = msgspec.json.Decoder(WireHead | None)
_RECEIPT: Final = msgspec.json.Decoder(_WireReceipt | None)
_LOGS: Final = msgspec.json.Decoder(list[WireLog])
_TEXT: Final = msgspec.json.Decoder(str)


def typed(decoder: "msgspec.json.Decoder[T]", raw: Raw | bytes | str) -> T:
    """Return *raw* as the decoder's type; raises `BadData`."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadData(f"the node's answer has the wrong shape: {error}") from None


def head(raw: Raw) -> BlockRef | None:
    """Return a block's reference; None if the node has no such block."""
    block = typed(_HEAD, raw)
    return None if block is None else block.ref()


def height(raw: Raw) -> int | None:
    """Return a block's number; None if the node has no such block, or it is pending."""
    block = typed(_HEAD, raw)
    return None if block is None or block.number is None else quantity(block.number)


def block_hash(raw: Raw) -> str | None:
    """Return a block's hash; None if the node has no such block, or it is pending."""
    block = typed(_HEAD, raw)
    return None if block is None or block.hash is None else hex_word(block.hash)


def receipt(raw: Raw) -> Receipt | None:
    """Return a receipt; None if the node has none, or one that is still pending."""
    sent = typed(_RECEIPT, raw)
    if sent is None or sent.block_number is None or sent.block_hash is None:
        return None
    return Receipt(
        tx_hash=hex_word(sent.transaction_hash),
        block_number=quantity(sent.block_number),
        block_hash=hex_word(sent.block_hash),
        succeeded=_flag(sent.status),
        gas_used=quantity(sent.gas_used),
        effective_gas_price_wei=quantity(sent.effective_gas_price),
        logs=tuple(log.log() for log in sent.logs),
        data_fee_wei=quantity(sent.l1_fee),
    )


def rewards_wei(raw: Raw) -> tuple[int, ...]:
    """Return the one percentile of priority fees that was asked for, of as many blocks as known.

    Nodes leave the list out, make it short, or fill it with nothing: what is there is returned.
    """
    found = typed(_FEE_HISTORY, raw).reward or []
    return tuple(quantity(block[0]) for block in found if block)


def logs(raw: Raw) -> list[WireLog]:
    """Return the logs of an `eth_getLogs`."""
    return typed(_LOGS, raw)


def text(raw: Raw) -> str:
    """Return a JSON string."""
    return typed(_TEXT, raw)


def number(raw: Raw) -> int:
    """Return a JSON quantity."""
    return quantity(text(raw))


def data(raw: Raw) -> bytes:
    """Return JSON data, without a detour over `str`: an answer may have a megabyte."""
    view = memoryview(raw)
    if bytes(view[:3]) != b'"0x':
        raise BadData("the node's answer is not data")
    try:
        return unhexlify(view[3:-1])
    except ValueError:
        raise BadData("the node's answer is not whole bytes in hex") from None


def quantity(value: str) -> int:
    """Return a hex quantity; `int` alone would also take signs, blanks and underscores."""
    if _looks_like_hex(value):
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise BadData("the node's answer holds no quantity", value=_shown(value))


def hex_word(value: str) -> str:
    """Return a hash as it was sent; it is compared and handed back, never computed with."""
    if not _looks_like_hex(value):
        raise BadData("the node's answer holds no hash", value=_shown(value))
    return value


def unhex(value: str) -> bytes:
    """Return the bytes of `0x…`."""
    try:
        return unhexlify(value.removeprefix("0x"))
    except ValueError:
        raise BadData("the node's answer is not whole bytes in hex") from None


def address(value: str) -> Address:
    """Return an address in checksummed form."""
    raw = unhex(value)
    if len(raw) != _ADDRESS_BYTES:
        raise BadData("the node's answer holds no address", value=_shown(value))
    return checksum(raw)


def by_hash(block_hash: str) -> dict[str, Any]:
    """Return the EIP-1898 block parameter that fails rather than answer from another branch."""
    return {"blockHash": block_hash, "requireCanonical": True}


def standing(nonce: Raw, code: Raw) -> Standing:
    """Return what must be so before anything is signed, from two answers at one block."""
    found = data(code)
    return Standing(number(nonce), _code_hash(found) if found else None)


@lru_cache(maxsize=8)
def _code_hash(code: bytes) -> str:
    """Return the hash of what was just read; kept, as code is the same for years."""
    return f"0x{keccak(code).hex()}"


_ADDRESS_BYTES: Final = 20


def _flag(status: str) -> bool:
    if status not in {"0x0", "0x1"}:
        raise BadData("the receipt says neither success nor failure", status=_shown(status))
    return status == "0x1"


def _looks_like_hex(value: str) -> bool:
    return value[:2] == "0x" and value.isalnum() and value.isascii()


def _shown(value: str) -> str:
    return value[:80] if _looks_like_hex(value) else f"{len(value)} characters that are not hex"
