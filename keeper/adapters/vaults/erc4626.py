"""ERC-4626 vaults (EIP-4626): shares that stand for one underlying asset.

A holding is one `Linear` leg. `convertToAssets` is used and not `previewRedeem`: the first is the
value of the shares, the second also charges this caller's exit fee, which is a cost of leaving
and not an exposure. Neither is a price to lend against (a donation moves it), but what the vault
holds is what there is to hedge.
"""

from typing import Literal

from msgspec import Struct

from keeper.adapters.abi import checksum_address, event, function
from keeper.model.chain import Address, Call, Log, Watch
from keeper.model.errors import BadData, CallReverted
from keeper.model.position import Linear, VaultState
from keeper.ports.reading import Read

ASSET = function("erc4626", "asset")
TOTAL_SUPPLY = function("erc4626", "totalSupply")
CONVERT_TO_ASSETS = function("erc4626", "convertToAssets")
BALANCE_OF = function("erc20", "balanceOf")
DECIMALS = function("erc20", "decimals")
MOVES = (event("erc4626", "Deposit"), event("erc4626", "Withdraw"))
TRANSFER = event("erc20", "Transfer")

MAX_DECIMALS = 36
"""Above this a token is taken to be broken rather than exotic."""
TRANSFER_TOPICS = 3

EMPTY = VaultState(legs=())


class Erc4626:
    """One holder's shares of one vault, or the whole vault."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        """`type = "erc4626"` of a vault in keeper.toml."""

        address: Address
        """The vault."""
        holder: Address | None = None
        """Whose shares; left out, all shares there are."""
        counts: Literal["redeemable", "idle"] = "redeemable"
        """`redeemable`: what the shares convert to. `idle`: only the underlying that the vault
        itself holds; for a vault whose other holdings are listed as vaults of their own."""

        def __post_init__(self) -> None:
            """Refuse what is not an address."""
            checksum_address(self.address)
            if self.holder is not None:
                checksum_address(self.holder)

    def __init__(self, config: Config) -> None:
        self._vault = checksum_address(config.address)
        self._holder = None if config.holder is None else checksum_address(config.holder)
        self._counts = config.counts
        self._underlying: tuple[Address, int] | None = None
        self._ask_supply = TOTAL_SUPPLY(self._vault)
        self._ask_shares = (
            self._ask_supply if self._holder is None else BALANCE_OF(self._vault, self._holder)
        )
        self._ask_idle: tuple[Call, ...] = ()
        self._last_shares = 0
        self._ask_value = CONVERT_TO_ASSETS(self._vault, 0)
        """Of `_last_shares`, once there were any."""

    def read(self) -> Read[VaultState]:
        """Read the holding as units of the underlying asset; no shares are no legs.

        Raises:
            BadData: Decimals, or the holder's part of the supply, cannot be.
            CallReverted: The vault does not answer; it may not be an ERC-4626 vault.

        """
        asset, decimals = self._underlying or (yield from self._read_underlying())
        if self._counts == "idle":
            amount = yield from self._read_idle()
        else:
            amount = yield from self._read_redeemable()
        if amount == 0:
            return EMPTY
        return VaultState(legs=(Linear(asset=asset, units=amount / 10**decimals),))

    def watch(self) -> tuple[Watch, ...]:
        """Return what moves the share price, and the holder's shares without any deposit."""
        moves = tuple(Watch(address=self._vault, topic=e.topic, name=e.name) for e in MOVES)
        if self._holder is None:
            return moves
        return (*moves, Watch(self._vault, TRANSFER.topic, TRANSFER.name, self._changes_hands))

    def _changes_hands(self, log: Log) -> bool:
        if self._holder is None or len(log.topics) != TRANSFER_TOPICS:
            return True  # what is malformed rings the bell too: the read will judge
        holder = int(self._holder, 16)
        return holder in (int.from_bytes(topic) for topic in log.topics[1:])

    def _read_underlying(self) -> Read[tuple[Address, int]]:
        ((asset,),) = yield (ASSET(self._vault),)
        ((decimals,),) = yield (DECIMALS(asset),)
        if decimals > MAX_DECIMALS:
            raise BadData("implausible decimals", asset=asset, decimals=decimals)
        self._underlying = checksum_address(asset), decimals
        self._ask_idle = (BALANCE_OF(self._underlying[0], self._vault), self._ask_supply)
        if self._holder is not None:
            self._ask_idle += (self._ask_shares,)
        return self._underlying

    def _read_redeemable(self) -> Read[int]:
        """Return the amount of the underlying, in its base units.

        How many shares there are rarely changes: their value is asked for in the same round, and
        asked again only if the count did change.
        """
        guess = self._last_shares
        try:
            if guess:
                (shares,), (amount,) = yield (self._ask_shares, self._ask_value)
            else:
                ((shares,),) = yield (self._ask_shares,)
                amount = 0
        except CallReverted:
            if not guess:
                raise
            # The old count may be what the vault cannot convert any more.
            guess = 0
            ((shares,),) = yield (self._ask_shares,)
            amount = 0
        if shares != guess and shares:
            ask_value = CONVERT_TO_ASSETS(self._vault, shares)
            ((amount,),) = yield (ask_value,)
            self._ask_value = ask_value
        self._last_shares = shares
        return int(amount) if shares else 0

    def _read_idle(self) -> Read[float]:
        """Return the holder's part of the underlying that lies in the vault, in base units."""
        if self._holder is None:
            (balance,), (supply,) = yield self._ask_idle
            return balance if supply else 0
        (balance,), (supply,), (shares,) = yield self._ask_idle
        if shares > supply:
            raise BadData("more shares than there are", shares=shares, supply=supply)
        return balance * shares / supply if supply else 0
