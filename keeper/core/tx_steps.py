"""What to do next about an intent whose outcome is not known yet.

Everything that decides the fate of a transaction lives in this file. It looks at facts and returns
a step; `engine/execute.py` takes the step and gathers new facts.

    never signed                            -> Abandon   nothing can have been sent
    mined, deep enough                      -> Settle    by its receipt and its effect
    mined, shallow                          -> Wait      a reorg may still undo it
    nonce used at depth, but not by us      -> Displace  someone else holds our key
    nonce used, not deep, no receipt        -> Wait      the receipt may lag behind
    young                                   -> Wait
    due                                     -> Resend    a dropped transaction looks like this
    old, a nonce below ours is free again   -> Undone    a reorg took back what was settled
    old, a replacement fits below the cap   -> Bump
    old, at the cap                         -> Resend
"""

from msgspec import Struct

from keeper.core import fees
from keeper.model.chain import Fees
from keeper.model.errors import ConfigError
from keeper.model.flow import Attempt, Facts, Mined


class TxPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[transactions]` in keeper.toml."""

    tip_wei: int
    """Priority fee of a first attempt; builders ignore a transaction that offers none."""
    confirmations: int = 2
    """Blocks that must hold a receipt before it is believed; 1 believes the newest block."""
    resend_after_s: int = 15
    bump_after_s: int = 45
    intent_life_s: int = 600
    """The calldata's deadline, after the block of the decision."""

    def __post_init__(self) -> None:
        """Refuse what would send without a tip, or believe without a block."""
        for name in self.__struct_fields__:
            if getattr(self, name) <= 0:
                raise ConfigError(
                    f"transactions.{name} must be above zero", value=getattr(self, name)
                )


class Abandon(Struct, frozen=True):
    """Close the intent; it never left the building."""


class Settle(Struct, frozen=True):
    """Close the intent with what the receipt says."""

    mined: Mined


class Wait(Struct, frozen=True):
    """Look again later."""


class Resend(Struct, frozen=True):
    """Broadcast the newest attempt again, byte for byte."""


class Bump(Struct, frozen=True):
    """Sign the same nonce again with these fees."""

    fees: Fees


class Displace(Struct, frozen=True):
    """Close the intent as impossible and halt: the key is used elsewhere."""


class Undone(Struct, frozen=True):
    """Wait for a person: no fee gets this mined before the transactions below it are back."""


Step = Abandon | Settle | Wait | Resend | Bump | Displace | Undone


def next_step(
    attempts: tuple[Attempt, ...], facts: Facts, policy: TxPolicy, *, fresh: Fees, cap_wei: int
) -> Step:
    """Return the one thing to do next about an intent with these *attempts*, oldest first."""
    if not attempts:
        return Abandon()
    if facts.mined is not None:
        return Settle(facts.mined) if facts.mined.depth >= policy.confirmations else Wait()
    nonce = attempts[-1].nonce
    if facts.nonce_deep > nonce:
        return Displace()
    if facts.nonce_mined > nonce:
        return Wait()
    return _nudge(attempts, facts, policy, fresh=fresh, cap_wei=cap_wei)


def _nudge(
    attempts: tuple[Attempt, ...], facts: Facts, policy: TxPolicy, *, fresh: Fees, cap_wei: int
) -> Step:
    age_s = (facts.now_ms - attempts[-1].signed_at_ms) / 1_000
    if age_s >= policy.bump_after_s:
        # Not before: a node that lags behind shows an older nonce for a moment.
        if facts.nonce_mined < attempts[-1].nonce:
            return Undone()
        bumped = fees.replacement(highest(attempts), fresh, cap_wei=cap_wei)
        return Bump(bumped) if bumped is not None else Resend()
    return Resend() if age_s >= policy.resend_after_s else Wait()


def highest(attempts: tuple[Attempt, ...]) -> Fees:
    """Return the highest fee and the highest tip ever signed, which may be of two attempts."""
    return Fees(
        max_fee_wei=max(a.fees.max_fee_wei for a in attempts),
        tip_wei=max(a.fees.tip_wei for a in attempts),
    )
