"""What one book's decisions are made under: the owner's wishes, and what the past adds."""

from typing import Annotated

from msgspec import Meta, Struct

from keeper.core.limits import Activity, Limits
from keeper.model.chain import Address
from keeper.model.errors import ConfigError
from keeper.model.flow import GasState, VolState
from keeper.model.strategies import Optimal, Strategy
from keeper.model.units import DAY_S

MAX_HEDGE_RATIO = 1.5
MAX_SIGMA = 10.0
"""Per year; beyond it somebody confused percent with fractions."""


class FixedVolatility(Struct, frozen=True, forbid_unknown_fields=True, tag="fixed"):
    """`volatility = { type = "fixed", sigma = "80 %" }`: the owner's own number."""

    sigma_fraction: Annotated[float, Meta(le=MAX_SIGMA)]


class EwmaVolatility(Struct, frozen=True, forbid_unknown_fields=True, tag="ewma"):
    """`volatility = { type = "ewma", half_life = "24 h", floor = "30 %" }`: from the oracle."""

    half_life_s: int
    floor_fraction: Annotated[float, Meta(le=MAX_SIGMA)]
    """Used below it, and until there are two rounds."""


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[books.policy]` in keeper.toml: what the owner wants, free of how it is done."""

    hedge_ratio: float = 1.0
    """Share of the vaults' delta to hedge, 0 to 1.5."""
    risk_aversion_per_usd: float
    """γ of ½·γ·variance: how many USD of cost one USD² of variance is worth avoiding."""
    volatility: FixedVolatility | EwmaVolatility
    horizon_s: int = 7 * DAY_S
    """How long an error would stay if nobody traded: bounds patience when nothing moves."""
    strategy: Strategy = Optimal()
    """When to trade, and how far."""
    check_interval_s: int = 12
    """Time between two looks: the band is narrower by what may happen in between."""
    max_net_base: float | None = None
    """The net delta never waits beyond this, whatever it costs."""

    def __post_init__(self) -> None:
        """Refuse what no owner can want."""
        if not 0 <= self.hedge_ratio <= MAX_HEDGE_RATIO:
            raise ConfigError("hedge_ratio must be within 0 and 1.5", value=self.hedge_ratio)
        if not self.risk_aversion_per_usd > 0:
            raise ConfigError(
                "risk_aversion must be above zero",
                value=self.risk_aversion_per_usd,
                remedy="1e-5 /USD is moderate; a larger value hedges more tightly",
            )
        if self.horizon_s <= 0:
            raise ConfigError("horizon must be above zero", value=self.horizon_s)
        if self.check_interval_s < 0:
            raise ConfigError("check_interval must not be below zero", value=self.check_interval_s)
        if self.max_net_base is not None and not self.max_net_base > 0:
            raise ConfigError(
                "max_net must be above zero",
                value=self.max_net_base,
                remedy="leave it out for no limit; to trade at every look: strategy always",
            )


class Terms(Struct, frozen=True):
    """What one book's decisions are made under: fixed between two starts of the keeper."""

    book: str
    asset: Address
    policy: Policy
    limits: Limits
    tip_wei: int
    max_reverts_per_hour: int = 3


class Memory(Struct, frozen=True):
    """What the past adds to a snapshot."""

    activity: Activity
    gas_units: int
    """Expected gas of one hedge transaction."""
    volatility: VolState | None
    gas: GasState | None = None
