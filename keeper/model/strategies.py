"""When to trade and how far, as an owner may choose it; `core/policies.py` says what each does."""

from typing import Annotated, Literal

from msgspec import Meta, Struct


class Optimal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="optimal"):
    """`{ type = "optimal" }`: least cost and risk together; each correction can be left out."""

    smooth_gamma: bool = True
    """Measure how fast the delta moves over a tenth of a cycle, instead of by its local gamma."""
    horizon_guard: bool = True
    """Do not trade what the remaining life cannot earn back."""
    check_shift: bool = True
    """Allow for the time between two looks."""
    gas_regimes: bool = True
    """Wait while gas is dear, hurry while it is cheap."""


class WhalleyWilmott(Struct, frozen=True, forbid_unknown_fields=True, tag="whalley_wilmott"):
    """`{ type = "whalley_wilmott" }`: small proportional cost alone; trade to the edge."""


class Zakamouline(Struct, frozen=True, forbid_unknown_fields=True, tag="zakamouline"):
    """`{ type = "zakamouline" }`: his fitted width; trade to the edge."""


class FixedBand(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="fixed_band"):
    """`{ type = "fixed_band", width = "2 ETH", to = "zero" }`: a hand-set threshold."""

    width_base: float
    to: Literal["zero", "edge"] = "edge"


class Interval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="interval"):
    """`{ type = "interval", every = "8 h" }`: to zero at fixed times."""

    every_s: Annotated[int, Meta(gt=0)]


class Always(Struct, frozen=True, forbid_unknown_fields=True, tag="always"):
    """`{ type = "always" }`: to zero at every look."""


class Never(Struct, frozen=True, forbid_unknown_fields=True, tag="never"):
    """`{ type = "never" }`: watch, and trade nothing but what a person asks for."""


Strategy = Optimal | WhalleyWilmott | Zakamouline | FixedBand | Interval | Always | Never
