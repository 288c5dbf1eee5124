"""Shares are worth what the vault says they convert to; an unknown is never zero."""

from collections.abc import Callable
from typing import Literal

import msgspec
import pytest

from keeper.adapters.vaults.erc4626 import (
    ASSET,
    BALANCE_OF,
    CONVERT_TO_ASSETS,
    DECIMALS,
    TOTAL_SUPPLY,
    Erc4626,
)
from keeper.model.chain import Address, Answer, Call, Log
from keeper.model.errors import BadData, CallReverted
from keeper.model.position import Linear, VaultState
from keeper.testing.conformance.reading import read
from keeper.testing.conformance.vault import VaultConformance
from keeper.testing.replay import Recording, Replay

VAULT = Address("0x00000000000000000000000000000000000000A1")
HOLDER = Address("0x00000000000000000000000000000000000000b2")
TOKEN = Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48")
SHARES = 5 * 10**18
SUPPLY = 20 * 10**18


def holding(**changes: int) -> dict[Call, Answer | CallReverted]:
    """5 of 20 shares, worth 1.05 tokens each; 8 tokens idle in the vault."""
    usual = {"shares": SHARES, "supply": SUPPLY, "decimals": 6, "idle": 8_000_000}
    now = usual | changes
    return {
        ASSET(VAULT): (TOKEN,),
        DECIMALS(TOKEN): (now["decimals"],),
        TOTAL_SUPPLY(VAULT): (now["supply"],),
        BALANCE_OF(VAULT, HOLDER): (now["shares"],),
        BALANCE_OF(TOKEN, VAULT): (now["idle"],),
        CONVERT_TO_ASSETS(VAULT, now["shares"]): (now["shares"] * 105 // 10**14,),
        CONVERT_TO_ASSETS(VAULT, now["supply"]): (now["supply"] * 105 // 10**14,),
    }


def units(recording: Recording, vault: Erc4626) -> float:
    state = read(Replay(recording), vault)
    assert isinstance(state, VaultState)
    return sum(leg.units for leg in state.legs if isinstance(leg, Linear))


class TestSharesOfOneHolder(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Erc4626]:
        return lambda: Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER))

    @pytest.fixture
    def recording(self) -> Recording:
        return holding()

    @pytest.fixture
    def expected(self) -> VaultState:
        return VaultState(legs=(Linear(asset=TOKEN, units=5.25),))

    def test_a_changed_number_of_shares_is_converted_anew(self) -> None:
        vault = Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER))
        assert units(holding(), vault) == 5.25
        later = {**holding(), **holding(shares=2 * SHARES)}
        chain = Replay(later)
        assert read(chain, vault) == VaultState(legs=(Linear(asset=TOKEN, units=10.5),))
        assert len(chain.rounds) == 2
        chain = Replay(later)
        read(chain, vault)
        assert len(chain.rounds) == 1

    def test_the_old_number_may_have_become_inconvertible(self) -> None:
        vault = Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER))
        read(Replay(holding()), vault)
        later = {
            **holding(shares=7),
            CONVERT_TO_ASSETS(VAULT, SHARES): CallReverted("overflow"),
            CONVERT_TO_ASSETS(VAULT, 7): (3_000_000,),
        }
        assert units(later, vault) == 3.0

    def test_no_shares_are_no_legs_and_their_value_is_not_asked(self) -> None:
        vault = Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER))
        recording = holding(shares=0)
        del recording[CONVERT_TO_ASSETS(VAULT, 0)]
        assert read(Replay(recording), vault) == VaultState(legs=())
        chain = Replay(recording)
        assert read(chain, vault) == VaultState(legs=())
        assert len(chain.rounds) == 1

    def test_a_holder_who_leaves_and_returns_is_seen(self) -> None:
        vault = Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER))
        assert units(holding(), vault) == 5.25
        assert units({**holding(), **holding(shares=0)}, vault) == 0
        assert units(holding(), vault) == 5.25


class TestTheWholeVault(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Erc4626]:
        return lambda: Erc4626(Erc4626.Config(address=VAULT))

    @pytest.fixture
    def recording(self) -> Recording:
        return holding()

    @pytest.fixture
    def expected(self) -> VaultState:
        return VaultState(legs=(Linear(asset=TOKEN, units=21.0),))

    def test_a_vault_without_shares_has_no_legs(self) -> None:
        assert read(Replay(holding(supply=0)), Erc4626(Erc4626.Config(address=VAULT))) == (
            VaultState(legs=())
        )


