"""A node that lags: the same node, as it was some blocks ago."""

from typing import Any, Final

from keeper.testing.faultproxy.jsonrpc import SERVER_ERROR, Answer, Call, failure, result
from keeper.testing.faultproxy.upstream import Ask, NodeUnreachable

BLOCK_PARAM: Final = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_createAccessList": 1,
    "eth_simulateV1": 1,
    "eth_getBalance": 1,
    "eth_getCode": 1,
    "eth_getTransactionCount": 1,
    "eth_getStorageAt": 2,
    "eth_getProof": 2,
    "eth_feeHistory": 1,
    "eth_getBlockByNumber": 0,
    "eth_getBlockReceipts": 0,
    "eth_getBlockTransactionCountByNumber": 0,
    "eth_getTransactionByBlockNumberAndIndex": 0,
    "debug_traceCall": 1,
}
"""Where each method takes its block."""

_NEWEST: Final = frozenset({None, "latest", "pending"})
_BY_TRANSACTION: Final = frozenset({"eth_getTransactionReceipt", "eth_getTransactionByHash"})
_NULL_BEYOND: Final = frozenset(
    method for method, index in BLOCK_PARAM.items() if index == 0
)  # a block that is not there is no error
_UNKNOWN: Final = "header not found"


class StaleNode:
    """Answers as *ask* would have answered *lag* blocks ago.

    Blocks, logs, receipts and state are those of then; what was mined since then is pending.
    Nothing else is hidden: a send is taken as ever.
    """

    def __init__(self, ask: Ask, lag: int) -> None:
        self._ask = ask
        self._lag = lag

    async def ask(self, call: Call) -> Answer:
        """Answer one call."""
        if not isinstance(call.params, list):
            return await self._ask(call)
        head = await self._head()
        if call.method == "eth_blockNumber":
            return result(call.id, hex(head))
        if call.method in BLOCK_PARAM:
            return await self._at_block(call, head)
        if call.method == "eth_getLogs":
            return await self._logs(call, head)
        return _seen_from(head, call, await self._ask(call))

    async def _head(self) -> int:
        newest = _height((await self._ask(Call("eth_blockNumber", [], 1))).get("result"))
        if newest is None:
            raise NodeUnreachable("the node does not know its head")
        return max(0, newest - self._lag)

    async def _at_block(self, call: Call, head: int) -> Answer:
        index = BLOCK_PARAM[call.method]
        asked = call.param(index)
        if _is_newest(asked):
            padded = call
            while len(padded.params) < index:
                padded = padded.with_param(len(padded.params), None)
            return await self._ask(padded.with_param(index, hex(head)))
        number = await self._number(asked)
        if number is not None and number > head:
            if call.method in _NULL_BEYOND:
                return result(call.id, None)
            return failure(call.id, SERVER_ERROR, _UNKNOWN)
        return await self._ask(call)

    async def _number(self, asked: Any) -> int | None:
        """Return the number of the block that a parameter names; None if it names none."""
        if not isinstance(asked, dict):
            return _height(asked)
        if "blockNumber" in asked:
            return _height(asked["blockNumber"])
        block = await self._ask(Call("eth_getBlockByHash", [asked.get("blockHash"), False], 1))
        return _height((block.get("result") or {}).get("number"))

    async def _logs(self, call: Call, head: int) -> Answer:
        asked = call.param(0)
        if not isinstance(asked, dict):
            return await self._ask(call)
        if "blockHash" in asked:
            number = await self._number(asked)
            if number is not None and number > head:
                return failure(call.id, SERVER_ERROR, _UNKNOWN)
            return await self._ask(call)
        first, last = (_bounded(asked.get(key), head) for key in ("fromBlock", "toBlock"))
        if first is None:
            return result(call.id, [])
        bounds = {"fromBlock": first, "toBlock": last or hex(head)}
        return await self._ask(call.with_param(0, {**asked, **bounds}))


def _height(asked: Any) -> int | None:
    """Return the number that is written there; whether another word is right, the node says."""
    try:
        return int(asked, 16)
    except (TypeError, ValueError):
        return None


def _is_newest(asked: Any) -> bool:
    return asked is None or (isinstance(asked, str) and asked in _NEWEST)


def _bounded(asked: Any, head: int) -> str | None:
    """Return the bound of a range of blocks as a stale node reads it; None if it is beyond."""
    if _is_newest(asked):
        return hex(head)
    number = _height(asked)
    return None if number is not None and number > head else str(asked)


def _seen_from(head: int, call: Call, said: Answer) -> Answer:
    """Return an answer about a block or transaction that may be too new to be known."""
    found = said.get("result")
    if not isinstance(found, dict):
        return said
    number = found.get("number" if call.method == "eth_getBlockByHash" else "blockNumber")
    height = _height(number)
    if height is None or height <= head:
        return said
    if call.method == "eth_getTransactionByHash":
        unmined = dict.fromkeys(("blockHash", "blockNumber", "transactionIndex"))
        return result(call.id, {**found, **unmined})
    if call.method in _BY_TRANSACTION or call.method == "eth_getBlockByHash":
        return result(call.id, None)
    return said
