"""A node with a geth-like pool in front: what can be mined goes to the node, the rest waits here.

Anvil's own pool takes a replacement for one wei more, drops what the base fee has passed, and
forgets what a reorg took out. This one does none of that: it hands Anvil a transaction whenever
that can be mined and is not there, and so keeps Anvil's pool as geth's would be.
"""

import asyncio
from typing import Any, Final

from keeper.testing.faultproxy.jsonrpc import (
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    Answer,
    Call,
    error_of,
    failure,
    result,
)
from keeper.testing.faultproxy.pool import Account, Pool, PoolSettings
from keeper.testing.faultproxy.transaction import NotATransaction, Transaction, decode
from keeper.testing.faultproxy.upstream import Ask, HttpNode

REMEMBERED_BLOCKS: Final = 128
"""What was mined deeper than this is not watched for a reorg any more."""

_MOVES_THE_CHAIN: Final = ("evm_", "anvil_", "hardhat_", "eth_sendTransaction")
_DROPS: Final = frozenset(
    {"anvil_dropTransaction", "anvil_removePoolTransactions", "anvil_dropAllTransactions"}
)
_BELOW_BASE_FEE: Final = "less than block base fee"
_TAKEN: Final = ("already imported", "already known")
_PASSED: Final = "nonce too low"


