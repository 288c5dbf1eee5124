import sys
from io import StringIO
from math import sqrt

import pytest

from keeper.cli.setting import Setting
from keeper.cli.working import progress, workers


def test_one_worker_is_this_process() -> None:
    with workers(1) as executor:
        assert list(executor.map(sqrt, [4.0, 9.0])) == [2.0, 3.0]


def test_several_workers_are_processes_and_keep_the_order() -> None:
    with workers(2) as executor:
        assert list(executor.map(sqrt, [float(k * k) for k in range(20)])) == list(range(20))


def test_progress_hands_on_what_it_shows() -> None:
    with progress(Setting()) as show:
        assert list(show([1, 2, 3], "three", 3)) == [1, 2, 3]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "as_json", "shown"),
    [(Terminal(), False, True), (Terminal(), True, False), (StringIO(), False, False)],
    ids=["terminal", "JSON", "file"],
)
def test_progress_is_for_people_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, *, stream: StringIO, as_json: bool, shown: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    setting = Setting()
    setting.as_json = as_json
    with progress(setting) as show:
        list(show([1, 2, 3], "scenarios", 3))
    assert ("scenarios" in stream.getvalue()) is shown
