"""A range to hedge for a month: what the optimum and its rivals are tried on."""

from keeper.sim.claims import liquidity_range
from keeper.sim.optimum import Problem

RANGE = Problem(
    claim=liquidity_range(spot=3_000.0, width=1.25, worth_usd=1e6),
    spot=3_000.0,
    sigma=0.8,
    years=30 / 365,
    checks=60,
    risk_aversion=1e-5,
    fixed_usd=5.0,
    fee_rate=6e-4,
)
