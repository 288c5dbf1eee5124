"""Packing and reading; the program itself answers below, on a real node, beside Multicall3."""

from collections.abc import Iterator

import pytest

from keeper.adapters.chain import gather
from keeper.adapters.chain.evm import Evm, EvmConfig
from keeper.adapters.chain.metered import Metered
from keeper.adapters.chain.transports import open_transport
from keeper.adapters.uniswap_v3_plan import POSITIONS, TICKS
from keeper.adapters.words import checksum
from keeper.devnet.world import World
from keeper.model.chain import Address, Call, ChainId
from keeper.model.errors import BadData, CallReverted

ONE, TWO = checksum(b"\x01" * 20), checksum(b"\x02" * 20)
CALLS = (
    Call(ONE, b"aaaa", ("uint256",)),
    Call(ONE, b"bbbb", ("uint256",)),
    Call(ONE, b"cccc!", ("uint256",)),
    Call(TWO, b"dddd!", ("uint8", "bool")),
)


def packed(calls: tuple[Call, ...] = CALLS) -> tuple[bytes, list[gather.Group]]:
    found = gather.pack(calls)
    assert found is not None
    return found


def test_calls_that_are_alike_travel_under_one_head() -> None:
    data, groups = packed()
    assert data == b"".join(
        (
            *(b"\x01" * 20, bytes([0, 0, 0, 4, 0, 0, 0, 32, 0, 0, 0, 2]), b"aaaa", b"bbbb"),
            *(b"\x01" * 20, bytes([0, 0, 0, 5, 0, 0, 0, 32, 0, 0, 0, 1]), b"cccc!"),
            *(b"\x02" * 20, bytes([0, 0, 0, 5, 0, 0, 0, 64, 0, 0, 0, 1]), b"dddd!"),
        )
    )
    assert [count for _, count in groups] == [2, 1, 1]


def test_answers_are_read_end_to_end() -> None:
    _, groups = packed()
    data = b"".join(n.to_bytes(32) for n in (5, 6, 7, 8, 1))
    assert gather.unpack(data, groups) == [(5,), (6,), (7,), (8, True)]


@pytest.mark.parametrize("types", [("string",), ("uint256[]",), ()])
def test_answers_of_unknown_size_are_not_for_it(types: tuple[str, ...]) -> None:
    assert gather.pack((*CALLS, Call(ONE, b"eeee", types))) is None


@pytest.mark.parametrize("size", [0, 159, 161])
def test_an_answer_of_another_length_is_bad_data(size: int) -> None:
    with pytest.raises(BadData, match="did not run"):
        gather.unpack(bytes(size), packed()[1])


def test_a_value_outside_its_type_is_bad_data() -> None:
    data = b"".join(n.to_bytes(32) for n in (5, 6, 7, 8, 2))
    with pytest.raises(BadData, match="outside its type"):
        gather.unpack(data, packed()[1])


@pytest.fixture
def metered(world: World) -> Iterator[Metered]:
    made = Metered(open_transport(world.ipc_path))
    yield made
    made.close()


def evm(metered: Metered, world: World, *, lend_code: bool) -> Evm:
    multicall = Address(world.multicall3)
    return Evm(metered, EvmConfig(ChainId(world.chain_id), multicall, 120, lend_code=lend_code))


def many_reads(world: World) -> tuple[Call, ...]:
    """Return what a vault of many positions asks; the positions here are all the same."""
    manager, pool = world.uniswap.position_manager, world.uniswap.pool
    positions = tuple(
        Call(manager, POSITIONS(manager, world.range_ids[0]).data + bytes(n), POSITIONS.outputs)
        for n in range(150)  # different bytes, so that each is asked
    )
    return (*positions, *(TICKS(pool, tick) for tick in range(-50, 50)))


@pytest.mark.anvil
def test_the_program_says_what_multicall3_says(metered: Metered, world: World) -> None:
    lending, plain = (evm(metered, world, lend_code=lend) for lend in (True, False))
    head, calls = lending.head(), many_reads(world)
    before = metered.tallies["eth_call"].requests
    found = lending.answer(calls, head)
    assert found == plain.answer(calls, head)
    assert metered.tallies["eth_call"].requests - before == 2 * 3
    assert not isinstance(found[0], CallReverted)
    assert found[0][7] > 0


@pytest.mark.anvil
def test_it_is_pinned_to_its_block(metered: Metered, world: World) -> None:
    chain, calls = evm(metered, world, lend_code=True), many_reads(world)
    head = chain.head()
    before = chain.answer(calls, head)
    world.chain.reorg(2)
    with pytest.raises(BadData, match="gone"):
        chain.answer(calls, head)
    assert len(chain.answer(calls, chain.head())) == len(before)


@pytest.mark.anvil
def test_one_position_that_is_not_there_fails_alone(metered: Metered, world: World) -> None:
    nobody = POSITIONS(world.uniswap.position_manager, 10**9)
    chain = evm(metered, world, lend_code=True)
    found = chain.answer((*many_reads(world), nobody), chain.head())
    assert [n for n, one in enumerate(found) if isinstance(one, CallReverted)] == [250]
