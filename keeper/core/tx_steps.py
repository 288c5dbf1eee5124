"""What to do next about an intent whose outcome is not known yet.

Everything that decides the fate of a transaction lives in this file. It looks at facts and returns
a step; `engine/execute.py` takes the step and gathers new facts. The first row that fits counts.

    never signed                                   -> Abandon   nothing can have been sent
    mined, deep enough and final                   -> Settle    by its receipt and its effect
    mined, shallow or not final                    -> Wait      a reorg may still undo it
    nonce used at depth by none of ours, at
      fewer looks than `displaced_looks`           -> Unsee     the receipt may lag behind
      as many                                      -> Displace  someone else holds our key
    nonce used, not deep, no receipt               -> Wait      the same, or a reorg is under way
    a nonce below ours is free again
      and it is old                                -> Undone    a reorg took back what was settled
      and it is young                              -> Resend, Wait: a node lags for a moment
    past its deadline, or refused too often
      a replacement fits below the cap             -> Cancel    nothing happens under its nonce
    refused at an earlier block, and a replacement
      fits below the cap                           -> Renew     rehearse it and sign it afresh
    old, and a replacement fits below the cap      -> Bump      or Cancel, if it is being cancelled
    signed, and handed to nobody                   -> Resend    a crash came in between
    met with silence or refused, at an earlier
      block                                        -> Resend
    due                                            -> Resend    a dropped one looks like this
    else                                           -> Wait

At a venue that fills later, a mined transaction only leaves an order. From then on the venue says:

    not known at this block, and the transaction
      that left it is gone or is another one now   -> Undone    a reorg took back what was final
    not known at this block                        -> Wait      nothing is concluded from that
    something new                                  -> Note      it is written down
    the same, in a final state, for as many blocks
      as a receipt is waited for                   -> Close     by its fill
    the same, open past the deadline               -> Withdraw  once for each `intent_life`
    else                                           -> Wait

Once an intent is being cancelled, its hedge is never signed again; whichever of the two is mined
decides. Above the cap nothing is signed, and the newest bytes are sent again. What a node says
never decides more than when to look again: refused bytes keep their nonce, and every step above is
safe if the node was wrong.
"""

from msgspec import Struct

from keeper.core import fees
from keeper.model.chain import BlockRef, Fees
from keeper.model.errors import ConfigError
from keeper.model.events import Progressed
from keeper.model.flow import Attempt, Facts, Intent, Mined, Progress
from keeper.model.units import MS_PER_S


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
    max_refusals: int = 2
    """Definite refusals by a node after which an intent is cancelled."""
    displaced_looks: int = 3
    """Newest blocks at which a used nonce must show no receipt of ours before it is given up."""
    max_reverts_per_hour: int = 3
    """More reverted transactions of one book within an hour halt trading."""

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


class Unsee(Struct, frozen=True):
    """Write down that this look found no receipt of ours, and look again at the next block."""


class Resend(Struct, frozen=True):
    """Broadcast the newest attempt again, byte for byte."""


class Renew(Struct, frozen=True):
    """Rehearse the trade again and sign the same nonce with these fees; cancel if it is refused."""

    fees: Fees


class Bump(Struct, frozen=True):
    """Sign the same nonce again with these fees."""

    fees: Fees


class Cancel(Struct, frozen=True):
    """Sign a transaction that does nothing, under the same nonce and with these fees."""

    fees: Fees


class Displace(Struct, frozen=True):
    """Close the intent as impossible and halt: the key is used elsewhere."""


class Undone(Struct, frozen=True):
    """Wait for a person: no fee gets this mined before the transactions below it are back."""


class Note(Struct, frozen=True):
    """Write down what the venue says of the order."""

    progress: Progress


class Close(Struct, frozen=True):
    """Close the intent by what the venue says of its order."""

    progress: Progress


class Withdraw(Struct, frozen=True):
    """Take the order back, by a transaction of its own."""

    round: int
    """How many lives of an intent have passed since its deadline: one try in each."""


OrderStep = Wait | Note | Close | Withdraw | Undone
Step = Abandon | Settle | Wait | Unsee | Resend | Renew | Bump | Cancel | Displace | Undone


