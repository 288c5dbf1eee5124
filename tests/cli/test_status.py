"""Where every book stands, from the journal."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from msgspec import structs

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli import status
from keeper.cli.opening import configured
from keeper.cli.setting import Setting
from keeper.model.events import Decided, Halted
from keeper.model.flow import Hold

Keeper = Callable[..., Result]


def test_a_book_is_shown_with_who_keeps_it(
    keeper: Keeper, journal: SqliteJournal, rebalance: Decided
) -> None:
    journal.append(rebalance)
    done = keeper("status")
    assert done.stdout.startswith(f"keeper        running, process {os.getpid()}\n\neth-lp · ")
    assert "  delta       +10.5, hedge -9.5, net +1\n" in done.stdout


def test_programs_get_the_same(keeper: Keeper, journal: SqliteJournal, rebalance: Decided) -> None:
    journal.append(rebalance)
    journal.append(Halted("margin", 1))
    document = json.loads(keeper("status", "--json").stdout)
    assert document["halted"] == "margin"
    assert document["books"][0]["latest"]["decision"]["units"] == -0.7
    assert document["running_pid"] == str(os.getpid())


def test_the_newest_readable_decision_is_found_behind_unreadable_ones(
    journal: SqliteJournal, rebalance: Decided, home: Path
) -> None:
    setting = Setting()
    setting.config = home / "keeper.toml"
    blind = structs.replace(rebalance, decision=Hold("the feed is stale"))
    journal.append(rebalance, blind, blind)
    (book,) = status.look(configured(setting), journal).books
    assert (book.latest, book.seen) == (blind, rebalance)


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_watching_draws_again_until_ctrl_c(
    keeper: Keeper, journal: SqliteJournal, rebalance: Decided, monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
) -> None:  # fmt: skip
    journal.append(rebalance)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("keeper.cli.status.time.sleep", pause)
    done = keeper("status", "--watch", "--every", "0.5", *flags)
    assert done.exit_code == 130
    assert pauses == [0.5] * 3
    if flags:
        assert [json.loads(line)["halted"] for line in done.stdout.splitlines()] == [None] * 3
