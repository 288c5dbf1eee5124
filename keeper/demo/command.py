"""`./scripts/demo` and `keeper demo`: play the day, compare, draw, and sum up in one object."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import msgspec
from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console

from keeper.demo.picture import draw
from keeper.demo.show import Day, Played, play_day
from keeper.demo.summary import Comparison, Summary, compare, summarise
from keeper.demo.view import View, comparison
from keeper.model.errors import KeeperError
from keeper.sim.paths import read_csv


class Report(Struct, frozen=True):
    """A day with its reckoning."""

    played: Played
    naive: Comparison
    summary: Summary


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line of stdout.")
@click.option(
    "--blocks", type=click.IntRange(20, 10_000), default=300, show_default=True,
    help="How many; a day is cut into that many.",
)  # fmt: skip
@click.option("--seed", type=int, default=7, show_default=True, help="Of the invented path.")
@click.option(
    "--prices", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV with columns ts,price to replay in place of an invented path.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"),
    show_default=True, help="Where the picture, the journal and keeper.toml are left.",
)  # fmt: skip
def demo(*, as_json: bool, blocks: int, seed: int, prices: Path | None, out: Path) -> None:
    """Hedge a real vault on a real perpetuals venue for a compressed day, on a local chain."""
    console = Console(stderr=as_json)
    day = Day(blocks=blocks, seed=seed)
    try:
        if prices is not None:
            with prices.open(encoding="utf-8") as lines:
                day = replace(day, points=read_csv(lines))
        report = _play(day, console, out)
    except KeeperError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False)
        sys.exit(2)
    console.print(comparison(report.summary, report.naive))
    console.print(
        f"picture: {out / 'demo.png'}   journal: {out / 'keeper.db'}   "
        f"why: .venv/bin/keeper why --last 5 --config {out / 'keeper.toml'}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if as_json:
        sys.stdout.write(msgspec.json.encode(report.summary).decode() + "\n")


def _play(day: Day, console: Console, out: Path) -> Report:
    out.mkdir(parents=True, exist_ok=True)
    console.print(
        "A vault of ETH and a Uniswap v3 range is hedged on Perp v2 while the price falls 15 % and "
        "recovers,\nusers come and go, gas spikes, the WebSocket drops and the node fails. "
        "Every contract is the real one.",
        highlight=False,
    )
    with TemporaryDirectory(dir=out) as scratch:
        folder = Path(scratch)
        played = play_day(day, folder, View(console))
        for left in ("keeper.toml", "keeper.db"):
            (folder / left).replace(out / left)
    naive = compare(played.rows, played.fee_rate)
    summary = summarise(played.rows, played.books, naive, seconds=played.seconds)
    draw(out / "demo.png", played.rows, played.costs_usd, naive, summary)
    return Report(played, naive, summary)
