"""Many scenarios as one: means with their errors, and the risk of their totals."""

from collections.abc import Sequence
from math import fsum, sqrt
from typing import Final

import numpy as np
from msgspec import Struct

from keeper.sim.accounting import Account, cvar, entropic

LEAST_TAIL: Final = 20
"""Scenarios from which on a twentieth is at least one of them."""


class Mean(Struct, frozen=True):
    """A mean over scenarios, and its standard error; None with one scenario."""

    value: float
    se: float | None


class Pooled(Struct, frozen=True, kw_only=True):
    """One policy over many scenarios; USD per scenario."""

    scenarios: int
    trades: Mean
    cost_usd: Mean
    gas_usd: Mean
    funding_usd: Mean
    turnover_usd: Mean
    objective_usd: Mean
    pnl_usd: Mean
    risk_usd: float
    """Root of the mean residual variance, per year."""
    liquidations: int
    message_to_trade: float | None
    cvar95_usd: float | None
    """Mean loss of the worst twentieth of scenarios."""
    worst_drawdown_usd: float
    mean_variance_ce_usd: float
    entropic_ce_usd: float


def pool(accounts: Sequence[Account], *, risk_aversion_per_usd: float) -> Pooled:
    """Return *accounts* of one policy, one per scenario and at least one, as one."""
    pnl = np.array([each.pnl_usd for each in accounts])
    trades = sum(each.trades for each in accounts)
    messages = sum(each.messages for each in accounts)
    return Pooled(
        scenarios=len(accounts),
        trades=_mean([float(each.trades) for each in accounts]),
        cost_usd=_mean([each.cost_usd for each in accounts]),
        gas_usd=_mean([each.gas_usd for each in accounts]),
        funding_usd=_mean([each.funding_usd for each in accounts]),
        turnover_usd=_mean([each.turnover_usd for each in accounts]),
        objective_usd=_mean([each.objective_usd for each in accounts]),
        pnl_usd=_mean(pnl.tolist()),
        risk_usd=sqrt(fsum(each.residual_variance_usd2 for each in accounts) / len(accounts)),
        liquidations=sum(each.liquidations for each in accounts),
        message_to_trade=messages / trades if trades else None,
        cvar95_usd=cvar(-pnl) if len(accounts) >= LEAST_TAIL else None,
        worst_drawdown_usd=max(each.max_drawdown_usd for each in accounts),
        mean_variance_ce_usd=float(pnl.mean() - 0.5 * risk_aversion_per_usd * pnl.var()),
        entropic_ce_usd=entropic(pnl, risk_aversion_per_usd),
    )


def _mean(values: Sequence[float]) -> Mean:
    value = fsum(values) / len(values)
    if len(values) == 1:
        return Mean(value, None)
    variance = fsum((each - value) ** 2 for each in values) / (len(values) - 1)
    return Mean(value, sqrt(variance / len(values)))
