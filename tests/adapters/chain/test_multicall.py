"""Against a Multicall3 written down here; the real one answers in test_evm.py."""

import struct
from collections.abc import Callable, Iterable, Iterator

import pytest
from eth_abi.abi import decode, encode

from keeper.adapters.chain import multicall as module
from keeper.adapters.chain.codec import encode_aggregate3
from keeper.adapters.chain.multicall import MULTICALL3, Multicall
from keeper.adapters.words import checksum
from keeper.model.chain import Address, BlockRef, Call
from keeper.model.errors import BadData, CallReverted, Transient

AT = BlockRef(number=1, hash="0x11", parent_hash="0x10", timestamp_s=0, base_fee_wei=0)
NOBODY = checksum(b"\xee" * 20)
ONE = checksum(b"\x01" * 20)


class Contracts:
    """Answers `eth_call`, through Multicall3 or directly, from functions; gas is a call count."""

    def __init__(self) -> None:
        self.requests: list[int] = []
        self.behaves: Callable[[Address, bytes], tuple[bool, bytes]] = lambda _to, data: (
            True,
            data[4:].rjust(32, b"\0"),
        )
        self.gathered: list[int] = []
        self.gas = 10_000
        self.deployed = True

    def eth_call(self, to: Address, data: bytes, at: BlockRef) -> bytes:
        assert at is AT
        if to != MULTICALL3:
            self.requests.append(1)
            succeeded, returned = self.behaves(to, data)
            if not succeeded:
                raise CallReverted("the call reverted", data=returned)
            return returned
        if not self.deployed:
            return b""
        (calls,) = decode(["(address,bool,bytes)[]"], data[4:])
        self.requests.append(len(calls))
        if len(calls) > 4 * self.gas:
            raise CallReverted("out of gas")
        results = [
            self.behaves(checksum(bytes.fromhex(target[2:])), inner) if i < self.gas else (0, b"")
            for i, (target, _, inner) in enumerate(calls)
        ]
        return encode(["(bool,bytes)[]"], [[(bool(ok), returned) for ok, returned in results]])

    def eth_calls(self, to: Address, datas: Iterable[bytes], at: BlockRef) -> Iterator[bytes]:
        return (self.eth_call(to, data, at) for data in datas)

    def lent_calls(self, datas: Iterable[bytes], at: BlockRef) -> Iterator[bytes]:
        """Be a node that runs contracts/Gather.sol."""
        assert at is AT
        return map(self.gather, datas)

    def gather(self, data: bytes) -> bytes:
        answers, count = b"", 0
        while data:
            to, (size, answer_size, calls) = checksum(data[:20]), struct.unpack(">III", data[20:32])
            data, count = data[32:], count + calls
            for _ in range(calls):
                succeeded, returned = self.behaves(to, data[:size])
                if not succeeded or len(returned) < answer_size:
                    raise CallReverted("the call reverted")
                answers, data = answers + returned[:answer_size], data[size:]
        self.gathered.append(count)
        return answers

    def answer(self, *calls: Call, chunk: int = 500) -> list[object]:
        found = Multicall(self.eth_calls, MULTICALL3, chunk).answer(calls, AT)
        return [one if isinstance(one, CallReverted) else one[0] for one in found]


@pytest.fixture
def contracts() -> Contracts:
    return Contracts()


def call(number: int, to: Address = ONE) -> Call:
    return Call(to, b"read" + number.to_bytes(4), ("uint256",))


def test_answers_come_in_order_from_one_request(contracts: Contracts) -> None:
    assert contracts.answer(*map(call, range(20))) == list(range(20))
    assert contracts.requests == [20]


def test_no_call_is_no_request(contracts: Contracts) -> None:
    assert contracts.answer() == []
    assert contracts.requests == []


def test_many_calls_go_in_chunks(contracts: Contracts) -> None:
    assert contracts.answer(*map(call, range(25)), chunk=10) == list(range(25))
    assert contracts.requests == [10, 10, 5]


def test_identical_calls_are_asked_once(contracts: Contracts) -> None:
    assert contracts.answer(call(1), call(2), call(1), call(2), call(3)) == [1, 2, 1, 2, 3]
    assert contracts.requests == [3]


def test_the_same_bytes_may_be_read_as_two_types(contracts: Contracts) -> None:
    asked = call(1), Call(ONE, call(1).data, ("bool",))
    assert contracts.answer(*asked) == [1, True]


def test_a_lone_call_needs_no_multicall3(contracts: Contracts) -> None:
    contracts.deployed = False
    assert contracts.answer(call(7)) == [7]


