"""From the options of a simulated command to the scene it plays in and the terms it plays on."""

from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from keeper.cli.opening import configured
from keeper.cli.scene_options import INVENTED, Chosen
from keeper.cli.setting import Setting
from keeper.core.decide import EwmaVolatility, FixedVolatility, Policy, Terms
from keeper.core.limits import Limits
from keeper.model.errors import ConfigError
from keeper.model.units import DAY_S, GWEI, YEAR_S
from keeper.sim.backtest import Scene
from keeper.sim.hedge_account import VenueTerms
from keeper.sim.holding import ASSET, Holding, Range, Spot, hold
from keeper.sim.market import Market
from keeper.sim.processes import (
    FlatFunding,
    FlatGas,
    Gbm,
    Heston,
    Invention,
    Jumps,
    Prices,
    RegimeGas,
    RevertingFunding,
)
from keeper.sim.recorded import Files, read_market
from keeper.sim.sweep import Place, scene_of

RISK_AVERSION_PER_USD: Final = 1e-5
SIGMA: Final = 0.8
ESTIMATED: Final = EwmaVolatility(half_life_s=7 * DAY_S, floor_fraction=0.3)
"""Of a recorded path nobody has said how much it moves."""
MOST_STEPS: Final = 10_000_000
UNLIMITED: Final = 1e15
OPEN_LIMITS: Final = Limits(
    min_trade_base=1e-9,
    cooldown_s=1,
    max_order_base=UNLIMITED,
    max_position_base=UNLIMITED,
    max_leverage_x=UNLIMITED,
    max_gas_price_wei=10**6 * GWEI,
    daily_gas_budget_usd=UNLIMITED,
    max_price_age_s=YEAR_S,
    max_block_age_s=YEAR_S,
    max_deviation_fraction=1.0,
    max_slippage_fraction=1.0,
)
"""Without a book of the user's there is nothing to be held back by."""


class Staged(Struct, frozen=True, eq=False):
    """What a simulated command works on."""

    terms: Terms
    first: Scene
    """The scene of the charts."""
    places: tuple[Scene | Place, ...]
    """All scenarios; the first is `first`."""
    step_s: int


def stage(chosen: Chosen, setting: Setting) -> Staged:
    """Return what *chosen* says.

    Raises:
        ConfigError: A file or the configuration cannot be used, or two options contradict.

    """
    terms = _terms(chosen, setting)
    venue = VenueTerms(
        fee_fraction=chosen.fee,
        impact_per_base=chosen.impact,
        gas_units=chosen.gas_units,
        collateral_usd=chosen.worth if chosen.collateral is None else chosen.collateral,
    )
    if chosen.is_recorded:
        market = _recorded(chosen)
        scene = Scene(
            market, hold(_holding(chosen, float(market.price[0])), market), venue, chosen.latency
        )
        return Staged(terms, scene, (scene,), market.step_s)
    invention = _invention(chosen)
    places = tuple(
        Place(
            invention=invention,
            holding=_holding(chosen, chosen.price),
            venue=venue,
            seed=chosen.seed,
            scenario=scenario,
            latency_bars=chosen.latency,
        )
        for scenario in range(chosen.scenarios)
    )
    return Staged(terms, scene_of(places[0]), places, invention.step_s)


def _terms(chosen: Chosen, setting: Setting) -> Terms:
    policy = Policy(
        risk_aversion_per_usd=RISK_AVERSION_PER_USD,
        volatility=_volatility(chosen),
    )
    limits, tip_wei, name = OPEN_LIMITS, VenueTerms().tip_wei, "backtest"
    if chosen.book is not None:
        config = configured(setting, chosen.book)
        book = next(each for each in config.books if each.name == chosen.book)
        policy, limits, name = book.policy, book.limits, book.name
        tip_wei = config.transactions.tip_wei
    if chosen.risk_aversion is not None:
        policy = replace(policy, risk_aversion_per_usd=chosen.risk_aversion)
    return Terms(book=name, asset=ASSET, policy=policy, limits=limits, tip_wei=tip_wei)


def _volatility(chosen: Chosen) -> FixedVolatility | EwmaVolatility:
    if chosen.sigma is None and chosen.is_recorded:
        return ESTIMATED
    return FixedVolatility(SIGMA if chosen.sigma is None else chosen.sigma)


def _recorded(chosen: Chosen) -> Market:
    if not Path(chosen.path).exists():
        raise ConfigError(
            "there is no such file, and no such kind of path",
            path=chosen.path,
            remedy=f"--path is {', '.join(INVENTED)}, or names a CSV of prices",
        )
    if chosen.scenarios > 1:
        raise ConfigError(
            "recorded prices are one scenario",
            path=chosen.path,
            remedy=f"leave --scenarios out, or invent a path: {', '.join(INVENTED)}",
        )
    if isinstance(chosen.gas, str) or isinstance(chosen.funding, str):
        raise ConfigError(
            "gas and funding of a recorded path are recorded too, or one number",
            remedy="name a file, or a number with its unit",
        )
    if not isinstance(chosen.funding, Path) and chosen.funding:
        raise ConfigError(
            "funding of a recorded path is recorded too", remedy="name a file, or leave it out"
        )
    files = Files(
        prices=Path(chosen.path),
        funding=chosen.funding if isinstance(chosen.funding, Path) else None,
        gas_shift_s=round(chosen.gas_shift),
    )
    if isinstance(chosen.gas, Path):
        return read_market(replace(files, gas=chosen.gas))
    return read_market(replace(files, flat_gas_gwei=chosen.gas / GWEI))


def _invention(chosen: Chosen) -> Invention:
    if isinstance(chosen.gas, Path) or isinstance(chosen.funding, Path):
        raise ConfigError(
            "an invented path has no recorded gas or funding",
            remedy="name a price file with --path, or give numbers",
        )
    sigma = SIGMA if chosen.sigma is None else chosen.sigma
    laws: dict[str, Prices] = {
        "gbm": Gbm(sigma),
        "heston": Heston(sigma),
        "jumps": Jumps(sigma),
    }
    step_s = round(chosen.step)
    steps = max(1, round(chosen.days * DAY_S / step_s))
    if steps > MOST_STEPS:
        raise ConfigError(
            "so many bars do not fit into memory",
            bars=steps,
            most=MOST_STEPS,
            remedy="choose fewer --days, or a longer --step",
        )
    return Invention(
        prices=laws[chosen.path],
        gas=RegimeGas() if isinstance(chosen.gas, str) else FlatGas(chosen.gas / GWEI),
        funding=(
            RevertingFunding() if isinstance(chosen.funding, str) else FlatFunding(chosen.funding)
        ),
        start_price=chosen.price,
        steps=steps,
        step_s=step_s,
    )


def _holding(chosen: Chosen, price: float) -> Holding:
    if chosen.holding == "spot":
        return Spot(chosen.worth / price)
    days = chosen.reopen / DAY_S
    return Range(chosen.worth, chosen.width, days if days > 0 else None)
