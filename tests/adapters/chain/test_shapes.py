from typing import Any

import msgspec
import pytest
from msgspec import Raw

from keeper.adapters.chain import shapes
from keeper.model.errors import BadData

HASH = "0x" + "11" * 32
HEAD: dict[str, Any] = {
    "number": "0x10", "hash": HASH, "parentHash": "0x" + "22" * 32, "timestamp": "0x64",
    "baseFeePerGas": "0x7", "transactions": [], "somethingNew": {"of": "the next fork"},
}  # fmt: skip
LOG: dict[str, Any] = {
    "address": "0x" + "ab" * 20, "topics": [HASH], "data": "0x0102", "logIndex": "0x3",
    "blockNumber": "0x10", "blockHash": HASH, "removed": False,
}  # fmt: skip
RECEIPT: dict[str, Any] = {
    "transactionHash": HASH, "blockNumber": "0x10", "blockHash": HASH, "status": "0x1",
    "gasUsed": "0x5208", "effectiveGasPrice": "0x9", "logs": [LOG], "type": "0x2",
}  # fmt: skip


def raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


def test_a_head_becomes_a_block() -> None:
    block = shapes.head(raw(HEAD))
    assert block is not None
    assert (block.number, block.timestamp_s, block.base_fee_wei) == (16, 100, 7)
    assert (block.hash, block.parent_hash) == (HASH, "0x" + "22" * 32)


def test_null_is_no_block_and_no_receipt() -> None:
    assert shapes.head(raw(None)) is None
    assert shapes.receipt(raw(None)) is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"number": None}, "pending"),
        ({"hash": None}, "pending"),
        ({"baseFeePerGas": None}, "no base fee"),
        ({"timestamp": "100"}, "no quantity"),
        ({"timestamp": 100}, "wrong shape"),
        ({"parentHash": None}, "wrong shape"),
    ],
)
def test_a_spoilt_head_is_bad_data(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadData, match=complaint):
        shapes.head(raw(HEAD | change))


def test_a_receipt_has_its_logs() -> None:
    receipt = shapes.receipt(raw(RECEIPT))
    assert receipt is not None
    assert receipt.succeeded
    assert (receipt.gas_used, receipt.effective_gas_price_wei) == (21000, 9)
    log = receipt.logs[0]
    assert (log.data, log.index, log.topics) == (b"\x01\x02", 3, (b"\x11" * 32,))
    assert log.address == "0xABaBaBaBABabABabAbAbABAbABabababaBaBABaB"


def test_a_failed_receipt_is_no_success() -> None:
    receipt = shapes.receipt(raw(RECEIPT | {"status": "0x0"}))
    assert receipt is not None
    assert not receipt.succeeded


def test_a_pending_receipt_is_none() -> None:
    assert shapes.receipt(raw(RECEIPT | {"blockNumber": None, "blockHash": None})) is None


@pytest.mark.parametrize(
    "change",
    [
        {"status": "0x2"},
        {"status": None},
        {"gasUsed": None},
        {"logs": [LOG | {"data": "0x1"}]},
        {"logs": [LOG | {"address": "0xab"}]},
        {"logs": [LOG | {"topics": ["zz"]}]},
        {"logs": None},
    ],
)
def test_a_spoilt_receipt_is_bad_data(change: dict[str, Any]) -> None:
    with pytest.raises(BadData):
        shapes.receipt(raw(RECEIPT | change))


def test_quantities_are_hex() -> None:
    assert shapes.number(raw("0x0")) == 0
    assert shapes.number(raw("0xfFfF")) == 65535


@pytest.mark.parametrize("value", ["", "0x", "12", "0x1_0", "0x-1", "0x 1", "0xg", "0x٣", 12, None])
def test_what_is_no_quantity_is_bad_data(value: Any) -> None:
    with pytest.raises(BadData):
        shapes.number(raw(value))


def test_data_is_bytes() -> None:
    assert shapes.data(raw("0x")) == b""
    assert shapes.data(raw("0x00ff")) == b"\x00\xff"


@pytest.mark.parametrize("value", ["", "00", "0x0", "0xzz", None, 5, {}, ["0x00"]])
def test_what_is_no_data_is_bad_data(value: Any) -> None:
    with pytest.raises(BadData):
        shapes.data(raw(value))


def test_logs_are_a_list() -> None:
    assert shapes.logs(raw([LOG]))[0].removed is False
    with pytest.raises(BadData):
        shapes.logs(raw({}))


def test_bytes_that_are_no_text_are_bad_data() -> None:
    with pytest.raises(BadData):
        shapes.text(Raw(b'"\xff"'))


@pytest.mark.parametrize(
    ("said", "rewards_wei"),
    [
        (b'{"oldestBlock":"0x1","reward":[["0x5"],["0x0"],["0x7"]]}', (5, 0, 7)),
        (b'{"oldestBlock":"0x1","reward":[["0x5"],[]]}', (5,)),
        (b'{"oldestBlock":"0x1","reward":null}', ()),
        (b'{"oldestBlock":"0x1","baseFeePerGas":["0x1"]}', ()),
    ],
)
def test_g2_a_fee_history_without_rewards_or_with_few_is_what_it_is(
    said: bytes, rewards_wei: tuple[int, ...]
) -> None:
    assert shapes.rewards_wei(Raw(said)) == rewards_wei


def test_a_fee_history_of_another_shape_is_bad_data() -> None:
    with pytest.raises(BadData):
        shapes.rewards_wei(Raw(b'{"reward":[["5 gwei"]]}'))


def test_c12_what_a_next_fork_adds_is_not_looked_at_and_a_new_type_is_a_receipt_too() -> None:
    old = shapes.receipt(raw(RECEIPT))
    new = RECEIPT | {
        "type": "0x7f", "blobGasUsed": "0x0", "blobGasPrice": None,
        "logs": [LOG | {"blockTimestamp": "0x64"}], "somethingNew": {"of": ["the next fork"]},
    }  # fmt: skip
    assert shapes.receipt(raw(new)) == old


@pytest.mark.parametrize("field", ["hash", "parentHash", "number", "timestamp"])
def test_x6_a_text_that_a_node_puts_in_the_place_of_a_number_is_not_repeated(field: str) -> None:
    spoilt = HEAD | {field: "no access for KEY"}
    with pytest.raises(BadData) as caught:
        shapes.head(raw(spoilt))
    assert "KEY" not in str(caught.value)
