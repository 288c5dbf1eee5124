"""One EVM chain through one node: what is read at a block, and where transactions go."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from keeper.adapters.chain import gather, shapes
from keeper.adapters.chain.anchor import Anchor, anchor_height, is_due
from keeper.adapters.chain.multicall import MULTICALL3, Multicall
from keeper.adapters.chain.node_errors import Foreign, Kind, RpcError, from_call, is_refusal
from keeper.adapters.chain.questions import NEWEST, Lookup, as_call, at_hash, where_they_stand
from keeper.adapters.chain.read_ahead import Named, ReadAhead, caught_up
from keeper.adapters.chain.rpc import Asked, Transport
from keeper.core.fees import recent_tip_wei
from keeper.model.chain import Address, Answer, BlockRef, Call, ChainId, Fees, Message
from keeper.model.errors import (
    BadData,
    CallReverted,
    ConfigError,
    KeeperError,
    Refused,
    Transient,
    Uncertain,
)
from keeper.model.flow import Mined
from keeper.ports.acting import Rehearsal, Standing, Work, nothing

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
    finality: Literal["safe", "finalized"] | None = None
    """The tag at or below which a receipt is final; None asks for no tag."""


class Said(Struct, frozen=True):
    """What a node said to a transaction; words, and only the chain decides."""

    taken: bool
    """It says that it has the transaction, now or from before."""
    text: str
    refused: bool = False
    """It says beyond doubt that it did not take it; others may have."""


class Evm:
    """`Chain` and `Network` over one transport; for one thread.

    Whenever the transport has made a new connection, which may lead to another machine, the chain
    id and an old block's hash are asked before any answer from it is used.
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
        self._anchor: Anchor | None = None
        self._head: BlockRef | None = None
        self._lower_heads = 0
        self._ahead = ReadAhead()

    def connect(self) -> None:
        """Connect, and check that this is the configured chain.

        An old block of it is remembered: a later connection must lead to where that block is, too.

        Raises:
            ConfigError: It is another one.
            Transient: The node did not answer.

        """
        self.check_chain()
        if self._anchor is None:
            head = shapes.height(self._ask("eth_getBlockByNumber", ("latest", False)))
            if head is not None:
                self._take_anchor(head)

    def check_chain(self) -> None:
        """Check that the node serves the configured chain; raises as `connect`."""
        self._check_chain(ConfigError)

    def expect(self, anchor: Anchor) -> None:
        """Use no answer from now on before the node has shown *anchor* as its own."""
        if anchor != self._anchor:
            self._anchor = anchor
            self._checked_dials = -1

    def head(self, meanwhile: Work = nothing) -> BlockRef:
        """See `Chain.head`.

        A lower number than seen before means that a backend lags behind, and its state is old: it
        is `Transient`, up to `lower_heads` times in a row. After that the chain did go back. The
        same number with another hash is an ordinary reorg and is taken at once.
        """
        named = self._ahead.named
        block = caught_up(lambda: self.newest(meanwhile), named)
        self._ahead.forget(named)
        known = self._head
        if known is not None and block.number < known.number:
            self._lower_heads += 1
            if self._lower_heads <= self._config.lower_heads:
                raise Transient(
                    "the node went back to an older block", seen=known.number, now=block.number
                )
        self._lower_heads = 0
        self._head = block
        if is_due(self._anchor, block.number):
            with suppress(Transient):  # the head is as good without; it is due at the next one, too
                self._take_anchor(block.number)
        return block

    def newest(self, meanwhile: Work = nothing) -> BlockRef:
        """Return what the node says is its newest block, be it older than the last one."""
        guess, early = self._ahead.guess(), None
        if guess is None:
            said = self._ask(*NEWEST)
        else:
            lookup, block_hash = guess
            told = self._ask_together((NEWEST, at_hash(lookup, block_hash)), meanwhile)
            said, early = _taken(told[0]), (block_hash, told[1])
        block = shapes.head(said)
        if block is None:
            raise BadData("the node has no newest block")
        self._ahead.begin(block, early)
        return block

    @property
    def reads_ahead(self) -> bool:
        """Whether the next question for the head comes with another, and takes longer."""
        return self._ahead.guess() is not None

    def foresee(self, named: Named) -> None:
        """Hear of a block that is most likely the next head; from any thread."""
        self._ahead.foresee(named)

    def answer(self, calls: tuple[Call, ...], at: BlockRef) -> tuple[Answer | CallReverted, ...]:
        """See `Chain.answer`; every request is pinned to the hash of *at*."""
        return self._multicall.answer(calls, at)

    def nonce(self, account: Address, *, depth: int = 0) -> int:
        """See `Network.nonce`; the newest block is the one that `head` returned last.

        A backend that lags behind it does not know it and says so, rather than give an older nonce.
        """
        if depth > 0:
            return self.nonce_below(account, self._head or self.head(), depth)
        if self._head is not None:
            return self.nonce_at(account, self._head)
        block = "latest"
        return shapes.number(self._ask("eth_getTransactionCount", (account, block)))

    def nonce_at(self, account: Address, at: BlockRef) -> int:
        """Return the account's next nonce as of a block, by its hash."""
        return shapes.number(
            self._ask("eth_getTransactionCount", (account, shapes.by_hash(at.hash)))
        )

    def nonce_below(self, account: Address, at: BlockRef, depth: int) -> int:
        """Return the account's next nonce *depth* blocks below *at*."""
        block = hex(max(0, at.number - depth))
        return shapes.number(self._ask("eth_getTransactionCount", (account, block)))

    def standing(self, account: Address, target: Address, at: BlockRef) -> Standing:
        """See `Network.standing`; a node that lags does not know the block, and says so."""
        answers = self._ask_together(where_they_stand(account, target, at))
        return shapes.standing(*map(_taken, answers))

    def simulate(self, sender: Address, message: Message, fees: Fees, at: BlockRef) -> bytes:
        """See `Network.simulate`; the fees are in the call, so the node checks the balance."""
        try:
            return shapes.data(self._request(*as_call(sender, message, fees, at)))
        except RpcError as error:
            raise from_call(error, to=message.to, block=at.number) from None

    def rehearse(
        self, sender: Address, message: Message, fees: Fees, at: BlockRef, meanwhile: Work = nothing
    ) -> Rehearsal:
        """See `Network.rehearse`; all three questions in one request."""
        run, *standing = self._ask_together(
            (as_call(sender, message, fees, at), *where_they_stand(sender, message.to, at)),
            meanwhile,
        )
        if isinstance(run, RpcError):  # before anything is made of the others
            raise from_call(run, to=message.to, block=at.number)
        return Rehearsal(shapes.data(run), shapes.standing(*map(_taken, standing)))

    def send(self, raw: bytes) -> str:
        """See `Network.send`; the bytes leave at most once."""
        said = self.hand_over(raw)
        if said.refused:
            raise Refused(said.text)
        return said.text

    def hand_over(self, raw: bytes) -> Said:
        """Do as `send`, and tell a node that took it from one that did not say so."""
        question = (f"0x{raw.hex()}",)
        try:
            said = self._transport.request(
                "eth_sendRawTransaction", question, self._config.deadline_s
            )
        except RpcError as error:
            text = f"{error.code}: {error.text}"
            return Said(taken=error.kind is Kind.KNOWN, text=text, refused=is_refusal(error))
        except Transient as error:
            facts: dict[str, Any] = error.facts
            raise Uncertain(
                "nothing was heard about the transaction",
                remedy="its hash decides; the same bytes may be sent again",
                **facts,
            ) from error
        return Said(taken=True, text=str(msgspec.json.decode(said)))

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
                    data_fee_wei=receipt.data_fee_wei,
                    final=self._is_final(receipt.block_number),
                )
        return None

    def block(self, number: int) -> BlockRef | None:
        """Return the canonical block at a height; None if there is none."""
        return shapes.head(self._ask("eth_getBlockByNumber", (hex(number), False)))

    def hash_at(self, number: int) -> str | None:
        """Return the hash of the canonical block at a height; None if there is none.

        Nothing else of the block is looked at: those before EIP-1559 have no base fee.
        """
        return shapes.block_hash(self._ask("eth_getBlockByNumber", (hex(number), False)))

    def recent_tip_wei(self, blocks: int = 20) -> int:
        """Return what the middle of the newest *blocks* paid for priority; 0 if none paid."""
        question = (hex(blocks), "latest", [50])
        return recent_tip_wei(shapes.rewards_wei(self._ask("eth_feeHistory", question)))

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

    def _is_final(self, number: int) -> bool:
        if self._config.finality is None:
            return True
        tagged = shapes.height(self._ask("eth_getBlockByNumber", (self._config.finality, False)))
        return tagged is not None and number <= tagged

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
        lookups: Iterator[Lookup] = (Lookup(to, data, overrides) for data in datas)
        for first in lookups:  # it may have been asked with the head
            if (early := self._ahead.take(first, at)) is None:
                lookups = chain((first,), lookups)
            else:
                yield shapes.data(early)
            break
        questions = (at_hash(lookup, at.hash)[1] for lookup in lookups)
        try:
            for raw in self._transport.stream("eth_call", questions, self._config.deadline_s):
                yield shapes.data(raw)
        except RpcError as error:
            raise from_call(error, to=to, block=at.number) from None
        if self._transport.dials != self._checked_dials:
            self._check_chain(Foreign)

    def _ask(self, method: str, params: tuple[object, ...]) -> Raw:
        """Ask what no contract can make fail: an error is the node's own trouble."""
        try:
            return self._request(method, params)
        except RpcError as error:
            raise _refused(error) from None

    def _request(self, method: str, params: object) -> Raw:
        raw = self._transport.request(method, params, self._config.deadline_s)
        if self._transport.dials != self._checked_dials:
            self._check_chain(Foreign)
        return raw

    def _ask_together(
        self, questions: Sequence[Asked], meanwhile: Work = nothing
    ) -> list[Raw | RpcError]:
        answers = self._transport.batch(questions, self._config.deadline_s, meanwhile)
        if self._transport.dials != self._checked_dials:
            self._check_chain(Foreign)
        return answers

    def _check_chain(self, complaint: type[KeeperError]) -> None:
        found = self.chain_id()
        if found != self._config.chain_id:
            raise complaint(
                "the node serves another chain",
                remedy="correct the node's address or the chain id",
                configured=self._config.chain_id,
                found=found,
            )
        # Before the second question, which would come back here.
        self._checked_dials = self._transport.dials
        if self._anchor is not None:
            self._check_anchor(self._anchor, complaint)

    def _take_anchor(self, head: int) -> None:
        """Have a block below *head* shown on every later connection.

        This connection has shown the one before, so it is another block of the same history.
        """
        number = anchor_height(head)
        found = self.hash_at(number)
        if found is not None:
            self._anchor = Anchor(number, found)

    def _check_anchor(self, anchor: Anchor, complaint: type[KeeperError]) -> None:
        try:
            found = self.hash_at(anchor.number)
        except KeeperError:
            self._checked_dials = -1
            raise
        if found != anchor.hash:
            self._checked_dials = -1
            raise complaint(
                "the node has another history of this chain",
                remedy="it was restored from a backup, or it is another chain of the same id",
                block=anchor.number,
                expected=anchor.hash,
                found=found,
            )


def _taken(answer: Raw | RpcError) -> Raw:
    if isinstance(answer, RpcError):
        raise _refused(answer)
    return answer


def _refused(error: RpcError) -> Transient:
    facts: dict[str, Any] = error.facts
    return Transient("the node refused to answer", **facts)
