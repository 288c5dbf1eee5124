"""What a rollup charges for a transaction beyond its gas.

**OP stack** (OP Mainnet, Base, Unichain): the data on the chain below, by size, and since Isthmus
an operator's fee, by gas. Both are asked of the chain's own `GasPriceOracle`, which knows the
formula of its newest fork, at the block of the decision. The size is that of a hedge before it
exists, so its `getL1FeeUpperBound` is asked: right for a transaction that does not compress. A
chain without an operator's fee does not have that function: then there is none.

**Arbitrum** has the data fee inside the gas: `gasUsed` of a receipt contains it. Nothing to add.

Sources: OP stack specifications, Fjord and Isthmus; `GasPriceOracle` at its predeploy address.
"""

from typing import Final

from keeper.adapters.abi import function
from keeper.model.chain import Address
from keeper.model.errors import CallReverted
from keeper.ports.reading import Read

ORACLE: Final = Address("0x420000000000000000000000000000000000000F")
DATA_FEE = function("op_gas_price_oracle", "getL1FeeUpperBound")
OPERATOR_FEE = function("op_gas_price_oracle", "getOperatorFee")

TYPICAL_BYTES: Final = 560
"""Of an unsigned hedge: 328 of calldata at Perp v2, 484 through a guard, and the envelope."""


class OpStack:
    """Fees of a hedge on an OP stack chain."""

    def __init__(self, gas: int, size_bytes: int = TYPICAL_BYTES) -> None:
        """Ask for a hedge of *gas* and *size_bytes*, unsigned."""
        self._data = (DATA_FEE(ORACLE, size_bytes),)
        self._operator = (OPERATOR_FEE(ORACLE, gas),)
        self._has_operator = True

    def read(self) -> Read[int]:
        """Read the sum of both fees, in wei; one round, one more the first time.

        Raises:
            CallReverted: The predeploy does not answer: no OP stack chain of Fjord or later.

        """
        if not self._has_operator:
            ((data_wei,),) = yield self._data
            return int(data_wei)
        try:
            (data_wei,), (operator_wei,) = yield (*self._data, *self._operator)
        except CallReverted:
            ((data_wei,),) = yield self._data
            self._has_operator = False
            return int(data_wei)
        return int(data_wei) + int(operator_wei)
