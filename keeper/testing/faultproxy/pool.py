"""What a geth-like transaction pool takes, refuses and keeps. Pure: the chain is an argument.

The rules and the wording are those of go-ethereum's pool (core/txpool, 2025): a replacement pays
ten percent more on both fees, a gapped nonce waits, a fee below the base fee waits too.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from keeper.testing.faultproxy.transaction import Transaction


class PoolSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the pool in front of the node behaves."""

    mode: Literal["none", "geth"] = "geth"
    """`none` hands sends straight to the node."""
    price_bump_percent: Annotated[int, Meta(ge=0)] = 10
    min_tip_wei: Annotated[int, Meta(ge=0)] = 1
    hold_below_base_fee: bool = True
    """Whether a transaction that cannot pay the base fee waits, or is refused as Anvil does."""
    hold_all: bool = False
    """Take everything and hand nothing to the node: a relay that never includes."""
    hidden: bool = False
    """Do not show what is held: a private relay."""
    reinject: bool = True
    """Whether what a reorg took out of the chain comes back."""


class Account(Struct, frozen=True):
    """A sender as the newest block has it."""

    nonce: int
    balance_wei: int


FULL_PERCENT: Final = 100


class Pool:
    """Transactions that were accepted and are not mined, by sender and nonce."""

    def __init__(self) -> None:
        self._held: dict[str, dict[int, Transaction]] = {}

    def refusal(
        self, tx: Transaction, account: Account, chain_id: int, settings: PoolSettings
    ) -> str | None:
        """Return why geth would not take *tx*, in its words; None if it would."""
        if self.find(tx.hash) is not None:
            return "already known"
        return (
            _invalid(tx, chain_id, settings)
            or _unpayable(tx, account)
            or self._underpriced(tx, settings.price_bump_percent)
            or self._overdrawn(tx, account)
        )

    def _underpriced(self, tx: Transaction, bump_percent: int) -> str | None:
        old = self.at(tx.sender, tx.nonce)
        if old is None:
            return None
        for bid, best in ((tx.max_fee_wei, old.max_fee_wei), (tx.tip_wei, old.tip_wei)):
            wanted = best * (FULL_PERCENT + bump_percent) // FULL_PERCENT
            if bid <= best or bid < wanted:
                return "replacement transaction underpriced"
        return None

    def _overdrawn(self, tx: Transaction, account: Account) -> str | None:
        others = self._held.get(tx.sender, {}).values()
        spent = sum(other.cost_wei for other in others if other.nonce != tx.nonce)
        missing = spent + tx.cost_wei - account.balance_wei
        if missing <= 0:
            return None
        return (
            f"insufficient funds for gas * price + value: balance {account.balance_wei}, "
            f"queued cost {spent}, tx cost {tx.cost_wei}, overshot {missing}"
        )

    def put(self, tx: Transaction) -> Transaction | None:
        """Hold *tx*; return the one it replaces."""
        nonces = self._held.setdefault(tx.sender, {})
        old = nonces.get(tx.nonce)
        nonces[tx.nonce] = tx
        return old

    def remove(self, tx: Transaction) -> None:
        """Let go of *tx*, if it is held."""
        if self.at(tx.sender, tx.nonce) == tx:
            del self._held[tx.sender][tx.nonce]

    def clear(self, sender: str | None = None) -> None:
        """Let go of everything, or of one sender's."""
        if sender is None:
            self._held.clear()
        else:
            self._held = {who: all_ for who, all_ in self._held.items() if who != sender}

    def at(self, sender: str, nonce: int) -> Transaction | None:
        """Return what a sender has at a nonce."""
        return self._held.get(sender, {}).get(nonce)

    def find(self, hash_: str) -> Transaction | None:
        """Return what is held under a hash."""
        return next((tx for tx in self.content() if tx.hash == hash_.lower()), None)

    def content(self) -> list[Transaction]:
        """Return everything held, by sender, the lowest nonce first."""
        return [nonces[key] for nonces in self._held.values() for key in sorted(nonces)]

    def senders(self) -> list[str]:
        """Return who has something here."""
        return [sender for sender, nonces in self._held.items() if nonces]

    def executable(self, sender: str, nonce: int) -> list[Transaction]:
        """Return what can be mined one after another when *nonce* is the sender's next."""
        ready: list[Transaction] = []
        while (tx := self.at(sender, nonce + len(ready))) is not None:
            ready.append(tx)
        return ready

    def passed(self, sender: str, nonce: int) -> list[Transaction]:
        """Return what can no longer be mined: its nonce is used."""
        return [tx for number, tx in self._held.get(sender, {}).items() if number < nonce]


def _invalid(tx: Transaction, chain_id: int, settings: PoolSettings) -> str | None:
    if tx.chain_id not in {None, chain_id}:
        return f"invalid sender: invalid chain id for signer: have {tx.chain_id} want {chain_id}"
    if tx.tip_wei > tx.max_fee_wei:
        return (
            "max priority fee per gas higher than max fee per gas: "
            f"maxPriorityFeePerGas: {tx.tip_wei}, maxFeePerGas: {tx.max_fee_wei}"
        )
    if tx.tip_wei < settings.min_tip_wei:
        return (
            f"transaction gas price below minimum: gas tip cap {tx.tip_wei}, "
            f"minimum needed {settings.min_tip_wei}"
        )
    return None


def _unpayable(tx: Transaction, account: Account) -> str | None:
    if tx.nonce < account.nonce:
        return f"nonce too low: next nonce {account.nonce}, tx nonce {tx.nonce}"
    if tx.cost_wei > account.balance_wei:
        return (
            f"insufficient funds for gas * price + value: balance {account.balance_wei}, "
            f"tx cost {tx.cost_wei}, overshot {tx.cost_wei - account.balance_wei}"
        )
    return None
