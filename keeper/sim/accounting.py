"""What a run cost, what risk it left, and where its profit and loss came from.

Over the interval from bar k to the next one, with Δ the vault's delta and h the hedge held,

    pnl  =  (Δ + h)·dS   +   (vault's pnl − Δ·dS)   −   h·S′·f   −   costs at bar k
            hedge error      curvature                  funding

Curvature is what no linear hedge takes away: a range position loses it to better informed traders,
before the fees that it earns; an option's holds its time decay. `risk` counts the hedge error
alone, since that is what the policy answers for.
"""

from math import log1p, sqrt
from typing import Final

import numpy as np
from msgspec import Struct

from keeper.core.arrays import Floats
from keeper.model.errors import BadData
from keeper.model.units import DAY_S
from keeper.sim.backtest import Run, Scene, hedges
from keeper.sim.market import Market

TAIL: Final = 0.05
CLEAR_OF_ZERO: Final = 2.0
"""Standard errors between a beta and 0, below which it is none."""
LEAST_SAMPLES: Final = 2


class Attribution(Struct, frozen=True, kw_only=True):
    """Where the profit and loss of vault and hedge together came from, USD; it adds up to `pnl`."""

    hedge_error_usd: float
    curvature_usd: float
    funding_usd: float
    """Positive: received."""
    fees_usd: float
    slippage_usd: float
    gas_usd: float
    liquidation_usd: float

    @property
    def pnl_usd(self) -> float:
        """Return the sum of all parts."""
        return float(sum(getattr(self, name) for name in self.__struct_fields__))


class Needs(Struct, frozen=True, kw_only=True):
    """How far a run went: what limits must leave room for."""

    smallest_order_base: float
    """0 without a trade, like the others."""
    largest_order_base: float
    largest_hedge_base: float
    leverage_x: float | None
    """Highest notional over what the account was worth; None if it once had nothing."""
    gas_day_usd: float
    """Most gas of any 24 hours."""


class Account(Struct, frozen=True, kw_only=True):
    """One run in figures. USD, and per year where it says so."""

    years: float
    trades: int
    messages: int
    message_to_trade: float | None
    """Orders sent for each one filled; None without a trade."""
    turnover_usd: float
    trading_cost_usd: float
    """Venue fees and price impact."""
    gas_usd: float
    cost_usd: float
    """Trading, gas and liquidation fees; funding is not in it."""
    funding_usd: float
    """Positive: received."""
    liquidations: int
    max_abs_net_base: float
    needs: Needs
    residual_variance_usd2: float
    """Of the hedge error, per year: Σ(net·dS)²/years."""
    risk_usd: float
    """Its root: the standard deviation of a year's hedge error."""
    unhedged_risk_usd: float
    objective_usd: float
    """Cost plus ½·γ·Σ(net·dS)²: what the band makes small."""
    attribution: Attribution
    pnl_usd: float
    cvar95_usd: float | None
    """Mean loss of the worst twentieth of days (of bars, if there are fewer than two days)."""
    max_drawdown_usd: float
    mean_variance_ce_usd: float | None
    """Mean less ½·γ·variance of the samples, times their number."""
    entropic_ce_usd: float | None
    """−(1/γ)·ln E[exp(−γ·sample)], times their number."""
    sharpe: float | None
    sortino: float | None
    treynor_fraction: float | None
    """Yearly return on the vault's first value over its beta; None if the beta may be 0."""


class Course(Struct, frozen=True, eq=False):
    """A run interval by interval: what the charts draw. One entry per bar; the last pnl is 0."""

    hedge: Floats
    net: Floats
    """Vault's delta and hedge."""
    cost_usd: Floats
    """Fees, slippage, gas and liquidation fees at each bar."""
    gas_usd: Floats
    """Of `cost_usd`, what whoever signs pays: for orders that were refused, too."""
    funding_usd: Floats
    hedge_error_usd: Floats
    curvature_usd: Floats

    @property
    def pnl_usd(self) -> Floats:
        """Return what vault and hedge gain between a bar and the next; costs of both ends last."""
        pnl: Floats = self.hedge_error_usd + self.curvature_usd + self.funding_usd - self.cost_usd
        return pnl


