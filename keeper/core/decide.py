"""From a snapshot to a decision, with every input and every gate's verdict written down."""

from math import copysign

from msgspec import Struct

from keeper.core import sizing
from keeper.core.explain import reasoning
from keeper.core.limits import (
    COOLDOWN,
    MIN_TRADE,
    REVERTS,
    Kind,
    reverts_gate,
    standing_gates,
    trade_gates,
)
from keeper.core.policies import Plan, policy_of
from keeper.core.problem import Problem, pose
from keeper.core.terms import EwmaVolatility, FixedVolatility, Memory, Policy, Terms
from keeper.model.flow import Band, Command, Decision, Gate, Halt, Hold, Rebalance, Snapshot

__all__ = (
    "DUST_BASE",
    "EwmaVolatility",
    "FixedVolatility",
    "Memory",
    "Policy",
    "Terms",
    "decide",
)

DUST_BASE = 1e-9
"""A hedge this small is flat: what is left of a float after eighteen decimals."""
PACING = frozenset({COOLDOWN, MIN_TRADE})
"""Gates that pace the policy's own trades; a person's command does not wait for them."""


def decide(
    snapshot: Snapshot, terms: Terms, memory: Memory, command: Command | None = None
) -> Decision:
    """Return what to do about one book.

    *command* is a person's wish: `rebalance` trades to the exact target even inside the band,
    `flatten` closes the hedge. Limits bind either.

    Raises:
        BadData: The price cannot be trusted, or a number is not finite.

    """
    problem = pose(snapshot, terms, memory)
    plan = policy_of(terms.policy.strategy)(problem.at)
    wish = _wish(problem, plan, command)
    sized = sizing.size(wish, problem.hedge, terms.limits)
    kind = Kind(
        urgent=abs(problem.at.net) >= problem.at.max_net,
        reduces=sized.reduce_only and sized.units != 0,
    )
    asked = _Asked(wish, sized.units, command, kind)
    gates = _gates(snapshot, terms, memory, problem, plan.band, asked)
    why = reasoning(snapshot, terms, problem, plan, sized.units, gates)
    refused = [gate.name for gate in gates if not gate.ok]
    if REVERTS in refused:
        return Halt(reason="too many transactions reverted within an hour", why=why)
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
        gas_cap_wei=terms.limits.gas_cap_wei(urgent=kind.urgent),
    )


class _Asked(Struct, frozen=True):
    wish: float
    units: float
    command: Command | None
    kind: Kind


def _wish(problem: Problem, plan: Plan, command: Command | None) -> float:
    net = problem.at.net
    if command == "flatten":
        return 0.0 if abs(problem.hedge) <= DUST_BASE else -problem.hedge
    if command == "rebalance":
        return 0.0 if abs(net) <= DUST_BASE else -net
    return plan.target - net if abs(net) >= plan.band.outer else 0.0


def _gates(  # the one place where everything that judges a trade meets
    snapshot: Snapshot,
    terms: Terms,
    memory: Memory,
    problem: Problem,
    band: Band,
    asked: _Asked,
) -> tuple[Gate, ...]:
    standing = standing_gates(snapshot, problem.costs, memory.activity, terms.limits, asked.kind)
    on_size = trade_gates(asked.units, snapshot.venue, problem.exposure.price, terms.limits)
    reverts = reverts_gate(memory.activity, terms.max_reverts_per_hour)
    gates = (_band_gate(problem.at.net, band, asked.command), *standing, reverts)
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
