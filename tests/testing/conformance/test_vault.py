"""What the vault suite knows beyond what every reader must do."""

import pytest

from keeper.model.chain import Address
from keeper.model.position import Concentrated, VaultState
from keeper.testing.conformance.vault import VaultConformance

A, B = Address("0x" + "0" * 39 + "1"), Address("0x" + "0" * 39 + "2")
GOOD = Concentrated(base=A, quote=B, liquidity=1.0, price_lower=1.0, price_upper=2.0)


def test_a_range_with_sense_passes() -> None:
    VaultConformance().check_sane(VaultState(legs=(GOOD,), marks={"pool": 1.5}))


@pytest.mark.parametrize(
    "state",
    [
        VaultState(legs=(Concentrated(A, A, 1.0, 1.0, 2.0),)),
        VaultState(legs=(Concentrated(A, B, 0.0, 1.0, 2.0),)),
        VaultState(legs=(Concentrated(A, B, 1.0, 2.0, 2.0),)),
        VaultState(legs=(Concentrated(A, B, 1.0, 0.0, 2.0),)),
        VaultState(legs=(), marks={"pool": 0.0}),
    ],
)
def test_a_range_without_sense_is_caught(state: VaultState) -> None:
    with pytest.raises(AssertionError):
        VaultConformance().check_sane(state)
