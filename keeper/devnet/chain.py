"""Turns the local chain's knobs: transactions from unlocked accounts, blocks, time, fees, forks."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from msgspec import Struct

from keeper.devnet.calldata import decode, encode
from keeper.devnet.rpc import Rpc, rpc
from keeper.model.chain import Address
from keeper.model.errors import Rejected
from keeper.model.units import ETHER, GWEI

BLOCK_S: Final = 12
GAS_LIMIT: Final = 15_000_000
_MAX_FEE_WEI: Final = 2_000 * GWEI
_ROUNDS: Final = 50
_GLANCES: Final = 2_000
_GLANCE_S: Final = 0.001
_FIRST_COINBASE: Final = 1 << 152
"""Far from precompiled contracts, and no account's."""


class Tx(Struct, frozen=True):
    """A transaction of an account whose key the local chain holds."""

    sender: Address
    to: Address | None
    data: bytes = b""
    value_wei: int = 0
    gas_limit: int = GAS_LIMIT
    label: str = ""


class Block(Struct, frozen=True):
    """A block's header, as far as the local chain cares."""

    number: int
    hash: str
    timestamp_s: int
    base_fee_wei: int


class Chain:
    """One local chain, by its URL. Methods that change it say when their effect is mined."""

    def __init__(self, http_url: str) -> None:
        self._url = http_url

    @property
    def rpc(self) -> Rpc:
        """The connection of the calling thread."""
        return rpc(self._url)

    # ------------------------------------------------------------------ reading

    def block(self, tag: str | int = "latest") -> Block:
        """Return a block's header."""
        named = hex(tag) if isinstance(tag, int) else tag
        raw = self.rpc.call("eth_getBlockByNumber", named, False)  # noqa: FBT003  # no bodies
        return Block(
            number=int(raw["number"], 16),
            hash=raw["hash"],
            timestamp_s=int(raw["timestamp"], 16),
            base_fee_wei=int(raw["baseFeePerGas"], 16),
        )

    def read(self, to: Address, signature: str, returns: str, *values: object) -> Any:
        """Return what a view answers now: one value, or a tuple of several."""
        asked = {"to": to, "data": "0x" + encode(signature, *values).hex()}
        answer = decode(returns, bytes.fromhex(self.rpc.call("eth_call", asked, "latest")[2:]))
        return answer[0] if len(answer) == 1 else answer

    def balance_wei(self, account: Address) -> int:
        """Return an account's native balance."""
        return int(self.rpc.call("eth_getBalance", account, "latest"), 16)

    # ------------------------------------------------------------------ transactions

    def submit(self, *txs: Tx) -> tuple[str, ...]:
        """Put transactions into the mempool, in this order; return their hashes."""
        return tuple(self.rpc.call("eth_sendTransaction", _wire(tx)) for tx in txs)

    def execute(self, *txs: Tx, seconds: int = BLOCK_S) -> tuple[dict[str, Any], ...]:
        """Submit transactions, mine until all are in blocks, and return their receipts.

        They share one block if it has room, also while automine is on. Whatever else waits in the
        mempool is mined with them.

        Raises:
            Rejected: One of them reverted.

        """
        with self._own_blocks():
            hashes = self.submit(*txs)
            receipts = self._receipts(hashes)
            for _ in range(_ROUNDS):
                if all(receipts):
                    break
                self.mine(seconds=seconds)
                receipts = self._receipts(hashes)
        for tx, receipt in zip(txs, receipts, strict=True):
            if receipt is None or receipt["status"] != "0x1":
                raise Rejected("a devnet transaction failed", tx=_name(tx), why=self._why(tx))
        return tuple(receipt for receipt in receipts if receipt is not None)

    @contextmanager
    def _own_blocks(self) -> Iterator[None]:
        """Hold automine back: its blocks may share a timestamp, which Perp v2 does not forgive."""
        automine = self.rpc.call("anvil_getAutomine")
        if automine:
            self.automine(on=False)
        try:
            yield
        finally:
            if automine:
                self.automine(on=True)

    def _receipts(self, hashes: tuple[str, ...]) -> list[dict[str, Any] | None]:
        return self.rpc.batch(*(("eth_getTransactionReceipt", (one,)) for one in hashes))

    def _why(self, tx: Tx) -> str:
        """Return what the transaction says when it is tried again now."""
        try:
            self.rpc.call("eth_call", _wire(tx), "latest")
        except Rejected as error:
            return str(error.facts["said"])
        return "it succeeds when tried again"

    def fund(self, account: Address, ether: int) -> None:
        """Set an account's native balance, at once."""
        self.rpc.call("anvil_setBalance", account, hex(ether * ETHER))

    # ------------------------------------------------------------------ blocks and time

    def mine(
        self, blocks: int = 1, seconds: int = BLOCK_S, *, base_fee_wei: int | None = None
    ) -> Block:
        """Mine blocks, each *seconds* after the one before; return the last.

        The base fee stays what it is, unlike EIP-1559's, unless *base_fee_wei* changes it. Anvil
        forgets transactions that offer less than a block's base fee when it mines that block.
        """
        head = self.block()
        fee = hex(head.base_fee_wei if base_fee_wei is None else base_fee_wei)
        for number in range(1, blocks + 1):
            self.rpc.call("anvil_setNextBlockBaseFeePerGas", fee)
            self.rpc.call("evm_mine", hex(head.timestamp_s + number * seconds))
        return self.block()

    def advance(self, seconds: int) -> Block:
        """Mine one block that is *seconds* later than the newest."""
        return self.mine(seconds=seconds)

    def automine(self, on: bool) -> None:  # noqa: FBT001  # it is a switch
        """Mine each transaction at once, or only when asked; what is being mined is finished."""
        if not on:
            self.finish_mining()
        self.rpc.call("evm_setAutomine", on)

    def finish_mining(self) -> None:
        """Wait for the blocks that Anvil owes while automine is on.

        It answers to a transaction before it mines it, and a block that it mines while it rewinds
        ends up on top of the snapshot, logs and all.

        Raises:
            Rejected: What waits is not mined.

        """
        if not self.rpc.call("anvil_getAutomine"):
            return
        for _ in range(_GLANCES):
            # A transaction leaves the pool when its block is in place.
            if not int(self.rpc.call("txpool_status")["pending"], 16):
                return
            time.sleep(_GLANCE_S)
        raise Rejected("transactions wait although automine is on", for_s=_GLANCES * _GLANCE_S)

    def raise_base_fee(self, gwei: float) -> Block:
        """Mine a block with this base fee; it holds until the next change."""
        return self.mine(base_fee_wei=round(gwei * GWEI))

    def reorg(self, depth: int) -> Block:
        """Replace the newest *depth* blocks by as many empty ones; return the new head.

        Their transactions are forgotten. Snapshots taken in replaced blocks are lost.
        """
        self.rpc.call("anvil_reorg", depth, [])
        return self.block()

    def drop_pending(self) -> None:
        """Forget every transaction that is not in a block."""
        self.rpc.call("anvil_dropAllTransactions")

    def snapshot(self) -> str:
        """Remember the chain as it is; return what `rewind` takes."""
        taken: str = self.rpc.call("evm_snapshot")
        return taken

    def rewind(self, snapshot: str) -> None:
        """Go back to a snapshot, once: it is used up.

        Another account gets the tips from here on, so that no block has the hash of one that is
        gone: Anvil keeps states by hash, and when it forgets the old one's, it forgets both.

        Raises:
            Rejected: There is no such snapshot.

        """
        if not self.rpc.call("evm_revert", snapshot):
            raise Rejected("no such snapshot", snapshot=snapshot)
        self.rpc.call("anvil_setCoinbase", f"0x{_FIRST_COINBASE + int(snapshot, 16):040x}")


def _wire(tx: Tx) -> dict[str, object]:
    wire: dict[str, object] = {
        "from": tx.sender,
        "data": "0x" + tx.data.hex(),
        "value": hex(tx.value_wei),
        "gas": hex(tx.gas_limit),
        "maxFeePerGas": hex(_MAX_FEE_WEI),
        "maxPriorityFeePerGas": "0x0",
    }
    if tx.to is not None:
        wire["to"] = tx.to
    return wire


def _name(tx: Tx) -> str:
    return tx.label or f"{tx.data[:4].hex()} to {tx.to}"
