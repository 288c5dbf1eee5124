"""Invented markets, each repeatable from its seed: prices, gas and funding.

Prices carry no trend unless told to: their expected value is the first price. A scenario is drawn
from (seed, scenario) alone, so that it does not matter where, or in which order, it is drawn.
"""

from math import exp, sqrt
from typing import Annotated, Final, assert_never

import numpy as np
from msgspec import Meta, Struct
from numpy.random import Generator, default_rng

from keeper.core.arrays import Floats, Ints
from keeper.model.errors import ConfigError
from keeper.model.units import GWEI, HOUR_S, YEAR_S
from keeper.sim.market import Market

Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]

PRICES, GAS, FUNDING = range(3)
"""Streams of chance: a gas that is drawn otherwise leaves the price as it was."""
START_S: Final = 1_735_689_600


class Gbm(Struct, frozen=True, tag="gbm"):
    """Geometric Brownian motion."""

    sigma_fraction: NotNegative = 0.8
    drift_fraction: float = 0.0
    """Per year, of the expected price."""


class Heston(Struct, frozen=True, tag="heston"):
    """Variance that reverts to a mean and has its own noise (Heston, 1993)."""

    sigma_fraction: Positive = 0.8
    """√ of the long-run variance; also where it starts."""
    reversion_per_year: Positive = 10.0
    vol_of_vol: NotNegative = 2.0
    correlation: Annotated[float, Meta(ge=-1, le=1)] = -0.5
    drift_fraction: float = 0.0


class Jumps(Struct, frozen=True, tag="jumps"):
    """Diffusion with normal jumps of the log price (Merton, 1976); its trend is compensated."""

    sigma_fraction: NotNegative = 0.6
    """Of the diffusion alone."""
    jumps_per_year: NotNegative = 30.0
    mean_log: float = -0.02
    sd_log: NotNegative = 0.08
    drift_fraction: float = 0.0


Prices = Gbm | Heston | Jumps


class FlatGas(Struct, frozen=True, tag="flat"):
    """One base fee for ever."""

    gwei: NotNegative = 10.0


class RegimeGas(Struct, frozen=True, tag="regimes"):
    """Two base fees; how long each stays is exponential. It starts in its long-run mixture."""

    cheap_gwei: NotNegative = 8.0
    dear_gwei: NotNegative = 100.0
    cheap_hours: Positive = 18.0
    dear_hours: Positive = 6.0


Gas = FlatGas | RegimeGas


class FlatFunding(Struct, frozen=True, tag="flat"):
    """One rate for ever; positive means that longs pay."""

    per_year_fraction: float = 0.0


class RevertingFunding(Struct, frozen=True, tag="reverting"):
    """A rate that reverts to its mean (Ornstein-Uhlenbeck), drawn exactly at each bar."""

    per_year_fraction: float = 0.1
    sd_fraction: NotNegative = 0.2
    """Long-run standard deviation of the rate per year."""
    half_life_hours: Positive = 24.0


Funding = FlatFunding | RevertingFunding


class Invention(Struct, frozen=True, kw_only=True):
    """Everything an invented market is made from."""

    prices: Prices = Gbm()
    gas: Gas = FlatGas()
    funding: Funding = FlatFunding()
    start_price: Positive = 3_000.0
    steps: Annotated[int, Meta(ge=1)] = 720
    step_s: Annotated[int, Meta(ge=1)] = HOUR_S
    native_price: Positive | None = None
    """USD per coin of gas; None: the asset itself pays for gas."""


def invent(invention: Invention, seed: int, scenario: int = 0) -> Market:
    """Return the market of *steps* + 1 bars that *seed* and *scenario* name.

    Raises:
        ConfigError: The seed or the scenario is negative.

    """
    if seed < 0 or scenario < 0:
        raise ConfigError("a seed and a scenario are not below zero", seed=seed, scenario=scenario)
    steps, dt = invention.steps, invention.step_s / YEAR_S
    path = np.exp(_log_path(invention.prices, default_rng((seed, scenario, PRICES)), steps, dt))
    price = invention.start_price * path
    hours = invention.step_s / HOUR_S
    gas = _base_fee_wei(invention.gas, default_rng((seed, scenario, GAS)), steps, hours)
    rates = _rates(invention.funding, default_rng((seed, scenario, FUNDING)), steps, hours)
    native = invention.native_price
    return Market(
        name=str(invention.prices.__struct_config__.tag),
        at_s=START_S + invention.step_s * np.arange(steps + 1, dtype=np.int64),
        price=price,
        base_fee_wei=gas,
        funding=np.append(rates[:-1] * dt, 0.0),
        native_price=price if native is None else np.full(steps + 1, native),
    )


