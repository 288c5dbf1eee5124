"""Small scenes to run keepers in."""

from collections.abc import Callable

import numpy as np
import pytest

from keeper.core.decide import FixedVolatility, Policy, Terms
from keeper.core.limits import Limits
from keeper.model.units import GWEI, YEAR_S
from keeper.sim.backtest import Scene
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import ASSET, Range, Spot, hold
from keeper.sim.market import Market
from keeper.sim.processes import Invention, RegimeGas, RevertingFunding, invent

OPEN = Limits(
    min_trade_base=1e-9,
    cooldown_s=1,
    max_order_base=1e9,
    max_position_base=1e9,
    max_leverage_x=1e9,
    max_gas_price_wei=10**6 * GWEI,
    daily_gas_budget_usd=1e9,
    max_price_age_s=YEAR_S,
    max_block_age_s=YEAR_S,
    max_deviation_fraction=1.0,
    max_slippage_fraction=1.0,
)


@pytest.fixture
def terms() -> Terms:
    """Terms without a limit that binds."""
    policy = Policy(risk_aversion_per_usd=1e-5, volatility=FixedVolatility(0.8))
    return Terms(book="test", asset=ASSET, policy=policy, limits=OPEN, tip_wei=GWEI // 10)


@pytest.fixture
def scene() -> Scene:
    """Ten days of a range, with gas in two regimes and funding."""
    law = Invention(steps=240, gas=RegimeGas(), funding=RevertingFunding())
    market = invent(law, 1)
    return Scene(market, hold(Range(reopened_every_days=4.0), market))


MarketOf = Callable[..., Market]
SceneOf = Callable[..., Scene]


@pytest.fixture
def market_of() -> MarketOf:
    """Make a market of hours out of prices, and of funding and gas if they are given."""

    def make(*prices: float, funding: list[float] | None = None, gwei: float = 0.0) -> Market:
        count = len(prices)
        return Market(
            name="given",
            at_s=np.arange(count, dtype=np.int64) * 3_600,
            price=np.array(prices),
            base_fee_wei=np.full(count, round(gwei * GWEI), dtype=np.int64),
            funding=np.array(funding or [0.0] * count),
            native_price=np.array(prices),
        )

    return make


@pytest.fixture
def spot_scene(market_of: MarketOf) -> SceneOf:
    """Ten units of the asset along given prices."""

    def make(*prices: float, venue: VenueTerms | None = None, latency: int = 0) -> Scene:
        market = market_of(*prices)
        return Scene(market, hold(Spot(10.0), market), venue or VenueTerms(), latency)

    return make
