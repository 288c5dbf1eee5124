"""A call is the selector and the arguments; a name nobody declared fails at once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from keeper.adapters.abi import ABIS, Event, Function, error, event, function
from keeper.adapters.chain.codec import decode
from keeper.model.chain import Address, Answer, Call, Log
from keeper.model.errors import BadData
from keeper.testing.absurd import answers

WETH = Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2")
OWNER = Address("0x00000000000000000000000000000000000000b2")


@pytest.mark.parametrize(
    ("abi", "name", "selector"),
    [
        # As the explorers list them.
        ("erc20", "balanceOf", "70a08231"),
        ("erc20", "transfer", "a9059cbb"),
        ("erc4626", "convertToAssets", "07a2d13a"),
        ("chainlink_feed", "latestRoundData", "feaf968c"),
        ("uniswap_v3_pool", "slot0", "3850c7bd"),
        ("uniswap_v3_position_manager", "positions", "99fbab88"),
        ("uniswap_v3_position_manager", "collect", "fc6f7865"),
        ("multicall3", "aggregate3", "82ad56cb"),
    ],
)
def test_u5_selectors_are_those_of_the_real_contracts(abi: str, name: str, selector: str) -> None:
    assert function(abi, name).selector.hex() == selector


@pytest.mark.parametrize(
    ("abi", "name", "topic"),
    [
        ("erc20", "Transfer", "ddf252ad"),
        ("uniswap_v3_pool", "Swap", "c42079f9"),
        ("chainlink_aggregator", "AnswerUpdated", "0559884f"),
        ("erc4626", "Deposit", "dcbc1c05"),
    ],
)
def test_topics_are_those_of_the_real_contracts(abi: str, name: str, topic: str) -> None:
    assert event(abi, name).topic.hex().startswith(topic)


def arguments(made: Function, data: bytes) -> Answer:
    assert data.startswith(made.selector)
    return decode(made.inputs, data[4:])


def test_a_function_makes_a_call() -> None:
    made = function("erc20", "balanceOf")(WETH, OWNER)
    data = bytes.fromhex("70a08231" + "0" * 24 + OWNER[2:])
    assert made == Call(to=WETH, data=data, returns=("uint256",))


def test_a_struct_is_one_argument() -> None:
    collect = function("uniswap_v3_position_manager", "collect")
    data = collect.encode_call((7, OWNER, 2**128 - 1, 1))
    assert data == collect.selector + encode(
        ["(uint256,address,uint128,uint128)"], [(7, OWNER, 2**128 - 1, 1)]
    )
    assert arguments(collect, data) == ((7, OWNER, 2**128 - 1, 1),)


def test_types_that_are_not_words_work_too() -> None:
    aggregate = function("multicall3", "aggregate3")
    calls = ((WETH, True, b"\1\2\3"), (OWNER, False, b""))
    assert arguments(aggregate, aggregate.encode_call(calls)) == (calls,)
    assert aggregate.outputs == ("(bool,bytes)[]",)


def test_an_argument_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="fit"):
        function("erc20", "balanceOf")(WETH, 5)
    with pytest.raises(ValueError, match="fit"):
        function("erc20", "balanceOf").encode_call()


def test_a_result_of_another_type_is_bad_data() -> None:
    assert function("erc20", "decimals").decode_result(bytes(31) + b"\6") == (6,)
    with pytest.raises(BadData):
        function("erc20", "decimals").decode_result(b"\6")


@pytest.mark.parametrize("find", [function, event, error])
def test_a_name_the_abi_lacks_is_refused(find: Any) -> None:
    with pytest.raises(LookupError, match=r"nothingLikeIt is not in abis/erc20\.json"):
        find("erc20", "nothingLikeIt")
    with pytest.raises(LookupError, match=r"there is no abis/no_such_abi\.json"):
        find("no_such_abi", "balanceOf")


def test_overloads_are_told_apart_by_their_signature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [
        {"type": "function", "name": "f", "inputs": [{"name": "", "type": t}], "outputs": []}
        for t in ("bool", "uint8")
    ]
    (tmp_path / "overloaded.json").write_text(json.dumps(entries))
    monkeypatch.setattr("keeper.adapters.abi.ABIS", tmp_path)
    assert function("overloaded", "f(uint8)").inputs == ("uint8",)
    with pytest.raises(LookupError, match="2 times"):
        function("overloaded", "f")


def test_custom_errors_are_read_by_their_selector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = {"type": "error", "name": "Short", "inputs": [{"name": "by", "type": "uint256"}]}
    (tmp_path / "errors.json").write_text(json.dumps([entry]))
    monkeypatch.setattr("keeper.adapters.abi.ABIS", tmp_path)
    short = error("errors", "Short")
    assert arguments(short, keccak(b"Short(uint256)")[:4] + bytes(31) + b"\7") == (7,)


SWAP = event("uniswap_v3_pool", "Swap")


def test_an_event_is_decoded_by_name() -> None:
    values = (-5, 10**18, 2**96, 3, -200_000)
    data = encode(["int256", "int256", "uint160", "uint128", "int24"], values)
    sides = tuple(bytes(12) + bytes.fromhex(a[2:]) for a in (WETH, OWNER))
    log = Log(address=WETH, topics=(SWAP.topic, *sides), data=data, index=0)
    assert SWAP.decode(log) == {
        "sender": WETH,
        "recipient": OWNER,
        "amount0": -5,
        "amount1": 10**18,
        "sqrtPriceX96": 2**96,
        "liquidity": 3,
        "tick": -200_000,
    }


@pytest.mark.parametrize(
    ("topics", "data"),
    [
        ((), b""),
        ((SWAP.topic,), bytes(160)),
        ((SWAP.topic, bytes(32), bytes(32), bytes(32)), bytes(160)),
        ((bytes(32), bytes(32), bytes(32)), bytes(160)),
        ((SWAP.topic, bytes(32), b"\xff" * 32), bytes(160)),
        ((SWAP.topic, bytes(32), bytes(32)), bytes(159)),
        ((SWAP.topic, bytes(32), bytes(32)), b"\xff" * 160),
    ],
)
def test_a_log_of_something_else_is_bad_data(topics: tuple[bytes, ...], data: bytes) -> None:
    with pytest.raises(BadData):
        SWAP.decode(Log(address=WETH, topics=topics, data=data, index=0))


def test_an_indexed_string_is_known_by_its_hash_only() -> None:
    named = Event(
        {
            "name": "Named",
            "inputs": [
                {"name": "who", "type": "string", "indexed": True},
                {"name": "what", "type": "string", "indexed": False},
            ],
        }
    )
    log = Log(WETH, (named.topic, keccak(b"me")), encode(["string"], ["hello"]), 0)
    assert named.decode(log) == {"who": keccak(b"me"), "what": "hello"}


DECLARED = [
    (path.stem, entry)
    for path in sorted(ABIS.glob("*.json"))
    for entry in json.loads(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("abi", "entry"), DECLARED, ids=lambda v: v if isinstance(v, str) else "")
def test_everything_declared_can_be_used(abi: str, entry: dict[str, Any]) -> None:
    del abi
    made: Event | Function = Event(entry) if entry["type"] == "event" else Function(entry)
    assert entry["name"] in repr(made)


VIEWS = [Function(e) for _, e in DECLARED if e["type"] == "function"]


@given(st.sampled_from(VIEWS), st.data())
def test_every_declared_function_round_trips(view: Function, data: st.DataObject) -> None:
    args = data.draw(answers(view.inputs))
    assert arguments(view, view.encode_call(*args)) == args
    values = data.draw(answers(view.outputs))
    assert view.decode_result(encode(view.outputs, values)) == values


def test_importing_it_brings_no_heavy_codec() -> None:
    look = "import sys, keeper.adapters.vaults.uniswap_v3; print('eth_abi' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_x8_no_message_that_approves_a_token_can_be_built() -> None:
    """The keeper trades with collateral that was deposited by hand: it never spends a token."""
    approvals = {"approve", "increaseAllowance", "permit", "setApprovalForAll", "setApproval"}
    files = list((Path(__file__).parents[2] / "abis").glob("*.json"))
    assert files
    for file in files:
        names = {entry.get("name") for entry in json.loads(file.read_bytes())}
        assert not names & approvals, file.name
