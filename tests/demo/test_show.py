"""A short day, with the real keeper on the real contracts."""

import io
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.demo.command import _play
from keeper.demo.show import Day, play_day
from keeper.demo.summary import compare, summarise
from keeper.demo.view import View
from keeper.model.chain import ChainId
from keeper.sim.paths import Point

SHORT = Day(blocks=40, node_fails_s=0.4)

pytestmark = pytest.mark.anvil


def test_a_day_ends_hedged_with_nothing_open_and_nothing_done_twice(tmp_path: Path) -> None:
    played = play_day(SHORT, tmp_path, View(Console(file=io.StringIO())))
    naive = compare(played.rows, played.fee_rate)
    summary = summarise(played.rows, played.books, naive, seconds=played.seconds)
    assert summary.double_effects == 0
    assert summary.open_intents == 0
    assert abs(summary.final_net_delta_base) <= summary.final_band_outer_base
    assert summary.intents >= 2
    assert 0 < summary.gas_usd + summary.fees_usd < summary.naive_every_block_cost_usd
    assert len(played.costs_usd) == len(played.rows) >= 40
    assert played.costs_usd[-1] == pytest.approx(summary.gas_usd + summary.fees_usd)
    with SqliteJournal.beside(tmp_path / "keeper.db", ChainId(31337)) as journal:
        journal.verify()
        assert journal.totals().transactions == summary.transactions


def test_a_recorded_path_is_replayed_and_the_command_leaves_its_picture(tmp_path: Path) -> None:
    points = tuple(Point(i * 288, 2_000.0 - 8 * i) for i in range(25))
    day = replace(SHORT, points=points)
    report = _play(day, Console(file=io.StringIO()), tmp_path)
    assert [row.price for row in report.played.rows[:24]] == [p.price for p in points[1:]]
    assert {p.name for p in tmp_path.iterdir()} >= {"demo.png", "keeper.toml", "keeper.db"}
    assert report.summary.blocks == len(report.played.rows)
