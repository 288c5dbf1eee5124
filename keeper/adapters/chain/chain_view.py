"""What we have seen of the chain, and whether what a node shows now fits it: pure decisions.

A node behind a load balancer may fall back to an older state from one question to the next. Our
view does not: a lower block counts only if the blocks we know are shown not to be on the chain any
more, by their hashes. A log that calls itself `removed` proves nothing and is not looked at.
"""

from typing import Final, Literal

from msgspec import Struct

from keeper.model.chain import BlockRef

Verdict = Literal["new", "same", "reorg", "lags"]
"""new: it continues or overtakes what we know. same: it is our head. reorg: our head is not on its
chain. lags: it is lower than our head, and nothing shows that our head is gone."""

_REMEMBERED: Final = 64


class ChainView(Struct, frozen=True):
    """The newest blocks that were believed, oldest first, each the parent of the next."""

    heads: tuple[BlockRef, ...] = ()

    @property
    def head(self) -> BlockRef | None:
        """The newest."""
        return self.heads[-1] if self.heads else None


class NonceSeen(Struct, frozen=True):
    """An account's nonce, and the block whose state it was read from."""

    nonce: int
    at: BlockRef


def judge(view: ChainView, block: BlockRef) -> Verdict:
    """Return what *block*, shown as the newest, is to what we know."""
    head = view.head
    if head is None:
        return "new"
    if block.hash == head.hash:
        return "same"
    if block.number > head.number:
        follows = block.number == head.number + 1
        return "reorg" if follows and block.parent_hash != head.hash else "new"
    if block.number == head.number:
        return "reorg"
    known = _hashes(view)
    ours, parent = known.get(block.number), known.get(block.number - 1)
    if ours is not None:
        return "lags" if ours == block.hash else "reorg"
    return "reorg" if parent is not None and parent != block.parent_hash else "lags"


def advanced(view: ChainView, block: BlockRef, verdict: Verdict) -> ChainView:
    """Return the view with *block*, which was judged to be *verdict*, as its head.

    What does not lead to it by parent hashes is forgotten: an orphan that is taken for canonical
    would prove reorgs that never were.
    """
    if verdict in {"same", "lags"}:
        return view
    head = view.head
    linked = head is not None and head.hash == block.parent_hash
    return ChainView(((*view.heads, block) if linked else (block,))[-_REMEMBERED:])


def _hashes(view: ChainView) -> dict[int, str]:
    known: dict[int, str] = {}
    for head in view.heads:
        known[head.number - 1] = head.parent_hash
        known[head.number] = head.hash
    return known
