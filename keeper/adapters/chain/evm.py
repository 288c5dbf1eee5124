"""One EVM chain through one node: what is read at a block, and where transactions go."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from keeper.adapters.chain import gather, shapes
from keeper.adapters.chain.multicall import MULTICALL3, Multicall
from keeper.adapters.chain.node_errors import RpcError, from_call
from keeper.adapters.chain.rpc import Transport
from keeper.model.chain import Address, Answer, BlockRef, Call, ChainId, Fees, Message
from keeper.model.errors import (
    BadData,
    CallReverted,
    ConfigError,
    KeeperError,
    Transient,
    Uncertain,
)
from keeper.model.flow import Mined

_PATIENCE: Final = 5


class EvmConfig(Struct, frozen=True):
    """How to speak to one chain."""

    chain_id: ChainId
    multicall: Address = MULTICALL3
    calls_per_request: int = 500
    """Nodes cap the gas of an `eth_call`; 500 ordinary reads stay far below."""
    lend_code: bool = True
    """Whether large reads may lend the node a program of ours to run them, see `gather`."""
    deadline_s: float = 5.0
    """For each request, connecting included."""
    lower_heads: int = _PATIENCE
    """How many looks in a row may meet a lower block number before it is believed."""


class Evm:
    """`Chain` and `Network` over one transport; for one thread.

    Whenever the transport has made a new connection, which may lead to another machine, the chain
    id is asked before any answer from it is used.
    """

    def __init__(self, transport: Transport, config: EvmConfig) -> None:
        self._transport = transport
        self._config = config
        self._multicall = Multicall(
            self._eth_calls,
            config.multicall,
            config.calls_per_request,
            self._lent_calls if config.lend_code else None,
        )
        self._checked_dials = -1
        self._head: BlockRef | None = None
        self._lower_heads = 0

    def connect(self) -> None:
        """Connect, and check that this is the configured chain.

        Raises:
            ConfigError: It is another one.
            Transient: The node did not answer.

        """
        self._check_chain(ConfigError)

    def head(self) -> BlockRef:
        """Return the newest block.

        A lower number than seen before means that a backend lags behind, and its state is old: it
        is `Transient`, up to `lower_heads` times in a row. After that the chain did go back. The
        same number with another hash is an ordinary reorg and is taken at once.
        """
        block = shapes.head(self._ask("eth_getBlockByNumber", ("latest", False)))
        if block is None:
            raise BadData("the node has no newest block")
        known = self._head
        if known is not None and block.number < known.number:
            self._lower_heads += 1
            if self._lower_heads <= self._config.lower_heads:
                raise Transient(
                    "the node went back to an older block", seen=known.number, now=block.number
                )
        self._lower_heads = 0
        self._head = block
        return block

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """See `Chain.answer`; every request is pinned to the hash of *at*."""
        return self._multicall.answer(calls, at)

    def nonce(self, account: Address, *, depth: int = 0) -> int:
        """See `Network.nonce`; a depth counts from the newest block that `head` returned."""
        block = "latest"
        if depth > 0:
            newest = self._head or self.head()
            block = hex(max(0, newest.number - depth))
        return shapes.number(self._ask("eth_getTransactionCount", (account, block)))

    def simulate(self, sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        """See `Network.simulate`; the fees are in the call, so the node checks the balance."""
        call = {
            "from": sender,
            "to": message.to,
            "data": f"0x{message.data.hex()}",
            "value": hex(message.value_wei),
            "gas": hex(message.gas_limit),
            "maxFeePerGas": hex(fees.max_fee_wei),
            "maxPriorityFeePerGas": hex(fees.tip_wei),
        }
        try:
            return shapes.data(self._request("eth_call", (call, shapes.by_hash(at))))
        except RpcError as error:
            raise from_call(error, to=message.to, block=at.number) from None

    def send(self, raw: bytes) -> str:
        """See `Network.send`; the bytes leave at most once."""
        question = (f"0x{raw.hex()}",)
        try:
            said = self._transport.request(
                "eth_sendRawTransaction", question, self._config.deadline_s
            )
        except RpcError as error:
            return f"{error.code}: {error.text}"
        except Transient as error:
            facts: dict[str, Any] = error.facts
            raise Uncertain(
                "nothing was heard about the transaction",
                remedy="its hash decides; the same bytes may be sent again",
                **facts,
            ) from error
        return str(msgspec.json.decode(said))

    def mined(self, hashes: tuple[str, ...], head: BlockRef) -> Mined | None:
        """See `Network.mined`; only what is canonical and not above *head* counts as mined."""
        for tx_hash in reversed(hashes):
            receipt = shapes.receipt(self._ask("eth_getTransactionReceipt", (tx_hash,)))
            # Above the head we hold, the positions read at that head do not show it yet.
            if receipt is None or receipt.block_number > head.number:
                continue
            if receipt.block_hash == self._hash_at(receipt.block_number, head):
                return Mined(
                    hash=tx_hash,
                    block_number=receipt.block_number,
                    block_hash=receipt.block_hash,
                    depth=head.number - receipt.block_number + 1,
                    succeeded=receipt.succeeded,
                    gas_used=receipt.gas_used,
                    gas_price_wei=receipt.effective_gas_price_wei,
                    logs=receipt.logs,
                )
        return None

    def block(self, number: int) -> BlockRef | None:
        """Return the canonical block at a height; None if there is none."""
        return shapes.head(self._ask("eth_getBlockByNumber", (hex(number), False)))

    def code_at(self, address: Address) -> bytes:
        """Return the code of *address* in the newest block; empty if it has none."""
        return shapes.data(self._ask("eth_getCode", (address, "latest")))

    def balance_wei(self, address: Address) -> int:
        """Return what *address* holds in the newest block."""
        return shapes.number(self._ask("eth_getBalance", (address, "latest")))

    def chain_id(self) -> ChainId:
        """Return the id of the chain that the node serves, whichever is configured."""
        try:
            raw = self._transport.request("eth_chainId", (), self._config.deadline_s)
        except RpcError as error:
            raise _refused(error) from None
        return ChainId(shapes.number(raw))

    def client_version(self) -> str:
        """Return what the node calls itself."""
        return shapes.text(self._ask("web3_clientVersion", ()))

    def _hash_at(self, number: int, head: BlockRef) -> str | None:
        if number == head.number:
            return head.hash
        if number == head.number - 1:
            return head.parent_hash
        block = self.block(number)
        return block.hash if block else None

    def _lent_calls(self, datas: Iterable[bytes], at: BlockRef) -> Iterator[bytes]:
        return self._eth_calls(gather.ADDRESS, datas, at, gather.override())

    def _eth_calls(
        self, to: Address, datas: Iterable[bytes], at: BlockRef, *overrides: dict[str, Any]
    ) -> Iterator[bytes]:
        """Yield what *to* returns to each of *datas*; nothing of it may be used before the end."""
        pin = shapes.by_hash(at)
        questions = (({"to": to, "data": f"0x{data.hex()}"}, pin, *overrides) for data in datas)
        try:
            for raw in self._transport.stream("eth_call", questions, self._config.deadline_s):
                yield shapes.data(raw)
        except RpcError as error:
            raise from_call(error, to=to, block=at.number) from None
        if self._transport.dials != self._checked_dials:
            self._check_chain(BadData)

    def _ask(self, method: str, params: tuple[object, ...]) -> Raw:
        """Ask what no contract can make fail: an error is the node's own trouble."""
        try:
            return self._request(method, params)
        except RpcError as error:
            raise _refused(error) from None

    def _request(self, method: str, params: tuple[object, ...]) -> Raw:
        raw = self._transport.request(method, params, self._config.deadline_s)
        if self._transport.dials != self._checked_dials:
            self._check_chain(BadData)
        return raw

    def _check_chain(self, complaint: type[KeeperError]) -> None:
        found = self.chain_id()
        if found != self._config.chain_id:
            raise complaint(
                "the node serves another chain",
                remedy="correct the node's address or the chain id",
                configured=self._config.chain_id,
                found=found,
            )
        self._checked_dials = self._transport.dials


def _refused(error: RpcError) -> Transient:
    facts: dict[str, Any] = error.facts
    return Transient("the node refused to answer", **facts)