def _log_path(prices: Prices, chance: Generator, steps: int, dt: float) -> Floats:
    match prices:
        case Gbm(sigma_fraction=sigma, drift_fraction=drift):
            moves = _diffusion(chance.standard_normal(steps), sigma, drift, dt)
        case Heston():
            moves = _heston(prices, chance, steps, dt)
        case Jumps():
            moves = _jumps(prices, chance, steps, dt)
        case never:
            assert_never(never)
    return np.concatenate(([0.0], np.cumsum(moves)))


def _diffusion(noise: Floats, sigma: float, drift: float, dt: float) -> Floats:
    moves: Floats = (drift - 0.5 * sigma * sigma) * dt + sigma * sqrt(dt) * noise
    return moves


def _heston(law: Heston, chance: Generator, steps: int, dt: float) -> Floats:
    """Return log moves; the variance by full truncation, whose bias is the least of Euler's."""
    noise, own = chance.standard_normal((2, steps))
    mean = law.sigma_fraction**2
    shock = law.correlation * noise + sqrt(1 - law.correlation**2) * own
    variance, at = np.empty(steps), mean
    for k, z in enumerate((law.vol_of_vol * sqrt(dt) * shock).tolist()):
        now = max(at, 0.0)
        variance[k] = now
        at += law.reversion_per_year * (mean - now) * dt + sqrt(now) * z
    moves: Floats = (law.drift_fraction - 0.5 * variance) * dt + np.sqrt(variance * dt) * noise
    return moves


def _jumps(law: Jumps, chance: Generator, steps: int, dt: float) -> Floats:
    noise, size = chance.standard_normal((2, steps))
    count = chance.poisson(law.jumps_per_year * dt, steps)
    expected = exp(law.mean_log + 0.5 * law.sd_log**2) - 1
    drift = law.drift_fraction - law.jumps_per_year * expected
    moves: Floats = _diffusion(noise, law.sigma_fraction, drift, dt)
    moves += law.mean_log * count + law.sd_log * np.sqrt(count) * size
    return moves


def _base_fee_wei(gas: Gas, chance: Generator, steps: int, hours: float) -> Ints:
    match gas:
        case FlatGas(gwei=gwei):
            return np.full(steps + 1, round(gwei * GWEI), dtype=np.int64)
        case RegimeGas():
            levels = np.array([round(gas.cheap_gwei * GWEI), round(gas.dear_gwei * GWEI)])
            fees: Ints = levels[_regimes(gas, chance, steps, hours)].astype(np.int64)
            return fees
        case never:
            assert_never(never)


def _regimes(gas: RegimeGas, chance: Generator, steps: int, hours: float) -> Ints:
    """Return 1 where gas is dear: the continuous chain, seen exactly at each bar."""
    leave_cheap, leave_dear = 1 / gas.cheap_hours, 1 / gas.dear_hours
    total = leave_cheap + leave_dear
    dear_share, fades = leave_cheap / total, exp(-total * hours)
    draws = chance.random(steps + 1).tolist()
    dear = draws[0] < dear_share
    states = [dear]
    for draw in draws[1:]:
        dear = draw < dear_share + (dear - dear_share) * fades
        states.append(dear)
    return np.array(states, dtype=np.int64)


def _rates(funding: Funding, chance: Generator, steps: int, hours: float) -> Floats:
    match funding:
        case FlatFunding(per_year_fraction=rate):
            return np.full(steps + 1, rate)
        case RevertingFunding():
            keeps = 0.5 ** (hours / funding.half_life_hours)
            shocks = funding.sd_fraction * chance.standard_normal(steps + 1)
            above = [float(shocks[0])]
            for shock in (sqrt(1 - keeps * keeps) * shocks[1:]).tolist():
                above.append(keeps * above[-1] + shock)
            rates: Floats = funding.per_year_fraction + np.array(above)
            return rates
        case never:
            assert_never(never)
