"""Prices and what they are worth as evidence."""

from msgspec import Struct


class Quote(Struct, frozen=True):
    """One price as its source gives it; whether to trust it is for `core/prices`."""

    source: str
    price: float
    """Quote currency (USD) per unit of the asset; > 0."""
    updated_at_s: int
    """Unix seconds, by the chain's clock."""
    max_age_s: int
    """Heartbeat of this source plus its margin, from the configuration."""
    round_id: int = 0
    """Grows with each update; a change of its phase means another aggregator."""
