"""Sign, write down, send: the three side effects of the keeper, always in this order."""

from msgspec import Struct

from keeper.core import fees
from keeper.core.tx_steps import TxPolicy
from keeper.engine.announce import Announcer
from keeper.model.chain import BlockRef, ChainId, Fees, Message, UnsignedTx
from keeper.model.errors import Refused, Uncertain
from keeper.model.events import Placed, Sent, Settled, Signed
from keeper.model.flow import Attempt, Fill, Heard, Intent, Mined, Outcome, Purpose, Status
from keeper.model.units import wei_to_ether
from keeper.ports.acting import Network, Signer, Tips

EMPTY_GAS = 21_000
"""Gas of a transaction that only moves coin: what every transaction costs at least."""


class Hands(Struct, frozen=True):
    """Everything that may change the world for one account."""

    chain_id: ChainId
    log: Announcer
    network: Network
    signer: Signer
    policy: TxPolicy
    cap_wei: int
    """No attempt offers more per gas than this, unless its intent says what it may offer."""
    tips: Tips | None = None
    """What recent blocks paid for priority; None asks nobody."""

    def cap_of(self, intent: Intent) -> int:
        """Return the fee per gas above which nothing is signed for *intent*."""
        return self.cap_wei if intent.gas_cap_wei is None else intent.gas_cap_wei

    def recent_tip_wei(self) -> int:
        """Return what recent blocks paid for priority; 0 where nobody was asked."""
        return 0 if self.tips is None else self.tips.recent_wei()


class Bid(Struct, frozen=True):
    """What is to be signed for an intent, and for which block."""

    message: Message
    nonce: int
    fees: Fees
    head: BlockRef
    purpose: Purpose = "hedge"


def empty(intent: Intent) -> Message:
    """Return the message that does nothing but use up a nonce: no coin, no data, to ourselves."""
    return Message(to=intent.account, data=b"", value_wei=0, gas_limit=EMPTY_GAS)


def offer_at(hands: Hands, intent: Intent, head: BlockRef) -> Fees:
    """Return what a first attempt of *intent* at *head* offers per gas."""
    return fees.first_offer(
        base_fee_wei=head.base_fee_wei,
        tip_wei=max(hands.policy.tip_wei, hands.recent_tip_wei()),
        cap_wei=hands.cap_of(intent),
    )


def sign(hands: Hands, intent: Intent, bid: Bid) -> Attempt:
    """Return *bid* signed. Nobody may see the bytes before they are written down."""
    signed = hands.signer.sign(UnsignedTx(hands.chain_id, bid.nonce, bid.message, bid.fees))
    return Attempt(
        intent_id=intent.id,
        hash=signed.hash,
        raw=signed.raw,
        nonce=bid.nonce,
        fees=bid.fees,
        signed_at_ms=hands.log.clock.now_ms(),
        purpose=bid.purpose,
        gas_limit=bid.message.gas_limit,
    )


def sign_and_send(hands: Hands, intent: Intent, bid: Bid) -> None:
    """Sign *bid*, write it down, and only then hand it over.

    Raises:
        Stopped: Trading was halted before the bytes were written down; they were not sent.

    """
    attempt = sign(hands, intent, bid)
    hands.log.append(Signed(attempt))
    send(hands, attempt, bid.head)


def send(hands: Hands, attempt: Attempt, head: BlockRef) -> None:
    """Hand the bytes to the node. Whatever is heard, or not, is noted and never believed."""
    heard: Heard = "answer"
    try:
        answer = hands.network.send(attempt.raw)
    except Refused as refusal:
        answer, heard = refusal.message, "refusal"
    except Uncertain as silence:
        answer, heard = str(silence), "silence"
    now_ms = hands.log.clock.now_ms()
    hands.log.append(Sent(attempt.intent_id, attempt.hash, answer, now_ms, heard, head.number))


def close(
    hands: Hands,
    intent: Intent,
    status: Status,
    reason: str,
    *,
    mined: Mined | Placed | None = None,
    fill: Fill | None = None,
) -> None:
    """Write down what became of *intent*, and what its gas cost."""
    gas_used = mined.gas_used if mined else 0
    gas_wei = gas_used * mined.gas_price_wei + mined.data_fee_wei if mined else 0
    outcome = Outcome(
        intent_id=intent.id,
        status=status,
        reason=reason,
        fill=fill,
        gas_used=gas_used,
        gas_usd=wei_to_ether(gas_wei) * intent.native_price,
    )
    hands.log.append(Settled(outcome, at_ms=hands.log.clock.now_ms()))
