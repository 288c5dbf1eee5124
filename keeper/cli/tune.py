"""`keeper tune`: from a wish about risk or cost to the numbers of keeper.toml."""

from typing import Any

import click

from keeper.cli.command import Command
from keeper.cli.numbers import plain
from keeper.cli.opening import configured, symbols
from keeper.cli.output import emit
from keeper.cli.scene_options import Bounds, chosen, quantity, scene_options
from keeper.cli.setting import Setting
from keeper.cli.staging import stage
from keeper.cli.working import progress, workers
from keeper.model.units import GWEI
from keeper.sim.tune import PASSES, Goal, Proposal
from keeper.sim.tune import tune as propose

GAS_PRICE_ROOM = 2
"""The cap on gas is this many times the highest base fee of the first scenario."""
SYMBOL = "ETH"
"""What amounts are written in without a book."""


@click.command(cls=Command)
@click.option(
    "--risk", callback=quantity("_usd", bounds=Bounds(above="0 USD")), metavar="USD",
    help="Risk that may be left: the standard deviation of a year's hedge error.",
)  # fmt: skip
@click.option(
    "--cost", callback=quantity("_usd", bounds=Bounds(above="0 USD")), metavar="USD",
    help="What hedging may cost a year: fees, slippage and gas.",
)  # fmt: skip
@scene_options
@click.pass_context
def tune(ctx: click.Context, /, risk: float | None, cost: float | None, **given: Any) -> None:
    """Propose a risk aversion and limits for a risk to leave, or a cost to pay.

    Tries many on the same scenarios; takes the cheapest within the risk, or the safest within the
    cost. More --scenarios make it steadier. It changes no file: copy what you like.
    """
    setting = ctx.ensure_object(Setting)
    options = chosen(given)
    goal = Goal(risk_usd=risk, cost_usd=cost)
    staged = stage(options, setting)
    book = options.book
    symbol = SYMBOL if book is None else symbols(configured(setting, book))[book]
    gas_gwei = GAS_PRICE_ROOM * float(staged.first.market.base_fee_wei.max()) / GWEI
    with progress(setting) as show, workers(options.workers) as executor:
        proposal = propose(
            staged.places,
            staged.terms,
            goal,
            executor,
            shown=lambda found: show(found, "scenarios", PASSES * len(staged.places)),
        )
    emit(
        setting,
        {"proposal": proposal, "max_gas_price_gwei": gas_gwei},
        lambda: text(proposal, symbol, gas_gwei),
    )


def text(proposal: Proposal, symbol: str, gas_gwei: float) -> str:
    """Return what to expect, and what to write into keeper.toml."""
    best, room = proposal.chosen, proposal.room
    pooled = best.pooled
    head = (
        f"risk {best.risk_usd:,.0f} USD per √year, cost {best.cost_usd:,.0f} USD a year, "
        f"{pooled.trades.value:,.1f} trades in {proposal.days:,.0f} days; "
        f"scenarios: {pooled.scenarios}"
    )
    limits = {
        "min_trade": f"{plain(room.min_trade_base)} {symbol}",
        "max_order": f"{plain(room.max_order_base)} {symbol}",
        "max_position": f"{plain(room.max_position_base)} {symbol}",
        "max_leverage": None if room.max_leverage_x is None else f"{plain(room.max_leverage_x)} x",
        "max_gas_price": f"{plain(gas_gwei)} gwei",
        "daily_gas_budget": f"{plain(room.daily_gas_budget_usd)} USD",
    }
    return "\n".join((
        head,
        "",
        "[books.policy]",
        f'risk_aversion = "{best.risk_aversion_per_usd:.3g} /USD"',
        "",
        "[books.limits]",
        *(f'{key} = "{value}"' for key, value in limits.items() if value is not None),
    ))  # fmt: skip