def course(scene: Scene, run: Run) -> Course:
    """Return *run* interval by interval."""
    market, held = scene.market, scene.held
    hedge = hedges(run, market.bars)
    net = held.delta + hedge
    after = np.append(market.price[1:], market.price[-1])
    moved = after - market.price
    gas = _gas(scene, run)
    return Course(
        hedge=hedge,
        net=net,
        cost_usd=gas + _venue_costs(scene, run),
        gas_usd=gas,
        funding_usd=-hedge * after * market.funding,
        hedge_error_usd=net * moved,
        curvature_usd=held.pnl_usd - held.delta * moved,
    )


def _gas(scene: Scene, run: Run) -> Floats:
    gas = np.zeros(scene.market.bars)
    np.add.at(gas, run.bar, run.gas_usd)
    for bar, usd in run.lost:
        gas[bar] += usd
    return gas


def _venue_costs(scene: Scene, run: Run) -> Floats:
    costs = np.zeros(scene.market.bars)
    np.add.at(costs, run.bar, run.fee_usd + run.slippage_usd)
    for bar, fee_usd in run.liquidations:
        costs[bar] += fee_usd
    return costs


def account(
    scene: Scene, run: Run, *, risk_aversion_per_usd: float, seen: Course | None = None
) -> Account:
    """Return the figures of *run*; *seen* spares its course if it is known."""
    at = course(scene, run) if seen is None else seen
    years = scene.market.years
    parts = _attribution(run, at)
    squared = float(at.hedge_error_usd @ at.hedge_error_usd)
    moved = np.diff(scene.market.price)
    bare = scene.held.delta[:-1] * moved
    trading_usd = float(run.fee_usd.sum() + run.slippage_usd.sum())
    cost_usd = float(at.cost_usd.sum())
    samples = _Samples.of(scene, at)
    return Account(
        years=years,
        trades=run.trades,
        messages=run.messages,
        message_to_trade=run.messages / run.trades if run.trades else None,
        turnover_usd=float(np.abs(run.units) @ scene.market.price[run.bar]),
        trading_cost_usd=trading_usd,
        gas_usd=-parts.gas_usd,
        cost_usd=cost_usd,
        funding_usd=parts.funding_usd,
        liquidations=len(run.liquidations),
        max_abs_net_base=float(np.abs(at.net).max()),
        needs=_needs(scene, run, at),
        residual_variance_usd2=squared / years,
        risk_usd=sqrt(squared / years),
        unhedged_risk_usd=sqrt(float(bare @ bare) / years),
        objective_usd=cost_usd + 0.5 * risk_aversion_per_usd * squared,
        attribution=parts,
        pnl_usd=parts.pnl_usd,
        cvar95_usd=samples.cvar(),
        max_drawdown_usd=drawdown(at.pnl_usd),
        mean_variance_ce_usd=samples.mean_variance(risk_aversion_per_usd),
        entropic_ce_usd=samples.entropic(risk_aversion_per_usd),
        sharpe=samples.sharpe(),
        sortino=samples.sortino(),
        treynor_fraction=samples.treynor(float(scene.held.value_usd[0])),
    )


def _needs(scene: Scene, run: Run, at: Course) -> Needs:
    price, size = scene.market.price, np.abs(run.units)
    # Gas is paid by whoever signs, not by the account at the venue.
    paid = at.cost_usd - at.gas_usd
    gained = at.hedge[:-1] * np.diff(price) + at.funding_usd[:-1] - paid[:-1]
    equity = scene.venue.collateral_usd + np.concatenate(([0.0], np.cumsum(gained)))
    leverage = float((np.abs(at.hedge) * price / equity).max()) if equity.min() > 0 else None
    return Needs(
        smallest_order_base=float(size.min()) if len(size) else 0.0,
        largest_order_base=float(size.max(initial=0.0)),
        largest_hedge_base=float(np.abs(at.hedge).max()),
        leverage_x=leverage,
        gas_day_usd=_gas_day(scene.market, at.gas_usd),
    )


def _gas_day(market: Market, gas_usd: Floats) -> float:
    """Return the most gas within any 24 hours, ends included."""
    until = np.concatenate(([0.0], np.cumsum(gas_usd)))
    first = np.searchsorted(market.at_s, market.at_s - DAY_S)
    return float((until[1:] - until[first]).max())


