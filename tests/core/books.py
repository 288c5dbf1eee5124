"""One book at one block, for tests of what is thought about it: a range, and no hedge yet."""

from keeper.core.limits import Activity
from keeper.core.terms import FixedVolatility, Memory, Policy, Terms
from keeper.model.chain import BlockRef
from keeper.model.market import Quote
from keeper.model.position import Concentrated, VenueState
from keeper.model.strategies import Optimal
from keeper.model.units import GWEI, HOUR_S, MS_PER_S
from keeper.sim.world import ASSET, LIMITS

NOW_S = 1_700_000_000
BLOCK = BlockRef(100, "0x" + "ab" * 32, "0x" + "aa" * 32, NOW_S, 20 * GWEI)
QUOTE = Quote("feed", 2_000.0, NOW_S - 10, HOUR_S, round_id=1)
VENUE = VenueState(
    size_base=0.0,
    open_notional_usd=0.0,
    pending_funding_usd=0.0,
    account_value_usd=50_000.0,
    free_collateral_usd=50_000.0,
    margin_ratio=None,
    liquidation_price=None,
    mark_price=2_000.0,
    trade_price=2_000.0,
    index_price=2_000.0,
    fee_rate=0.001,
    impact_per_base=1e-5,
    initial_margin_ratio=0.1,
)
RANGE = Concentrated(ASSET, ASSET, liquidity=3_000.0, price_lower=1_500.0, price_upper=2_600.0)
BARE = Optimal(smooth_gamma=False, horizon_guard=False, check_shift=False, gas_regimes=False)
"""The stationary band, without a correction."""
POLICY = Policy(risk_aversion_per_usd=1e-4, volatility=FixedVolatility(0.8))
TERMS = Terms("eth", ASSET, POLICY, LIMITS, tip_wei=GWEI)
QUIET = Memory(Activity(NOW_S * MS_PER_S, None, 0.0), gas_units=800_000, volatility=None)
"""No trade yet."""
