"""Chain against journal, before the first decision and after every halt."""

from keeper.engine.execute import Hands
from keeper.model.errors import Fatal
from keeper.model.events import Adopted


def reconcile(hands: Hands) -> None:
    """Compare the account's nonce with the journal's, once nothing is open.

    A chain that is ahead means that the key was used by hand: its nonces are adopted, so that the
    next intent takes a free one. A chain that is behind means another chain's history, or a
    restored backup of the node.

    Raises:
        Fatal: The journal holds nonces that the chain has never seen.

    """
    journal = hands.log.journal
    if journal.open():
        return
    account = hands.signer.address
    on_chain = hands.network.nonce(account)
    journalled = journal.next_nonce(account)
    if journalled is None or on_chain > journalled:
        if on_chain:
            hands.log.append(Adopted(account, on_chain, at_ms=hands.log.clock.now_ms()))
    elif on_chain < journalled:
        raise Fatal(
            "the journal holds nonces that this chain has never seen",
            account=account,
            journal=journalled,
            chain=on_chain,
            remedy="point the keeper at the chain it worked on, or start a new journal file",
        )
