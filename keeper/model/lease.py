"""Who leads: the values of a lease. One keeper leads a journal; the others stand by."""

from typing import Final

from msgspec import Struct

LEASE_S: Final = 15.0
"""How long a keeper leads after its last sign of life, if nobody says otherwise."""
RENEWALS: Final = 3
"""A lease is renewed when this part of it is over: more often would be work for nothing."""


class Candidate(Struct, frozen=True):
    """Who wants to lead, and as what."""

    holder: str
    """Names one process and no other, ever: a lost answer is recognised by it."""
    version: str = ""
    """Of the program."""
    config_hash: str = ""
    """Of everything in keeper.toml that decides or limits a trade."""


class Terms(Struct, frozen=True):
    """On what terms a process contends for a lease."""

    candidate: Candidate
    lease_s: float = LEASE_S
    adopt: bool = False
    """Whether to follow a leader of another version or configuration that did not let go."""

    @property
    def rest_s(self) -> float:
        """How long a lease needs no renewal once it was renewed."""
        return self.lease_s / RENEWALS


class Tenure(Struct, frozen=True):
    """What the database knows about who leads one journal."""

    name: str
    holder: str
    """Empty if nobody led yet or the last leader let go."""
    epoch: int
    """Rises by one whenever the lease changes hands; an older one is fenced for ever."""
    version: str
    config_hash: str
    expires_in_s: float
    """By the database's clock; zero or less once it is over."""

    @property
    def is_live(self) -> bool:
        """Whether somebody leads."""
        return bool(self.holder) and self.expires_in_s > 0

    def fits(self, candidate: Candidate) -> bool:
        """Return whether *candidate* runs what the last leader ran, or that one let go."""
        same = (self.version, self.config_hash) == (candidate.version, candidate.config_hash)
        return not self.holder or same


class Shard(Struct, frozen=True):
    """One account on one chain: who leads it, and how it is."""

    tenure: Tenure
    open_intents: int | None = None
    halted: str | None = None
    unreadable: str | None = None
    """Why the rest is not known."""


def refusal(tenure: Tenure, candidate: Candidate) -> str | None:
    """Return why *candidate* must not follow the leader of *tenure*; None if it may.

    Two programs, or two sets of limits, that take turns on one account trade against each other.
    """
    if tenure.fits(candidate):
        return None
    theirs = f"version {tenure.version or '?'}, configuration {tenure.config_hash[:8] or '?'}"
    ours = f"version {candidate.version or '?'}, configuration {candidate.config_hash[:8] or '?'}"
    state = "leads" if tenure.is_live else "led last and did not let go"
    return (
        f"{tenure.holder} {state} with {theirs}, this keeper has {ours}: "
        "it stands by and will not lead until that one is stopped cleanly"
    )


def obstacle(tenure: Tenure, candidate: Candidate) -> str:
    """Return why *candidate* does not lead a journal that *tenure* is of."""
    return refusal(tenure, candidate) or f"{tenure.holder} leads in epoch {tenure.epoch}"
