"""How many coins the account has that pays for gas, read with everything else of a tick."""

from keeper.adapters.abi import function
from keeper.model.chain import Address
from keeper.ports.reading import Read

BALANCE = function("multicall3", "getEthBalance")


class Purse:
    """The coins of one account."""

    def __init__(self, multicall: Address, account: Address) -> None:
        """Ask through Multicall3, which any read can be asked with."""
        self._asks = (BALANCE(multicall, account),)

    def read(self) -> Read[int]:
        """Read the balance, in wei."""
        ((balance_wei,),) = yield self._asks
        return int(balance_wei)