def test_a_chain_without_multicall3_is_told_of(contracts: Contracts) -> None:
    contracts.deployed = False
    with pytest.raises(BadData, match="no Multicall3 on this chain"):
        contracts.answer(call(1), call(2))


@pytest.mark.parametrize("others", [0, 2])
def test_a_revert_is_an_answer_with_its_data(contracts: Contracts, others: int) -> None:
    contracts.behaves = lambda _to, data: (data != call(0).data, b"why".ljust(32, b"\0"))
    found = contracts.answer(*map(call, range(1 + others)))[0]
    assert isinstance(found, CallReverted)
    assert found.data == b"why".ljust(32, b"\0")
    assert len(contracts.requests) == 1


@pytest.mark.parametrize("others", [0, 2])
def test_an_address_without_code_is_not_a_success(contracts: Contracts, others: int) -> None:
    contracts.behaves = lambda to, _data: (True, b"" if to == NOBODY else bytes(32))
    found = contracts.answer(call(1, NOBODY), *map(call, range(others)))[0]
    assert isinstance(found, CallReverted)
    assert f"no code or empty answer at {NOBODY}" in str(found)


def test_a_call_that_returns_nothing_may_return_nothing(contracts: Contracts) -> None:
    contracts.behaves = lambda _to, _data: (True, b"")
    asked = Call(ONE, b"poke", ())
    assert Multicall(contracts.eth_calls, MULTICALL3, 9).answer((asked,), AT) == ((),)


def test_an_answer_of_the_wrong_shape_fails_its_own_call_only(contracts: Contracts) -> None:
    asked = Call(ONE, call(300).data, ("uint8",)), Call(ONE, b"read", ("uint256", "uint256"))
    found = contracts.answer(*asked, call(5))
    assert isinstance(found[0], CallReverted)
    assert "outside its type" in str(found[0])
    assert isinstance(found[1], CallReverted)
    assert "too short" in str(found[1])
    assert found[2] == 5


def test_calls_that_only_lacked_gas_are_asked_again_in_smaller_parts(contracts: Contracts) -> None:
    contracts.gas = 6  # the node's cap leaves nothing for the seventh call of a request
    assert contracts.answer(*map(call, range(20))) == list(range(20))
    assert contracts.requests[0] == 20
    assert sum(contracts.requests) < 60


def test_a_request_that_ran_out_of_gas_as_a_whole_is_halved(contracts: Contracts) -> None:
    contracts.gas = 3
    assert contracts.answer(*map(call, range(20))) == list(range(20))


def test_a_size_that_the_node_has_the_gas_for_is_remembered_and_now_and_then_more_is_tried(
    contracts: Contracts,
) -> None:
    multicall, asked = Multicall(contracts.eth_calls, MULTICALL3, 500), tuple(map(call, range(20)))
    contracts.gas = 3
    tried = []
    for number in range(200):
        contracts.requests.clear()
        assert multicall.answer(asked, AT) == tuple((n,) for n in range(20))
        if contracts.requests[0] == 20:
            tried.append(number)
        else:
            assert contracts.requests[:2] == [10, 10]
    assert tried == [0, 3, 8, 17, 34, 67, 132, 197]
    contracts.gas = 10_000
    asked_whole = 0
    for _ in range(70):
        contracts.requests.clear()
        multicall.answer(asked, AT)
        asked_whole += contracts.requests == [20]
    assert asked_whole >= 6, "a node that has the gas again is asked as before"


def test_small_rounds_between_tell_nothing_of_the_gas_cap(contracts: Contracts) -> None:
    multicall, asked = Multicall(contracts.eth_calls, MULTICALL3, 500), tuple(map(call, range(20)))
    contracts.gas = 3
    for _ in range(40):
        multicall.answer(asked, AT)
        multicall.answer(asked[:2], AT)
    assert contracts.requests.count(20) == 5  # the rounds 0, 3, 8, 17, 34


def test_one_call_that_eats_all_gas_is_no_reason_to_ask_the_others_alone(
    contracts: Contracts,
) -> None:
    multicall, asked = Multicall(contracts.eth_calls, MULTICALL3, 500), tuple(map(call, range(20)))
    answers = contracts.behaves

    def behaves(to: Address, data: bytes) -> tuple[bool, bytes]:
        if data == call(7).data:
            raise CallReverted("out of gas")
        return answers(to, data)

    contracts.behaves = behaves
    found = multicall.answer(asked, AT)
    assert [n for n, one in enumerate(found) if isinstance(one, CallReverted)] == [7]
    contracts.behaves = answers
    contracts.requests.clear()
    assert multicall.answer(asked, AT) == tuple((n,) for n in range(20))
    assert contracts.requests == [20]


