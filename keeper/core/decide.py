"""From a snapshot to a decision, with every input and every gate's verdict written down."""

from math import copysign
from typing import Annotated, assert_never

from msgspec import Meta, Struct

from keeper.core import band as bands
from keeper.core import exposure as exposures
from keeper.core import fees, prices, sizing, volatility
from keeper.core.limits import (
    COOLDOWN,
    MIN_TRADE,
    Activity,
    Limits,
    standing_gates,
    trade_gates,
)
from keeper.model.chain import Address
from keeper.model.errors import ConfigError
from keeper.model.flow import (
    Band,
    Command,
    Costs,
    Decision,
    Exposure,
    Gate,
    Hold,
    Reasoning,
    Rebalance,
    Snapshot,
    VolState,
)
from keeper.model.units import YEAR_S, wei_to_ether

MAX_HEDGE_RATIO = 1.5
MAX_SIGMA = 10.0
"""Per year; beyond it somebody confused percent with fractions."""
DUST_BASE = 1e-9
"""A hedge this small is flat: what is left of a float after eighteen decimals."""
PACING = frozenset({COOLDOWN, MIN_TRADE})
"""Gates that pace the policy's own trades; a person's command does not wait for them."""


class FixedVolatility(Struct, frozen=True, forbid_unknown_fields=True, tag="fixed"):
    """`volatility = { type = "fixed", sigma = "80 %" }`: the owner's own number."""

    sigma_fraction: Annotated[float, Meta(le=MAX_SIGMA)]


