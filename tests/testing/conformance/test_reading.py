"""A suite is worth what it catches: each of these adapters has one fault."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from msgspec import Struct

from keeper.adapters.abi import event, function
from keeper.model.chain import Address, Watch
from keeper.model.errors import BadData, CallReverted
from keeper.model.position import Linear, VaultState
from keeper.ports.reading import Read
from keeper.testing.conformance.reading import alike, numbers
from keeper.testing.conformance.vault import VaultConformance
from keeper.testing.replay import Recording

TOKEN = Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
DECIMALS = function("erc20", "decimals")(TOKEN)
SUPPLY = function("erc20", "totalSupply")(TOKEN)
TRANSFER = event("erc20", "Transfer")
RECORDING: Recording = {DECIMALS: (6,), SUPPLY: (5_000_000,)}
EXPECTED = VaultState(legs=(Linear(asset=TOKEN, units=5.0),))


class Sound:
    """A vault that is the whole supply of a token."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        pass

    def __init__(self) -> None:
        self._decimals: int | None = None

    def read(self) -> Read[VaultState]:
        decimals = self._decimals
        if decimals is None:
            ((decimals,),) = yield (DECIMALS,)
            if decimals > 36:
                raise BadData("implausible decimals")
            self._decimals = decimals
        ((supply,),) = yield (SUPPLY,)
        return VaultState(legs=(Linear(asset=TOKEN, units=supply / 10**decimals),))

    def watch(self) -> tuple[Watch, ...]:
        return (Watch(address=TOKEN, topic=TRANSFER.topic, name="Transfer"),)


class Wrong(Sound):
    def read(self) -> Read[VaultState]:
        state = yield from super().read()
        return VaultState(legs=(*state.legs, *state.legs))


class Forgetful(Sound):
    def read(self) -> Read[VaultState]:
        self._decimals = None
        return (yield from super().read())


class Hopeful(Sound):
    """Takes silence for zero: the worst of faults."""

    def read(self) -> Read[VaultState]:
        try:
            return (yield from super().read())
        except CallReverted:
            return VaultState(legs=())


class Unbounded(Sound):
    def read(self) -> Read[VaultState]:
        ((decimals,),) = yield (DECIMALS,)
        ((supply,),) = yield (SUPPLY,)
        units = supply / 10.0**decimals if decimals < 200 else float("nan")
        return VaultState(legs=(Linear(asset=TOKEN, units=units),))


class Grudging(Sound):
    """One failed read spoils it for ever."""

    failed = False

    def read(self) -> Read[VaultState]:
        if self.failed:
            raise BadData("never again")
        self.failed = True
        state = yield from super().read()
        self.failed = False
        return state


class Slow(Sound):
    def read(self) -> Read[VaultState]:
        for _ in range(9):
            yield (DECIMALS,)
        return (yield from super().read())


class Lax(Sound):
    class Config(Struct, frozen=True):
        pass


class Blind(Sound):
    def watch(self) -> tuple[Watch, ...]:
        return ()


class Fragile(Sound):
    def watch(self) -> tuple[Watch, ...]:
        return (Watch(TOKEN, TRANSFER.topic, "Transfer", lambda log: log.topics[1] == b""),)


class TestASoundVault(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Sound]:
        return Sound

    @pytest.fixture
    def recording(self) -> Recording:
        return RECORDING

    @pytest.fixture
    def expected(self) -> VaultState:
        return EXPECTED


class Suite(VaultConformance):
    max_first_rounds: ClassVar[int] = 4


@pytest.mark.parametrize(
    ("faulty", "caught_by"),
    [
        (Wrong, "test_reads_the_recorded_value"),
        (Wrong, "test_two_reads_at_once_do_not_disturb_each_other"),
        (Forgetful, "test_a_steady_read_takes_one_round_and_says_the_same"),
        (Slow, "test_the_first_read_takes_few_rounds"),
        (Hopeful, "test_a_revert_is_bad_data"),
        (Unbounded, "test_absurd_answers_are_bad_data_or_a_finite_value"),
        (Grudging, "test_a_read_that_failed_spoils_no_later_one"),
        (Grudging, "test_a_read_that_was_abandoned_spoils_no_later_one"),
        (Lax, "test_an_unknown_key_is_refused"),
        (Blind, "test_watches_name_an_event_and_survive_a_malformed_log"),
        (Fragile, "test_watches_name_an_event_and_survive_a_malformed_log"),
    ],
)
def test_a_faulty_vault_is_caught(faulty: type[Sound], caught_by: str) -> None:
    given: dict[str, Any] = {"make": faulty, "recording": RECORDING, "expected": EXPECTED}
    test = getattr(Suite(), caught_by)
    inner = getattr(test, "hypothesis", None)
    code = (inner.inner_test if inner else test.__func__).__code__
    wanted = {n: given[n] for n in code.co_varnames[: code.co_argcount] if n in given}
    with pytest.raises((AssertionError, ExceptionGroup, IndexError, pytest.fail.Exception)):
        test(**wanted)


@pytest.mark.parametrize("fixture", ["make", "recording", "expected"])
def test_the_fixtures_must_be_provided(fixture: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=f"define the fixture `{fixture}`"):
        getattr(VaultConformance, fixture).__wrapped__(VaultConformance())


def test_values_are_alike_to_the_last_digits_only() -> None:
    def state(units: float, mark: float = 1.0, asset: Address = TOKEN) -> VaultState:
        return VaultState(legs=(Linear(asset=asset, units=units),), marks={"m": mark})

    assert alike(state(1.0), state(1.0 + 1e-15))
    assert not alike(state(1.0), state(1.0 + 1e-9))
    assert not alike(state(1.0), state(1.0, mark=2.0))
    assert not alike(state(1.0), state(1.0, asset=Address("0x")))
    assert not alike(state(1.0), VaultState(legs=()))
    assert not alike(state(1.0), BadData("no"))


def test_every_number_of_a_value_is_looked_at() -> None:
    state = VaultState(legs=(Linear(asset=TOKEN, units=2.5),), marks={"m": 3.5})
    assert list(numbers(state)) == [2.5, 3.5]
