"""Whether this keeper leads or stands by, as far as it knows."""

from collections.abc import Callable

from keeper.ports.acting import Lease


class Leadership:
    """Asks the lease at every turn, and says aloud when the answer changes.

    Without a lease it always leads: a rehearsal, or a journal that is nobody else's.
    """

    def __init__(
        self, lease: Lease | None, say: Callable[[str | None], None] = lambda _obstacle: None
    ) -> None:
        self._lease = lease
        self._say = say
        self._said: str | None = "nothing yet"
        self._epoch: int | None = None
        self.is_new = False
        """Whether others may have acted since the last turn that led."""
        self.have_others_led = False
        """Whether others have led between the last two times that this keeper did."""
        self._last_epoch: int | None = None

    @property
    def is_leading(self) -> bool:
        """Whether this keeper leads, as of the last turn."""
        return self._lease is None or self._epoch is not None

    def leads(self) -> bool:
        """Renew or take over; return whether this keeper leads.

        Raises:
            Transient: The database could not be asked.

        """
        if self._lease is None:
            return True
        epoch = self._lease.hold()
        self.is_new = epoch is not None and epoch != self._epoch
        if epoch is not None:
            # Every change of leader counts the epoch up by one.
            self.have_others_led = epoch > (self._last_epoch or epoch) + 1
            self._last_epoch = epoch
        self._epoch = epoch
        self._tell(self._lease.obstacle())
        return self.is_leading

    def lose(self, reason: str) -> None:
        """Stand by from now on: a write was fenced."""
        self._epoch = None
        self._tell(reason)

    def _tell(self, obstacle: str | None) -> None:
        if obstacle != self._said:
            self._said = obstacle
            self._say(obstacle)
