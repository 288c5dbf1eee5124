"""Errors, sorted by what the keeper must do next, not by where they came from.

* KeeperError
  x ConfigError     fix the configuration; the process exits (2) before its first tick
  x Transient       the same request may succeed later
  x BadData         skip this tick; the world was not readable
    + CallReverted
  x Rejected        this intent is dead; decide afresh on the next tick
  x Uncertain       the outcome is unknown; reconcile before doing anything else
    + Refused
  x Fenced          another keeper leads: stop acting, stand by
  x Fatal           stop trading and wake a person
    + Stopped
  x Warned          go on; a person should know
"""


class KeeperError(Exception):
    """Base of everything the keeper raises on purpose; carries its facts as fields."""

    runbook = "unclassified"

    def __init__(self, message: str, *, remedy: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.facts = facts

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        parts = [self.message, f"[{facts}]" if facts else "", self.remedy]
        parts.append(f"(docs/runbook.md#{self.runbook})")
        return " ".join(part for part in parts if part)


class ConfigError(KeeperError):
    """The configuration cannot be run."""

    runbook = "config"


class Transient(KeeperError):
    """The same request may succeed later."""

    runbook = "transient"


class BadData(KeeperError):
    """The world could not be read well enough to decide on."""

    runbook = "bad-data"


class CallReverted(BadData):
    """A read-only call reverted; `data` is what it returned, with the reason inside."""

    runbook = "call-reverted"

    def __init__(
        self, message: str, *, remedy: str = "", data: bytes = b"", **facts: object
    ) -> None:
        super().__init__(message, remedy=remedy, **facts)
        self.data = data


class Rejected(KeeperError):
    """The chain or the venue definitely refused this intent."""

    runbook = "rejected"


class Uncertain(KeeperError):
    """The request may or may not have taken effect."""

    runbook = "uncertain"


class Refused(Uncertain):
    """A node refused the bytes in words that leave no doubt: it did not take them.

    Others may have. So it decides nothing; it only says that waiting is of no use.
    """

    runbook = "refused"


class Fenced(KeeperError):
    """Another keeper leads, or may lead by now: nothing was written; stand by."""

    runbook = "fenced"


class Fatal(KeeperError):
    """Trading must not continue without a person."""

    runbook = "fatal"


class Stopped(Fatal):
    """Trading is halted, so the journal takes no signed bytes; nothing was sent."""

    runbook = "stopped"


class Warned(KeeperError):
    """Nothing was prevented by it, and a person should know: it is told and never raised."""

    runbook = "warned"
