"""When a transaction that went out by private endpoints alone is sent to the public ones, too.

A private endpoint may take a transaction and never include it. The public ones then get the very
same bytes, so that whichever is mined, it is this one and no second.
"""

from collections import OrderedDict
from typing import Final

_REMEMBERED: Final = 64


class Outlets:
    """Remembers when each transaction was first sent. After a restart, that is the restart."""

    def __init__(self, public_after_s: float) -> None:
        self._public_after_s = public_after_s
        self._first_sent_s: OrderedDict[bytes, float] = OrderedDict()

    def is_public(self, raw: bytes, now_s: float) -> bool:
        """Return whether *raw*, sent now, is for everybody."""
        first_s = self._first_sent_s.setdefault(raw, now_s)
        if len(self._first_sent_s) > _REMEMBERED:
            self._first_sent_s.popitem(last=False)
        return now_s - first_s >= self._public_after_s
