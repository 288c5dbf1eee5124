"""Run the keeper's own decision along a market, bar by bar or only where it could trade.

What thinks is `core.decide`, as it does live: here it is given snapshots of a market, and its
orders are filled by a simulated hedge account. In each bar, in this order: an order of the bar
before is filled, a margin that is gone is liquidated, and the keeper looks. At the last bar it does
not: nothing comes after it.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeAlias

import numpy as np
from msgspec import Meta, Struct

from keeper.core import fees, gas_regime, volatility
from keeper.core.arrays import Floats, Ints
from keeper.core.decide import EwmaVolatility, Memory, Policy, Terms, decide
from keeper.core.limits import Activity
from keeper.model.chain import BlockRef, ChainId
from keeper.model.flow import Costs, Decision, GasState, Hold, Rebalance, Snapshot, VolState
from keeper.model.market import Quote
from keeper.model.position import VaultState
from keeper.model.units import DAY_S, MS_PER_S, wei_to_ether
from keeper.sim.hedge_account import Carry, HedgeAccount, VenueTerms
from keeper.sim.holding import Held
from keeper.sim.market import Market

CHAIN: Final = ChainId(31337)
CALM: Final = frozenset({"inside the band", "nothing to trade"})
"""Reasons to hold that are no refusals: nothing was wanted."""

Thinking: TypeAlias = Callable[[Snapshot, Terms, Memory], Decision]
Scout: TypeAlias = Callable[[int, float], int]
"""(bar, hedge) → the first bar from there on where the keeper has to look; past the last: none."""


class Scene(Struct, frozen=True, eq=False):
    """Everything but the keeper."""

    market: Market
    held: Held
    venue: VenueTerms = VenueTerms()
    latency_bars: Annotated[int, Meta(ge=0, le=1)] = 0
    """An order is filled at the bar it was decided on, or at the next one, at its price and gas."""


class Run(Struct, frozen=True, eq=False):
    """What a keeper did. Arrays have one entry per change of the hedge, in order of time."""

    bar: Ints
    units: Floats
    fee_usd: Floats
    slippage_usd: Floats
    gas_usd: Floats
    liquidations: tuple[tuple[int, float], ...]
    """(bar, fee in USD) where the venue closed the hedge; the change is in the arrays too."""
    lost: tuple[tuple[int, float], ...]
    """(bar, gas in USD) of orders that the venue refused: the price had moved too far."""
    messages: int
    """Orders sent, filled or not."""
    looks: int
    """How often the keeper thought."""
    refusals: Mapping[str, int]
    """Why it did not trade although it wanted to, and how often."""

    @property
    def trades(self) -> int:
        """Return how many orders were filled."""
        return len(self.bar) - len(self.liquidations)


def run(scene: Scene, terms: Terms, *, scout: Scout | None = None, think: Thinking = decide) -> Run:
    """Return what a keeper on *terms* does in *scene*; without a *scout* it looks at every bar.

    Raises:
        BadData: The decision could not be made.

    """
    replay = _Replay(scene, terms, think)
    replay.go(scout or _every_bar)
    return replay.result()


def _every_bar(bar: int, _hedge: float) -> int:
    return bar


class _Replay:
    """The keeper, its account and the clock, on their way along the market."""

    def __init__(self, scene: Scene, terms: Terms, think: Thinking) -> None:
        self.scene, self.terms, self.think = scene, terms, think
        market = scene.market
        self.account = HedgeAccount(scene.venue, market, Carry.of(market))
        self.gas_usd = gas_usd(scene, terms.tip_wei)
        self.states = volatility_states(market, terms.policy)
        self.gas_states = gas_states(market, terms.tip_wei)
        self.order: Rebalance | None = None
        self.ordered_at: int | None = None
        self.gas_paid: deque[tuple[int, float]] = deque()
        self.rows: list[tuple[int, float, float, float, float]] = []
        self.liquidations: list[tuple[int, float]] = []
        self.lost: list[tuple[int, float]] = []
        self.messages = self.looks = 0
        self.refusals: Counter[str] = Counter()

    def go(self, scout: Scout) -> None:
        bar, last = 0, self.scene.market.bars - 1
        while bar <= last:
            if self.order is not None:
                self._execute(bar, self.order)
            look_at = min(scout(bar, self.account.size_base), last)
            gone = self.account.liquidated_at(bar, look_at + 1)
            if gone is not None:
                self._liquidate(gone)
                bar = gone
                continue
            if look_at < last:
                self._look(look_at)
            bar = look_at + 1

    def result(self) -> Run:
        bar, units, fee, slippage, gas = zip(*self.rows, strict=True) if self.rows else [()] * 5
        return Run(
            bar=np.array(bar, dtype=np.int64),
            units=np.array(units, dtype=np.float64),
            fee_usd=np.array(fee, dtype=np.float64),
            slippage_usd=np.array(slippage, dtype=np.float64),
            gas_usd=np.array(gas, dtype=np.float64),
            liquidations=tuple(self.liquidations),
            lost=tuple(self.lost),
            messages=self.messages,
            looks=self.looks,
            refusals=dict(self.refusals),
        )

    def _look(self, bar: int) -> None:
        self.looks += 1
        decision = self.think(self._snapshot(bar), self.terms, self._memory(bar))
        if isinstance(decision, Rebalance):
            self.messages += 1
            self.ordered_at = bar
            self.order = decision
            if self.scene.latency_bars == 0:
                self._execute(bar, decision)
        elif not (isinstance(decision, Hold) and decision.reason in CALM):
            self.refusals[decision.reason] += 1

    def _execute(self, bar: int, order: Rebalance) -> None:
        self.order = None
        gas_usd = float(self.gas_usd[bar])
        self.gas_paid.append((int(self.scene.market.at_s[bar]), gas_usd))
        venue, price = self.scene.venue, float(self.scene.market.price[bar])
        fill_price = self.account.fill_price(bar, order.units)
        if (fill_price - order.worst_price) * order.units > 0:
            self.lost.append((bar, gas_usd))
            self.refusals["beyond the worst price"] += 1
            return
        fee_usd = venue.fee_fraction * abs(order.units) * price
        slippage_usd = (fill_price - price) * order.units
        self.account.fill(bar, order.units, fee_usd + slippage_usd)
        self.rows.append((bar, order.units, fee_usd, slippage_usd, gas_usd))

    def _liquidate(self, bar: int) -> None:
        units = -self.account.size_base
        price = float(self.scene.market.price[bar])
        fee_usd = self.scene.venue.liquidation_fee_fraction * abs(units) * price
        self.account.fill(bar, units, fee_usd)
        self.liquidations.append((bar, fee_usd))
        self.rows.append((bar, units, 0.0, 0.0, 0.0))

    def _snapshot(self, bar: int) -> Snapshot:
        market = self.scene.market
        at_s = int(market.at_s[bar])
        return Snapshot(
            chain_id=CHAIN,
            block=BlockRef(
                number=bar,
                hash=f"0x{bar:064x}",
                parent_hash=f"0x{max(bar - 1, 0):064x}",
                timestamp_s=at_s,
                base_fee_wei=int(market.base_fee_wei[bar]),
            ),
            vaults={"held": VaultState(legs=self.scene.held.legs_at(bar))},
            quote=_quote(float(market.price[bar]), at_s),
            native_quote=_quote(float(market.native_price[bar]), at_s),
            venue=self.account.state(bar),
        )

    def _memory(self, bar: int) -> Memory:
        now_s = int(self.scene.market.at_s[bar])
        while self.gas_paid and self.gas_paid[0][0] <= now_s - DAY_S:
            self.gas_paid.popleft()
        traded_s = None if self.ordered_at is None else int(self.scene.market.at_s[self.ordered_at])
        return Memory(
            activity=Activity(
                now_ms=now_s * MS_PER_S,
                last_trade_at_ms=None if traded_s is None else traded_s * MS_PER_S,
                gas_usd_24h=sum(usd for _, usd in self.gas_paid),
            ),
            gas_units=self.scene.venue.gas_units,
            volatility=self.states[bar] if self.states else None,
            gas=self.gas_states[bar] if self.gas_states else None,
        )


def _quote(price: float, at_s: int) -> Quote:
    return Quote("market", price, at_s, max_age_s=DAY_S)


def costs_along(scene: Scene, tip_wei: int) -> list[Costs]:
    """Return, by bar, what a hedge costs there."""
    venue = scene.venue
    return [
        Costs(
            gas_units=venue.gas_units,
            gas_price_wei=price_wei,
            fixed_usd=wei_to_ether(venue.gas_units * price_wei) * native_price,
            proportional_rate=venue.fee_fraction,
            impact_per_base=venue.impact_per_base,
        )
        for price_wei, native_price in zip(
            gas_prices_wei(scene.market, tip_wei), scene.market.native_price.tolist(), strict=True
        )
    ]


def gas_usd(scene: Scene, tip_wei: int) -> Floats:
    """Return, by bar, the gas of one hedge transaction."""
    return np.array([costs.fixed_usd for costs in costs_along(scene, tip_wei)])


def gas_prices_wei(market: Market, tip_wei: int) -> list[int]:
    """Return, by bar, what the keeper expects to pay for one gas."""
    return [
        fees.expected_price_wei(base_fee_wei=fee, tip_wei=tip_wei)
        for fee in market.base_fee_wei.tolist()
    ]


def gas_states(market: Market, tip_wei: int) -> list[GasState | None]:
    """Return what the keeper knew of cheap and dear gas before each bar, and after the last.

    [] if gas never moves: then there is nothing to know. Folded over every bar, as volatility is.
    """
    if (market.base_fee_wei == market.base_fee_wei[0]).all():
        return []
    states: list[GasState | None] = [None]
    for price_wei, at_s in zip(gas_prices_wei(market, tip_wei), market.at_s.tolist(), strict=True):
        states.append(gas_regime.fold(states[-1], max(price_wei, 1), at_s))
    return states


def volatility_states(market: Market, policy: Policy) -> list[VolState | None]:
    """Return what the keeper knew of volatility before each bar, and after the last; [] if fixed.

    Live, each look folds in the newest round. Here the rounds between two looks of an
    event-skipping run were seen too, so all are folded in beforehand.
    """
    law = policy.volatility
    if not isinstance(law, EwmaVolatility):
        return []
    states: list[VolState | None] = [None]
    for price, seen_s in zip(market.price.tolist(), market.at_s.tolist(), strict=True):
        states.append(
            volatility.fold(states[-1], _quote(price, seen_s), half_life_s=law.half_life_s)
        )
    return states


def hedges(run: Run, bars: int) -> Floats:
    """Return the hedge held from each bar on."""
    changes = np.zeros(bars)
    np.add.at(changes, run.bar, run.units)
    held: Floats = np.cumsum(changes)
    return held