def _attribution(run: Run, at: Course) -> Attribution:
    lost_gas_usd = sum(usd for _, usd in run.lost)
    return Attribution(
        hedge_error_usd=float(at.hedge_error_usd.sum()),
        curvature_usd=float(at.curvature_usd.sum()),
        funding_usd=float(at.funding_usd.sum()),
        fees_usd=-float(run.fee_usd.sum()),
        slippage_usd=-float(run.slippage_usd.sum()),
        gas_usd=-float(run.gas_usd.sum()) - lost_gas_usd,
        liquidation_usd=-float(sum(usd for _, usd in run.liquidations)),
    )


def drawdown(pnl_usd: Floats) -> float:
    """Return the deepest fall of the running sum below its highest point, at least 0."""
    total = np.concatenate(([0.0], np.cumsum(pnl_usd)))
    return float((np.maximum.accumulate(total) - total).max())


def cvar(losses_usd: Floats, tail: float = TAIL) -> float:
    """Return the mean of the worst *tail* of *losses_usd*; a sample at its edge counts in part.

    Raises:
        BadData: There is no sample.

    """
    if not len(losses_usd):
        raise BadData("no tail without a sample", samples=0)
    worst = np.sort(losses_usd)[::-1]
    wanted = tail * len(worst)
    weights = np.clip(wanted - np.arange(len(worst)), 0.0, 1.0)
    return float(weights @ worst / wanted)


def entropic(pnl_usd: Floats, risk_aversion_per_usd: float) -> float:
    """Return −(1/γ)·ln mean exp(−γ·pnl): the sure amount that is worth as much to CARA utility."""
    exponents = -risk_aversion_per_usd * pnl_usd
    top = float(exponents.max())
    # About the worst sample, so that nothing overflows; expm1 and log1p, so that a small γ keeps
    # its digits.
    mean = float(np.mean(np.expm1(exponents - top)))
    return -(top + log1p(mean)) / risk_aversion_per_usd


class _Samples(Struct, frozen=True, eq=False):
    """PnL by day, or by bar if there are not two days."""

    pnl_usd: Floats
    asset_return: Floats
    per_year: float

    @classmethod
    def of(cls, scene: Scene, at: Course) -> "_Samples":
        market = scene.market
        days = (market.at_s[:-1] - market.at_s[0]) // DAY_S
        starts = np.unique(days, return_index=True)[1]
        if len(starts) < LEAST_SAMPLES:
            starts = np.arange(market.bars - 1)
        pnl = at.pnl_usd.copy()
        pnl[-2] += pnl[-1]
        edges = np.append(starts, market.bars - 1)
        return cls(
            pnl_usd=np.add.reduceat(pnl[:-1], starts),
            asset_return=market.price[edges[1:]] / market.price[starts] - 1,
            per_year=len(starts) / market.years,
        )

    def cvar(self) -> float | None:
        return cvar(-self.pnl_usd) if self._enough() else None

    def mean_variance(self, risk_aversion: float) -> float | None:
        if not self._enough():
            return None
        mean, variance = float(self.pnl_usd.mean()), float(self.pnl_usd.var())
        return len(self.pnl_usd) * (mean - 0.5 * risk_aversion * variance)

    def entropic(self, risk_aversion: float) -> float | None:
        if not self._enough():
            return None
        return len(self.pnl_usd) * entropic(self.pnl_usd, risk_aversion)

    def sharpe(self) -> float | None:
        spread = float(self.pnl_usd.std(ddof=1)) if self._enough() else 0.0
        return float(self.pnl_usd.mean()) / spread * sqrt(self.per_year) if spread else None

    def sortino(self) -> float | None:
        down = sqrt(float(np.mean(np.minimum(self.pnl_usd, 0.0) ** 2)))
        return float(self.pnl_usd.mean()) / down * sqrt(self.per_year) if down else None

    def treynor(self, value_usd: float) -> float | None:
        if not self._enough() or not value_usd > 0:
            return None
        returns = self.pnl_usd / value_usd
        asset = self.asset_return - self.asset_return.mean()
        variance = float(asset @ asset)
        beta = float(asset @ returns) / variance if variance else 0.0
        rest = returns - returns.mean() - beta * asset
        error = sqrt(float(rest @ rest) / (len(rest) * variance)) if variance else 0.0
        if abs(beta) <= CLEAR_OF_ZERO * error:
            return None
        return float(returns.mean()) * self.per_year / beta

    def _enough(self) -> bool:
        return len(self.pnl_usd) >= LEAST_SAMPLES
