"""What another keeper would have done, and paid, on the same path."""

from collections.abc import Callable, Sequence
from math import sqrt

from msgspec import Struct


class Mark(Struct, frozen=True):
    """One block as every policy finds it, whatever its hedge."""

    price: float
    delta: float
    gamma: float
    gas_usd: float
    """What one hedge transaction costs in this block."""
    reachable: bool = True
    """Whether a keeper could look at this block at all."""


class Costs(Struct, frozen=True):
    """What the venue charges."""

    fee_rate: float
    impact_per_base: float


class Ledger(Struct, frozen=True):
    """What one policy did on a path."""

    trades: int
    gas_usd: float
    fees_usd: float
    """Venue fees and price impact."""
    pnl_sd_usd: float
    """Standard deviation of the per-block change in value, before costs."""
    max_abs_net: float
    net: tuple[float, ...]
    cumulative_cost_usd: tuple[float, ...]

    @property
    def cost_usd(self) -> float:
        """Gas and fees."""
        return self.gas_usd + self.fees_usd


Policy = Callable[[float, Mark], float]
"""(net delta, mark) → units to trade."""


def every_block(net: float, _mark: Mark) -> float:
    """Trade back to zero in every block: the keeper that never waits."""
    return -net


def threshold(fraction: float) -> Policy:
    """Trade back to zero when the error exceeds *fraction* of the vault's delta."""

    def policy(net: float, mark: Mark) -> float:
        return -net if abs(net) > fraction * abs(mark.delta) else 0.0

    return policy


def never(_net: float, _mark: Mark) -> float:
    """Leave the vault unhedged."""
    return 0.0


def replay(marks: Sequence[Mark], policy: Policy, costs: Costs, *, hedge: float = 0.0) -> Ledger:
    """Run *policy* over *marks*, starting from *hedge*.

    A trade is decided on what one block shows and is in the next block, at its price and gas: no
    keeper can do better, whatever its policy.
    """
    gas_usd = fees_usd = 0.0
    trades = 0
    nets: list[float] = []
    spent: list[float] = []
    order = 0.0
    for mark in marks:
        if order:
            trades += 1
            gas_usd += mark.gas_usd
            fees_usd += trade_cost_usd(order, mark.price, costs)
            hedge += order
        nets.append(mark.delta + hedge)
        spent.append(gas_usd + fees_usd)
        order = policy(mark.delta + hedge, mark) if mark.reachable else 0.0
    return Ledger(
        trades=trades,
        gas_usd=gas_usd,
        fees_usd=fees_usd,
        pnl_sd_usd=pnl_sd_usd(marks, nets),
        max_abs_net=max((abs(net) for net in nets), default=0.0),
        net=tuple(nets),
        cumulative_cost_usd=tuple(spent),
    )


def trade_cost_usd(units: float, price: float, costs: Costs) -> float:
    """Return fee and impact of a trade of *units*."""
    size = abs(units)
    return price * (costs.fee_rate * size + costs.impact_per_base * size * size)


def pnl_sd_usd(marks: Sequence[Mark], nets: Sequence[float]) -> float:
    """Return the standard deviation of the per-block change in value at fixed holdings.

    The change is net·dS + ½Γ·dS²: what the hedge leaves, and the curvature that no linear hedge
    takes away.
    """
    moves = [
        net * (after.price - before.price) + 0.5 * before.gamma * (after.price - before.price) ** 2
        for before, after, net in zip(marks, marks[1:], nets, strict=False)
    ]
    if not moves:
        return 0.0
    mean = sum(moves) / len(moves)
    return sqrt(sum((move - mean) ** 2 for move in moves) / len(moves))
