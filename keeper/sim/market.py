"""A market that was or was invented: what a keeper could have known, bar by bar."""

from math import inf

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from keeper.core.arrays import Floats, Ints
from keeper.model.errors import ConfigError
from keeper.model.units import YEAR_S


class Market(Struct, frozen=True, eq=False):
    """Arrays of one length, a value per bar: what is in bar k was known at `at_s[k]`."""

    name: str
    at_s: Ints
    """Unix seconds, rising."""
    price: Floats
    """USD per unit of the asset."""
    base_fee_wei: Ints
    """Per gas."""
    funding: Floats
    """Fraction of its notional that a long pays between this bar and the next; the last is 0."""
    native_price: Floats
    """USD per coin that pays for gas."""

    def __post_init__(self) -> None:
        """Refuse what no market can be, at the first bar where it is not."""
        if len(self.at_s) < 2:  # noqa: PLR2004  # one interval
            raise ConfigError("a market needs two bars at least", bars=len(self.at_s))
        for name in ("price", "base_fee_wei", "funding", "native_price"):
            if len(getattr(self, name)) != len(self.at_s):
                raise ConfigError("a market's columns differ in length", column=name)
        wrong = {
            "at_s": np.diff(self.at_s, prepend=self.at_s[0] - 1) <= 0,
            "price": ~((self.price > 0) & (self.price < inf)),
            "base_fee_wei": self.base_fee_wei < 0,
            "funding": ~np.isfinite(self.funding),
            "native_price": ~((self.native_price > 0) & (self.native_price < inf)),
        }
        for name, bad in wrong.items():
            if bad.any():
                bar = int(bad.argmax())
                raise ConfigError(
                    "a market needs rising times, prices above zero and fees not below",
                    column=name,
                    bar=bar,
                    value=getattr(self, name)[bar].item(),
                )

    @property
    def bars(self) -> int:
        """Return how many bars there are."""
        return len(self.at_s)

    @property
    def years(self) -> float:
        """Return how long it lasts."""
        return float(self.at_s[-1] - self.at_s[0]) / YEAR_S

    @property
    def step_s(self) -> int:
        """Return the shortest time from a bar to the next: all of them, but for gaps."""
        return int(np.diff(self.at_s).min())

    def part(self, start: int, stop: int) -> "Market":
        """Return the bars from *start* up to, not including, *stop*."""
        columns = {
            name: getattr(self, name)[start:stop]
            for name in ("at_s", "price", "base_fee_wei", "funding", "native_price")
        }
        return replace(self, **columns)
