"""An invented venue that fills later: a transaction leaves an order, and a test executes it."""

import msgspec
from msgspec import Struct

from keeper.engine.tick import Desk
from keeper.model.chain import Log, Message
from keeper.model.flow import Fill, OrderState, Progress
from keeper.ports.acting import Journal
from keeper.ports.reading import Read
from keeper.sim.world import TYPICAL_GAS, VENUE, Order, World, WorldVenue, desk_of, order_of

PLACED = b"placed".ljust(32)


class Resting(Struct):
    """One order at the venue; it is named by the hash of the transaction that left it."""

    units: float
    filled: float = 0.0
    state: OrderState = "open"


class PatientWorld(World):
    """A world whose venue takes orders and executes none by itself."""

    def __init__(self, *, delta: float = 10.0, price: float = 2_000.0) -> None:
        super().__init__(delta=delta, price=price)
        self.orders: dict[str, Resting] = {}
        self.forgetful = False
        """Whether the venue knows no order at all, like a node whose index lags."""

    def execute(self, order: str, units: float) -> None:
        """Fill *units* of an open order; it stays open."""
        self.orders[order].filled += units
        self.position += units

    def end(self, order: str, state: OrderState) -> None:
        """Let the venue have done with an order."""
        self.orders[order].state = state

    def reorg(self, depth: int) -> None:
        before = set(self.included)
        super().reorg(depth)
        for tx_hash in before - set(self.included):
            if tx_hash in self.orders:
                self.position -= self.orders.pop(tx_hash).filled

    def _include(self, tx_hash: str) -> None:
        super()._include(tx_hash)
        tx = self.pool[tx_hash]
        if tx_hash in self.reverted or not tx.message.data:
            return
        order = order_of(tx)
        if not order.withdraws:
            self.orders[tx_hash] = Resting(order.units)
        elif self.orders[order.withdraws].state == "open":
            self.end(order.withdraws, "cancelled")
        else:
            self.reverted.add(tx_hash)

    def _effect(self, tx_hash: str) -> float:
        del tx_hash
        return 0.0

    def _logs(self, tx_hash: str) -> tuple[Log, ...]:
        if tx_hash not in self.orders:
            return ()
        return (Log(VENUE, (PLACED,), tx_hash.encode(), 0),)


class PatientVenue(WorldVenue):
    """The keeper's side of it."""

    def __init__(self, world: PatientWorld) -> None:
        super().__init__(world)
        self._patient = world

    def placed(self, logs: tuple[Log, ...]) -> str | None:
        names = [log.data.decode() for log in logs if log.topics[0] == PLACED]
        return names[0] if names else None

    def progress(self, order: str) -> Read[Progress | None]:
        yield ()
        resting = self._patient.orders.get(order)
        if resting is None or self._patient.forgetful:
            return None
        fill = Fill(resting.filled, self._patient.price, 0.0, 0.0) if resting.filled else None
        return Progress(resting.state, fill)

    def withdraw(self, order: str) -> Message:
        never = 1 << 62
        data = msgspec.json.encode(Order(0.0, 0.0, never, order))
        return Message(VENUE, data, 0, 2 * TYPICAL_GAS)


def patient_desk_of(world: PatientWorld, journal: Journal) -> Desk:
    """Return a desk with one book that hedges *world* at its patient venue."""
    return desk_of(world, journal, venue=PatientVenue(world))
