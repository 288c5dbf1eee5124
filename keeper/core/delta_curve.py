"""The delta of legs at any price, made once and asked many times.

`core/exposure` says what legs are at one price. A policy wants to know how their delta moves, at
dozens of prices; between two neighbouring edges of ranges the sum of all of them is

    Δ(P) = C + D/√P     with D the liquidity in range

so a table of edges, found by bisection, answers for any number of ranges at the same price. Options
move with time as well, and are asked one by one.
"""

from bisect import bisect_right
from collections.abc import Iterable
from math import inf, sqrt
from typing import assert_never

from keeper.core.band_corrections import DeltaAt
from keeper.core.exposure import option_delta, part
from keeper.model.chain import Address
from keeper.model.position import Concentrated, Leg, Linear, Loan, Option, Perpetual, Wrapped
from keeper.model.units import YEAR_S


def delta_curve(legs: Iterable[Leg], asset: Address, now_s: int, ratio: float = 1.0) -> DeltaAt:
    """Return *ratio* × the delta of *legs* as a function of (price, years from *now_s*).

    Legs are taken to be sound: `exposure.net` refuses those that are not.
    """
    constant, in_range = 0.0, 0.0
    steps: list[tuple[float, float, float]] = []
    options: list[Option] = []
    for leg in legs:
        match leg:
            case Option():
                options += [leg] if leg.asset == asset else []
            case Linear() | Wrapped() | Perpetual() | Loan():
                constant += part(leg, asset, 1.0, now_s).delta  # the same at any price
            case Concentrated():
                if leg.base == asset:
                    below, steps_of_range = _range(leg)
                    constant += below
                    in_range += leg.liquidity if leg.price_lower == 0.0 else 0.0
                    steps += steps_of_range
            case _:
                assert_never(leg)
    edges, constants, slopes = _table(constant, in_range, steps)
    constants = [ratio * each for each in constants]
    slopes = [ratio * each for each in slopes]

    def unaging(price: float, _years: float) -> float:
        segment = bisect_right(edges, price)
        return constants[segment] + slopes[segment] / sqrt(price)

    return _with_options(unaging, options, now_s, ratio) if options else unaging


def _with_options(rest: DeltaAt, options: list[Option], now_s: int, ratio: float) -> DeltaAt:
    left = [(leg, (leg.expires_at_s - now_s) / YEAR_S) for leg in options]

    def delta_at(price: float, years: float) -> float:
        return rest(price, years) + ratio * sum(
            option_delta(leg, price, years_left - years) for leg, years_left in left
        )

    return delta_at


def _range(leg: Concentrated) -> tuple[float, list[tuple[float, float, float]]]:
    """Return the constant below the range, and at its edges (price, change of C, change of D)."""
    liquidity = leg.liquidity
    at_upper = 0.0 if leg.price_upper == inf else liquidity / sqrt(leg.price_upper)
    steps = [] if leg.price_upper == inf else [(leg.price_upper, at_upper, -liquidity)]
    if leg.price_lower == 0.0:
        return -at_upper, steps
    at_lower = liquidity / sqrt(leg.price_lower)
    return at_lower - at_upper, [(leg.price_lower, -at_lower, liquidity), *steps]


def _table(
    constant: float, in_range: float, steps: list[tuple[float, float, float]]
) -> tuple[list[float], list[float], list[float]]:
    edges, constants, slopes = [], [constant], [in_range]
    for edge, by_constant, by_slope in sorted(steps):
        edges.append(edge)
        constants.append(constants[-1] + by_constant)
        slopes.append(slopes[-1] + by_slope)
    return edges, constants, slopes
