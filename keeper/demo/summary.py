"""From what was seen block by block to the table, the picture's data and the JSON of the demo."""

from collections.abc import Sequence

from msgspec import Struct

from keeper.sim.replay import Costs, Ledger, Mark, every_block, pnl_sd_usd, replay, threshold

NAIVE_THRESHOLD = 0.05


class Row(Struct, frozen=True):
    """One block as an observer beside the keeper saw it, over a connection of its own."""

    number: int
    at_s: int
    price: float
    delta: float
    gamma: float
    hedge: float
    band_outer: float
    band_inner: float
    gas_gwei: float
    gas_usd: float
    """What one hedge transaction would cost in this block."""
    reachable: bool = True
    """Whether the node answered: while it fails, no keeper can act, whatever its policy."""

    @property
    def net(self) -> float:
        """Vault and hedge together."""
        return self.delta + self.hedge

    def mark(self) -> Mark:
        """Return the part of the row that does not depend on who hedges."""
        return Mark(self.price, self.delta, self.gamma, self.gas_usd, self.reachable)


class Books(Struct, frozen=True):
    """What the journal and the chain say the keeper did."""

    ticks: int
    intents: int
    transactions: int
    effects: int
    """Changes of the hedge account's position that the venue's own events show."""
    done: int
    open_intents: int
    gas_usd: float
    fees_usd: float


class Summary(Struct, frozen=True, kw_only=True):
    """The one JSON object of the demo; the names are a contract."""

    blocks: int
    ticks: int
    intents: int
    transactions: int
    double_effects: int
    open_intents: int
    unhedged_pnl_sd_usd: float
    hedged_pnl_sd_usd: float
    risk_removed_pct: float
    gas_usd: float
    fees_usd: float
    naive_every_block_cost_usd: float
    naive_threshold_cost_usd: float
    naive_threshold_pnl_sd_usd: float
    max_abs_net_delta_base: float
    final_net_delta_base: float
    final_band_outer_base: float
    seconds: float


class Comparison(Struct, frozen=True):
    """The naive keepers, replayed on the same path with the same costs."""

    every_block: Ledger
    threshold: Ledger


def compare(rows: Sequence[Row], fee_rate: float) -> Comparison:
    """Replay the naive keepers on the path this keeper met, with its fees and its gas.

    Price impact is left out on both sides: the keeper's booked costs do not hold it either.
    """
    marks = [row.mark() for row in rows]
    costs = Costs(fee_rate=fee_rate, impact_per_base=0.0)
    return Comparison(
        every_block=replay(marks, every_block, costs),
        threshold=replay(marks, threshold(NAIVE_THRESHOLD), costs),
    )


def summarise(rows: Sequence[Row], books: Books, naive: Comparison, *, seconds: float) -> Summary:
    """Return the summary. Risk is counted from the first block with a hedge, for everybody."""
    start = next((i for i, row in enumerate(rows) if row.hedge), 0)
    hedged = rows[start:]
    marks = [row.mark() for row in hedged]
    unhedged_sd = pnl_sd_usd(marks, [row.delta for row in hedged])
    hedged_sd = pnl_sd_usd(marks, [row.net for row in hedged])
    return Summary(
        blocks=len(rows),
        ticks=books.ticks,
        intents=books.intents,
        transactions=books.transactions,
        double_effects=max(0, books.effects - books.done),
        open_intents=books.open_intents,
        unhedged_pnl_sd_usd=unhedged_sd,
        hedged_pnl_sd_usd=hedged_sd,
        risk_removed_pct=100 * (1 - hedged_sd / unhedged_sd) if unhedged_sd else 0.0,
        gas_usd=books.gas_usd,
        fees_usd=books.fees_usd,
        naive_every_block_cost_usd=naive.every_block.cost_usd,
        naive_threshold_cost_usd=naive.threshold.cost_usd,
        naive_threshold_pnl_sd_usd=pnl_sd_usd(marks, naive.threshold.net[start:]),
        max_abs_net_delta_base=max(abs(row.net) for row in hedged),
        final_net_delta_base=rows[-1].net,
        final_band_outer_base=rows[-1].band_outer,
        seconds=seconds,
    )
