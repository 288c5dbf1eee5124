"""Is somebody acting on this journal?"""

import os
from pathlib import Path

import pytest

from keeper.adapters.stores.sqlite import SqliteJournal
from keeper.cli.holder import acting_pid
from keeper.model.chain import ChainId


def test_a_journal_that_nobody_acts_on_has_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "keeper.db"
    assert acting_pid(path) is None
    SqliteJournal.acting(path, ChainId(1)).close()
    assert acting_pid(path) is None


def test_the_holder_is_named_by_its_process(tmp_path: Path) -> None:
    path = tmp_path / "keeper.db"
    with SqliteJournal.acting(path, ChainId(1)):
        assert acting_pid(path) == str(os.getpid())


def test_a_holder_that_belongs_to_somebody_else_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_pid: int, _signal: int) -> None:
        raise PermissionError

    path = tmp_path / "keeper.db"
    with SqliteJournal.acting(path, ChainId(1)):
        monkeypatch.setattr(os, "kill", refuse)
        assert acting_pid(path) == str(os.getpid())


@pytest.mark.parametrize("left_behind", ["", "not a number", "999999999"])
def test_what_a_dead_keeper_left_behind_is_nobody(tmp_path: Path, left_behind: str) -> None:
    (tmp_path / "keeper.db.lock").write_text(left_behind)
    assert acting_pid(tmp_path / "keeper.db") is None
