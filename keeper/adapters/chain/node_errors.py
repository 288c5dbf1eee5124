"""What a node's error means for the next action: one table, each row with where it was seen.

Texts change with every release, so nothing about money hangs on them: for a broadcast they are
words to show, and only the chain decides. A text without a row is `UNKNOWN`.
"""

import re
from enum import StrEnum
from typing import Any, Final

from keeper.model.errors import BadData, CallReverted, KeeperError, Rejected, Transient


class Kind(StrEnum):
    """Error texts, sorted by what to do next."""

    TOO_MANY = "too_many"
    """Ask for less at once."""
    BUSY = "busy"
    """Ask again later."""
    REVERTED = "reverted"
    """The EVM ran the call and it failed."""
    POOR = "poor"
    """The sender cannot pay."""
    CHEAP = "cheap"
    """The fee cap is below the base fee."""
    GAS = "gas"
    """The gas limit is impossible."""
    GONE = "gone"
    """The block, or its state, is not there: reorganised away or pruned."""
    KNOWN = "known"
    """The node says it has this transaction."""
    NONCE_USED = "nonce_used"
    NONCE_AHEAD = "nonce_ahead"
    UNDERPRICED = "underpriced"
    """A replacement must offer more."""
    FOREIGN = "foreign"
    """Signed for another chain."""
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


class RpcError(KeeperError):
    """The node answered, and its answer is a JSON-RPC error object.

    `code`, `text` and `data` are the node's, with nothing secret in `text`.
    """

    runbook = "rpc-error"

    def __init__(self, code: int, text: str, data: Any = None, **facts: Any) -> None:
        super().__init__("the node answered with an error", code=code, text=repr(text), **facts)
        self.code = code
        self.text = text
        self.data = data

    @property
    def kind(self) -> Kind:
        """What to do about it."""
        return classify(self.code, self.text)


class Foreign(BadData):
    """The node serves another chain, or another history of it: nothing it says may be used."""


