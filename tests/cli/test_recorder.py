"""The exit code follows the worst of what happened."""

import pytest

from keeper.cli.recorder import Recorder
from keeper.model.events import Decided, Event, Halted, Troubled
from keeper.model.flow import Hold


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ((), 0),
        (("Transient",), 3),
        (("Rejected",), 4),
        (("Transient", "Rejected"), 4),
        (("Uncertain",), 5),
        (("Fatal",), 6),
        (("RpcError",), 3),
        (("annotations",), 3),
    ],
)
def test_trouble_becomes_an_exit_code(kinds: tuple[str, ...], code: int) -> None:
    recorder = Recorder()
    for kind in kinds:
        recorder.tell(Troubled(kind, "words", 1))
    assert recorder.exit == code


def test_a_halt_outweighs_everything() -> None:
    recorder = Recorder()
    recorder.tell(Halted("margin", 1))
    recorder.tell(Troubled("Transient", "words", 1))
    assert recorder.exit == 6


def test_decisions_are_kept_apart_from_the_rest(rebalance: Decided) -> None:
    recorder = Recorder()
    trouble: Event = Troubled("Transient", "words", 1)
    for event in (rebalance, trouble):
        recorder.tell(event)
    assert (recorder.decided, recorder.others) == ([rebalance], [trouble])


def test_a_book_that_could_not_be_read_is_not_ok(rebalance: Decided) -> None:
    recorder = Recorder()
    recorder.tell(rebalance)
    assert recorder.exit == 0
    recorder.tell(Decided("eth-lp", Hold("the feed is stale"), 1, ()))
    assert recorder.exit == 3