class PooledNode:
    """Holds back and hands on; everything else goes to the node as it is."""

    def __init__(self, node: HttpNode, settings: PoolSettings) -> None:
        self.node = node
        self.settings = settings
        self.pool = Pool()
        self._mined: dict[str, Transaction] = {}
        self._head: str | None = None
        self._lock = asyncio.Lock()

    async def ask(self, call: Call, ask: Ask) -> Answer:
        """Answer one call; *ask* reaches the node the way the client came.

        Raises:
            NodeUnreachable: The node did not answer.

        """
        match call.method:
            case "eth_sendRawTransaction":
                return await self._send(call, ask)
            case "eth_sendRawTransactionSync":  # would go past the pool
                return failure(call.id, METHOD_NOT_FOUND, f"{call.method} is not available")
            case "eth_getTransactionByHash":
                return await self._by_hash(call, ask)
            case "eth_getTransactionCount" if call.param(1) == "pending":
                return await self._pending_count(call, ask)
            case "eth_getTransactionReceipt":
                await self.follow()
                return await ask(call)
            case _:
                return await self._pass(call, ask)

    async def _pass(self, call: Call, ask: Ask) -> Answer:
        if call.method in _DROPS:
            self._drop(call)
        said = await ask(call)
        if call.method.startswith(_MOVES_THE_CHAIN):
            await self.settle()
        return said

    async def follow(self) -> None:
        """Settle if there is a new head, or something that waits for another base fee.

        Raises:
            NodeUnreachable: The node did not answer.

        """
        block = await self.node.result("eth_getBlockByNumber", "latest", False)  # noqa: FBT003  # a JSON-RPC parameter
        head = block.get("hash") if isinstance(block, dict) else None
        if head != self._head or self.pool.senders():
            await self.settle()
            self._head = head

    async def settle(self) -> None:
        """Bring the pool in line with the chain: mined goes, orphaned returns, ready is handed on.

        Raises:
            NodeUnreachable: The node did not answer.

        """
        async with self._lock:
            await self._take_back_orphans()
            for sender in self.pool.senders():
                account = await self._account(sender)
                for tx in self.pool.passed(sender, account.nonce):
                    self.pool.remove(tx)
                    if await self._receipt(tx) is not None:
                        self._mined[tx.hash] = tx
                await self._hand_on(sender, account.nonce)

    async def clear(self) -> None:
        """Forget everything, also what was mined."""
        async with self._lock:
            self.pool.clear()
            self._mined.clear()

    async def _take_back_orphans(self) -> None:
        if not self._mined:
            return
        height = await self.node.number("eth_blockNumber")
        for tx in tuple(self._mined.values()):
            receipt = await self._receipt(tx)
            if receipt is None:
                del self._mined[tx.hash]
                if self.settings.reinject and self.pool.at(tx.sender, tx.nonce) is None:
                    self.pool.put(tx)
            elif int(receipt["blockNumber"], 16) + REMEMBERED_BLOCKS < height:
                del self._mined[tx.hash]

    async def _hand_on(self, sender: str, nonce: int) -> None:
        if self.settings.hold_all:
            return
        for tx in self.pool.executable(sender, nonce):
            if await self._is_at_node(tx):
                continue
            refused = await self._give(tx)
            if refused is None:
                continue
            if _BELOW_BASE_FEE not in refused and _PASSED not in refused:
                self.pool.remove(tx)  # as geth demotes what has become impossible
            return

    async def _give(self, tx: Transaction) -> str | None:
        """Hand a transaction to the node; return why it did not take it."""
        said = error_of(await self.node.ask(Call("eth_sendRawTransaction", [tx.raw], 1)))
        if said is None or any(words in said[1] for words in _TAKEN):
            return None
        return said[1]

    async def _send(self, call: Call, ask: Ask) -> Answer:
        try:
            tx = decode(call.param(0))
        except NotATransaction:
            return await ask(call)  # the node has the right words
        async with self._lock:
            chain_id = await self.node.number("eth_chainId")
            account = await self._account(tx.sender)
            why = self.pool.refusal(tx, account, chain_id, self.settings)
            why = why or await self._admit(tx, account)
        return failure(call.id, SERVER_ERROR, why) if why else result(call.id, tx.hash)

    async def _admit(self, tx: Transaction, account: Account) -> str | None:
        """Hold *tx*, handed on if it can be; return why the node refuses it for good."""
        replaced = self.pool.put(tx)
        ready = self.pool.executable(tx.sender, account.nonce)
        if tx not in ready or self.settings.hold_all:
            return None
        for one in ready[: ready.index(tx)]:
            if not await self._is_at_node(one):
                return None  # it waits behind one that waits
        why = await self._give(tx)
        if why is not None and not (self.settings.hold_below_base_fee and _BELOW_BASE_FEE in why):
            self.pool.remove(tx)
            if replaced is not None:
                self.pool.put(replaced)
            return why
        await self._hand_on(tx.sender, account.nonce)
        return None

    async def _by_hash(self, call: Call, ask: Ask) -> Answer:
        await self.follow()
        said = await ask(call)
        held = self.pool.find(str(call.param(0)))
        if said.get("result") is None and held is not None and not self.settings.hidden:
            return result(call.id, held.as_pending())
        return said

    async def _pending_count(self, call: Call, ask: Ask) -> Answer:
        await self.follow()
        said = await ask(call)
        if "result" not in said or self.settings.hidden:
            return said
        for sender in self.pool.senders():
            if sender.lower() == str(call.param(0)).lower():
                account = await self._account(sender)
                next_nonce = account.nonce + len(self.pool.executable(sender, account.nonce))
                return result(call.id, hex(max(next_nonce, int(said["result"], 16))))
        return said

    def _drop(self, call: Call) -> None:
        """Let go of what the node is told to let go of; it would come back otherwise."""
        named = str(call.param(0)).lower()
        for tx in self.pool.content():
            if call.method == "anvil_dropAllTransactions" or named in {tx.hash, tx.sender.lower()}:
                self.pool.remove(tx)

    async def _account(self, sender: str) -> Account:
        nonce = await self.node.number("eth_getTransactionCount", sender, "latest")
        return Account(nonce, await self.node.number("eth_getBalance", sender, "latest"))

    async def _receipt(self, tx: Transaction) -> Any:
        return await self.node.result("eth_getTransactionReceipt", tx.hash)

    async def _is_at_node(self, tx: Transaction) -> bool:
        return await self.node.result("eth_getTransactionByHash", tx.hash) is not None