class EwmaVolatility(Struct, frozen=True, forbid_unknown_fields=True, tag="ewma"):
    """`volatility = { type = "ewma", half_life = "24 h", floor = "30 %" }`: from the oracle."""

    half_life_s: int
    floor_fraction: Annotated[float, Meta(le=MAX_SIGMA)]
    """Used below it, and until there are two rounds."""


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[books.policy]` in keeper.toml: what the owner wants, free of how it is done."""

    hedge_ratio: float = 1.0
    """Share of the vaults' delta to hedge, 0 to 1.5."""
    risk_aversion_per_usd: float
    """γ of ½·γ·variance: how many USD of cost one USD² of variance is worth avoiding."""
    volatility: FixedVolatility | EwmaVolatility
    horizon_s: int = 7 * 24 * 3600
    """How long an error would stay if nobody traded: bounds patience when nothing moves."""

    def __post_init__(self) -> None:
        """Refuse what no owner can want."""
        if not 0 <= self.hedge_ratio <= MAX_HEDGE_RATIO:
            raise ConfigError("hedge_ratio must be within 0 and 1.5", value=self.hedge_ratio)
        if not self.risk_aversion_per_usd > 0:
            raise ConfigError(
                "risk_aversion must be above zero",
                value=self.risk_aversion_per_usd,
                remedy="1e-5 /USD is moderate; a larger value hedges more tightly",
            )
        if self.horizon_s <= 0:
            raise ConfigError("horizon must be above zero", value=self.horizon_s)


class Terms(Struct, frozen=True):
    """What one book's decisions are made under: fixed between two starts of the keeper."""

    book: str
    asset: Address
    policy: Policy
    limits: Limits
    tip_wei: int


class Memory(Struct, frozen=True):
    """What the past adds to a snapshot."""

    activity: Activity
    gas_units: int
    """Expected gas of one hedge transaction."""
    volatility: VolState | None


def decide(
    snapshot: Snapshot, terms: Terms, memory: Memory, command: Command | None = None
) -> Decision:
    """Return what to do about one book.

    *command* is a person's wish: `rebalance` trades to the exact target even inside the band,
    `flatten` closes the hedge. Limits bind either.

    Raises:
        BadData: The price cannot be trusted, or a number is not finite.

    """
    problem = _pose(snapshot, terms, memory)
    band = _band(problem)
    wish = _wish(problem, band, command)
    sized = sizing.size(wish, problem.hedge, terms.limits)
    gates = _gates(snapshot, terms, memory, problem, band, _Asked(wish, sized.units, command))
    why = _reasoning(snapshot, terms, problem, band, sized.units, gates)
    refused = [gate.name for gate in gates if not gate.ok]
    if refused:
        return Hold(reason=_reason(refused), why=why)
    if sized.units == 0:
        cut = ", ".join(sized.cut_by)
        return Hold(reason=f"no room: {cut}" if cut else "nothing to trade", why=why)
    slippage = copysign(terms.limits.max_slippage_fraction, sized.units)
    return Rebalance(
        units=sized.units,
        reduce_only=sized.reduce_only,
        worst_price=problem.exposure.price * (1 + slippage),
        why=why,
    )


class Problem(Struct, frozen=True, kw_only=True):
    """The band problem of `core/band`, in its own units, with the numbers it came from."""

    exposure: Exposure
    hedge: float
    net: float
    volatility: VolState | None
    sigma: float
    costs: Costs
    hedged_gamma: float
    sigma_x: float
    """How fast the net delta drifts by itself, base per √year."""
    risk_weight: float
    proportional_usd: float
    impact_usd: float
    horizon_years: float


class _Asked(Struct, frozen=True):
    wish: float
    units: float
    command: Command | None


def _pose(snapshot: Snapshot, terms: Terms, memory: Memory) -> Problem:
    policy = terms.policy
    price = prices.trusted_price(
        snapshot.quote,
        now_s=snapshot.block.timestamp_s,
        max_age_s=terms.limits.max_price_age_s,
    )
    legs = [leg for vault in snapshot.vaults.values() for leg in vault.legs]
    exposure = exposures.net(legs, terms.asset, price)
    state, sigma = _sigma(policy, memory.volatility, snapshot)
    costs = _costs(snapshot, terms, memory)
    gamma = policy.hedge_ratio * exposure.gamma
    return Problem(
        exposure=exposure,
        hedge=snapshot.venue.size_base,
        net=policy.hedge_ratio * exposure.delta + snapshot.venue.size_base,
        volatility=state,
        sigma=sigma,
        costs=costs,
        hedged_gamma=gamma,
        sigma_x=abs(gamma) * price * sigma,
        risk_weight=policy.risk_aversion_per_usd * (price * sigma) ** 2,
        proportional_usd=costs.proportional_rate * price,
        impact_usd=costs.impact_per_base * price,
        horizon_years=policy.horizon_s / YEAR_S,
    )


def _sigma(
    policy: Policy, state: VolState | None, snapshot: Snapshot
) -> tuple[VolState | None, float]:
    match policy.volatility:
        case FixedVolatility(sigma_fraction=sigma):
            return state, sigma
        case EwmaVolatility(half_life_s=half_life_s, floor_fraction=floor):
            folded = volatility.fold(state, snapshot.quote, half_life_s=half_life_s)
            return folded, volatility.sigma(folded, floor)
        case never:
            assert_never(never)


def _costs(snapshot: Snapshot, terms: Terms, memory: Memory) -> Costs:
    native = prices.trusted_price(
        snapshot.native_quote,
        now_s=snapshot.block.timestamp_s,
        max_age_s=terms.limits.max_price_age_s,
    )
    gas_price_wei = fees.expected_price_wei(
        base_fee_wei=snapshot.block.base_fee_wei, tip_wei=terms.tip_wei
    )
    return Costs(
        gas_units=memory.gas_units,
        gas_price_wei=gas_price_wei,
        fixed_usd=wei_to_ether(memory.gas_units * gas_price_wei) * native,
        proportional_rate=snapshot.venue.fee_rate,
        impact_per_base=snapshot.venue.impact_per_base,
    )


def _band(problem: Problem) -> Band:
    band = bands.optimal_band(
        sigma_x=problem.sigma_x,
        risk_weight=problem.risk_weight,
        fixed_cost=problem.costs.fixed_usd,
        prop_cost=problem.proportional_usd,
        impact=problem.impact_usd,
    )
    return bands.horizon_guard(
        band,
        fixed_cost=problem.costs.fixed_usd,
        prop_cost=problem.proportional_usd,
        risk_weight=problem.risk_weight,
        horizon_years=problem.horizon_years,
    )


def _wish(problem: Problem, band: Band, command: Command | None) -> float:
    if command == "flatten":
        return 0.0 if abs(problem.hedge) <= DUST_BASE else -problem.hedge
    if command == "rebalance":
        return 0.0 if abs(problem.net) <= DUST_BASE else -problem.net
    if abs(problem.net) < band.outer:
        return 0.0
    target = bands.rebalance_target(
        problem.net,
        band,
        sigma_x=problem.sigma_x,
        risk_weight=problem.risk_weight,
        prop_cost=problem.proportional_usd,
        impact=problem.impact_usd,
    )
    return target - problem.net


def _gates(  # the one place where everything that judges a trade meets
    snapshot: Snapshot,
    terms: Terms,
    memory: Memory,
    problem: Problem,
    band: Band,
    asked: _Asked,
) -> tuple[Gate, ...]:
    standing = standing_gates(snapshot, problem.costs, memory.activity, terms.limits)
    on_size = trade_gates(asked.units, snapshot.venue, problem.exposure.price, terms.limits)
    gates = (_band_gate(problem.net, band, asked.command), *standing)
    if asked.wish:
        gates += on_size
    if asked.command is None:
        return gates
    return tuple(gate for gate in gates if gate.name not in PACING)


def _band_gate(net: float, band: Band, command: Command | None) -> Gate:
    if command is not None:
        return Gate("band", True, abs(net), band.outer, "base", f"{command} by hand")  # noqa: FBT003  # a row of a table
    return Gate("band", abs(net) >= band.outer, abs(net), band.outer, "base", "at least")


def _reason(refused: list[str]) -> str:
    if refused[0] == "band":
        return "inside the band"
    return "refused: " + ", ".join(refused)


def _reasoning(  # the record has all of it, or it does not explain
    snapshot: Snapshot,
    terms: Terms,
    problem: Problem,
    band: Band,
    units: float,
    gates: tuple[Gate, ...],
) -> Reasoning:
    return Reasoning(
        book=terms.book,
        block=snapshot.block,
        exposure=problem.exposure,
        hedge=problem.hedge,
        hedge_ratio=terms.policy.hedge_ratio,
        net=problem.net,
        band=band,
        costs=problem.costs,
        risk_aversion=terms.policy.risk_aversion_per_usd,
        sigma=problem.sigma,
        volatility=problem.volatility,
        risk_now_usd_per_year=bands.risk_rate(problem.net, problem.risk_weight),
        trade_cost_usd=_trade_cost_usd(units, problem),
        trade_benefit_usd=_benefit_usd(units, band, problem),
        gates=gates,
        would_trade_if=_would_trade_if(problem, band),
    )


def _trade_cost_usd(units: float, problem: Problem) -> float:
    if units == 0:
        return 0.0
    size = abs(units)
    return (
        problem.costs.fixed_usd + problem.proportional_usd * size + problem.impact_usd * size * size
    )


def _benefit_usd(units: float, band: Band, problem: Problem) -> float:
    """Risk that the trade takes away while the error would have lived, before its cost."""
    if units == 0:
        return 0.0
    before = bands.risk_rate(problem.net, problem.risk_weight)
    after = bands.risk_rate(problem.net + units, problem.risk_weight)
    return (before - after) * _error_life_years(band, problem)


def _error_life_years(band: Band, problem: Problem) -> float:
    # A driftless error of size x with volatility σx takes about x²/σx² to diffuse back to zero;
    # beyond the horizon nobody counts.
    if problem.sigma_x == 0:
        return problem.horizon_years
    spread = max(abs(problem.net), band.outer)
    return min(problem.horizon_years, (spread / problem.sigma_x) ** 2)


def _would_trade_if(problem: Problem, band: Band) -> str:
    room = band.outer - abs(problem.net)
    if room <= 0:
        return "it is outside the band: only a gate can hold it back"
    words = f"net delta beyond ±{band.outer:.6g}: {room:.6g} more to the same side"
    if problem.hedged_gamma == 0:
        return words
    price, net = problem.exposure.price, problem.net
    # Gamma turns a move of the price into a move of the net delta, to first order.
    edges = ((edge - net) / problem.hedged_gamma for edge in (band.outer, -band.outer))
    levels = sorted(price + move for move in edges if price + move > 0)
    return words + ", or price near " + " or ".join(f"{level:,.2f}" for level in levels)
