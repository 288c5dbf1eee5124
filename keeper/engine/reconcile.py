"""Chain against journal, before the first decision and after every halt."""

from collections.abc import Mapping

from keeper.core.decide import DUST_BASE
from keeper.engine.hands import Hands
from keeper.model.chain import BlockRef
from keeper.model.errors import BadData, ConfigError, Fatal, Warned
from keeper.model.events import Adopted, Decided


class UnknownHistory(ConfigError):
    """The account has done what the journal does not know of."""

    runbook = "unknown-history"


def reconcile(hands: Hands, *, adopt: bool) -> None:
    """Compare the account's nonce with the journal's, once nothing is open.

    A chain that is ahead means that the key was used without this journal: by hand, by another
    keeper with another journal, or by this one before its journal was lost or restored from a
    backup. Only a person can tell these apart, and says so with *adopt*: the chain's nonce is then
    taken over, so that the next intent takes a free one. A chain that is behind means another
    chain's history, or a restored backup of the node.

    Raises:
        UnknownHistory: The chain is ahead and nobody said that this is right.
        Fatal: The journal holds nonces that the chain has never seen.

    """
    journal = hands.log.journal
    if journal.open():
        return
    account = hands.signer.address
    on_chain = hands.network.nonce(account)
    journalled = journal.next_nonce(account)
    if on_chain > (journalled or 0):
        if not adopt:
            raise UnknownHistory(
                "the account has sent transactions that this journal does not know of",
                account=account,
                journal="empty" if journalled is None else journalled,
                chain=on_chain,
                remedy="if the journal was lost or another keeper uses the key, stop and put that "
                "right. If all of them were sent by hand, as on a first start, add --adopt",
            )
        hands.log.append(Adopted(account, on_chain, at_ms=hands.log.clock.now_ms()))
    elif journalled is not None and on_chain < journalled:
        raise Fatal(
            "the journal holds nonces that this chain has never seen",
            account=account,
            journal=journalled,
            chain=on_chain,
            remedy="after a deep reorg wait until they are mined again; else point the keeper at "
            "the chain it worked on; a devnet that began afresh needs a new journal file",
        )


def warn_of_delegation(hands: Hands, head: BlockRef) -> None:
    """Say so if the account carries code: an EIP-7702 delegation, which spends its coin and nonces.

    Nodes then keep only one of its transactions in their pools, which is all that is ever open.
    """
    account = hands.signer.address
    if hands.network.standing(account, account, head).code_hash is None:
        return
    warning = Warned(
        "the keeper's own address carries code, as an EIP-7702 delegation puts it there",
        account=account,
        remedy="find out who signed it; a key that hedges should do nothing else",
    )
    hands.log.append(hands.log.troubled(warning))


def hedges_of(decided: tuple[Decided, ...]) -> dict[str, float]:
    """Return the hedge of every book that could be read, in base units."""
    return {note.book: note.decision.why.hedge for note in decided if note.decision.why is not None}


def warn_of_others(hands: Hands, before: Mapping[str, float], now: Mapping[str, float]) -> None:
    """Say so if a hedge is not what it was at the look before, though nothing of ours was open.

    Somebody traded by hand, or the venue liquidated or deleveraged the account. The decision was
    already made on what the venue shows now.
    """
    for book, hedge in now.items():
        if abs(hedge - before.get(book, hedge)) > DUST_BASE:
            change = BadData(
                "the position at the venue changed, and not by this keeper",
                book=book,
                was=before[book],
                now=hedge,
                remedy="look for a liquidation, a deleveraging or a trade by hand; it is hedged "
                "from what the venue shows now",
            )
            hands.log.append(hands.log.troubled(change))
