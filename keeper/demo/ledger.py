"""What the keeper did, as its own events and the venue's logs tell it."""

from keeper.adapters.abi import event
from keeper.demo.summary import Books
from keeper.devnet.world import World
from keeper.model.chain import Address
from keeper.model.events import Decided, Event, Sent, Settled, Signed
from keeper.model.flow import Band, Rebalance
from keeper.ports.acting import Journal

POSITION_CHANGED = event("perp_v2", "PositionChanged")
TYPICAL_GAS = 850_000


class Ledger:
    """A sink that adds up what the demo shows."""

    def __init__(self) -> None:
        self.ticks = 0
        self.intents: set[str] = set()
        self.transactions = 0
        self.done = 0
        self.gas_usd = 0.0
        self.fees_usd = 0.0
        self.gas_units = 0
        self.band = Band(0.0, 0.0)
        self.said = ""
        self.is_acting = False
        """Whether a trade was decided and is not on its way yet."""
        self.block: int | None = None
        """Number of the block of the last decision; None if it could not be read."""

    def tell(self, event: Event) -> None:
        """Take note."""
        match event:
            case Decided(decision=decision):
                self.is_acting = isinstance(decision, Rebalance)
                self.block = decision.why.block.number if decision.why is not None else None
                self.ticks += 1
                self.said = getattr(decision, "reason", "") or f"trades {decision.units:+.3f} ETH"  # type: ignore[union-attr]  # only a trade has no reason
                if decision.why is not None:
                    self.band = decision.why.band
            case Signed(attempt=attempt):
                self.intents.add(attempt.intent_id)
            case Sent():
                self.is_acting = False
            case Settled(outcome=outcome):
                self.is_acting = False
                self.gas_usd += outcome.gas_usd
                self.gas_units += outcome.gas_used
                self.transactions += outcome.gas_used > 0
                if outcome.fill is not None:
                    self.done += 1
                    self.fees_usd += outcome.fill.fee_usd
            case _:
                pass

    @property
    def cost_usd(self) -> float:
        """Gas and fees so far."""
        return self.gas_usd + self.fees_usd

    @property
    def gas_per_trade(self) -> float:
        """Average gas of the settled transactions; a typical one before there is any."""
        return self.gas_units / self.done if self.done else TYPICAL_GAS

    def books(self, world: World, journal: Journal, account: Address) -> Books:
        """Return the totals, with the effects counted on the chain and not in the journal."""
        return Books(
            ticks=self.ticks,
            intents=len(self.intents),
            transactions=self.transactions,
            effects=count_effects(world, account),
            done=self.done,
            open_intents=len(journal.open()),
            gas_usd=self.gas_usd,
            fees_usd=self.fees_usd,
        )


def count_effects(world: World, account: Address) -> int:
    """Return how often the venue changed *account*'s position, by its own events."""
    topics = ["0x" + POSITION_CHANGED.topic.hex(), "0x" + account[2:].lower().rjust(64, "0")]
    found = world.chain.rpc.call(
        "eth_getLogs",
        {"address": world.perp.clearing_house, "fromBlock": "0x0", "topics": topics},
    )
    return len(found)
