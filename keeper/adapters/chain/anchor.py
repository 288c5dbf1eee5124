"""An old block that whoever answers must know: it tells one history of a chain from another.

It is renewed as the chain grows, because nodes may drop the bodies of old blocks and then say that
there is no such block.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from keeper.adapters.chain.quorum import majority
from keeper.model.errors import ConfigError

_DEPTH: Final = 64
"""Two epochs of Ethereum: final, there."""
_KEPT_BLOCKS: Final = 4_096
"""Renewed after so many: less than any client keeps, and seldom enough to cost nothing."""


class Anchor(Struct, frozen=True):
    """A block that no reorg reaches: whoever has another one there has another history."""

    number: int
    hash: str


def anchor_height(head: int) -> int:
    """Return the height of a block that no reorg reaches, while the head is at *head*."""
    return max(0, head - _DEPTH)


def is_due(anchor: Anchor | None, head: int) -> bool:
    """Return whether it is time to take a newer anchor, or the first one that is deep enough."""
    return head > _DEPTH if anchor is None else head - anchor.number >= _KEPT_BLOCKS


def agreed(number: int, votes: Mapping[str, str]) -> Anchor:
    """Return the anchor at a height: the block that more than half of the endpoints show there.

    Raises:
        ConfigError: There is no such majority.

    """
    chosen = majority(votes)
    if chosen is None:
        raise ConfigError(
            "the endpoints have different histories of this chain, and no majority agrees",
            remedy="take out of [chain] rpc what is not the chain you mean",
            block=number,
            **votes,
        )
    return Anchor(number, chosen)
