"""Replays a price path on a local world: prices, users, gas spikes and a feed that falls silent.

A scenario is a value: the steps are known before the first block, so that the same path can be
replayed by anybody, and printed.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from keeper.devnet.actions import price_move
from keeper.devnet.chain import Block, Tx
from keeper.devnet.world import World
from keeper.devnet.worlds import erc4626
from keeper.model.units import ETHER, GWEI
from keeper.sim.paths import Point

User = Literal["alice", "bob"]


class Transfer(Struct, frozen=True):
    """A user's deposit (positive) or withdrawal (negative), in WETH."""

    user: User
    weth: float


class Step(Struct, frozen=True, kw_only=True):
    """What happens in one block."""

    price: float
    seconds: int
    base_fee_wei: int
    feed_reports: bool = True
    transfer: Transfer | None = None


class Window(Struct, frozen=True):
    """From one fraction of the path to another."""

    start: float
    end: float

    def holds(self, at: float) -> bool:
        """Return whether *at* lies inside."""
        return self.start <= at < self.end


class Weather(Struct, frozen=True, kw_only=True):
    """What happens beside the price; positions are fractions of the path."""

    base_fee_gwei: float = 12.0
    spike_gwei: float = 150.0
    spikes: tuple[Window, ...] = (Window(0.48, 0.54), Window(0.76, 0.81))
    feed_outage: Window = Window(0.86, 0.91)
    transfers: tuple[tuple[float, Transfer], ...] = (
        (0.15, Transfer("alice", 25.0)),
        (0.28, Transfer("bob", -12.0)),
        (0.57, Transfer("bob", 18.0)),
        (0.79, Transfer("alice", -20.0)),
    )


def plan_steps(points: Sequence[Point], weather: Weather) -> tuple[Step, ...]:
    """Return one step for each move of the path."""
    count = len(points) - 1
    due = sorted(weather.transfers, key=lambda item: item[0])
    steps: list[Step] = []
    for i in range(count):
        at = i / count
        transfer = due.pop(0)[1] if due and due[0][0] <= at else None
        spike = any(window.holds(at) for window in weather.spikes)
        gwei = weather.spike_gwei if spike else weather.base_fee_gwei
        steps.append(
            Step(
                price=points[i + 1].price,
                seconds=points[i + 1].at_s - points[i].at_s,
                base_fee_wei=round(gwei * GWEI),
                feed_reports=not weather.feed_outage.holds(at),
                transfer=transfer,
            )
        )
    return tuple(steps)


def play(world: World, step: Step) -> Block:
    """Make one block of the scenario; what waits in the mempool is mined with it."""
    txs = price_move(world, step.price, report=step.feed_reports)
    if step.transfer is not None:
        txs += (_transfer(world, step.transfer),)
    world.chain.submit(*txs)
    return world.chain.mine(seconds=step.seconds, base_fee_wei=step.base_fee_wei)


def _transfer(world: World, transfer: Transfer) -> Tx:
    owner = getattr(world.accounts, transfer.user).address
    amount_wei = round(abs(transfer.weth) * ETHER)
    if transfer.weth > 0:
        return erc4626.deposit(world.vault, owner, amount_wei)
    return erc4626.withdraw(world.vault, owner, amount_wei)