_ROWS: Final = (
    # First, because what follows these words was written by a contract and may say anything.
    (Kind.REVERTED, r"^(error: )?execution reverted|^reverted"),  # geth, reth, Erigon, Anvil, Besu
    (Kind.REVERTED, r"^vm execution error|^vm exception"),  # OpenEthereum, Nethermind; Hardhat
    # Ranges and result counts come before -32005, which some providers use for both.
    (Kind.TOO_MANY, r"query returned more than"),  # Infura, Alchemy: eth_getLogs
    (Kind.TOO_MANY, r"block range|range (is )?too (wide|large)|exceeds? (the )?range"),  # QuickNode
    (Kind.TOO_MANY, r"logs? .*limited to|query (timeout|exceeds)|response size"),  # Erigon, Alchemy
    # geth, Erigon; Besu; Nethermind
    (Kind.KNOWN, r"already known|\bknown transaction|alreadyknown"),
    (Kind.KNOWN, r"transaction already imported|existing tx with same hash"),  # Anvil; Erigon
    (Kind.NONCE_USED, r"nonce too low|oldnonce|nonce is too low"),  # geth, reth, Anvil; Nethermind
    (Kind.NONCE_AHEAD, r"nonce too high|nonce gap|noncegap|nonce too distant"),  # geth; Nethermind
    (Kind.UNDERPRICED, r"underpriced|replacementnotallowed"),  # geth, reth, Anvil; Nethermind
    (Kind.UNDERPRICED, r"gas price is too low|feetoolow\b"),  # OpenEthereum; Nethermind
    (Kind.CHEAP, r"max fee per gas less than block base fee"),  # geth, reth, Anvil
    (Kind.CHEAP, r"miner premium is negative"),  # Nethermind before 2026-05
    (Kind.CHEAP, r"(less|lower) than (the )?(current )?(block )?base ?fee"),  # Besu, Nethermind
    # geth; Nethermind
    (Kind.POOR, r"insufficient (funds|balance|sender balance)|insufficientfunds"),
    (Kind.POOR, r"lack of funds|exceeds account balance"),  # revm in reth; Besu
    (Kind.POOR, r"doesn't have enough funds|insufficient maxfeepergas"),  # Hardhat; Nethermind
    # geth, Anvil; Nethermind; EIP-7825
    (
        Kind.GAS,
        r"intrinsic gas (too low|too high|cost)|below intrinsic gas|gas limit (is )?too (low|high)",
    ),
    (Kind.GAS, r"exceeds (the )?(block|transaction|maximum|tx)[ -]?gas"),  # geth, Besu
    (Kind.FOREIGN, r"invalid (chain ?id|signer|sender)|wrong chain"),  # geth, Anvil; Besu
    (Kind.GONE, r"header (for hash )?not found|not (currently )?canonical"),  # geth EIP-1898
    # Anvil; reth, Erigon, Besu
    (Kind.GONE, r"unknown block|block .*(not found|could not be found)"),
    (Kind.GONE, r"resource not found"),  # Anvil, for a block hash it does not have
    # geth, Erigon, Nethermind: pruned
    (Kind.GONE, r"missing trie node|state .*(not|isn't) available|no state available"),
    (Kind.REVERTED, r"^evm error "),  # Anvil, for what the EVM itself ended: `OutOfGas` and others
    (Kind.REVERTED, r"out of gas|outofgas|invalid (opcode|jump)|stack (under|over)flow"),  # geth vm
    (Kind.BUSY, r"rate limit|too many requests|request count|compute units"),  # Infura, Alchemy
    (Kind.BUSY, r"limit exceeded|timed? ?out|timeout ="),  # EIP-1474; geth's evm-timeout
    (Kind.BUSY, r"unavailable|overloaded|try again|capacity|txpool is full"),  # gateways; geth
    # geth, reth; Besu
    (Kind.UNSUPPORTED, r"transaction type (not|is not) supported|unsupported transaction type"),
    (Kind.UNSUPPORTED, r"method .*(not found|does not exist|not supported|not available)"),  # geth
)
_TABLE: Final = tuple((kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _ROWS)
_REVERT_CODE: Final = 3
"""geth, and everyone after it."""
_CODES: Final = {
    -32015: Kind.REVERTED,  # OpenEthereum, Nethermind
    -32005: Kind.BUSY,  # EIP-1474 limit exceeded
    -32601: Kind.UNSUPPORTED,  # JSON-RPC 2.0
    429: Kind.BUSY,  # Alchemy repeats the HTTP status
}


def classify(code: int, text: str) -> Kind:
    """Return what to do about a node's error.

    The text says more than the code, except for code 3: its text ends in a contract's words.
    """
    if code == _REVERT_CODE:
        return Kind.REVERTED
    for kind, pattern in _TABLE:
        if pattern.search(text):
            return kind
    return _CODES.get(code, Kind.UNKNOWN)


_REFUSALS: Final = frozenset({Kind.CHEAP, Kind.GAS, Kind.POOR, Kind.UNSUPPORTED})


def is_refusal(error: RpcError) -> bool:
    """Return whether a node that was sent a transaction says beyond doubt that it did not take it.

    "Nonce too low", "already known" and "underpriced" do not: it may hold these very bytes.
    """
    return error.kind in _REFUSALS


_NESTED: Final = ("data", "return", "result", "output", "originalError")
_HEX: Final = re.compile(r"0x((?:[0-9a-fA-F]{2})*)(?![0-9a-fA-F])")


def revert_data(data: Any) -> bytes:
    """Return the revert bytes from an error's `data`; empty if there are none.

    Seen: a hex string (geth, reth, Erigon, Anvil, Besu), `Reverted 0x…` (OpenEthereum, Nethermind),
    an object with the hex under `data` (Hardhat) or under a transaction hash's `return` (Ganache).
    """
    if isinstance(data, str):
        found = _HEX.search(data)
        return bytes.fromhex(found[1]) if found else b""
    if not isinstance(data, dict):
        return b""
    inner = [data[key] for key in _NESTED if key in data]
    inner += [value for value in data.values() if isinstance(value, dict)]
    return next(filter(None, map(revert_data, inner)), b"")


def from_call(error: RpcError, **facts: Any) -> KeeperError:
    """Return what the error of an `eth_call` means for whoever wanted its answer."""
    facts = {"code": error.code, "text": repr(error.text), **facts}
    match error.kind:
        case Kind.REVERTED:
            return CallReverted("the call reverted", data=revert_data(error.data), **facts)
        case Kind.POOR:
            return Rejected("the sender cannot pay for it", remedy="send it coins for gas", **facts)
        case Kind.CHEAP | Kind.GAS:
            return Rejected("the block could not hold it at this fee and gas limit", **facts)
        case Kind.GONE:
            return BadData("the block is gone", remedy="look again at the newest one", **facts)
        case _:
            return Transient("the node did not answer the call", **facts)
