"""A recording says what it was told, and nothing else."""

from pathlib import Path

import pytest

from keeper.adapters.abi import function
from keeper.engine.reader import read_all
from keeper.model.chain import Address, Answer, BlockRef, Call
from keeper.model.errors import CallReverted
from keeper.ports.reading import Read
from keeper.testing.replay import BLOCK, Recorder, Recording, Replay, Reverting, load, save

TOKEN = Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
DECIMALS = function("erc20", "decimals")(TOKEN)
SUPPLY = function("erc20", "totalSupply")(TOKEN)
SYMBOL = function("erc20", "symbol")(TOKEN)
ANSWERS: Recording = {DECIMALS: (6,), SYMBOL: ("USDC",), SUPPLY: CallReverted("no", data=b"\x01")}


def both() -> Read[tuple[int, str]]:
    (decimals,), (symbol,) = yield (DECIMALS, SYMBOL)
    return decimals, symbol


def test_it_answers_what_was_recorded_and_remembers_the_rounds() -> None:
    chain = Replay(ANSWERS)
    assert read_all(chain, chain.head(), {"t": both()}) == {"t": (6, "USDC")}
    assert chain.rounds == [(DECIMALS, SYMBOL)]


def test_a_recorded_revert_is_an_answer() -> None:
    (answer,) = Replay(ANSWERS).answer((SUPPLY,), BLOCK)
    assert isinstance(answer, CallReverted)


def test_it_makes_nothing_up() -> None:
    with pytest.raises(AssertionError, match="nobody recorded"):
        Replay({}).answer((DECIMALS,), BLOCK)


def test_it_knows_one_block_only() -> None:
    other = BlockRef(number=1, hash="0x", parent_hash="0x", timestamp_s=0, base_fee_wei=0)
    with pytest.raises(AssertionError, match="not at the pinned block"):
        Replay(ANSWERS).answer((DECIMALS,), other)


def test_reverting_reverts_every_call() -> None:
    chain = Reverting()
    answers = chain.answer((DECIMALS, SUPPLY), chain.head())
    assert [type(a) for a in answers] == [CallReverted, CallReverted]


def test_a_recorder_passes_on_and_keeps() -> None:
    recorder = Recorder(Replay(ANSWERS))
    assert recorder.head() == BLOCK
    read_all(recorder, BLOCK, {"t": both()})
    assert recorder.answers == {DECIMALS: (6,), SYMBOL: ("USDC",)}
    assert recorder.rounds == [(DECIMALS, SYMBOL)]


def test_a_recording_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "recording.json"
    save(ANSWERS, path)
    loaded = load(path)
    assert {call: answer for call, answer in loaded.items() if call != SUPPLY} == {
        DECIMALS: (6,),
        SYMBOL: ("USDC",),
    }
    reverted = loaded[SUPPLY]
    assert isinstance(reverted, CallReverted)
    assert reverted.data == b"\x01"


def test_numbers_beyond_64_bits_survive_too(tmp_path: Path) -> None:
    answer: Answer = (2**256 - 1,)
    calls: dict[Call, Answer | CallReverted] = {SUPPLY: answer}
    save(calls, tmp_path / "big.json")
    assert load(tmp_path / "big.json") == calls
