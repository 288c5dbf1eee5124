import pytest

from keeper.adapters.chain.node_errors import Kind, RpcError, classify, from_call, revert_data
from keeper.model.errors import BadData, CallReverted, KeeperError, Rejected, Transient

HAVE = "address 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 have 0 want 1"


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (3, "execution reverted: block not found", Kind.REVERTED),
        (-32000, "Known transaction", Kind.KNOWN),
        (-32000, "known transaction: 0x12", Kind.KNOWN),
        (-32000, "unknown transaction type", Kind.UNKNOWN),
        (3, "anything a contract says, such as nonce too low", Kind.REVERTED),
        (-32000, "execution reverted", Kind.REVERTED),
        (-32000, "Execution reverted", Kind.REVERTED),
        (-32015, "VM execution error.", Kind.REVERTED),
        (-32000, "VM Exception while processing transaction: reverted", Kind.REVERTED),
        (-32000, "out of gas", Kind.REVERTED),
        (-32000, "invalid opcode: INVALID", Kind.REVERTED),
        (-32603, "EVM error ReentrancySentryOOG", Kind.REVERTED),
        (-32000, f"err: insufficient funds for gas * price + value: {HAVE}", Kind.POOR),
        (-32003, "Insufficient funds for gas * price + value", Kind.POOR),
        (-32000, "insufficient sender balance for transfer", Kind.POOR),
        (-32000, "insufficient MaxFeePerGas for sender balance", Kind.POOR),
        (-32000, "Upfront cost exceeds account balance", Kind.POOR),
        (-32003, "lack of funds (0) for max fee (21000)", Kind.POOR),
        (-32000, "err: max fee per gas less than block base fee: maxFeePerGas: 1", Kind.CHEAP),
        (-32000, "miner premium is negative", Kind.CHEAP),
        (-32000, "intrinsic gas too low: have 100, want 21000", Kind.GAS),
        (-32000, "gas limit below intrinsic gas", Kind.GAS),
        (-32000, "intrinsic gas too high -- CallGasCostMoreThanGasLimit", Kind.GAS),
        (-32000, "exceeds block gas limit", Kind.GAS),
        (-32000, "header not found", Kind.GONE),
        (-32000, "header for hash not found", Kind.GONE),
        (-32603, "hash 0d30 is not currently canonical", Kind.GONE),
        (-32001, "Resource not found", Kind.GONE),
        (-32001, "block not found: hash 0x11", Kind.GONE),
        (-32000, "missing trie node 11 (path )", Kind.GONE),
        (-32000, "already known", Kind.KNOWN),
        (-32000, "AlreadyKnown", Kind.KNOWN),
        (-32003, "transaction already imported", Kind.KNOWN),
        (-32000, "nonce too low: next nonce 5, tx nonce 4", Kind.NONCE_USED),
        (-32010, "OldNonce", Kind.NONCE_USED),
        (-32000, "nonce too high", Kind.NONCE_AHEAD),
        (-32000, "replacement transaction underpriced", Kind.UNDERPRICED),
        (-32000, "invalid chain id for signer: have 5 want 1", Kind.FOREIGN),
        (-32005, "query returned more than 10000 results", Kind.TOO_MANY),
        (-32600, "eth_getLogs block range is too wide", Kind.TOO_MANY),
        (-32005, "daily request count exceeded", Kind.BUSY),
        (-32005, "", Kind.BUSY),
        (429, "Your app has exceeded its compute units per second capacity", Kind.BUSY),
        (-32000, "execution aborted (timeout = 5s)", Kind.BUSY),
        (-32000, "txpool is full", Kind.BUSY),
        (-32601, "the method eth_foo does not exist/is not available", Kind.UNSUPPORTED),
        (-32601, "", Kind.UNSUPPORTED),
        (-32000, "something nobody has seen", Kind.UNKNOWN),
    ],
)
def test_texts_of_nodes_mean_what_to_do_next(code: int, text: str, kind: Kind) -> None:
    assert classify(code, text) is kind
    assert RpcError(code, text).kind is kind


@pytest.mark.parametrize(
    "data",
    [
        "0x08c379a0",
        "Reverted 0x08c379a0",
        {"message": "reverted", "txHash": "0x00", "data": "0x08c379a0"},
        {"0x5f": {"error": "revert", "return": "0x08c379a0"}, "stack": "…"},
        {"originalError": {"code": 3, "data": "0x08c379a0"}},
    ],
)
def test_revert_data_is_found_wherever_a_node_puts_it(data: object) -> None:
    assert revert_data(data) == bytes.fromhex("08c379a0")


@pytest.mark.parametrize("data", [None, "", "0x", "0x123", "Reverted", {}, {"data": None}, 5, []])
def test_no_revert_data_is_empty(data: object) -> None:
    assert revert_data(data) == b""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RpcError(3, "execution reverted", "0xaa"), CallReverted),
        (RpcError(-32000, "insufficient funds for transfer"), Rejected),
        (RpcError(-32000, "max fee per gas less than block base fee"), Rejected),
        (RpcError(-32000, "intrinsic gas too low"), Rejected),
        (RpcError(-32001, "Resource not found"), BadData),
        (RpcError(-32005, "limit exceeded"), Transient),
        (RpcError(-32000, "something nobody has seen"), Transient),
    ],
)
def test_an_error_of_a_call_becomes_what_to_do(error: RpcError, expected: type) -> None:
    found = from_call(error, to="0x00")
    assert type(found) is expected
    assert found.facts["to"] == "0x00"
    assert found.facts["code"] == error.code


def test_a_reverted_call_keeps_its_data() -> None:
    found = from_call(RpcError(3, "execution reverted", "0xaabb"))
    assert isinstance(found, CallReverted)
    assert found.data == b"\xaa\xbb"


def test_a_node_error_says_what_the_node_said() -> None:
    error: KeeperError = RpcError(-32000, "nope")
    assert "code=-32000 text='nope'" in str(error)
