"""A lease that a test gives and takes away by hand."""


class HandLease:
    """Held by whoever asks, unless a test says that somebody else has it."""

    def __init__(self) -> None:
        self.epoch = 1
        self._holder: str | None = None

    def taken_by(self, holder: str) -> None:
        """Give the lease to somebody else, in a new epoch."""
        self.epoch += 1
        self._holder = holder

    def free(self) -> None:
        """Let whoever asks next have it, in a new epoch."""
        self.epoch += 1
        self._holder = None

    def hold(self) -> int | None:
        return self.epoch if self._holder is None else None

    def let_go(self) -> None:
        self.free()

    def obstacle(self) -> str | None:
        return None if self._holder is None else f"{self._holder} leads"