class TestIdleUnderlyingOfOneHolder(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Erc4626]:
        return lambda: Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER, counts="idle"))

    @pytest.fixture
    def recording(self) -> Recording:
        return holding()

    @pytest.fixture
    def expected(self) -> VaultState:
        return VaultState(legs=(Linear(asset=TOKEN, units=2.0),))

    def test_more_shares_than_there_are_is_bad_data(self) -> None:
        vault = Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER, counts="idle"))
        bad = read(Replay(holding(shares=SUPPLY + 1)), vault)
        assert isinstance(bad, BadData)
        assert "more shares than there are" in str(bad)

    def test_a_vault_without_shares_has_no_legs(self) -> None:
        vault = Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER, counts="idle"))
        assert read(Replay(holding(shares=0, supply=0)), vault) == VaultState(legs=())


class TestIdleUnderlyingOfTheWholeVault(VaultConformance):
    @pytest.fixture
    def make(self) -> Callable[[], Erc4626]:
        return lambda: Erc4626(Erc4626.Config(address=VAULT, counts="idle"))

    @pytest.fixture
    def recording(self) -> Recording:
        return holding()

    @pytest.fixture
    def expected(self) -> VaultState:
        return VaultState(legs=(Linear(asset=TOKEN, units=8.0),))

    def test_what_lies_in_a_vault_nobody_owns_is_nobodys_exposure(self) -> None:
        vault = Erc4626(Erc4626.Config(address=VAULT, counts="idle"))
        assert read(Replay(holding(supply=0)), vault) == VaultState(legs=())


@pytest.mark.parametrize("holder", [HOLDER, None])
@pytest.mark.parametrize("counts", ["redeemable", "idle"])
def test_a_steady_read_asks_what_is_encoded_already(
    holder: Address | None, counts: Literal["redeemable", "idle"]
) -> None:
    vault = Erc4626(Erc4626.Config(address=VAULT, holder=holder, counts=counts))
    read(Replay(holding()), vault)
    asked: list[tuple[Call, ...]] = []
    for _ in range(2):
        chain = Replay(holding())
        read(chain, vault)
        asked += chain.rounds
    first, second = asked
    assert [id(call) for call in first] == [id(call) for call in second]


def test_broken_decimals_are_bad_data() -> None:
    bad = read(Replay(holding(decimals=37)), Erc4626(Erc4626.Config(address=VAULT)))
    assert isinstance(bad, BadData)
    assert "implausible decimals" in str(bad)


def test_deposits_and_withdrawals_of_this_vault_are_watched() -> None:
    watches = Erc4626(Erc4626.Config(address=VAULT)).watch()
    assert [(w.address, w.name) for w in watches] == [(VAULT, "Deposit"), (VAULT, "Withdraw")]


def word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def test_shares_that_come_to_the_holder_or_leave_are_watched() -> None:
    vault = Erc4626(Erc4626.Config(address=VAULT, holder=HOLDER))
    *moves, transfer = vault.watch()
    assert [(w.address, w.name) for w in moves] == [(VAULT, "Deposit"), (VAULT, "Withdraw")]
    assert (transfer.address, transfer.name) == (VAULT, "Transfer")
    assert vault.watch()[-1] == transfer, "or else it would be subscribed to anew at every look"

    def moved(*topics: bytes) -> bool:
        return transfer.loud(Log(VAULT, (transfer.topic, *topics), bytes(32), 0))

    assert moved(word(HOLDER), word(TOKEN))
    assert moved(word(TOKEN), word(HOLDER))
    assert not moved(word(TOKEN), word(VAULT))
    assert moved(word(TOKEN)), "nobody knows whose it is"


@pytest.mark.parametrize(
    "bad",
    [
        {"address": "0x12"},
        {"address": VAULT, "holder": "nobody"},
        {"address": "0x" + TOKEN[2:].swapcase()},
        {"address": VAULT, "counts": "everything"},
        {},
    ],
)
def test_a_configuration_without_sense_is_refused(bad: dict[str, str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, Erc4626.Config)