def next_step(
    intent: Intent,
    attempts: tuple[Attempt, ...],
    facts: Facts,
    policy: TxPolicy,
    *,
    fresh: Fees,
    cap_wei: int,
) -> Step:
    """Return the one thing to do next about *intent* with these *attempts*, oldest first.

    *fresh* is what a first attempt would offer now; above *cap_wei* nothing is signed.
    """
    if not attempts:
        return Abandon()
    if facts.mined is not None:
        deep = facts.mined.depth >= policy.confirmations
        return Settle(facts.mined) if deep and facts.mined.final else Wait()
    nonce = attempts[-1].nonce
    if facts.nonce_deep > nonce:
        return _unseen(facts, policy)
    if facts.nonce_mined > nonce:
        return Wait()
    if facts.nonce_mined < nonce:
        return Undone() if _is_old(attempts, facts, policy) else _again(facts, policy)
    bid = fees.replacement(highest(attempts), fresh, cap_wei=cap_wei)
    signing = None if bid is None else _sign(intent, attempts, facts, policy, bid, fresh)
    return _again(facts, policy) if signing is None else signing


def next_order_step(
    intent: Intent,
    progress: Progress | None,
    seen: Progressed | None,
    head: BlockRef,
    policy: TxPolicy,
    *,
    lost: bool = False,
) -> OrderStep:
    """Return what to do next about an order of *intent*, which the venue says has come so far.

    *seen* is what was last written down of it; *lost* says that its transaction is not the one
    any more that left it.
    """
    if progress is None:
        return Undone() if lost else Wait()
    if seen is None or seen.progress != progress:
        return Note(progress)
    if progress.state != "open":
        deep = head.number - seen.block_number + 1 >= policy.confirmations
        return Close(progress) if deep else Wait()
    late_s = head.timestamp_s - intent.deadline_s
    return Withdraw(late_s // policy.intent_life_s) if late_s > 0 else Wait()


def _unseen(facts: Facts, policy: TxPolicy) -> Step:
    looks = {*facts.unseen_at, facts.head_number}
    if len(looks) >= policy.displaced_looks:
        return Displace()
    return Wait() if facts.head_number in facts.unseen_at else Unsee()


def _sign(
    intent: Intent,
    attempts: tuple[Attempt, ...],
    facts: Facts,
    policy: TxPolicy,
    bid: Fees,
    fresh: Fees,
) -> Step | None:
    """Return what is to be signed with *bid*; None if nothing is."""
    old = _is_old(attempts, facts, policy)
    refused = _is_refused(facts)
    if attempts[-1].purpose == "cancel":
        # A refused cancel bids more only if the fees of the chain rose; the account may be poor.
        dearer = fresh.max_fee_wei > highest(attempts).max_fee_wei
        return Cancel(bid) if old or (refused and dearer) else None
    if facts.chain_time_s > intent.deadline_s or (
        refused and facts.refusals >= policy.max_refusals
    ):
        return Cancel(bid)
    if refused:
        return Renew(bid)
    return Bump(bid) if old else None


def _again(facts: Facts, policy: TxPolicy) -> Step:
    """Return whether the newest bytes are sent again."""
    sent = facts.last_sent
    if sent is None or (sent.heard != "answer" and facts.head_number > sent.block_number):
        return Resend()
    return Resend() if _has_passed(policy.resend_after_s, sent.at_ms, facts) else Wait()


def _is_refused(facts: Facts) -> bool:
    """Return whether a node refused the newest bytes, and there was a block since."""
    sent = facts.last_sent
    return sent is not None and sent.heard == "refusal" and facts.head_number > sent.block_number


def _is_old(attempts: tuple[Attempt, ...], facts: Facts, policy: TxPolicy) -> bool:
    # Not before: a node that lags behind shows an older nonce for a moment.
    return _has_passed(policy.bump_after_s, attempts[-1].signed_at_ms, facts)


def _has_passed(pause_s: int, since_ms: int, facts: Facts) -> bool:
    """Return whether so much time is over.

    A clock that was set back does not tell how much is: then nothing waits for it to catch up,
    since the same nonce does no harm twice.
    """
    return not 0 <= facts.now_ms - since_ms < pause_s * MS_PER_S


def highest(attempts: tuple[Attempt, ...]) -> Fees:
    """Return the highest fee and the highest tip ever signed, which may be of two attempts."""
    return Fees(
        max_fee_wei=max(a.fees.max_fee_wei for a in attempts),
        tip_wei=max(a.fees.tip_wei for a in attempts),
    )
