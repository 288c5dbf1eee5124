"""A run without the decision: the trades of one strategy, found by arithmetic on whole arrays.

For sweeps over thousands of settings. It trades as the decision would if nothing stood in the way:
no limit binds, the margin never ends, and no order misses its price. `tests/sim/test_fast.py` holds
it to the same trades.
"""

from typing import Final

import numpy as np

from keeper.core.arrays import Floats
from keeper.core.decide import Terms
from keeper.model.strategies import Interval, Strategy
from keeper.sim.backtest import Run, Scene, Scout
from keeper.sim.edges import Looks, edges, looks_along
from keeper.sim.skipping import Edges, Finder, Trades, band_trades, clock_trades

ROUNDING: Final = 1e-9


def run_fast(scene: Scene, terms: Terms, strategy: Strategy) -> Run:
    """Return what a keeper on *terms* does in *scene* if no limit but the least trade binds."""
    looks = looks_along(scene, terms)
    return booked(scene, trades_of(scene, looks, strategy, terms), looks.fixed_usd)


def trades_of(scene: Scene, looks: Looks, strategy: Strategy, terms: Terms) -> Trades:
    """Return when *strategy* changes the hedge; *looks* spare a sweep their repetition."""
    least = terms.limits.min_trade_base
    if isinstance(strategy, Interval):
        at_s = scene.market.at_s[:-1]
        return clock_trades(looks.bare[:-1], at_s, every_s=strategy.every_s, min_trade=least)
    band = edges(strategy, looks)
    return band_trades(Edges(band.bare[:-1], band.outer[:-1], band.inner[:-1]), min_trade=least)


def scout_of(band: Edges) -> Scout:
    """Return what lets `backtest.run` pass over the bars inside *band*, and change no trade.

    The decision at the bars that are left still decides: *band* is taken a little narrower than it
    is, because the decision may round the other way.
    """
    finder = Finder(Edges(band.bare, band.outer * (1 - ROUNDING), band.inner), min_trade=0.0)
    return finder.first_outside


def booked(scene: Scene, trades: Trades, gas_usd: Floats) -> Run:
    """Return *trades* with what they cost in *scene*; *gas_usd* is that of one trade, by bar."""
    market, venue = scene.market, scene.venue
    bar, units = trades.bar + scene.latency_bars, trades.units
    price = market.price[bar]
    return Run(
        bar=bar,
        units=units,
        fee_usd=venue.fee_fraction * np.abs(units) * price,
        slippage_usd=venue.impact_per_base * units * units * price,
        gas_usd=gas_usd[bar],
        liquidations=(),
        lost=(),
        messages=len(trades.bar),
        looks=market.bars,
        refusals={},
    )
