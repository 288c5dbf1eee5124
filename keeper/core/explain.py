"""Why a decision is what it is: the record that `keeper why` shows, and what-ifs from it.

The record has every number that the band came from. So what it would be, were one of them wrong, is
worked out when somebody asks, and not by a keeper in a hurry.
"""

from msgspec import Struct
from msgspec.structs import replace

from keeper.core import band as bands
from keeper.core.policies import FAR, Plan, Policy, Situation, policy_of
from keeper.core.problem import Problem, situation
from keeper.core.terms import Terms
from keeper.model.flow import Band, Gate, Premises, Reasoning, Snapshot

TIMES = (0.5, 2.0)


class Sensitivity(Struct, frozen=True, array_like=True):
    """What the band would be if one number were another multiple of what it is."""

    of: str
    times: float
    outer: float
    inner: float


def reasoning(  # the record has all of it, or it does not explain
    snapshot: Snapshot,
    terms: Terms,
    problem: Problem,
    plan: Plan,
    units: float,
    gates: tuple[Gate, ...],
) -> Reasoning:
    """Return the record of a decision to trade *units*, or nothing."""
    return Reasoning(
        book=terms.book,
        block=snapshot.block,
        exposure=problem.exposure,
        hedge=problem.hedge,
        hedge_ratio=terms.policy.hedge_ratio,
        net=problem.at.net,
        band=plan.band,
        costs=problem.costs,
        risk_aversion=terms.policy.risk_aversion_per_usd,
        sigma=problem.sigma,
        volatility=problem.volatility,
        risk_now_usd_per_year=bands.risk_rate(problem.at.net, problem.at.risk_weight),
        trade_cost_usd=_trade_cost_usd(units, problem),
        trade_benefit_usd=_benefit_usd(units, problem, plan),
        gates=gates,
        would_trade_if=_would_trade_if(problem, plan),
        policy=plan.why,
        gas=problem.gas,
        premises=Premises(
            strategy=terms.policy.strategy,
            sigma_x=plan.sigma_x,
            remaining_years=problem.at.remaining_years,
            check_years=problem.at.check_years,
            max_net=problem.at.max_net,
        ),
    )


def _trade_cost_usd(units: float, problem: Problem) -> float:
    at = problem.at
    return bands.trade_cost(
        units, fixed_cost=at.fixed_usd, prop_cost=at.prop_usd, impact=at.impact_usd
    )


def _benefit_usd(units: float, problem: Problem, plan: Plan) -> float:
    """Risk that the trade takes away while the error would have lived, before its cost."""
    at = problem.at
    before = bands.risk_rate(at.net, at.risk_weight)
    after = bands.risk_rate(at.net + units, at.risk_weight)
    return (before - after) * _error_life_years(at, plan)


def _error_life_years(at: Situation, plan: Plan) -> float:
    # A driftless error of size x with volatility σx takes about x²/σx² to diffuse back to zero;
    # beyond the horizon nobody counts.
    spread = max(abs(at.net), plan.band.outer)
    if spread * spread >= at.remaining_years * plan.sigma_x * plan.sigma_x:
        return at.remaining_years
    return (spread / plan.sigma_x) ** 2


def _would_trade_if(problem: Problem, plan: Plan) -> str:
    net, outer, gamma = problem.at.net, plan.band.outer, problem.at.gamma
    room = outer - abs(net)
    if room <= 0:
        return "it is outside the band: only a gate can hold it back"
    if outer >= FAR:
        return f"a person asks for it, or its time comes: the policy is {plan.why}"
    words = f"net delta beyond ±{outer:.6g}: {room:.6g} more to the same side"
    if gamma == 0:
        return words
    price = problem.at.price
    # Gamma turns a move of the price into a move of the net delta, to first order.
    edges = ((edge - net) / gamma for edge in (outer, -outer))
    levels = sorted(price + move for move in edges if price + move > 0)
    return words + ", or price near " + " or ".join(f"{level:,.2f}" for level in levels)


def sensitivity(why: Reasoning) -> tuple[Sensitivity, ...]:
    """Return `what_ifs` of a record; nothing for one of a time when its premises were not kept."""
    if why.premises is None:
        return ()
    at = situation(
        why.exposure,
        why.costs,
        why.gas,
        hedge=why.hedge,
        hedge_ratio=why.hedge_ratio,
        sigma=why.sigma,
        risk_aversion_per_usd=why.risk_aversion,
        remaining_years=why.premises.remaining_years,
        check_years=why.premises.check_years,
        max_net=why.premises.max_net,
    )
    return what_ifs(at, why.band, why.premises.sigma_x, policy_of(why.premises.strategy))


def what_ifs(at: Situation, band: Band, sigma_x: float, policy: Policy) -> tuple[Sensitivity, ...]:
    """Return *band* at half and double each number that somebody may have got wrong.

    The delta is taken to move at *sigma_x* base per √year, so that no other price is asked for: the
    new band over that of the same simplification, times *band*. Nothing if no number decides.
    """
    if not 0.0 < band.outer < FAR:
        return ()
    # No band depends on the error of now, and from zero no target has to be searched for.
    simple = replace(at, delta_at=None, gamma=sigma_x / (at.price * at.sigma), net=0.0)
    usual = policy(simple).band
    return tuple(
        Sensitivity(
            of,
            times,
            *_in_proportion(band, policy(_with(simple, of, times)).band, usual, at.max_net),
        )
        for of in ("sigma", "gas", "fee", "risk aversion")
        for times in TIMES
    )


def _in_proportion(band: Band, other: Band, usual: Band, most: float) -> tuple[float, float]:
    outer = band.outer * other.outer / usual.outer if usual.outer else other.outer
    outer = min(outer, most)
    inner = band.inner * other.inner / usual.inner if usual.inner else other.inner
    return outer, min(inner, outer)


def _with(at: Situation, of: str, times: float) -> Situation:
    if of == "sigma":
        return replace(at, sigma=at.sigma * times, risk_weight=at.risk_weight * times * times)
    if of == "gas":
        gas = at.gas and replace(
            at.gas,
            cheap_usd=at.gas.cheap_usd * times,
            expensive_usd=at.gas.expensive_usd * times,
        )
        return replace(at, fixed_usd=at.fixed_usd * times, gas=gas)
    if of == "fee":
        return replace(at, prop_usd=at.prop_usd * times)
    return replace(at, risk_weight=at.risk_weight * times)
