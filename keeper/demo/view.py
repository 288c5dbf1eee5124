"""What a person sees while the day is played."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from keeper.demo.ledger import Ledger
from keeper.demo.summary import Comparison, Row, Summary

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60
EVERY = 25
"""A line for so many blocks where there is no terminal to draw on."""


class View:
    """A live panel on a terminal, a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = (
            Live(console=console, refresh_per_second=8, transient=True)
            if console.is_terminal
            else None
        )
        self._weather = ""

    def begin(self) -> None:
        """Start drawing."""
        if self._live is not None:
            self._live.start()

    def show(self, rows: Sequence[Row], ledger: Ledger, weather: str) -> None:
        """Show the newest block."""
        if self._live is not None:
            self._live.update(panel(rows, ledger, weather))
        elif len(rows) % EVERY == 0 or (weather and weather != self._weather):
            said = line(rows[-1], len(rows), ledger, weather)
            self._console.print(said, highlight=False, soft_wrap=True)
        self._weather = weather

    def end(self) -> None:
        """Stop drawing."""
        if self._live is not None:
            self._live.stop()


def line(row: Row, number: int, ledger: Ledger, weather: str) -> str:
    """Return one block in one line."""
    return (
        f"block {number:>4}  ETH {row.price:8,.2f}  vault {row.delta:+8.2f}  "
        f"hedge {row.hedge:+8.2f}  net {row.net:+6.2f} in ±{row.band_outer:.2f}  "
        f"gas {row.gas_gwei:5.0f} gwei  cost {ledger.cost_usd:7,.0f} USD  "
        f"{weather or ledger.said}"
    )


def panel(rows: Sequence[Row], ledger: Ledger, weather: str) -> RenderableType:
    """Return the live picture."""
    row = rows[-1]
    table = Table.grid(padding=(0, 2))
    table.add_row("price", f"{row.price:,.2f} USD", sparkline([r.price for r in rows]))
    table.add_row("vault delta", f"{row.delta:+.3f} ETH", sparkline([r.delta for r in rows]))
    table.add_row("hedge", f"{row.hedge:+.3f} ETH", sparkline([r.hedge for r in rows]))
    table.add_row("net delta", f"{row.net:+.3f} ETH", gauge(row.net, row.band_outer))
    table.add_row("gas", f"{row.gas_gwei:,.0f} gwei", sparkline([r.gas_gwei for r in rows]))
    table.add_row("cost", f"{ledger.cost_usd:,.2f} USD", f"{ledger.transactions} transactions")
    table.add_row("decision", "", ledger.said)
    news = Text(weather or " ", style="bold yellow")
    return Panel(Group(table, news), title=f"hedge-keeper · block {len(rows)}", width=100)


def sparkline(values: Sequence[float]) -> str:
    """Return the last values as a line of bars."""
    seen = values[-WIDTH:]
    low, high = min(seen), max(seen)
    if high == low:
        return BARS[0] * len(seen)
    return "".join(BARS[int((v - low) / (high - low) * (len(BARS) - 1))] for v in seen)


def gauge(net: float, outer: float) -> str:
    """Return where *net* stands in a band of ±*outer*."""
    half = WIDTH // 4
    at = round(max(-2.0, min(2.0, net / outer if outer else 0.0)) * half / 2) + half
    cells = ["·"] * (2 * half + 1)
    cells[half // 2], cells[half], cells[half + half // 2] = "[", "|", "]"
    cells[at] = "●"
    return "".join(cells).replace("[", "\\[")


def comparison(summary: Summary, naive: Comparison) -> Table:
    """Return the closing table."""
    table = Table(title="The same day, four ways")
    for column in ("keeper", "transactions", "cost, USD", "risk (sd per block), USD"):
        table.add_column(column, justify="left" if column == "keeper" else "right")
    table.add_row("unhedged", "0", "0", f"{summary.unhedged_pnl_sd_usd:,.1f}")
    table.add_row(
        "every block",
        f"{naive.every_block.trades}",
        f"{summary.naive_every_block_cost_usd:,.0f}",
        f"{naive.every_block.pnl_sd_usd:,.1f}",
    )
    table.add_row(
        "5 % threshold",
        f"{naive.threshold.trades}",
        f"{summary.naive_threshold_cost_usd:,.0f}",
        f"{summary.naive_threshold_pnl_sd_usd:,.1f}",
    )
    table.add_row(
        "this keeper",
        f"{summary.transactions}",
        f"{summary.gas_usd + summary.fees_usd:,.0f}",
        f"{summary.hedged_pnl_sd_usd:,.1f}",
        style="bold",
    )
    return table
