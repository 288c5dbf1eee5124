"""A venue whose order costs about 30k gas, so that a reaction measures the keeper.

`contracts/StubVenue.sol` only remembers sizes and fills at the caller's own worst price. Its prices
here are the oracle's, its collateral has no end, and it charges five basis points that nobody pays.
"""

from typing import Any, Final

from msgspec import Struct

from keeper.adapters.abi import Event, Function, function
from keeper.devnet.artifacts import abi
from keeper.model.chain import Address, Log, Message, Watch
from keeper.model.errors import BadData, Rejected
from keeper.model.flow import Fill, Intent
from keeper.model.position import VenueState
from keeper.model.units import from_base_units, to_base_units_toward_zero
from keeper.ports.reading import Read

DECIMALS: Final = 18
FEED_DECIMALS: Final = 8
ENDLESS_USD: Final = 1e9
FEE_RATE: Final = 0.0005
IMPACT_PER_BASE: Final = 1e-6

_ENTRIES: Final[dict[str, dict[str, Any]]] = {e["name"]: e for e in abi("StubVenue") if "name" in e}
ORDER: Final = Function(_ENTRIES["order"])
POSITION: Final = Function(_ENTRIES["position"])
ORDERED: Final = Event(_ENTRIES["Ordered"])
LATEST_ROUND_DATA: Final = function("chainlink_feed", "latestRoundData")


class StubVenue:
    """One account's position in the stub."""

    class Config(Struct, frozen=True, forbid_unknown_fields=True):
        """Where it is, and the feed whose price it shows."""

        address: Address
        feed: Address
        gas_limit: int = 100_000

    typical_gas = 30_000

    def __init__(self, config: Config, account: Address) -> None:
        self.account = account
        self._venue = config.address
        self._gas_limit = config.gas_limit
        # The keeper's oracle asks the feed the same, and the same question is sent once.
        self._calls = (POSITION(config.address, account), LATEST_ROUND_DATA(config.feed))

    def read(self) -> Read[VenueState]:
        """Read the size; the price is the feed's."""
        (size,), (_, answer, *_) = yield self._calls
        if answer <= 0:
            raise BadData("the feed shows no price", answer=answer)
        price = from_base_units(answer, FEED_DECIMALS)
        size_base = from_base_units(size, DECIMALS)
        return VenueState(
            size_base=size_base,
            open_notional_usd=-size_base * price,
            pending_funding_usd=0.0,
            account_value_usd=ENDLESS_USD,
            free_collateral_usd=ENDLESS_USD,
            margin_ratio=None,
            liquidation_price=None,
            mark_price=price,
            trade_price=price,
            index_price=price,
            fee_rate=FEE_RATE,
            impact_per_base=IMPACT_PER_BASE,
            initial_margin_ratio=0.1,
        )

    def watch(self) -> tuple[Watch, ...]:
        return ()

    def prepare(self, intent: Intent) -> Message:
        """Return the order: a signed size, the worst price and the deadline."""
        amount = to_base_units_toward_zero(intent.units, DECIMALS)
        if amount == 0:
            raise Rejected("the order rounds to nothing", units=intent.units)
        worst = to_base_units_toward_zero(intent.worst_price, DECIMALS)
        data = ORDER.encode_call(amount, worst, intent.deadline_s)
        return Message(to=self._venue, data=data, value_wei=0, gas_limit=self._gas_limit)

    def preview(self, intent: Intent, returned: bytes) -> Fill:
        """Return the fill: the stub returns nothing and fills all of it, or reverts."""
        if returned:
            raise BadData("the stub returned something", returned=returned.hex())
        return Fill(intent.units, intent.worst_price, fee_usd=0.0, realized_pnl_usd=0.0)

    def fill(self, logs: tuple[Log, ...]) -> Fill | None:
        """Return what the logs did to this account; None if nothing."""
        for log in logs:
            if log.address == self._venue and log.topics[:1] == (ORDERED.topic,):
                said = ORDERED.decode(log)
                if said["account"] == self.account:
                    units = from_base_units(said["sizeDelta"], DECIMALS)
                    return Fill(units, from_base_units(said["price"], DECIMALS), 0.0, 0.0)
        return None

    def explain(self, revert: bytes) -> str:
        return f"0x{revert.hex()}"