def test_the_last_few_different_rounds_stay_prepared(
    contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: list[int] = []

    def counted(calls: Iterable[tuple[Address, bytes]]) -> bytes:
        listed = list(calls)
        prepared.append(len(listed))
        return encode_aggregate3(listed)

    monkeypatch.setattr(module, "encode_aggregate3", counted)
    multicall = Multicall(contracts.eth_calls, MULTICALL3, 500)
    rounds = [tuple(map(call, range(count))) for count in (20, 5, 9)]
    for _ in range(4):
        for asked in rounds:
            assert len(multicall.answer(asked, AT)) == len(asked)
    assert prepared == [20, 5, 9]


def test_one_odd_answer_among_many_fails_alone(contracts: Contracts) -> None:
    asked = tuple(Call(ONE, call(number).data, ("uint8",)) for number in range(250, 260))
    found = contracts.answer(*asked, *map(call, range(20)))
    assert found[:6] == [250, 251, 252, 253, 254, 255]
    assert all(isinstance(one, CallReverted) for one in found[6:10])
    assert found[10:] == list(range(20))
    alike = contracts.answer(*(Call(ONE, call(n).data, ("uint8",)) for n in range(237, 257)))
    assert alike[:-1] == list(range(237, 256))
    assert isinstance(alike[-1], CallReverted)


def test_a_silent_revert_stays_a_revert(contracts: Contracts) -> None:
    answers = contracts.behaves
    contracts.behaves = lambda to, data: (False, b"") if data == call(1).data else answers(to, data)
    found = contracts.answer(call(0), call(1), call(2))
    assert isinstance(found[1], CallReverted)
    assert (found[0], found[2]) == (0, 2)
    assert contracts.requests == [3, 1]


def test_other_trouble_is_raised() -> None:
    def silent(*_args: object) -> Iterator[bytes]:
        raise Transient("no")

    with pytest.raises(Transient):
        Multicall(silent, MULTICALL3, 9).answer((call(1), call(2)), AT)


class TestInBulk:
    """With a node that runs what it is lent."""

    @pytest.fixture
    def multicall(self, contracts: Contracts) -> Multicall:
        return Multicall(contracts.eth_calls, MULTICALL3, 500, contracts.lent_calls)

    def test_many_calls_go_through_the_lent_program(
        self, multicall: Multicall, contracts: Contracts
    ) -> None:
        asked = *map(call, range(700)), call(3), call(1, NOBODY), Call(ONE, b"pair", ("bool",))
        answers = multicall.answer(asked, AT)
        assert answers[:701] == (*((n,) for n in range(700)), (3,))
        assert (contracts.gathered, contracts.requests) == ([500, 202], [])
        contracts.behaves = lambda _to, _data: (True, (7).to_bytes(32))
        assert multicall.answer(tuple(map(call, range(150))), AT) == ((7,),) * 150

    def test_few_calls_do_not(self, multicall: Multicall, contracts: Contracts) -> None:
        assert multicall.answer(tuple(map(call, range(99))), AT)[98] == (98,)
        assert contracts.requests == [99]

    def test_neither_do_answers_of_unknown_size(
        self, multicall: Multicall, contracts: Contracts
    ) -> None:
        contracts.behaves = lambda _to, _data: (True, encode(["string"], ["WETH"]))
        asked = tuple(Call(ONE, call(n).data, ("string",)) for n in range(100))
        assert multicall.answer(asked, AT) == (("WETH",),) * 100
        assert contracts.requests == [100]

    def test_a_call_that_fails_is_found_the_ordinary_way(
        self, multicall: Multicall, contracts: Contracts
    ) -> None:
        answers = contracts.behaves
        contracts.behaves = lambda to, data: (
            (False, b"why") if data == call(7).data else answers(to, data)
        )
        found = multicall.answer(tuple(map(call, range(200))), AT)
        assert [n for n, one in enumerate(found) if isinstance(one, CallReverted)] == [7]
        assert contracts.requests == [200]

    @pytest.mark.parametrize("said", [b"", bytes(31), Transient("unknown parameter")])
    def test_a_node_that_does_not_run_it_is_asked_ever_more_rarely(
        self, contracts: Contracts, said: bytes | Transient
    ) -> None:
        tried = []

        def lent(datas: Iterable[bytes], _at: BlockRef) -> Iterator[bytes]:
            for _ in datas:
                tried.append(True)
                if isinstance(said, Transient):
                    raise said
                yield said

        multicall = Multicall(contracts.eth_calls, MULTICALL3, 500, lent)
        asked = tuple(map(call, range(200)))
        for _ in range(100):
            assert multicall.answer(asked, AT)[199] == (199,)
        assert len(tried) == 6
        assert contracts.requests == [200] * 100
