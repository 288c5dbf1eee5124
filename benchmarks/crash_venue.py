"""The stub venue as one that fills later: a transaction leaves an order that rests and is filled.

Its position changes with the transaction, so that the same logs say what was done; the keeper is
told so only through the order.
"""

from benchmarks.stub_venue import ORDERED, POSITION, StubVenue
from keeper.model.chain import Address, Log, Message
from keeper.model.errors import Rejected
from keeper.model.flow import Fill, Progress
from keeper.ports.reading import Read


class LateStub(StubVenue):
    """Orders are named by what they fill."""

    def __init__(self, config: StubVenue.Config, account: Address) -> None:
        super().__init__(config, account)
        self._ask = POSITION(config.address, account)

    def placed(self, logs: tuple[Log, ...]) -> str | None:
        """Return the order that *logs* left; None if they left none.

        Its name holds the position that it led to: within one cell that tells two orders apart.
        """
        fill = self.fill(logs)
        if fill is None:
            return None
        said = next(ORDERED.decode(log) for log in logs if log.topics[:1] == (ORDERED.topic,))
        return f"{fill.units!r}@{fill.price!r}@{said['size']}"

    def progress(self, order: str) -> Read[Progress | None]:
        """Return that it is filled, as soon as there is a position."""
        ((size,),) = yield (self._ask,)
        if not size:
            return None
        units, price, _ = (float(part) for part in order.split("@"))
        return Progress("filled", Fill(units, price, 0.0, 0.0))

    def withdraw(self, order: str) -> Message:
        """Refuse: what is filled cannot be taken back."""
        raise Rejected("the order is filled", order=order)
